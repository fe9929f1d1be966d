"""Marking the points of a pair that have moved: places which the other frame's rays pass through."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmdet3d.registry import TRANSFORMS

from ...errors import ConfigError
from .base import MARKS_KEY, DescribedTransform
from .draw_regions import is_above_ground

STAYS, MOVED, UNKNOWN = 0, 1, 2
"""What a point is marked as."""

_ABOVE_HORIZON = np.pi / 2


@TRANSFORMS.register_module()
class MarkMoved(DescribedTransform):
    """Mark each point of a pair of aligned scans: does the other frame see its place empty, or occupied?

    A LiDAR's ray proves that the air up to its return is empty. So a point has moved if the other frame's rays in its
    direction all return from farther away. It stays if one of them returns from its distance. Behind a nearer return,
    where no ray returns, and on the ground (see `DrawRegions`), it is unknown. No label is needed, only poses. The rule
    is ours; detectors without labels find their objects by the like (You et al., MODEST, CVPR 2022).

    Rays are compared in cells of azimuth and elevation, each point with its own cell and the eight around it, since two
    scans never take the same rays.

    It stands in the ``pair`` of :class:`MultiView`, where the frames are in the same axes. The marks are a semantic
    mask of the points, which mmdet3d's filters and shuffling carry along. ``pack`` must hand them on:
    ``Pack3DDetInputs(keys=['points', 'pts_semantic_mask'])``.

    Required Keys:

    - view_1, view_2 (dict)

        - points (:obj:`LiDARPoints`): (N, 3 + C), metres
        - lidar2view_1 (np.ndarray): (4, 4), which `TemporalPairDataset` adds with ``align_poses``

    Added Keys:

    - view_1, view_2 (dict)

        - pts_semantic_mask (np.ndarray): (N,), int64: 0 stays, 1 moved, 2 unknown

    Args:
        cell (tuple[float, float]): Azimuth and elevation of a cell in degrees, above 0. Defaults to (0.4, 0.5), about
            as coarse as the beams of a 64-beam LiDAR.
        sensor (Sequence[float]): The LiDAR's place in a frame's own axes, metres. Defaults to their origin; data in the
            axes of a vehicle needs it.
        margin (float): How much farther away, in metres, a ray must return to have passed through. To it comes 1 % of
            the distance. Defaults to 0.5.
        near (float): Within this distance, in metres, a return is from the same thing. Defaults to 0.3.
        ground_cell (float): As of `DrawRegions`. Defaults to 2.
        ground_height (float): As of `DrawRegions`. Defaults to 0.3.

    Raises:
        ConfigError: If an argument is out of its range; when marking, if the frames come without ``lidar2view_1``.
    """

    def __init__(
        self,
        cell: tuple[float, float] = (0.4, 0.5),
        sensor: Sequence[float] = (0.0, 0.0, 0.0),
        margin: float = 0.5,
        near: float = 0.3,
        ground_cell: float = 2.0,
        ground_height: float = 0.3,
    ) -> None:
        if not all(0 < side <= 10 for side in cell):
            raise ConfigError(f'MarkMoved: cell must hold two angles in (0, 10] degrees, got {cell}')
        if not margin >= near > 0:
            raise ConfigError(f'MarkMoved: margin and near must be 0 < near <= margin, got {near} and {margin}')
        self.cell = cell
        self.sensor = sensor
        self.margin = margin
        self.near = near
        self.ground_cell = ground_cell
        self.ground_height = ground_height

    def transform(self, frames: dict) -> dict:
        """Mark the points of both frames, each by the rays of the other."""
        clouds, sensors = [], []
        for frame in frames.values():
            if 'lidar2view_1' not in frame:
                raise ConfigError('MarkMoved needs the poses of lidar scans: set align_poses=True of the data set')
            to_view_1 = frame['lidar2view_1']
            clouds.append(frame['points'].coord.numpy().astype(np.float64))
            sensors.append(to_view_1[:3, :3] @ self.sensor + to_view_1[:3, 3])
        for frame, own, other, sensor in zip(frames.values(), clouds, clouds[::-1], sensors[::-1], strict=True):
            frame[MARKS_KEY] = self.mark(own, other, sensor)
        return frames

    def mark(self, coords: np.ndarray, other: np.ndarray, sensor: np.ndarray) -> np.ndarray:
        """Mark points by the rays of another scan in the same axes.

        Args:
            coords: (N, 3), metres.
            other: (M, 3), the returns of the other scan.
            sensor: (3,), where its rays began.

        Returns:
            Int64 (N,), see `MarkMoved`.
        """
        nearest = self.nearest_returns(other - sensor)
        row, column, distance = self.locate(coords - sensor)
        rays = np.zeros(len(coords), np.int64)
        passed = np.ones(len(coords), np.bool_)
        met = np.zeros(len(coords), np.bool_)
        beyond = distance + self.margin + 0.01 * distance
        for up in (-1, 0, 1):
            for left in (-1, 0, 1):
                rows = np.clip(row + up, 0, nearest.shape[0] - 1)
                returned = nearest[rows, (column + left) % nearest.shape[1]]
                rays += np.isfinite(returned)
                passed &= returned > beyond
                met |= np.abs(returned - distance) < self.near
        marks = np.full(len(coords), UNKNOWN)
        marks[passed & (rays >= 3)] = MOVED  # one stray return through a gap proves nothing
        marks[met] = STAYS
        marks[~is_above_ground(coords, self.ground_cell, self.ground_height)] = UNKNOWN
        return marks

    def nearest_returns(self, rays: np.ndarray) -> np.ndarray:
        """Return the smallest distance in each cell of elevation and azimuth, infinite where nothing returned."""
        height, width = np.ceil(np.array([180, 360]) / self.cell[::-1]).astype(int)
        nearest = np.full((height, width), np.inf)
        row, column, distance = self.locate(rays)
        np.minimum.at(nearest, (row, column % width), distance)
        return nearest

    def locate(self, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the row (elevation) and column (azimuth) of vectors (N, 3) from the sensor, and their lengths."""
        azimuth, elevation = np.radians(self.cell)
        distance = np.linalg.norm(rays, axis=1)
        up = np.arctan2(rays[:, 2], np.hypot(rays[:, 0], rays[:, 1])) + _ABOVE_HORIZON
        left = np.arctan2(rays[:, 1], rays[:, 0]) + np.pi
        return (up / elevation).astype(np.int64), (left / azimuth).astype(np.int64), distance
