"""A random cuboid in a cloud: what cropping and cutout share."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import numpy as np
from mmdet3d.structures import BasePoints
from torch import Tensor

from .base import RandomPointsTransform, keep_points
from .point_kernels import bounds, inside_box


class Cuboid(NamedTuple):
    """A cuboid along the axes, relative to a cloud's axis-aligned bounding box.

    Attributes:
        sides (np.ndarray): The sides (3,) in parts of the box's sides; their product is the cuboid's share of the
            box's volume.
        position (np.ndarray): Where it lies (3,), in [0, 1]: 0 flush with the box's lower face along an axis, 1 with
            the upper one. So it never sticks out, and a side longer than the box's covers it wherever it lies.
    """

    sides: np.ndarray
    position: np.ndarray

    def contains(self, points: BasePoints) -> Tensor:
        """Tell which of the points (N, 3 + C) lie in the cuboid, its faces included.

        Returns:
            Tensor: A mask (N,).
        """
        lower = self.position * (1 - self.sides)
        upper = lower + self.sides
        # Offsets from the box's lower corner, not coordinates: then a cuboid as large as the box loses no point to
        # rounding, and a box without extent needs no division by zero.
        box_lower, box_upper = bounds(points.tensor)
        extent = box_upper - box_lower
        return inside_box(points.tensor, box_lower, extent * np.float32(lower), extent * np.float32(upper))


class RandomCuboidTransform(RandomPointsTransform):
    """Keep or remove the points in a random cuboid, but never leave too few of them.

    A cuboid that would leave fewer than ``min_points`` points is drawn again, ``max_tries`` times in all; then the
    cloud is left as it is.

    Args:
        min_points (int): Fewest points that may be left, at least 1.
        max_tries (int): How many cuboids to try, at least 1.
        prob (float): Probability of changing the cloud.

    Raises:
        ValueError: If ``min_points`` or ``max_tries`` is below 1, or ``prob`` is not in [0, 1].
    """

    def __init__(self, min_points: int, max_tries: int, prob: float) -> None:
        super().__init__(prob)
        if min_points < 1 or max_tries < 1:
            raise ValueError(
                f'{type(self).__name__}: min_points and max_tries must be at least 1, got {min_points} and {max_tries}'
            )
        self.min_points = min_points
        self.max_tries = max_tries

    @abstractmethod
    def draw_sides(self) -> np.ndarray:
        """Draw the cuboid's sides (3,) in parts of the cloud's extent."""

    def draw(self, points: BasePoints) -> Cuboid:
        """Draw a cuboid, uniform in its position within the cloud's bounding box."""
        return Cuboid(sides=self.draw_sides(), position=np.random.uniform(size=3))

    @abstractmethod
    def keeps(self, points: BasePoints, drawn: Cuboid) -> Tensor:
        """Tell which points stay, as a mask (N,)."""

    def apply(self, points: BasePoints, drawn: Cuboid) -> BasePoints:
        """Remove the others; those that stay keep their order."""
        return keep_points(points, self.keeps(points, drawn))

    def augment(self, points: BasePoints) -> BasePoints:
        """Apply the first of ``max_tries`` draws that leaves enough points; without one, change nothing."""
        for _ in range(self.max_tries):
            keep = self.keeps(points, self.draw(points))
            if np.count_nonzero(keep.numpy()) >= self.min_points:
                return keep_points(points, keep)
        return points
