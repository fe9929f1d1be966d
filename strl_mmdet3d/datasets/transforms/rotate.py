"""View transform: rotation about the three axes."""

from __future__ import annotations

import math

import numpy as np
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import BasePoints
from scipy.spatial.transform import Rotation

from ...errors import ConfigError
from .base import RandomPointsTransform
from .point_kernels import move
from .regions import Regions


@TRANSFORMS.register_module()
class RandomRotatePoints(RandomPointsTransform):
    """Rotate the cloud by a random angle about each axis.

    The rotation is about the origin of the frame, as in ``GlobalRotScaleTrans``: the sensor of a scan or a depth
    frame, the centroid of a normalised shape. It turns about the fixed x axis first, then y, then z.

    The STRL paper draws each angle from U[-15, 15] degrees (the defaults, with ``prob=0.5``). The released code draws
    it from N(0, 0.06 rad), clipped at 0.18 rad: ``std=0.06, max_angle=0.18, prob=1.0``.

    Args:
        max_angle (float): Largest angle about an axis, in radians. Defaults to 15 degrees.
        std (float, optional): Standard deviation in radians of normally distributed angles, which are clipped at
            ``max_angle``. None makes the angles uniform in [-max_angle, max_angle]. Defaults to None.
        prob (float): Probability of rotating the cloud. Defaults to 0.5.

    Raises:
        ConfigError: If ``max_angle`` or ``std`` is negative, or ``prob`` is not in [0, 1].
    """

    def __init__(self, max_angle: float = math.radians(15), std: float | None = None, prob: float = 0.5) -> None:
        super().__init__(prob)
        if max_angle < 0 or (std is not None and std < 0):
            raise ConfigError(f'RandomRotatePoints: negative max_angle {max_angle} or std {std}')
        self.max_angle = max_angle
        self.std = std

    def draw(self, points: BasePoints) -> np.ndarray:
        """Draw the angles (3,) about x, y and z, in radians."""
        if self.std is None:
            return np.random.uniform(-self.max_angle, self.max_angle, 3)
        return np.random.normal(0, self.std, 3).clip(-self.max_angle, self.max_angle)

    def apply(self, points: BasePoints, drawn: np.ndarray) -> BasePoints:
        """Rotate the points by the angles (3,) about x, then y, then z."""
        move(points.tensor, matrix=rotation(drawn))
        return points

    def carry(self, regions: Regions, points: BasePoints, drawn: np.ndarray) -> None:
        """Rotate the regions."""
        move(regions.rows, matrix=rotation(drawn))


def rotation(angles: np.ndarray) -> np.ndarray:
    """Return the matrix (3, 3) of the rotation by the angles (3,), in radians, about x, then y, then z."""
    return Rotation.from_euler('xyz', angles).as_matrix()
