"""Rotated non-maximum suppression that intersects only the boxes near enough to suppress each other."""

from __future__ import annotations

import numpy as np
import torch
from mmcv.ops import box_iou_rotated
from numba import njit
from torch import Tensor

# The bound of the IoU enlarges the boxes by this factor, so that rounding never hides a suppression.
BOUND_SLACK = 1.001


@njit(nogil=True, cache=True)
def _covered_area(
    along: float, across: float, w1: float, h1: float, w2: float, h2: float, cos: float, sin: float
) -> float:
    """Return the area of box 1 inside the bounding rectangle of box 2 along the axes of box 1.

    ``along`` and ``across`` are the distances of the centers along box 1's width and height, ``cos`` and ``sin`` the
    absolute cosine and sine of the angle between the boxes.
    """
    w, h = cos * w2 + sin * h2, sin * w2 + cos * h2
    width = min(w1, w, (w1 + w) / 2 - abs(along))
    height = min(h1, h, (h1 + h) / 2 - abs(across))
    return max(width, 0) * max(height, 0)


@njit(nogil=True, cache=True)
def _find_rivals(
    i: int, boxes: np.ndarray, cos: np.ndarray, sin: np.ndarray, threshold: float, suppressed: np.ndarray
) -> np.ndarray:
    """Return, int64, the boxes after box ``i`` that it may suppress. Its IoU with all others is at most the threshold.

    ``boxes`` (N, 5) are (x, y, w, h, angle) by descending score; ``cos`` and ``sin`` (N,) are of their angles, and
    ``suppressed`` (N,) tells which boxes are suppressed already.
    """
    rivals = np.empty(len(boxes), np.int64)
    num_rivals = 0
    w1, h1 = abs(boxes[i, 2]) * BOUND_SLACK, abs(boxes[i, 3]) * BOUND_SLACK
    for j in range(i + 1, len(boxes)):
        if suppressed[j]:
            continue
        w2, h2 = abs(boxes[j, 2]) * BOUND_SLACK, abs(boxes[j, 3]) * BOUND_SLACK
        dx, dy = boxes[j, 0] - boxes[i, 0], boxes[j, 1] - boxes[i, 1]
        reach = (w1 + h1 + w2 + h2) / 2
        if abs(dx) > reach or abs(dy) > reach:
            continue
        cos_ij = abs(cos[i] * cos[j] + sin[i] * sin[j])
        sin_ij = abs(cos[i] * sin[j] - sin[i] * cos[j])
        intersection = min(
            _covered_area(cos[i] * dx + sin[i] * dy, cos[i] * dy - sin[i] * dx, w1, h1, w2, h2, cos_ij, sin_ij),
            _covered_area(cos[j] * dx + sin[j] * dy, cos[j] * dy - sin[j] * dx, w2, h2, w1, h1, cos_ij, sin_ij),
        )
        # IoU <= intersection / (areas - intersection). The areas are the exact ones, without the slack.
        areas = boxes[i, 2] * boxes[i, 3] + boxes[j, 2] * boxes[j, 3]
        if intersection > threshold * (areas - intersection):
            rivals[num_rivals] = j
            num_rivals += 1
    return rivals[:num_rivals]


def _near_origin(box: Tensor, rivals: Tensor) -> tuple[Tensor, Tensor]:
    """Return a box (1, 5) and its rivals (N, 5) as float32; float64 ones with the box's center as the origin."""
    if box.dtype == torch.float64:
        shift = torch.nn.functional.pad(box[:, :2], (0, 3))
        box, rivals = box - shift, rivals - shift
    return box.float(), rivals.float()


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

    mmcv's CPU version intersects every pair of boxes: 9000 proposals of PV-RCNN took about a minute of a training step
    on two cores. Here a cheap upper bound of the IoU leaves only few pairs for mmcv's exact IoU. As in the CUDA kernel,
    a box is dropped if its IoU is greater than the threshold. mmcv's CPU version also drops a box whose IoU equals the
    threshold, and so keeps a single box at threshold 0. The IoU is computed in float32. float64 boxes are first moved
    to the box that may suppress them, so that the digits of far-away coordinates count.

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
    boxes = dets_sorted[:, :5].detach().contiguous()
    boxes = boxes if boxes.dtype == torch.float64 else boxes.float()
    cos, sin = boxes[:, 4].cos().numpy(), boxes[:, 4].sin().numpy()
    suppressed = np.zeros(len(boxes), dtype=bool)
    keep = []
    for i in range(len(boxes)):
        if suppressed[i]:
            continue
        keep.append(i)
        rivals = _find_rivals(i, boxes.numpy(), cos, sin, iou_threshold, suppressed)
        if len(rivals):
            iou = box_iou_rotated(*_near_origin(boxes[i : i + 1], boxes[rivals]))[0].numpy()
            suppressed[rivals[iou > iou_threshold]] = True
    return order[torch.tensor(keep, dtype=torch.long)]
