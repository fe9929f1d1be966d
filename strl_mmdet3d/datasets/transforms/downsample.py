"""Spatial augmentation: down-sampling to the encoder's input size."""

from __future__ import annotations

import numpy as np
import torch
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import BasePoints

from .base import RandomPointsTransform, global_generator, with_rows


@TRANSFORMS.register_module()
class DownSamplePoints(RandomPointsTransform):
    """Pick random points, as many as the encoder takes.

    Points are picked without replacement. Where drop-out and cropping have left fewer than ``num_points``, all are kept
    and random ones of them repeated. mmdetection3d's ``PointSample`` would then draw all points with replacement, and
    lose up to 37 % of those that were left: a drop-out that the recipe does not state.

    Required Keys:

    - points

    Modified Keys:

    - points

    Args:
        num_points (int): Number of points of the result.

    Raises:
        ValueError: If ``num_points`` is below 1.
    """

    def __init__(self, num_points: int) -> None:
        super().__init__(prob=1.0)
        if num_points < 1:
            raise ValueError(f'DownSamplePoints: num_points must be at least 1, got {num_points}')
        self.num_points = num_points

    def draw(self, points: BasePoints) -> np.ndarray:
        """Draw the indices (num_points,) of the points to take."""
        if len(points) >= self.num_points:
            return global_generator().choice(len(points), self.num_points, replace=False)
        repeated = np.random.choice(len(points), self.num_points - len(points))
        return np.concatenate([np.arange(len(points)), repeated])

    def apply(self, points: BasePoints, drawn: np.ndarray) -> BasePoints:
        """Take the points of the indices (num_points,), with all their channels."""
        return with_rows(points, points.tensor[torch.from_numpy(drawn)])

    def __repr__(self) -> str:
        """Describe the transform."""
        return f'{type(self).__name__}(num_points={self.num_points})'
