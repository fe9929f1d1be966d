"""Upright boxes around groups of points: what a thing that moves seems to be, without a label."""

from __future__ import annotations

import math

import torch
from torch import Tensor

NUM_ANGLES = 30
"""Rectangles are tried every 3 degrees."""

SMALLEST_SIDE = 0.1
"""Metres: a side of which one row of returns shows nothing."""


def upright_box(points: Tensor) -> Tensor:
    """Return the upright box around points whose outline, seen from above, has the smallest area.

    A LiDAR sees two sides of a car at most. They form an L, and the smallest rectangle around an L has its directions.

    Args:
        points: (N, 3 or more), N > 0, metres.

    Returns:
        (7,): x, y, z of the middle, length (along the longer side), width, height in metres, and yaw in [0, pi),
        radians from x to y, of the longer side; front and rear are not told apart.
    """
    angles = torch.arange(NUM_ANGLES, device=points.device) * (math.pi / 2 / NUM_ANGLES)
    axes = torch.stack([torch.cos(angles), torch.sin(angles)])  # (2, A)
    along = points[:, :2] @ axes  # (N, A)
    across = points[:, :2] @ torch.stack([-axes[1], axes[0]])
    ranges = torch.stack([one.amax(dim=0) - one.amin(dim=0) for one in (along, across)])  # (2, A)
    best = int(ranges.clamp(min=SMALLEST_SIDE).prod(dim=0).argmin())
    sides = ranges[:, best].clamp(min=SMALLEST_SIDE)
    middle = torch.stack([(one[:, best].amax() + one[:, best].amin()) / 2 for one in (along, across)])
    cos, sin = axes[:, best]
    place = torch.stack([cos * middle[0] - sin * middle[1], sin * middle[0] + cos * middle[1]])
    yaw = angles[best]
    if sides[1] > sides[0]:
        sides, yaw = sides.flip(0), yaw + math.pi / 2
    bottom, top = points[:, 2].amin(), points[:, 2].amax()
    height = (top - bottom).clamp(min=SMALLEST_SIDE)
    return torch.stack([*place, (top + bottom) / 2, *sides, height, yaw])
