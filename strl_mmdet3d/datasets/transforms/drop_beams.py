"""Spatial augmentation: the scan of a LiDAR with fewer beams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import BasePoints

from ...errors import ConfigError
from .base import RandomPointsTransform, keep_points

BIN = np.radians(0.02)
"""Width of the bins of elevation; the beams of an HDL-64E are 0.33 and 0.5 degrees apart."""

NUM_UPDATES = 20


class Beams(NamedTuple):
    """The beams that stay: ``first``, ``first + every``, ``first + 2 every``, ...

    Attributes:
        every (int): Distance between two beams that stay, at least 1.
        first (int): The first beam that stays, in [0, every).
    """

    every: int
    first: int


@TRANSFORMS.register_module()
class RandomDropBeams(RandomPointsTransform):
    """Keep every k-th beam of a scan: with 64 beams and k = 2 the scan of a LiDAR with 32.

    KITTI does not say which beam a point is of, so the beams are found by their elevation, see :func:`beams_of`. If a
    column of the points holds the number of the beam, as the fifth of nuScenes does, give it as ``ring_dim``.

    The elevation is measured from the axis of the LiDAR: run it before a transform that moves the cloud, and in
    ``load`` of :class:`MultiView` if the data set aligns poses. Turns about z, flips and scales do no harm. If no point
    would stay, nothing changes.

    Args:
        every (Sequence[int]): k is one of these, all equally likely; each at least 1. 1 keeps all beams. Defaults to
            (1, 2, 4): 64, 32 or 16 of 64 beams.
        num_beams (int): Number of the sensor's beams, at least 1. Defaults to 64.
        height (float): How far above the origin of the axes the beams meet, in metres. Defaults to 0.2, measured in
            KITTI's scans: the upper 32 lasers of its HDL-64E meet at 0.20 m, the lower 32 at 0.12 m.
        ring_dim (int, optional): The column that holds the number of the beam. Defaults to None, there is none.
        prob (float): Probability of choosing a k. Defaults to 1.0.

    Raises:
        ConfigError: If an argument is out of its range.
    """

    def __init__(
        self,
        every: Sequence[int] = (1, 2, 4),
        num_beams: int = 64,
        height: float = 0.2,
        ring_dim: int | None = None,
        prob: float = 1.0,
    ) -> None:
        super().__init__(prob)
        if not every or min(every) < 1:
            raise ConfigError(f'RandomDropBeams: every must hold numbers of at least 1, got {every}')
        if num_beams < 1:
            raise ConfigError(f'RandomDropBeams: num_beams must be at least 1, got {num_beams}')
        if ring_dim is not None and ring_dim < 3:
            raise ConfigError(f'RandomDropBeams: ring_dim must be a column behind x, y and z, got {ring_dim}')
        self.every = every
        self.num_beams = num_beams
        self.height = height
        self.ring_dim = ring_dim

    def transform(self, results: dict) -> dict:
        """Change the points; marks of the points, which travel as further channels, are no ``ring_dim``."""
        if 'points' in results:
            self.require_ring(results['points'])
        return super().transform(results)

    def require_ring(self, points: BasePoints) -> None:
        """Raise a ConfigError if the points have no column ``ring_dim``."""
        if self.ring_dim is not None and self.ring_dim >= points.tensor.shape[1]:
            raise ConfigError(
                f'RandomDropBeams: ring_dim={self.ring_dim}, but the points have {points.tensor.shape[1]} columns: let '
                'use_dim of LoadFrame keep that column'
            )

    def draw(self, points: BasePoints) -> Beams:
        """Draw which beams stay; the first one is uniform."""
        every = int(np.random.choice(self.every))
        return Beams(every, first=np.random.randint(every))

    def apply(self, points: BasePoints, drawn: Beams) -> BasePoints:
        """Keep the points of the drawn beams, which stay in their order."""
        if drawn.every == 1:
            return points
        keep = self.beams(points) % drawn.every == drawn.first
        return keep_points(points, torch.from_numpy(keep)) if keep.any() else points

    def beams(self, points: BasePoints) -> np.ndarray:
        """Return the number (N,) of each point's beam.

        Raises:
            ConfigError: If the points have no column ``ring_dim``.
        """
        if self.ring_dim is None:
            return beams_of(points.tensor[:, :3].numpy(), self.num_beams, self.height)
        self.require_ring(points)
        return points.tensor[:, self.ring_dim].numpy().astype(np.int64)


def beams_of(coord: np.ndarray, num_beams: int, height: float) -> np.ndarray:
    """Find the beams of a scan by their elevation: k-means in one dimension, as in LiDAR Distillation (ECCV 2022).

    The elevations are counted in bins of 0.02 degrees. The clusters begin where they hold the same number of points,
    which is near the beams, and move for 20 rounds. So the beams need no known or equal distances, and may be cut to a
    sector or a range of heights.

    It is not exact. Of KITTI's scans, where the order of the points tells the true beams, 91 to 97 % of the points are
    treated as most of their beam with every second beam, and 94 to 99 % with every fourth; with a ``height`` of 0
    instead of 0.2 m, 68 to 74 %, since the elevation of a beam then depends on the range.

    Args:
        coord: The points (N, 3), N > 0, metres, z upwards.
        num_beams: Number of clusters; some may stay empty.
        height: How far above the origin the beams meet, metres.

    Returns:
        np.ndarray: The beam (N,) of each point, int64 in [0, num_beams), from the lowest upwards.
    """
    elevation = np.arctan2(coord[:, 2] - np.float32(height), np.hypot(coord[:, 0], coord[:, 1]))
    lowest = elevation.min()
    place = ((elevation - lowest) / np.float32(BIN)).astype(np.int64)
    count = np.bincount(place)
    places = np.arange(len(count))
    middle = np.cumsum(count) - count / 2
    centres = np.interp((np.arange(num_beams) + 0.5) / num_beams * count.sum(), middle, places)
    for _ in range(NUM_UPDATES):
        nearest = np.searchsorted((centres[1:] + centres[:-1]) / 2, places)
        weight = np.bincount(nearest, count, num_beams)
        total = np.bincount(nearest, count * places, num_beams)
        centres = np.where(weight > 0, total / np.maximum(weight, 1), centres)
    return np.searchsorted((centres[1:] + centres[:-1]) / 2, places)[place]
