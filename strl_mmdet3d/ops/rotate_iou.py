"""The KITTI metric's rotated IoU on the CPU; mmdet3d's own is a numba.cuda kernel."""

from __future__ import annotations

import numpy as np
import torch
from mmcv.ops import box_iou_rotated

# Widens the circles around two boxes against float32 rounding, so that no overlapping pair is left out.
REACH_SLACK = 1.001


def rotate_iou_gpu_eval(
    boxes: np.ndarray, query_boxes: np.ndarray, criterion: int = -1, device_id: int = 0
) -> np.ndarray:
    """Compute the overlaps of boxes in the ground plane. mmdet3d's evaluation imports the function by this name.

    Only pairs whose circumscribed circles meet are intersected, with mmcv's exact intersection. The metric compares
    the boxes of many frames at once, so nearly all pairs are far apart.

    Args:
        boxes (np.ndarray): Boxes (center x, center z, x size, z size, yaw) in the camera frame, metres and radians,
            the yaw turning from z to x, shape (N, 5).
        query_boxes (np.ndarray): Boxes in the same format, shape (K, 5).
        criterion (int): -1 for intersection over union, 0 for intersection over the area of the query box, 1 for
            intersection over the area of the box, anything else for the area of the intersection. The original's
            docstring swaps 0 and 1, but its kernel passes the query box first.
        device_id (int): Unused; kept from the original's signature.

    Returns:
        np.ndarray: The overlaps, float32 (N, K).
    """
    first = torch.from_numpy(np.asarray(boxes, dtype=np.float32))
    second = torch.from_numpy(np.asarray(query_boxes, dtype=np.float32))
    diagonals = first[:, None, 2:4].norm(dim=2) + second[None, :, 2:4].norm(dim=2)
    distances = (first[:, None, :2] - second[None, :, :2]).norm(dim=2)
    rows, columns = (2 * distances <= REACH_SLACK * diagonals).nonzero(as_tuple=True)

    overlaps = torch.zeros(len(first), len(second))
    if len(rows):
        box, query = first[rows], second[columns]
        if criterion == 0:
            near = box_iou_rotated(query, box, mode='iof', aligned=True, clockwise=False)
        else:
            mode = 'iou' if criterion == -1 else 'iof'
            near = box_iou_rotated(box, query, mode=mode, aligned=True, clockwise=False)
            if criterion not in (-1, 1):
                near *= box[:, 2] * box[:, 3]
        overlaps[rows, columns] = near
    return overlaps.numpy()
