"""A random cuboid in a cloud, for cropping and cutout."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import numpy as np
from mmdet3d.structures import BasePoints
from torch import Tensor

from ...errors import ConfigError
from .base import RandomPointsTransform, keep_points
from .point_kernels import bounds, inside_box
from .regions import Regions


class Cuboid(NamedTuple):
    """A cuboid along the axes, relative to a cloud's axis-aligned bounding box.

    Attributes:
        sides (np.ndarray): The sides (3,) as fractions of the box's sides. Their product is the cuboid's share of the
            box's volume.
        position (np.ndarray): The position (3,) along each axis, in [0, 1]: at 0 the cuboid is flush with the box's
            lower face, at 1 with the upper face. So no position moves a cuboid out of the box that fits into it, and a
            side longer than the box's covers the box at every position.
    """

    sides: np.ndarray
    position: np.ndarray

    def contains(self, points: BasePoints, rows: Tensor | None = None) -> Tensor:
        """Return which places lie in the cuboid, including its faces.

        Args:
            points (BasePoints): The cloud, (N, 3 + C), in whose box the cuboid lies.
            rows (Tensor, optional): The places, (M, 3 + C), x, y and z first. Defaults to the points.

        Returns:
            Tensor: A mask (M,).
        """
        lower = self.position * (1 - self.sides)
        upper = lower + self.sides
        # These are offsets from the box's lower corner, not coordinates, so a cuboid as large as the box loses no point
        # to rounding, and a box without extent causes no division by zero.
        box_lower, box_upper = bounds(points.tensor)
        extent = box_upper - box_lower
        rows = points.tensor if rows is None else rows
        return inside_box(rows, box_lower, extent * np.float32(lower), extent * np.float32(upper))


class RandomCuboidTransform(RandomPointsTransform):
    """Keep or remove the points in a random cuboid, but never leave too few of them.

    A cuboid that would leave fewer than ``min_points`` points is drawn again. After ``max_tries`` such draws the cloud
    is not changed.

    Args:
        min_points (int): Minimum number of points to leave, at least 1.
        max_tries (int): Number of cuboids to try, at least 1.
        prob (float): Probability of changing the cloud.

    Raises:
        ConfigError: If ``min_points`` or ``max_tries`` is below 1, or ``prob`` is not in [0, 1].
    """

    def __init__(self, min_points: int, max_tries: int, prob: float) -> None:
        super().__init__(prob)
        if min_points < 1 or max_tries < 1:
            raise ConfigError(
                f'{type(self).__name__}: min_points and max_tries must be at least 1, got {min_points} and {max_tries}'
            )
        self.min_points = min_points
        self.max_tries = max_tries

    @abstractmethod
    def draw_sides(self) -> np.ndarray:
        """Draw the cuboid's sides (3,) as fractions of the cloud's extent."""

    def draw(self, points: BasePoints) -> Cuboid:
        """Draw a cuboid at a uniform position in the cloud's bounding box."""
        return Cuboid(sides=self.draw_sides(), position=np.random.uniform(size=3))

    def keeps(self, points: BasePoints, drawn: Cuboid, rows: Tensor | None = None) -> Tensor:
        """Return which of the points stay, or of other places (M, 3 + C), as a mask: the ones in the cuboid."""
        return drawn.contains(points, rows)

    def apply(self, points: BasePoints, drawn: Cuboid) -> BasePoints:
        """Remove all points but those to keep, which stay in their order."""
        return keep_points(points, self.keeps(points, drawn))

    def carry(self, regions: Regions, points: BasePoints, drawn: Cuboid) -> None:
        """Remove the regions at places whose points are removed."""
        regions.keep(self.keeps(points, drawn, regions.rows))

    def augment(self, points: BasePoints, regions: Regions | None = None) -> BasePoints:
        """Apply the first of ``max_tries`` draws that leaves enough points; if none does, change nothing."""
        for _ in range(self.max_tries):
            drawn = self.draw(points)
            keep = self.keeps(points, drawn)
            if np.count_nonzero(keep.numpy()) >= self.min_points:
                if regions is not None:
                    self.carry(regions, points, drawn)
                return keep_points(points, keep)
        return points
