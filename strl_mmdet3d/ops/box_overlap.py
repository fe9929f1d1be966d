"""The area that two rotated boxes share: the exact step of rotated IoU and of non-maximum suppression."""

from __future__ import annotations

import numpy as np
from numba import njit
from torch import Tensor

from .arrays import read_points, write_array
from .threads import run_over_rows

# What `overlap` returns. The first two are mmcv's own flags.
IOU = 0
"""Shared area over the area of the union."""
IOF = 1
"""Shared area over the area of the first box."""
AREA = 2
"""Shared area."""

# mmcv's kernels give 0 if one of the boxes is smaller.
SMALLEST_AREA = 1e-14


@njit(nogil=True, cache=True)
def _clamp(value: float, bound: float) -> float:
    """Return the value of [-``bound``, ``bound``] that is nearest to ``value``."""
    return min(max(value, -bound), bound)


@njit(nogil=True, cache=True)
def _mean_of_clamped(start: float, stop: float, bound: float) -> float:
    """Return the mean of ``_clamp(x, bound)`` over all x between ``start`` and ``stop``."""
    low, high = min(start, stop), max(start, stop)
    first, last = _clamp(low, bound), _clamp(high, bound)
    if low == high:
        return first
    below, above = max(min(high, -bound) - low, 0), max(high - max(low, bound), 0)
    return (bound * (above - below) + (last - first) * (first + last) / 2) / (high - low)


@njit(nogil=True, cache=True)
def _intersection_area(a: np.ndarray, b: np.ndarray) -> float:
    """Return the area that two boxes of :func:`with_directions` share. It is exactly 0 if a line separates them.

    In the axes of box a, clamping a point moves it to the nearest point of the box. With that, Green's theorem gives
    the shared area as the integral of clamp(x) d clamp(y) around box b. No vertex of the shared polygon is computed,
    so common corners, common edges and turns by half a circle need no special care.
    """
    if abs(a[2] * a[3]) > abs(b[2] * b[3]):
        a, b = b, a  # the rounding error grows with box a
    dx, dy = b[0] - a[0], b[1] - a[1]
    half_w, half_h = abs(a[2]) / 2, abs(a[3]) / 2
    other_w, other_h = abs(b[2]) / 2, abs(b[3]) / 2
    cos, sin = a[4] * b[4] + a[5] * b[5], a[4] * b[5] - a[5] * b[4]

    # Two rectangles are apart if they are so along an axis of either. NaN counts as apart.
    along, across = b[4] * dx + b[5] * dy, b[4] * dy - b[5] * dx
    if not (
        abs(along) < other_w + abs(cos) * half_w + abs(sin) * half_h
        and abs(across) < other_h + abs(sin) * half_w + abs(cos) * half_h
    ):
        return 0.0
    x, y = a[4] * dx + a[5] * dy, a[4] * dy - a[5] * dx
    u_x, u_y, v_x, v_y = cos * other_w, sin * other_w, -sin * other_h, cos * other_h
    if not (abs(x) < half_w + abs(u_x) + abs(v_x) and abs(y) < half_h + abs(u_y) + abs(v_y)):
        return 0.0

    # Around box b, from the corner at the end of both its half axes u and v, with the next edge always to the left.
    area = 0.0
    x, y = x + u_x + v_x, y + u_y + v_y
    edge_x, edge_y, next_x, next_y = -2 * u_x, -2 * u_y, -2 * v_x, -2 * v_y
    for _ in range(4):
        start, stop = _clamp(y, half_h), _clamp(y + edge_y, half_h)
        if start != stop:
            x_start, x_stop = x + edge_x * ((start - y) / edge_y), x + edge_x * ((stop - y) / edge_y)
            area += _mean_of_clamped(x_start, x_stop, half_w) * (stop - start)
        x, y = x + edge_x, y + edge_y
        edge_x, edge_y, next_x, next_y = next_x, next_y, -edge_x, -edge_y
    return min(max(area, 0.0), abs(a[2] * a[3]))


@njit(nogil=True, cache=True)
def are_near(boxes1: np.ndarray, n: int, boxes2: np.ndarray, k: int) -> bool:
    """Return whether box n may share an area with box k; a cheap test, true for NaN."""
    reach = boxes1[n, 6] + boxes2[k, 6]
    return not (abs(boxes1[n, 0] - boxes2[k, 0]) > reach or abs(boxes1[n, 1] - boxes2[k, 1]) > reach)


