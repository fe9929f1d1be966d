"""What the transforms do point by point, compiled: along an axis of three torch and NumPy are several times slower."""

from __future__ import annotations

import numpy as np
import torch
from numba import njit
from torch import Tensor


@njit(nogil=True, cache=True)
def _bounds(rows: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> None:
    """The smallest and the largest of the first three columns of rows (N, 3 + C)."""
    x0, y0, z0 = rows[0, 0], rows[0, 1], rows[0, 2]
    x1, y1, z1 = x0, y0, z0
    for n in range(rows.shape[0]):
        x, y, z = rows[n, 0], rows[n, 1], rows[n, 2]
        x0, x1 = min(x0, x), max(x1, x)
        y0, y1 = min(y0, y), max(y1, y)
        z0, z1 = min(z0, z), max(z1, z)
    lower[0], lower[1], lower[2] = x0, y0, z0
    upper[0], upper[1], upper[2] = x1, y1, z1


@njit(nogil=True, cache=True)
def _inside(rows: np.ndarray, origin: np.ndarray, lower: np.ndarray, upper: np.ndarray, inside: np.ndarray) -> None:
    """``inside[n]``: whether the offset of row n from the origin lies in the box, its faces included."""
    ox, oy, oz = origin[0], origin[1], origin[2]
    x0, y0, z0 = lower[0], lower[1], lower[2]
    x1, y1, z1 = upper[0], upper[1], upper[2]
    for n in range(rows.shape[0]):
        x, y, z = rows[n, 0] - ox, rows[n, 1] - oy, rows[n, 2] - oz
        inside[n] = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1) & (z >= z0) & (z <= z1)


@njit(nogil=True, cache=True)
def _keep_rows(rows: np.ndarray, keep: np.ndarray, kept: np.ndarray) -> None:
    """Copy the rows (N, C) to keep, in their order; ``kept`` has one row more than there are."""
    m = 0
    for n in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            kept[m, c] = rows[n, c]
        m += keep[n]  # no branch, which random masks would mispredict


@njit(nogil=True, cache=True)
def _move(rows: np.ndarray, matrix: np.ndarray, shift: np.ndarray) -> None:
    """Replace the coordinates x of each row by ``matrix x + shift``, in the rows' precision."""
    for n in range(rows.shape[0]):
        x, y, z = rows[n, 0], rows[n, 1], rows[n, 2]
        rows[n, 0] = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + shift[0]
        rows[n, 1] = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + shift[1]
        rows[n, 2] = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + shift[2]


@njit(nogil=True, cache=True)
def _normalize(rows: np.ndarray) -> None:
    """Move the centroid to the origin, and scale the farthest point to distance 1; sums are in double precision."""
    sx, sy, sz = 0.0, 0.0, 0.0
    for n in range(rows.shape[0]):
        sx += rows[n, 0]
        sy += rows[n, 1]
        sz += rows[n, 2]
    # The mean of equal float32 coordinates must be that coordinate, or rounding errors are blown up to radius 1.
    cx, cy, cz = np.float32(sx / len(rows)), np.float32(sy / len(rows)), np.float32(sz / len(rows))
    farthest = 0.0
    for n in range(rows.shape[0]):
        rows[n, 0] -= cx
        rows[n, 1] -= cy
        rows[n, 2] -= cz
        x, y, z = float(rows[n, 0]), float(rows[n, 1]), float(rows[n, 2])
        distance = x * x + y * y + z * z
        farthest = distance if distance > farthest else farthest
    if farthest > 0:
        scale = np.float32(1 / np.sqrt(farthest))
        for n in range(rows.shape[0]):
            rows[n, 0] *= scale
            rows[n, 1] *= scale
            rows[n, 2] *= scale


def bounds(points: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Give the axis-aligned box of a cloud.

    Args:
        points: (N, 3 + C), N > 0, float32 on the CPU.

    Returns:
        Its lower and its upper corner, each float32 (3,).
    """
    lower, upper = np.empty(3, np.float32), np.empty(3, np.float32)
    _bounds(points.numpy(), lower, upper)
    return lower, upper


def inside_box(points: Tensor, origin: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> Tensor:
    """Tell which points lie in a box, its faces included.

    Args:
        points: (N, 3 + C), float32 on the CPU.
        origin: Float32 (3,); the box's corners are given relative to it.
        lower: Float32 (3,).
        upper: Float32 (3,).

    Returns:
        A mask (N,).
    """
    inside = np.empty(len(points), np.bool_)
    _inside(points.numpy(), origin, lower, upper, inside)
    return torch.from_numpy(inside)


def keep_rows(points: Tensor, keep: Tensor) -> Tensor:
    """Give ``points[keep]``.

    Args:
        points: (N, C), float32 on the CPU.
        keep: A mask (N,).

    Returns:
        (M, C), a copy.
    """
    number = int(np.count_nonzero(keep.numpy()))
    kept = torch.empty(number + 1, points.shape[1])
    _keep_rows(points.numpy(), keep.numpy(), kept.numpy())
    return kept[:number]


def move(points: Tensor, matrix: np.ndarray | None = None, shift: np.ndarray | None = None) -> None:
    """Replace the coordinates x of all points by ``matrix x + shift``, in place.

    Args:
        points: (N, 3 + C), float32 on the CPU; further channels stay.
        matrix: (3, 3); None for the identity.
        shift: (3,); None for none.
    """
    matrix = np.eye(3) if matrix is None else matrix
    shift = np.zeros(3) if shift is None else shift
    with np.errstate(over='ignore'):  # what float32 cannot hold becomes Inf, which who calls may look for
        matrix, shift = matrix.astype(np.float32), shift.astype(np.float32)
    _move(points.numpy(), matrix, shift)


def normalize(points: Tensor) -> None:
    """Move the centroid to the origin and scale the farthest point to distance 1, in place.

    Args:
        points: (N, 3 + C), N > 0, float32 on the CPU; further channels stay.
    """
    _normalize(points.numpy())
