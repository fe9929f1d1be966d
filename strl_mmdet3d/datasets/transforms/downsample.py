"""Spatial augmentation: down-sampling to the encoder's input size."""

from __future__ import annotations

import numpy as np
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import BasePoints

from ...errors import ConfigError
from .base import RandomPointsTransform, draw_sample, take_points
from .regions import Regions


@TRANSFORMS.register_module()
class DownSamplePoints(RandomPointsTransform):
    """Pick the number of random points that the encoder takes.

    Points are picked without replacement, in random order. If drop-out and cropping have left no more than
    ``num_points``, all points are kept in their order, and random repeats are appended. mmdetection3d's ``PointSample``
    would then draw all points with replacement and lose up to 37 % of the points that were left: a drop-out that the
    recipe does not state.

    Args:
        num_points (int): Number of points in the result.

    Raises:
        ConfigError: If ``num_points`` is below 1.
    """

    def __init__(self, num_points: int) -> None:
        super().__init__(prob=1.0)
        if num_points < 1:
            raise ConfigError(f'DownSamplePoints: num_points must be at least 1, got {num_points}')
        self.num_points = num_points

    def draw(self, points: BasePoints) -> np.ndarray:
        """Draw the indices (num_points,) of the points to take."""
        if len(points) > self.num_points:
            return draw_sample(len(points), self.num_points)
        repeated = np.random.choice(len(points), self.num_points - len(points))
        return np.concatenate([np.arange(len(points)), repeated])

    def apply(self, points: BasePoints, drawn: np.ndarray) -> BasePoints:
        """Take the points at the indices (num_points,), with all their channels."""
        return take_points(points, drawn)

    def augment(self, points: BasePoints, regions: Regions | None = None) -> BasePoints:
        """Pick points, unless the cloud already has ``num_points``."""
        return points if len(points) == self.num_points else super().augment(points, regions)
