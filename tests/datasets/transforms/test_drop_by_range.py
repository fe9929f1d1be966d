"""Drop-out by range: the probabilities, what is drawn from them, and the density that is left."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet3d.structures import LiDARPoints

from strl_mmdet3d.datasets.transforms import RandomDropByRange


def at(ranges: np.ndarray, seed: int = 0) -> LiDARPoints:
    """Points at these distances from the sensor, in random directions; the fourth channel numbers them."""
    direction = np.random.default_rng(seed).normal(size=(len(ranges), 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    table = np.column_stack([direction * np.asarray(ranges)[:, None], np.arange(len(ranges))])
    return LiDARPoints(table.astype(np.float32), points_dim=4)


@given(
    ranges=st.lists(st.floats(0, 100), min_size=1, max_size=50),
    ratio=st.floats(0, 0.99),
    far=st.floats(1, 100),
)
def test_the_probability_to_stay_rises_with_the_range(ranges, ratio, far):
    staying = RandomDropByRange(far=far).staying(at(np.array(ranges)), ratio)
    expected = [max(1 - ratio, min(1.0, (r / far) ** 2)) for r in ranges]
    np.testing.assert_allclose(staying, expected, atol=1e-5)


def test_points_stay_as_often_as_that():
    """With the ratio uniform in [0, 0.7]: near points stay in 65 % of the draws, far ones always."""
    drop, points = RandomDropByRange(far=40), at(np.array([1.0, 5, 30, 41, 80]))
    stays = np.mean([drop.draw(points) for _ in range(10_000)], axis=0)
    # At 30 m a point stays with 1 - ratio, but at least with 0.5625.
    middle = np.mean([max(1 - ratio, 0.5625) for ratio in np.linspace(0, 0.7, 100_001)])
    np.testing.assert_allclose(stays, [0.65, 0.65, middle, 1, 1], atol=0.02)


def test_a_surface_has_the_same_density_at_every_range_once_enough_is_dropped():
    """Walls with 1 / r^2 of the points keep as many each, from far * sqrt(1 - ratio) to far."""
    drop, number = RandomDropByRange(far=40), []
    for r in (25.0, 30.0, 35.0, 40.0):
        wall = at(np.full(int(4e7 / r**2), r))
        number.append(drop.staying(wall, 0.7).sum())
    np.testing.assert_allclose(number, number[-1], rtol=1e-3)


def test_those_that_stay_are_the_drawn_ones_in_their_order(points):
    drop = RandomDropByRange(far=30)
    keep = drop.draw(points)
    before = points.tensor.clone()
    assert torch.equal(drop.apply(points, keep).tensor, before[torch.from_numpy(keep)])


@pytest.mark.parametrize('number', [1, 2])
def test_a_cloud_never_ends_empty(number):
    drop = RandomDropByRange(max_ratio=0.999)
    assert all(len(drop({'points': at(np.ones(number))})['points']) >= 1 for _ in range(200))
