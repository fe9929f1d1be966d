"""The KITTI metric's rotated IoU on the CPU; mmdet3d's own is a numba.cuda kernel."""

from __future__ import annotations

import numpy as np

from .box_overlap import AREA, IOF, IOU, overlap_all, with_directions


def rotate_iou_gpu_eval(
    boxes: np.ndarray, query_boxes: np.ndarray, criterion: int = -1, device_id: int = 0
) -> np.ndarray:
    """Compute the overlaps of boxes in the ground plane. mmdet3d's evaluation imports the function by this name.

    Args:
        boxes (np.ndarray): Boxes (center x, center z, x size, z size, yaw) in the camera frame, metres and radians,
            the yaw turning from z to x, shape (N, 5).
        query_boxes (np.ndarray): Boxes in the same format, shape (K, 5).
        criterion (int): -1 for intersection over union, 0 for intersection over the area of the query box, 1 for
            intersection over the area of the box, anything else for the area of the intersection. The original's
            docstring swaps 0 and 1, but its kernel passes the query box first.
        device_id (int): Unused; kept from the original's signature.

    Returns:
        np.ndarray: The overlaps, computed in float64, as float32 (N, K).
    """
    # The kernels' angles turn from the first axis to the second.
    mirrored = [1, 1, 1, 1, -1]
    first, second = with_directions(boxes * mirrored), with_directions(query_boxes * mirrored)
    overlaps = np.empty((len(first), len(second)), np.float32)
    if criterion == 0:
        overlap_all(second, first, IOF, overlaps.T)
    else:
        overlap_all(first, second, {-1: IOU, 1: IOF}.get(criterion, AREA), overlaps)
    return overlaps
