"""Orders the corners of the polygon that two boxes share, for mmcv's differentiable rotated IoU."""

from __future__ import annotations

import math

import numpy as np
import torch
from numba import njit
from torch import Tensor

from .arrays import read_array, write_array
from .threads import run_over_rows

MAX_CORNERS = 8
"""Two rectangles share at most eight corners."""

FIRST_CROSSING = 8
"""The first eight vertices are the boxes' own corners; the others are the crossings of their edges."""

SAME = 1e-8
"""Vertices whose coordinates differ by less are one corner; the CUDA kernel's bound."""

OUTSIDE = 1e-4
"""How far outside a box a vertex may be, as a share of the side. Rounding in float32, 70 m from the origin, is less."""


@njit(nogil=True, cache=True)
def _is_in_box(x: float, y: float, box: np.ndarray) -> bool:
    """Return whether a point is in the box of four corners (4, 2), up to :data:`OUTSIDE`."""
    for neighbour in (1, 3):
        side_x, side_y = box[neighbour, 0] - box[0, 0], box[neighbour, 1] - box[0, 1]
        along = (x - box[0, 0]) * side_x + (y - box[0, 1]) * side_y
        squared = side_x * side_x + side_y * side_y
        if not -OUTSIDE * squared <= along <= (1 + OUTSIDE) * squared:
            return False
    return True


@njit(nogil=True, cache=True)
def _flattest(polygon: np.ndarray, vertices: np.ndarray) -> int:
    """Return the position of the corner whose triangle with its two neighbours is the smallest."""
    best, smallest = 0, np.inf
    for k in range(len(polygon)):
        x, y = vertices[polygon[k]]
        last_x, last_y = vertices[polygon[k - 1]]
        next_x, next_y = vertices[polygon[(k + 1) % len(polygon)]]
        doubled = abs((last_x - x) * (next_y - y) - (last_y - y) * (next_x - x))
        if doubled < smallest:
            best, smallest = k, doubled
    return best


@njit(nogil=True, cache=True)
def _polygon(vertices: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return, int64, the corners of the shared polygon among the vertices (M, 2), by their angle in [0, 2 pi).

    The mask is not enough: mmcv leaves out corners that float32 moves out of the other box by more than 1e-6, and its
    crossing of two nearly parallel edges may lie anywhere on their line.
    """
    valid = np.empty(len(vertices), np.int64)
    num_valid, center_x, center_y = 0, 0.0, 0.0
    for m in range(len(vertices)):
        x, y = vertices[m]
        candidate = mask[m] or m < FIRST_CROSSING
        if candidate and _is_in_box(x, y, vertices[:4]) and _is_in_box(x, y, vertices[4:8]):
            valid[num_valid] = m
            num_valid, center_x, center_y = num_valid + 1, center_x + x, center_y + y

    polygon, angles = np.empty(num_valid, np.int64), np.empty(num_valid)
    count = 0
    for m in valid[:num_valid]:
        x, y = vertices[m]
        repeated = False
        for k in range(count):
            other_x, other_y = vertices[polygon[k]]
            repeated |= abs(x - other_x) < SAME and abs(y - other_y) < SAME
        if repeated:
            continue
        angle = math.atan2(y - center_y / num_valid, x - center_x / num_valid)
        if angle < 0:
            angle += 2 * math.pi
        place = count
        while place > 0 and angles[place - 1] > angle:
            polygon[place], angles[place] = polygon[place - 1], angles[place - 1]
            place -= 1
        polygon[place], angles[place] = m, angle
        count += 1

    # Rounding may make several vertices of one corner.
    while count > MAX_CORNERS:
        flattest = _flattest(polygon[:count], vertices)
        for k in range(flattest, count - 1):
            polygon[k] = polygon[k + 1]
        count -= 1
    return polygon[:count]


@njit(nogil=True, cache=True)
def _sort_vertices(start: int, stop: int, vertices: np.ndarray, mask: np.ndarray, idx: np.ndarray) -> None:
    """Write the corners of polygons ``start`` to ``stop``, the first once more, and then an invalid crossing."""
    for row in range(start, stop):
        for m in range(FIRST_CROSSING, vertices.shape[1]):
            if not mask[row, m]:
                idx[row] = m
                break
        polygon = _polygon(vertices[row], mask[row])
        if len(polygon) >= 3:
            idx[row, : len(polygon)] = polygon
            idx[row, len(polygon)] = polygon[0]


def sort_vertices_forward(vertices: Tensor, mask: Tensor, num_valid: Tensor) -> Tensor:
    """Order the corners of the polygons that pairs of boxes share, counter-clockwise from the x axis.

    As the CUDA kernel does, but a polygon is also right if its boxes have common corners or edges, or if a corner is
    at the height of the mean. There the CUDA kernel takes a wrong vertex, or writes past the end of the row. Of several
    vertices at one corner the first is taken. A vertex outside of one of the boxes is left out. A corner of one box
    that is in the other, up to :data:`OUTSIDE`, is taken, whatever the mask says of it.

    Args:
        vertices (Tensor): Corners of the first box, of the second and crossings of their edges, minus the mean of the
            valid ones, shape (B, N, 24, 2).
        mask (Tensor): Which vertices are valid, bool (B, N, 24).
        num_valid (Tensor): Number of valid vertices, which the mask says too.

    Returns:
        Tensor: Indices of the corners, the first one once more, and then that of an invalid crossing, int32 (B, N, 9).
        The last alone if there are fewer than three corners.

    Raises:
        ValueError: If vertices and mask do not fit each other.
    """
    if vertices.ndim != 4 or vertices.shape[3] != 2 or mask.shape != vertices.shape[:3]:
        raise ValueError(
            f'vertices are (B, N, M, 2) with a mask (B, N, M), got {tuple(vertices.shape)} and {tuple(mask.shape)}'
        )
    idx_tensor = torch.zeros(*mask.shape[:2], MAX_CORNERS + 1, dtype=torch.int32)
    with write_array(idx_tensor) as idx:
        arrays = read_array(vertices).astype(np.float64), read_array(mask), idx
        rows = [array.reshape(-1, *array.shape[2:]) for array in arrays]
        run_over_rows(_sort_vertices, len(rows[0]), *rows)
    return idx_tensor
