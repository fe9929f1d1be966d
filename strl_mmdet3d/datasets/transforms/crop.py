"""Spatial augmentation: cropping to a random cuboid."""

from __future__ import annotations

import numpy as np
from mmdet3d.registry import TRANSFORMS

from ...errors import ConfigError
from .base import require_interval
from .cuboid import RandomCuboidTransform

TRIES_AT_A_TIME = 16
"""Sides drawn at once: 94 % of them fit for the paper's crops, one in 20 for the small ones of local views."""


@TRANSFORMS.register_module()
class RandomCropPoints(RandomCuboidTransform):
    """Keep the points in a random cuboid that fills a random share of the cloud's volume.

    The cloud's volume is the volume of its axis-aligned bounding box. The cuboid's sides (r_x, r_y, r_z) are fractions
    of the box's sides, so that a flat outdoor scan is cropped like a shape. They meet three conditions:

    - the volume share v = r_x r_y r_z is exactly uniform in ``volume``;
    - the ratio of any two sides, in either order, is within ``aspect_ratio``;
    - no side is longer than 1, so the cuboid fits into the box, where its position is uniform.

    For this, v is drawn first and its logarithm is divided among the sides: r_i = v ** p_i. The triple (p_x, p_y, p_z)
    is uniform over the positive triples of sum 1, and drawn again until the ratios hold (94 % of the triples do for the
    defaults). A large v leaves little room: its ratios are within [v, 1 / v].

    The defaults are the STRL paper's: 60 to 100 % of the volume, aspect ratios within [0.75, 1.33], with probability
    0.5. The paper gives neither a distribution of the aspect ratio nor a minimum number of points.

    Args:
        volume (tuple[float, float]): The volume share is uniform between these two. Defaults to (0.6, 1.0).
        aspect_ratio (tuple[float, float]): Bounds of the ratio of any two sides, below and above 1.
            Defaults to (0.75, 1.33).
        min_points (int): A crop that would leave fewer points is drawn again. Defaults to 1024.
        max_tries (int): Number of crops to try before the cloud is left whole. Defaults to 10.
        prob (float): Probability of cropping. Defaults to 0.5.

    Raises:
        ConfigError: If an argument is out of its range.
    """

    def __init__(
        self,
        volume: tuple[float, float] = (0.6, 1.0),
        aspect_ratio: tuple[float, float] = (0.75, 1.33),
        min_points: int = 1024,
        max_tries: int = 10,
        prob: float = 0.5,
    ) -> None:
        super().__init__(min_points, max_tries, prob)
        require_interval(self, 'volume', volume, at_most=1)
        require_interval(self, 'aspect_ratio', aspect_ratio)
        if volume[0] == 0 or not aspect_ratio[0] < 1 < aspect_ratio[1]:
            raise ConfigError(
                'RandomCropPoints: volume must be above 0 and aspect_ratio must enclose 1, '
                f'got {volume} and {aspect_ratio}'
            )
        self.volume = volume
        self.aspect_ratio = aspect_ratio

    def draw_sides(self) -> np.ndarray:
        """Draw the sides (3,). Their product is the drawn volume share."""
        low, high = self.aspect_ratio
        volume = np.random.uniform(*self.volume)
        while True:
            sides = volume ** np.random.dirichlet((1, 1, 1), TRIES_AT_A_TIME)
            smallest, largest = sides.min(axis=1), sides.max(axis=1)
            fitting = sides[(low * largest <= smallest) & (largest <= high * smallest)]
            if len(fitting):
                return fitting[0]


@TRANSFORMS.register_module()
class RandomCropPointsBySide(RandomCuboidTransform):
    """Keep the points in a random cuboid with the sides (x, x a, x / a), as the released STRL code does.

    The sides are fractions of the sides of the cloud's axis-aligned bounding box. Both x and the aspect ratio a are
    uniform. The cuboid's volume is x ** 3 times the box's, from 22 to 133 %. A side longer than 1 crops nothing along
    its axis.

    Args:
        side (tuple[float, float]): x is uniform between these two. Defaults to (0.6, 1.1).
        aspect_ratio (tuple[float, float]): a is uniform between these two. Defaults to (0.75, 1.33).
        min_points (int): A crop that would leave fewer points is drawn again. Defaults to 1024.
        max_tries (int): Number of crops to try before the cloud is left whole. Defaults to 10.
        prob (float): Probability of cropping. Defaults to 0.5.

    Raises:
        ConfigError: If an argument is out of its range.
    """

    def __init__(
        self,
        side: tuple[float, float] = (0.6, 1.1),
        aspect_ratio: tuple[float, float] = (0.75, 1.33),
        min_points: int = 1024,
        max_tries: int = 10,
        prob: float = 0.5,
    ) -> None:
        super().__init__(min_points, max_tries, prob)
        require_interval(self, 'side', side)
        require_interval(self, 'aspect_ratio', aspect_ratio)
        if aspect_ratio[0] == 0:
            raise ConfigError(f'RandomCropPointsBySide: aspect_ratio must be above 0, got {aspect_ratio}')
        self.side = side
        self.aspect_ratio = aspect_ratio

    def draw_sides(self) -> np.ndarray:
        """Draw the sides (x, x a, x / a)."""
        side = np.random.uniform(*self.side)
        aspect_ratio = np.random.uniform(*self.aspect_ratio)
        return side * np.array([1, aspect_ratio, 1 / aspect_ratio])