@njit(nogil=True, cache=True)
def overlap(a: np.ndarray, b: np.ndarray, mode: int) -> float:
    """Return what two boxes of :func:`with_directions` share, as :data:`IOU`, :data:`IOF` or :data:`AREA`."""
    area_a, area_b = a[2] * a[3], b[2] * b[3]
    if area_a < SMALLEST_AREA or area_b < SMALLEST_AREA:
        return 0.0
    intersection = _intersection_area(a, b)
    if mode == IOU:
        return intersection / (area_a + area_b - intersection)
    if mode == IOF:
        return intersection / area_a
    return intersection


@njit(nogil=True, cache=True)
def _overlap_pairs(start: int, stop: int, boxes1: np.ndarray, boxes2: np.ndarray, mode: int, out: np.ndarray) -> None:
    """``out[n] = overlap(boxes1[n], boxes2[n])``."""
    for n in range(start, stop):
        out[n] = overlap(boxes1[n], boxes2[n], mode)


@njit(nogil=True, cache=True)
def _overlap_all(start: int, stop: int, boxes1: np.ndarray, boxes2: np.ndarray, mode: int, out: np.ndarray) -> None:
    """``out[n, k] = overlap(boxes1[n], boxes2[k])``."""
    for n in range(start, stop):
        for k in range(len(boxes2)):
            out[n, k] = overlap(boxes1[n], boxes2[k], mode) if are_near(boxes1, n, boxes2, k) else 0.0


def with_directions(boxes: np.ndarray) -> np.ndarray:
    """Prepare boxes (x, y, w, h, angle) for :func:`overlap`.

    Args:
        boxes (np.ndarray): Boxes with their angle in radians from x to y, shape (N, 5).

    Returns:
        np.ndarray: x, y, w, h, cosine and sine of the angle, and half the diagonal, float64 (N, 7).

    Raises:
        ValueError: If the boxes are not of shape (N, 5).
    """
    if boxes.ndim != 2 or boxes.shape[1] != 5:
        raise ValueError(f'rotated boxes are (x, y, w, h, angle), got an array of shape {boxes.shape}')
    x, y, w, h, angle = boxes.astype(np.float64).T
    return np.column_stack([x, y, w, h, np.cos(angle), np.sin(angle), np.hypot(w, h) / 2])


def overlap_all(boxes1: np.ndarray, boxes2: np.ndarray, mode: int, out: np.ndarray) -> None:
    """Compute what each of some boxes shares with each of others.

    Args:
        boxes1 (np.ndarray): The first boxes, as :func:`with_directions` gives them, (N, 7).
        boxes2 (np.ndarray): The second boxes, (K, 7).
        mode (int): :data:`IOU`, :data:`IOF` or :data:`AREA`.
        out (np.ndarray): Receives the result, (N, K).
    """
    run_over_rows(_overlap_all, len(boxes1), boxes1, boxes2, mode, out)


def box_iou_rotated(bboxes1: Tensor, bboxes2: Tensor, ious: Tensor, mode_flag: int, aligned: bool) -> None:
    """Compute the IoU, or the intersection over the first box, of rotated boxes.

    mmcv's CPU version is wrong for boxes with common corners or edges: it sorts the corners of the shared polygon by a
    comparison that contradicts itself where some coincide. For a box and the same box turned by pi it may give half of
    the area. This one is exact but for rounding, computed in float64. A box of less than 1e-14 in area shares nothing,
    as in mmcv.

    Args:
        bboxes1 (Tensor): Boxes (x, y, w, h, angle), shape (N, 5), with the angle in radians from x to y.
        bboxes2 (Tensor): Boxes in the same format, shape (K, 5).
        ious (Tensor): Receives the results in [0, 1], shape (N * K,), or (N,) if aligned.
        mode_flag (int): 0 for IoU, 1 for the intersection over the area of the first box.
        aligned (bool): Whether box n is compared with box n only, instead of with each.

    Raises:
        TypeError: If the boxes hold no floating-point numbers.
        ValueError: If the boxes are not of shape (N, 5), or aligned boxes differ in number.
    """
    boxes1, boxes2 = (with_directions(boxes) for boxes in read_points(bboxes1, bboxes2))
    if aligned and len(boxes1) != len(boxes2):
        raise ValueError(f'aligned boxes are pairs, got {len(boxes1)} and {len(boxes2)} boxes')
    with write_array(ious) as out:
        if aligned:
            run_over_rows(_overlap_pairs, len(boxes1), boxes1, boxes2, mode_flag, out)
        else:
            overlap_all(boxes1, boxes2, mode_flag, out.reshape(len(boxes1), len(boxes2)))
