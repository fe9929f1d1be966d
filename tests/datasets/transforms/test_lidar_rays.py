"""The cells of a LiDAR's rays: every direction is in one, and what is near in angle is near in cells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strl_mmdet3d.datasets.transforms.lidar_rays import is_around, nearest_returns, num_cells, place_of_sensor, rays_to

CELLS = st.tuples(st.floats(0.05, 10), st.floats(0.05, 10))


@given(CELLS, st.lists(st.tuples(*[st.floats(-100, 100, width=32)] * 3), min_size=1, max_size=30))
def test_every_direction_is_in_a_cell(cell, places):
    """Among them straight up, down and behind, where an angle ends."""
    ends = [(0, 0, 5), (0, 0, -5), (-5, 0, 0), (-5, -0.0, 0), (-5, 1e-9, 0), (0, 0, 0)]
    places = np.array([*places, *ends])
    rows, columns = num_cells(cell)
    rays = rays_to(places, cell)
    assert ((rays.row >= 0) & (rays.row < rows)).all()
    assert ((rays.column >= 0) & (rays.column < columns)).all()
    np.testing.assert_allclose(rays.distance, np.sqrt((places**2).sum(axis=1)), atol=1e-9)
    nearest = nearest_returns(rays, cell)
    assert nearest.shape == (rows, columns)
    for row, column, distance in zip(*rays, strict=True):
        mine = (rays.row == row) & (rays.column == column)
        assert nearest[row, column] == rays.distance[mine].min() <= distance
    assert np.isfinite(nearest).sum() == len(set(zip(rays.row, rays.column, strict=True)))


def test_cells_by_hand():
    rays = rays_to(np.array([[10, 0, 0], [0, 10, 0], [-10, 0.001, 0], [-10, -0.001, 0], [10, 0, 10.2]]), (0.4, 0.5))
    assert num_cells((0.4, 0.5)) == (360, 900)
    assert rays.column.tolist() == [450, 675, 899, 0, 450]
    assert rays.row.tolist() == [180, 180, 180, 180, 271]  # atan(1.02) is 45.6 degrees
    assert rays.distance == pytest.approx([10, 10, 10, 10, np.hypot(10, 10.2)])


def test_the_place_of_the_lidar_and_the_car_that_carries_it():
    turned = np.array([[0, -1, 0, 5], [1, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1.0]])
    assert place_of_sensor(dict(lidar2view_1=turned), (1, 0, 2)).tolist() == [5, 7, 9]
    assert is_around(np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0, 0, 1.01], [30, 0, 0]])).tolist() == [
        False,
        False,
        True,
        True,
    ]
