"""Finds which points lie in which 3D boxes, with mmcv's own CPU kernel, which knows float32 only."""

from __future__ import annotations

import torch
from mmcv.ops.points_in_boxes import points_in_boxes_cpu
from torch import Tensor


def _inside(points: Tensor, boxes: Tensor) -> Tensor:
    """Return 1 if the point is in the box, else 0, int32 (B, M, T).

    As in mmcv, the faces across z belong to the box and the other four do not.
    """
    if torch.float64 not in (points.dtype, boxes.dtype):
        return points_in_boxes_cpu(points, boxes).contiguous()
    center, size, yaw = boxes[:, None, :, :3].double(), boxes[:, None, :, 3:6].double(), boxes[:, None, :, 6].double()
    x, y, z = (points[:, :, None].double() - center).unbind(-1)
    cos, sin = yaw.cos(), yaw.sin()
    along, across = (x * cos + y * sin).abs(), (y * cos - x * sin).abs()
    half = size / 2
    inside = ((z - half[..., 2]).abs() <= half[..., 2]) & (along < half[..., 0]) & (across < half[..., 1])
    return inside.int()


def points_in_boxes_all(points: Tensor, boxes: Tensor) -> Tensor:
    """Find all boxes that each point is in.

    Args:
        points (Tensor): Positions, shape (B, M, 3), in LiDAR or depth coordinates, metres.
        boxes (Tensor): Boxes (x, y, z, x_size, y_size, z_size, yaw) with (x, y, z) the bottom center,
            shape (B, T, 7), in the same frame.

    Returns:
        Tensor: 1 if the point is in the box, else 0, int32 (B, M, T). Computed in float64 if an input is.
    """
    return _inside(points, boxes)


def points_in_boxes_part(points: Tensor, boxes: Tensor) -> Tensor:
    """Find the first box that each point is in.

    Args:
        points (Tensor): As for :func:`points_in_boxes_all`.
        boxes (Tensor): As for :func:`points_in_boxes_all`.

    Returns:
        Tensor: Index of the box, -1 if the point is not in a box, int32 (B, M).
    """
    inside = _inside(points, boxes)
    if boxes.shape[1] == 0:
        return points.new_full(points.shape[:2], -1, dtype=torch.int32)
    first = inside.argmax(dim=2).int()
    return first.masked_fill(inside.sum(dim=2) == 0, -1)
