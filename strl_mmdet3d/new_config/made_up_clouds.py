"""Clouds that no sensor made, in the form that a detector reads: enough for one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..export.loaded_points import HEIGHT, PLACE_IN_ROOM
from .stock_points import COLOURS, INTENSITY, StockPoints

ANY_NUMBER = 8192  # points, where the detector takes any number: a scan's are about 20,000 in its range
STREET = (-50.0, -50.0, -3.0, 50.0, 50.0, 1.0)  # metres, for detectors of scans that state no range
ROOM = (-3.0, 0.0, 0.0, 3.0, 6.0, 2.5)  # metres, for detectors of rooms
INSIDE = 0.01  # of a side, the margin to the range, whose upper end does not belong to it


def range_of_detector(preprocessor: Any, points: StockPoints) -> tuple[tuple[float, ...] | None, str]:
    """Return the range of a detector's voxels along the axes, or of its pipeline.

    Args:
        preprocessor: The detector's data preprocessor.
        points: What the detector reads.

    Returns:
        (x_min, y_min, z_min, x_max, y_max, z_max) in metres, or None, and where it comes from, in words.
    """
    layer = getattr(preprocessor, 'voxel_layer', None)
    stated = getattr(layer, 'point_cloud_range', None)
    if stated is not None and getattr(preprocessor, 'voxel_type', 'hard') == 'cylindrical':
        _, _, low, radius, _, high = map(float, stated)
        return (-radius, -radius, low, radius, radius, high), "the square around the detector's cylinder"
    if stated is not None:
        return tuple(map(float, stated)), "the detector's voxels"
    return points.point_cloud_range, "the stock config's PointsRangeFilter"


def made_up_clouds(points: StockPoints, extent: Sequence[float] | None, number: int = 2, seed: int = 0) -> list[Tensor]:
    """Make clouds of uniform points.

    Args:
        points: What the detector reads.
        extent: (x_min, y_min, z_min, x_max, y_max, z_max) in metres; None takes that of a street or a room.
        number: Number of clouds.
        seed: The same seed gives the same clouds.

    Returns:
        Float32 tensors (N_i, C). Clouds differ in their numbers of points, unless the detector takes a fixed number.
    """
    generator = torch.Generator().manual_seed(seed)
    extent = extent or (STREET if points.coord_type == 'LIDAR' else ROOM)
    low, high = torch.tensor(extent, dtype=torch.float32).view(2, 3)
    margin = INSIDE * (high - low)
    clouds = []
    for place in range(number):
        size = points.num_points or ANY_NUMBER - ANY_NUMBER // 4 * place // max(1, number - 1)
        cloud = torch.rand(size, len(points.channels), generator=generator)
        cloud[:, :3] = low + margin + cloud[:, :3] * (high - low - 2 * margin)
        for column, name in enumerate(points.channels[3:], start=3):
            if name == HEIGHT:
                cloud[:, column] = cloud[:, 2] - low[2]
            elif name not in (INTENSITY, *COLOURS, *PLACE_IN_ROOM):  # a single scan has no time lag
                cloud[:, column] = 0.0
        clouds.append(cloud)
    return clouds
