"""Spatial augmentation: cropping a scan in x and y only."""

from __future__ import annotations

import numpy as np
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import BasePoints

from ...errors import ConfigError
from .base import require_interval
from .cuboid import Cuboid, RandomCuboidTransform

ANY_HEIGHT = 1e6
"""A side in z, as a fraction of the cloud's extent, within which every height lies."""


@TRANSFORMS.register_module()
class RandomCropPointsXY(RandomCuboidTransform):
    """Keep the points in a random rectangle seen from above, whatever their height.

    The paper's cuboid (:class:`RandomCropPoints`) is cropped in z too. Nearly all points of a LiDAR scan lie in a thin
    layer, the road, which most of these cuboids lose, and with it the feet of all objects.

    The rectangle's sides (r_x, r_y) are fractions of the sides of the cloud's bounding box. As in the paper's crop,

    - the area share a = r_x r_y is exactly uniform in ``area``;
    - the ratio of the sides, in either order, is within ``aspect_ratio``;
    - no side is longer than 1, so the rectangle fits into the box, where its position is uniform.

    For this, a is drawn first, and its logarithm is divided between the sides: r_x = a ** p, r_y = a ** (1 - p), with p
    uniform where the ratio holds.

    Args:
        area (tuple[float, float]): The area share is uniform between these two, in (0, 1]. Defaults to (0.6, 1.0), the
            paper's shares of the volume.
        aspect_ratio (tuple[float, float]): Bounds of the ratio of the sides, below and above 1. Defaults to (0.75,
            1.33), the paper's.
        min_points (int): A crop that would leave fewer points is drawn again. Defaults to 1024.
        max_tries (int): Number of crops to try before the cloud is left whole. Defaults to 10.
        prob (float): Probability of cropping. Defaults to 0.5, the paper's.

    Raises:
        ConfigError: If an argument is out of its range.
    """

    def __init__(
        self,
        area: tuple[float, float] = (0.6, 1.0),
        aspect_ratio: tuple[float, float] = (0.75, 1.33),
        min_points: int = 1024,
        max_tries: int = 10,
        prob: float = 0.5,
    ) -> None:
        super().__init__(min_points, max_tries, prob)
        require_interval(self, 'area', area, at_most=1)
        require_interval(self, 'aspect_ratio', aspect_ratio)
        if area[0] == 0 or not 0 < aspect_ratio[0] < 1 < aspect_ratio[1]:
            raise ConfigError(
                'RandomCropPointsXY: area must be above 0 and aspect_ratio must enclose 1, '
                f'got {area} and {aspect_ratio}'
            )
        self.area = area
        self.aspect_ratio = aspect_ratio

    def draw_sides(self) -> np.ndarray:
        """Draw the sides (3,): the product of the first two is the drawn area share, the third holds every height."""
        low, high = self.aspect_ratio
        area = np.random.uniform(*self.area)
        # The ratio of the sides is area ** (2 p - 1), and |2 p - 1| is at most 1.
        largest = min(np.log(high), -np.log(low))
        most = min(1.0, largest / max(-np.log(area), 1e-9))
        p = 0.5 + 0.5 * np.random.uniform(-most, most)
        return np.array([area**p, area ** (1 - p), ANY_HEIGHT])

    def draw(self, points: BasePoints) -> Cuboid:
        """Draw a rectangle at a uniform position in the cloud's bounding box, with all heights around it."""
        return Cuboid(sides=self.draw_sides(), position=np.array([*np.random.uniform(size=2), 0.5]))
