"""Upright boxes around groups of points: what a thing that moves seems to be, without a label."""

from __future__ import annotations

import math

import torch
from torch import Tensor

NUM_ANGLES = 30
"""Rectangles are tried every 3 degrees."""

SMALLEST_SIDE = 0.1
"""Metres: a side of which one row of returns shows nothing."""


def upright_boxes(points: Tensor, group: Tensor, num_groups: int) -> Tensor:
    """Return the upright box around each group of points whose outline, seen from above, has the smallest area.

    A LiDAR sees two sides of a car at most. They form an L, and the smallest rectangle around an L has its directions.

    Args:
        points: Float32 (N, 3 or more), metres.
        group: The number of each point's group, int64 (N,) in [0, T).
        num_groups: T. Each group has a point.

    Returns:
        (T, 7): x, y, z of the middle, length (along the longer side), width, height in metres, and yaw in [0, pi),
        radians from x to y, of the longer side; front and rear are not told apart.
    """
    angles = torch.arange(NUM_ANGLES, device=points.device) * (math.pi / 2 / NUM_ANGLES)
    axes = torch.stack([torch.cos(angles), torch.sin(angles)])  # (2, A)
    with torch.autocast(points.device.type, enabled=False):  # in half precision these are metres to a tenth
        along = points[:, :2] @ axes  # (N, A)
        across = points[:, :2] @ torch.stack([-axes[1], axes[0]])
    low, high = _extremes(torch.cat([along, across, points[:, 2:3]], dim=1), group, num_groups)
    (*lows, bottom), (*highs, top) = (one.split([NUM_ANGLES, NUM_ANGLES, 1], dim=1) for one in (low, high))
    low, high = torch.stack(lows, dim=2), torch.stack(highs, dim=2)  # (T, A, 2)
    best = (high - low).clamp(min=SMALLEST_SIDE).prod(dim=2).argmin(dim=1)
    low, high = (one[torch.arange(num_groups, device=best.device), best] for one in (low, high))  # (T, 2)
    sides, middle = (high - low).clamp(min=SMALLEST_SIDE), (high + low) / 2
    cos, sin = axes[:, best]
    place = torch.stack([cos * middle[:, 0] - sin * middle[:, 1], sin * middle[:, 0] + cos * middle[:, 1]], dim=1)
    is_across = sides[:, 1:] > sides[:, :1]
    sides = torch.where(is_across, sides.flip(1), sides)
    yaw = angles[best, None] + is_across * (math.pi / 2)
    return torch.cat([place, (top + bottom) / 2, sides, (top - bottom).clamp(min=SMALLEST_SIDE), yaw], dim=1)


def _extremes(values: Tensor, group: Tensor, num_groups: int) -> tuple[Tensor, Tensor]:
    """Return the smallest and the largest value of each group and column: (N, K) -> twice (T, K)."""
    index = group[:, None].expand_as(values)
    empty = values.new_zeros(num_groups, values.shape[1])
    low, high = (empty.scatter_reduce(0, index, values, kind, include_self=False) for kind in ('amin', 'amax'))
    return low, high
