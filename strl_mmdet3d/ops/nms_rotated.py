"""Rotated non-maximum suppression."""

from __future__ import annotations

import numpy as np
import torch
from numba import njit
from torch import Tensor

from .arrays import read_points
from .box_overlap import IOU, are_near, overlap, with_directions


@njit(nogil=True, cache=True)
def _keep(boxes: np.ndarray, threshold: np.float32) -> np.ndarray:
    """Return, bool (N,), which boxes of `with_directions`, by descending score, no kept box before them overlaps."""
    keep = np.ones(len(boxes), np.bool_)
    for i in range(len(boxes)):
        if not keep[i]:
            continue
        for j in range(i + 1, len(boxes)):
            if keep[j] and are_near(boxes, i, boxes, j):
                keep[j] = not np.float32(overlap(boxes[i], boxes[j], IOU)) > threshold  # a NaN is not greater
    return keep


def keep_best(boxes: np.ndarray, threshold: float) -> np.ndarray:
    """Return which boxes have an IoU of at most ``threshold`` with each better box that is kept itself.

    IoU and threshold are rounded to float32, as on CUDA, before they are compared. So a box stays if its IoU equals
    the threshold, whatever the last bits of the computation.

    Args:
        boxes (np.ndarray): Boxes (x, y, w, h, angle) by descending score, (N, 5).
        threshold (float): IoU in [0, 1].

    Returns:
        np.ndarray: Indices of the kept boxes in ascending order, int64.
    """
    return _keep(with_directions(boxes), np.float32(threshold)).nonzero()[0]


def nms_rotated(
    dets: Tensor,
    scores: Tensor,
    order: Tensor,
    dets_sorted: Tensor,
    labels: Tensor,
    iou_threshold: float,
    multi_label: bool,
) -> Tensor:
    """Return the indices of the boxes that no better box overlaps by more than ``iou_threshold``.

    mmcv's CPU version takes about a minute of a training step for 9000 proposals of PV-RCNN on two cores. Its IoU is
    wrong for boxes with common corners or edges (:func:`~strl_mmdet3d.ops.box_overlap.box_iou_rotated`). It also drops
    a box whose IoU equals the threshold, which the CUDA kernel keeps, and so does this function. See
    :func:`keep_best`.

    Args:
        dets (Tensor): Boxes (x, y, w, h, angle), radians, shape (N, 5), or (N, 6) with their label.
        scores (Tensor): Unused, since the order is given.
        order (Tensor): Indices by descending score, int64 (N,).
        dets_sorted (Tensor): ``dets[order]``.
        labels (Tensor): Unused, as in the CUDA kernel.
        iou_threshold (float): IoU in [0, 1] above which the box with the lower score is dropped.
        multi_label (bool): Unused; a label column is ignored, as in the CUDA kernel.

    Returns:
        Tensor: Indices of the kept boxes by descending score, int64.
    """
    (boxes,) = read_points(dets_sorted)
    return order[torch.from_numpy(keep_best(boxes[:, :5], iou_threshold))]
