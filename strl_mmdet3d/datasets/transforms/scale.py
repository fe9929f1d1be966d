"""View transform: scaling."""

from __future__ import annotations

import numpy as np
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import BasePoints

from ...errors import ConfigError
from .base import RandomPointsTransform, require_interval
from .regions import Regions


@TRANSFORMS.register_module()
class RandomScalePoints(RandomPointsTransform):
    """Scale the whole cloud by one random factor, about the origin of the frame.

    The STRL paper draws the factor from U[0.8, 1.25] with probability 0.5 (the defaults), the released code always.

    Args:
        scale (tuple[float, float]): The factor is uniform between these two. Defaults to (0.8, 1.25).
        prob (float): Probability of scaling the cloud. Defaults to 0.5.
        shift_height (bool): Whether to scale the height channel, too, like the argument with the same name of
            ``GlobalRotScaleTrans``. Defaults to False.

    Raises:
        ConfigError: If ``scale`` is not an interval of non-negative numbers or ``prob`` is not in [0, 1]; when scaling,
            if ``shift_height`` is on and the points have no height.
    """

    def __init__(self, scale: tuple[float, float] = (0.8, 1.25), prob: float = 0.5, shift_height: bool = False) -> None:
        super().__init__(prob)
        require_interval(self, 'scale', scale)
        self.scale = scale
        self.shift_height = shift_height

    def draw(self, points: BasePoints) -> float:
        """Draw the factor."""
        return np.random.uniform(*self.scale)

    def apply(self, points: BasePoints, drawn: float) -> BasePoints:
        """Multiply the coordinates, and with ``shift_height`` the height, by the factor."""
        points.scale(drawn)
        if self.shift_height:
            if 'height' not in (points.attribute_dims or {}):
                raise ConfigError(
                    'RandomScalePoints(shift_height=True) got points without a height channel. Load it with '
                    'LoadDepthFrame(height=True) or LoadPointsFromFile(shift_height=True), or set shift_height=False'
                )
            points.tensor[:, points.attribute_dims['height']] *= drawn
        return points

    def carry(self, regions: Regions, points: BasePoints, drawn: float) -> None:
        """Multiply the coordinates of the regions by the factor."""
        regions.rows[:, :3] *= drawn
