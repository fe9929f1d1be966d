"""Spatial augmentation: dropping near points rather than far ones."""

from __future__ import annotations

import numpy as np
import torch
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import BasePoints

from ...errors import ConfigError
from .base import RandomPointsTransform, global_generator, keep_points


@TRANSFORMS.register_module()
class RandomDropByRange(RandomPointsTransform):
    """Drop a random share of the near points of a scan, fewer of those farther away, and none of the far ones.

    A surface at range r holds a number of LiDAR points in proportion to 1 / r^2. :class:`RandomDropPoints` drops the
    same share at every range, and with it most of the few points of far objects. Here a point at range r stays with the
    probability ``max(1 - ratio, min(1, (r / far)^2))``, and ``ratio`` is uniform in [0, max_ratio]. So near points are
    dropped as by the paper's drop-out, and from ``far * sqrt(1 - ratio)`` up to ``far`` the density is the same at
    every range: what ``far`` has, where all points stay.

    The range is the distance from the origin of the axes, which must still be the LiDAR: run it before a transform that
    moves the cloud, and in ``load`` of :class:`MultiView` if the data set aligns poses. Turns, flips and scales about
    the origin do no harm.

    Args:
        max_ratio (float): Largest share of the near points dropped, in [0, 1). Defaults to 0.7, the paper's.
        far (float): From this range on no point is dropped; metres, above 0. Defaults to 40, our choice.
        prob (float): Probability of dropping points. Defaults to 1.0.

    Raises:
        ConfigError: If an argument is out of its range.
    """

    def __init__(self, max_ratio: float = 0.7, far: float = 40.0, prob: float = 1.0) -> None:
        super().__init__(prob)
        if not 0 <= max_ratio < 1:
            raise ConfigError(f'RandomDropByRange: max_ratio must be in [0, 1), got {max_ratio}')
        if not 0 < far < np.inf:
            raise ConfigError(f'RandomDropByRange: far must be a range above 0 in metres, got {far}')
        self.max_ratio = max_ratio
        self.far = far

    def staying(self, points: BasePoints, ratio: float) -> np.ndarray:
        """Return the probability (N,) with which each point stays."""
        x, y, z = points.tensor[:, :3].numpy().T
        return np.clip((x * x + y * y + z * z) / np.float32(self.far**2), np.float32(1 - ratio), 1)

    def draw(self, points: BasePoints) -> np.ndarray:
        """Draw which points stay: a mask (N,). At least one does."""
        staying = self.staying(points, np.random.uniform(0, self.max_ratio))
        keep = global_generator().random(len(points), dtype=np.float32) < staying
        keep[staying.argmax()] = True
        return keep

    def apply(self, points: BasePoints, drawn: np.ndarray) -> BasePoints:
        """Keep the points of the mask (N,), which stay in their order."""
        return keep_points(points, torch.from_numpy(drawn))
