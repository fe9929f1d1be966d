"""Overlaps and non-maximum suppression of 3D boxes in the ground plane."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .arrays import read_points, write_array
from .box_overlap import with_directions
from .margin_overlap import SMALLEST_UNION, margin_areas, margin_keep
from .threads import run_over_rows


def _read_boxes(*tensors: Tensor) -> list[np.ndarray]:
    """Return boxes (N, 7) as `read_points` does.

    Raises:
        ValueError: If they are of another shape.
    """
    for boxes in tensors:
        if boxes.ndim != 2 or boxes.shape[1] != 7:
            raise ValueError(
                f'boxes are (x, y, z, x_size, y_size, z_size, yaw), got a tensor of shape {tuple(boxes.shape)}'
            )
    return read_points(*tensors)


def _from_above(boxes: np.ndarray) -> np.ndarray:
    """Return 3D boxes (N, 7) as rectangles (x, y, x_size, y_size, yaw) in the ground plane, (N, 5)."""
    return boxes[:, [0, 1, 3, 4, 6]]


def boxes_overlap_bev_forward(boxes_a: Tensor, boxes_b: Tensor, ans_overlap: Tensor) -> None:
    """Compute the areas that 3D boxes share in the ground plane.

    As in the CUDA kernel, a corner within 1 cm of a box counts as inside, which may add up to about 1 cm times the
    length of a side: see :mod:`~strl_mmdet3d.ops.margin_overlap`. Computed in float64.

    Args:
        boxes_a (Tensor): Boxes (x, y, z, x_size, y_size, z_size, yaw), metres and radians, shape (N, 7).
        boxes_b (Tensor): Boxes in the same format, shape (M, 7).
        ans_overlap (Tensor): Receives the areas in square metres, shape (N, M).

    Raises:
        TypeError: If the boxes hold no floating-point numbers.
        ValueError: If the boxes are of another shape.
    """
    first, second = (with_directions(_from_above(boxes)) for boxes in _read_boxes(boxes_a, boxes_b))
    with write_array(ans_overlap) as out:
        run_over_rows(margin_areas, len(first), first, second, out)


def _write_kept(kept: np.ndarray, keep: Tensor, keep_num: Tensor) -> None:
    """Write indices to the start of ``keep``, and their number to ``keep_num``."""
    keep[: len(kept)] = torch.from_numpy(kept)
    keep_num.fill_(len(kept))


def nms3d_forward(boxes: Tensor, keep: Tensor, keep_num: Tensor, nms_overlap_thresh: float) -> None:
    """Find the boxes that no better box overlaps by more than a threshold in the ground plane.

    Args:
        boxes (Tensor): Boxes (x, y, z, x_size, y_size, z_size, yaw) by descending score, shape (N, 7).
        keep (Tensor): Receives the indices of the kept boxes at its start, int64 (N,).
        keep_num (Tensor): Receives their number, int64 ().
        nms_overlap_thresh (float): IoU in [0, 1] above which the box with the lower score is dropped. The areas are
            those of :func:`boxes_overlap_bev_forward`.

    Raises:
        TypeError: If the boxes hold no floating-point numbers.
        ValueError: If the boxes are of another shape.
    """
    (array,) = _read_boxes(boxes)
    kept = margin_keep(with_directions(_from_above(array)), np.float32(nms_overlap_thresh))
    _write_kept(kept.nonzero()[0], keep, keep_num)


def nms3d_normal_forward(boxes: Tensor, keep: Tensor, keep_num: Tensor, nms_overlap_thresh: float) -> None:
    """Do the same as :func:`nms3d_forward` with all yaws taken as 0. The IoU is rounded as in the CUDA kernel.

    Args:
        boxes (Tensor): Boxes (x, y, z, x_size, y_size, z_size, yaw) by descending score, shape (N, 7).
        keep (Tensor): Receives the indices of the kept boxes at its start, int64 (N,).
        keep_num (Tensor): Receives their number, int64 ().
        nms_overlap_thresh (float): IoU in [0, 1] above which the box with the lower score is dropped.

    Raises:
        TypeError: If the boxes hold no floating-point numbers.
        ValueError: If the boxes are of another shape.
    """
    (array,) = _read_boxes(boxes)
    center, size = array[:, :2], array[:, 3:5]
    low, high, areas = center - size / 2, center + size / 2, size[:, 0] * size[:, 1]
    threshold = array.dtype.type(nms_overlap_thresh)
    kept = np.ones(len(array), bool)
    for i in range(len(array)):
        if kept[i]:
            sides = np.minimum(high[i], high[i + 1 :]) - np.maximum(low[i], low[i + 1 :])
            shared = sides.clip(min=0).prod(axis=1)
            union = areas[i] + areas[i + 1 :] - shared
            kept[i + 1 :] &= ~(shared / union.clip(min=SMALLEST_UNION) > threshold)
    _write_kept(kept.nonzero()[0], keep, keep_num)
