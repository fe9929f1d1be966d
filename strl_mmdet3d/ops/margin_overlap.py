"""The area that two 3D boxes share from above as mmcv's CUDA kernel counts it, with a margin of 1 cm.

The kernel takes the crossings of the two rectangles' sides and the corners of each that are within the margin of the
other, and joins them in the order of their angles about their mean. The exact area is in `box_overlap`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

MARGIN = 1e-2
"""Metres outside of a box within which a corner counts as inside."""
SMALLEST_UNION = 1e-8
"""Keeps the CUDA kernel's division away from 0, square metres."""
PARALLEL = 1e-8
"""Sides whose directions span less, in square metres, have no crossing."""
MOST_POINTS = 24
"""16 crossings and 8 corners."""


@njit(nogil=True, cache=True)
def _corners(box: np.ndarray) -> np.ndarray:
    """Return the corners (4, 2), in turn, of a box (x, y, w, h, cos, sin, ...)."""
    found = np.empty((4, 2))
    for k in range(4):
        along = box[2] / 2 if k in (1, 2) else -box[2] / 2
        across = box[3] / 2 if k >= 2 else -box[3] / 2
        found[k, 0] = box[0] + along * box[4] - across * box[5]
        found[k, 1] = box[1] + along * box[5] + across * box[4]
    return found


@njit(nogil=True, cache=True)
def _is_inside(box: np.ndarray, x: float, y: float) -> bool:
    """Return whether a point is in a box, or within the margin of it."""
    dx, dy = x - box[0], y - box[1]
    along, across = dx * box[4] + dy * box[5], dy * box[4] - dx * box[5]
    return abs(along) < box[2] / 2 + MARGIN and abs(across) < box[3] / 2 + MARGIN


@njit(nogil=True, cache=True)
def _turn(ax: float, ay: float, bx: float, by: float, cx: float, cy: float) -> float:
    """Return twice the signed area of the triangle a, b, c."""
    return (ax - cx) * (by - cy) - (bx - cx) * (ay - cy)


@njit(nogil=True, cache=True)
def _crossings(first: np.ndarray, second: np.ndarray, points: np.ndarray) -> int:
    """Write the points in which sides of two rectangles (4, 2) cross, and return their number."""
    count = 0
    for i in range(4):
        ax, ay = first[i]
        bx, by = first[(i + 1) % 4]
        for j in range(4):
            cx, cy = second[j]
            dx, dy = second[(j + 1) % 4]
            # a and b lie on both sides of c-d, and c and d on both sides of a-b.
            c_of, d_of = _turn(ax, ay, bx, by, cx, cy), _turn(ax, ay, bx, by, dx, dy)
            a_of, b_of = _turn(cx, cy, dx, dy, ax, ay), _turn(cx, cy, dx, dy, bx, by)
            if c_of * d_of < 0 and a_of * b_of < 0 and abs(c_of - d_of) > PARALLEL:
                share = c_of / (c_of - d_of)
                points[count, 0], points[count, 1] = cx + share * (dx - cx), cy + share * (dy - cy)
                count += 1
    return count


@njit(nogil=True, cache=True)
def margin_area(a: np.ndarray, b: np.ndarray) -> float:
    """Return the area that two boxes of :func:`~strl_mmdet3d.ops.box_overlap.with_directions` share; 0 for NaN."""
    reach = a[6] + b[6] + 2 * MARGIN
    if not (abs(a[0] - b[0]) <= reach and abs(a[1] - b[1]) <= reach):
        return 0.0
    points = np.empty((MOST_POINTS, 2))
    first, second = _corners(a), _corners(b)
    count = _crossings(first, second, points)
    for k in range(4):
        if _is_inside(a, second[k, 0], second[k, 1]):
            points[count] = second[k]
            count += 1
        if _is_inside(b, first[k, 0], first[k, 1]):
            points[count] = first[k]
            count += 1
    if count < 3:
        return 0.0
    x, y = points[:count, 0], points[:count, 1]
    order = np.argsort(np.arctan2(y - y.mean(), x - x.mean()))
    area = 0.0
    for k in range(1, count - 1):
        one, next_one = order[k], order[k + 1]
        area += _turn(x[one], y[one], x[next_one], y[next_one], x[order[0]], y[order[0]])
    return abs(area) / 2


@njit(nogil=True, cache=True)
def margin_areas(start: int, stop: int, boxes1: np.ndarray, boxes2: np.ndarray, out: np.ndarray) -> None:
    """``out[n, k] = margin_area(boxes1[n], boxes2[k])``."""
    for n in range(start, stop):
        for k in range(len(boxes2)):
            out[n, k] = margin_area(boxes1[n], boxes2[k])


@njit(nogil=True, cache=True)
def margin_keep(boxes: np.ndarray, threshold: np.float32) -> np.ndarray:
    """Return, bool (N,), which boxes, by descending score, no kept box before them overlaps by more than an IoU.

    The IoU is rounded to float32, as on CUDA, before it is compared. NaN is not greater.
    """
    keep = np.ones(len(boxes), np.bool_)
    for i in range(len(boxes)):
        if not keep[i]:
            continue
        for j in range(i + 1, len(boxes)):
            if keep[j]:
                shared = margin_area(boxes[i], boxes[j])
                union = boxes[i, 2] * boxes[i, 3] + boxes[j, 2] * boxes[j, 3] - shared
                keep[j] = not np.float32(shared / max(union, SMALLEST_UNION)) > threshold
    return keep
