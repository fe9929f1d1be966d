"""The rays of a LiDAR: from its place to its returns, in cells of azimuth and elevation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

OWN_CAR = 1.0
"""Within this distance of the LiDAR, in metres, returns are from the car that carries it, as in mmdet3d's
``LoadPointsFromMultiSweeps(remove_close=True)``. KITTI's scans also hold returns at the LiDAR itself."""


class Rays(NamedTuple):
    """The rays from a LiDAR to points.

    Attributes:
        row: (N,), int64, the cell of the elevation, from 0 straight down; see `num_cells`.
        column: (N,), int64, the cell of the azimuth, from 0 straight behind.
        distance: (N,), metres.
    """

    row: np.ndarray
    column: np.ndarray
    distance: np.ndarray


def num_cells(cell: tuple[float, float]) -> tuple[int, int]:
    """Return how many rows and columns there are of cells of that azimuth and elevation, in degrees."""
    return math.ceil(180 / cell[1]), math.ceil(360 / cell[0])


def rays_to(places: np.ndarray, cell: tuple[float, float]) -> Rays:
    """Return the rays to places (N, 3), metres from the LiDAR, by cells of that azimuth and elevation, in degrees."""
    x, y, z = places.T
    rows, columns = num_cells(cell)
    azimuth, elevation = np.radians(cell)
    row = ((np.arctan2(z, np.hypot(x, y)) + np.pi / 2) / elevation).astype(np.int64)
    column = ((np.arctan2(y, x) + np.pi) / azimuth).astype(np.int64)
    # Straight up and straight behind, where the angles end, are in a cell, too.
    return Rays(np.minimum(row, rows - 1), column % columns, np.linalg.norm(places, axis=1))


def nearest_returns(rays: Rays, cell: tuple[float, float]) -> np.ndarray:
    """Return the smallest distance in each cell, (rows, columns), infinite where nothing returned."""
    nearest = np.full(num_cells(cell), np.inf)
    np.minimum.at(nearest, (rays.row, rays.column), rays.distance)
    return nearest


def place_of_sensor(frame: dict, sensor: Sequence[float]) -> np.ndarray:
    """Return where the LiDAR of an aligned frame is, (3,), metres; ``sensor`` is its place in the frame's own axes."""
    to_view_1 = frame['lidar2view_1']
    return to_view_1[:3, :3] @ sensor + to_view_1[:3, 3]


def is_around(places: np.ndarray) -> np.ndarray:
    """Return which places (N, 3), metres from the LiDAR, are not on the car that carries it."""
    return np.linalg.norm(places, axis=1) > OWN_CAR
