"""Hand-crafted features: known shapes, and invariances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strl_mmdet3d.evaluation.handcrafted import d2_histogram, handcrafted_features, occupancy, principal_sizes


def test_widths_and_parts():
    clouds = np.random.default_rng(0).normal(size=(5, 100, 3)).astype(np.float32)
    features = handcrafted_features(clouds, seed=0)
    assert features.shape == (5, 64 + 3 + 216)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features[:, :64].sum(axis=1), 1, atol=1e-6)
    assert set(np.unique(features[:, 67:])) == {0, 1}
    np.testing.assert_array_equal(features, handcrafted_features(clouds, seed=0))


@given(scale=st.floats(0.01, 100), shift=st.floats(-50, 50))
def test_neither_the_unit_nor_the_place_matters(scale, shift):
    cloud = np.random.default_rng(1).normal(size=(1, 60, 3))
    once, again = handcrafted_features(cloud, seed=3), handcrafted_features(cloud * scale + shift, seed=3)
    np.testing.assert_allclose(again[:, 64:67], once[:, 64:67], atol=1e-5)
    assert (again[:, 67:] == once[:, 67:]).mean() > 0.99  # a point may lie on the wall of a cell


def test_two_places_are_zero_apart_or_two():
    ends = np.array([[-1.0, 0, 0], [1.0, 0, 0]])
    histogram = d2_histogram(ends, np.random.default_rng(0))
    assert histogram[0] + histogram[-1] == 1
    assert histogram[0] == pytest.approx(0.5, abs=0.05)


def test_a_box_has_the_deviations_of_uniform_distributions():
    box = np.random.default_rng(0).uniform(-1, 1, (200_000, 3)) * [0.1, 0.4, 0.7]
    np.testing.assert_allclose(principal_sizes(box), np.array([0.7, 0.4, 0.1]) / np.sqrt(3), rtol=0.01)


def test_occupied_cells_by_hand():
    grid = occupancy(np.array([[-1.0, -1, -1], [1, 1, 1], [0.01, -0.99, 0.4]])).reshape(6, 6, 6)
    assert sorted(map(tuple, np.argwhere(grid).tolist())) == [(0, 0, 0), (3, 0, 4), (5, 5, 5)]


def test_a_cloud_of_one_place_is_finite():
    assert np.isfinite(handcrafted_features(np.ones((1, 10, 3)), seed=0)).all()
