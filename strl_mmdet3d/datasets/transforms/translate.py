"""View transform: translation."""

from __future__ import annotations

import numpy as np
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import BasePoints

from ...errors import ConfigError
from .base import RandomPointsTransform
from .point_kernels import bounds, move
from .regions import Regions


@TRANSFORMS.register_module()
class RandomTranslatePoints(RandomPointsTransform):
    """Shift the whole cloud by a random fraction of its extent.

    The extent along an axis is the largest coordinate minus the smallest. A stray return far away enlarges it, and then
    a shift may move the scan out of the detector's range. So run a range filter on outdoor scans first.

    The STRL paper shifts within 10 % of the extent with probability 0.5 (the defaults), the released code always.

    Args:
        max_shift (float): Largest shift along an axis, as a fraction of the cloud's extent along it. Each axis is
            shifted by U[-max_shift, max_shift] of its extent. Defaults to 0.1.
        prob (float): Probability of shifting the cloud. Defaults to 0.5.

    Raises:
        ConfigError: If ``max_shift`` is negative or ``prob`` is not in [0, 1].
    """

    def __init__(self, max_shift: float = 0.1, prob: float = 0.5) -> None:
        super().__init__(prob)
        if max_shift < 0:
            raise ConfigError(f'RandomTranslatePoints: negative max_shift {max_shift}')
        self.max_shift = max_shift

    def draw(self, points: BasePoints) -> np.ndarray:
        """Draw the shift (3,) along x, y and z, as fractions of the extent."""
        return np.random.uniform(-self.max_shift, self.max_shift, 3)

    def apply(self, points: BasePoints, drawn: np.ndarray) -> BasePoints:
        """Shift the points by ``drawn`` (3,) times the cloud's extent."""
        move(points.tensor, shift=extent(points) * drawn)
        return points

    def carry(self, regions: Regions, points: BasePoints, drawn: np.ndarray) -> None:
        """Shift the regions as far."""
        move(regions.rows, shift=extent(points) * drawn)


def extent(points: BasePoints) -> np.ndarray:
    """Return the largest coordinates (3,) minus the smallest."""
    lower, upper = bounds(points.tensor)
    return upper - lower
