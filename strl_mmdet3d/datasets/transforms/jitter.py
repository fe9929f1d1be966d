"""Spatial augmentation: jittering the coordinates."""

from __future__ import annotations

import numpy as np
import torch
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import BasePoints

from ...errors import ConfigError
from .base import RandomPointsTransform, global_generator


@TRANSFORMS.register_module()
class RandomUniformJitterPoints(RandomPointsTransform):
    """Shift every coordinate of every point by a separate uniform offset, which is never negative.

    The STRL paper states offsets in [0, 0.05] without a unit. That is a twentieth of the radius of a shape in the unit
    sphere, or 5 cm in a scan in metres. Their mean of 0.025 shifts the cloud as a whole. The released code's jitter,
    normal with standard deviation 0.01 and clipped at 0.05, is mmdetection3d's own ``RandomJitterPoints`` with its
    defaults.

    Args:
        max_offset (float): Each offset is U[0, max_offset], in the unit of the coordinates. Defaults to 0.05.
        prob (float): Probability of jittering the cloud. Defaults to 1.0.

    Raises:
        ConfigError: If ``max_offset`` is negative or ``prob`` is not in [0, 1].
    """

    def __init__(self, max_offset: float = 0.05, prob: float = 1.0) -> None:
        super().__init__(prob)
        if max_offset < 0:
            raise ConfigError(f'RandomUniformJitterPoints: negative max_offset {max_offset}')
        self.max_offset = max_offset

    def draw(self, points: BasePoints) -> np.ndarray:
        """Draw the offsets (N, 3)."""
        return global_generator().random((len(points), 3), dtype=np.float32) * np.float32(self.max_offset)

    def apply(self, points: BasePoints, drawn: np.ndarray) -> BasePoints:
        """Add the offsets (N, 3) to the coordinates."""
        points.tensor[:, :3] += torch.from_numpy(drawn)
        return points
