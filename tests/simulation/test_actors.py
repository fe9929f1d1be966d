"""Sizes of the actors."""

from __future__ import annotations

import numpy as np
import pytest

from strl_mmdet3d.simulation.actors import car, cyclist, pedestrian

# Class: smallest and largest length, width, height in metres.
SIZES = {
    'Car': ([3.4, 1.55, 1.38], [4.8, 1.92, 1.80]),
    'Van': ([4.6, 1.80, 1.90], [5.8, 2.05, 2.50]),
    'Pedestrian': ([0.25, 0.35, 1.0], [1.4, 0.85, 1.95]),
    'Cyclist': ([1.5, 0.40, 1.55], [1.95, 0.75, 2.05]),
}


@pytest.mark.parametrize('builder', [car, pedestrian, cyclist])
def test_extents_are_plausible_and_stand_centred_on_the_origin(builder):
    rng = np.random.default_rng(0)
    for _ in range(25):
        kind, shape = builder(rng)
        for travelled in (0.0, 0.4, 3.1):
            low, high = shape(travelled).bounds
            np.testing.assert_allclose([*(low + high)[:2], low[2]], 0, atol=1e-9)
            assert np.all(high - low >= np.array(SIZES[kind][0]) - 1e-3), (kind, high - low)
            assert np.all(high - low <= np.array(SIZES[kind][1]) + 1e-3), (kind, high - low)


def test_cars_are_not_boxes_and_come_with_vans():
    rng = np.random.default_rng(1)
    kinds = set()
    for _ in range(60):
        kind, shape = car(rng)
        kinds.add(kind)
        body = shape(0.0)
        roof = body.vertices[body.vertices[:, 2] > 0.98 * body.bounds[1, 2]]
        assert np.ptp(roof[:, 0]) < 0.95 * np.ptp(body.vertices[:, 0])
    assert kinds == {'Car', 'Van'}


def test_cars_are_rigid_and_walkers_move_their_legs():
    rng = np.random.default_rng(2)
    rigid, walking, riding = car(rng)[1], pedestrian(rng)[1], cyclist(rng)[1]
    np.testing.assert_array_equal(rigid(0.0).vertices, rigid(0.5).vertices)
    for shape in (walking, riding):
        assert np.abs(shape(0.0).vertices - shape(0.5).vertices).max() > 0.05
