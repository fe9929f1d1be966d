"""Spatial augmentation: cutting out a random cuboid."""

from __future__ import annotations

import numpy as np
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import BasePoints
from torch import Tensor

from .base import require_interval
from .cuboid import Cuboid, RandomCuboidTransform


@TRANSFORMS.register_module()
class RandomCutoutPoints(RandomCuboidTransform):
    """Remove the points in a random cuboid.

    The cuboid has a uniform position in the cloud's axis-aligned bounding box. Its three sides are drawn independently.

    The STRL paper draws each side from U[0.1, 0.4] of the extent along its axis (the default), the released code from
    U[0.3, 0.6], both with probability 0.5.

    Args:
        side (tuple[float, float]): Each side, as a fraction of the cloud's extent along its axis, is uniform between
            these two numbers in [0, 1]. Defaults to (0.1, 0.4).
        min_points (int): A cutout that would leave fewer points is drawn again. Defaults to 1024.
        max_tries (int): Number of cutouts to try before the cloud is left whole. Defaults to 10.
        prob (float): Probability of cutting out. Defaults to 0.5.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self, side: tuple[float, float] = (0.1, 0.4), min_points: int = 1024, max_tries: int = 10, prob: float = 0.5
    ) -> None:
        super().__init__(min_points, max_tries, prob)
        require_interval(self, 'side', side, at_most=1)
        self.side = side

    def draw_sides(self) -> np.ndarray:
        """Draw the sides (3,) independently."""
        return np.random.uniform(*self.side, 3)

    def keeps(self, points: BasePoints, drawn: Cuboid, rows: Tensor | None = None) -> Tensor:
        """Keep the points outside the cuboid."""
        return ~drawn.contains(points, rows)
