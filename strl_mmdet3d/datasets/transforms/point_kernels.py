"""Compiled loops over the points of a cloud; torch and NumPy are several times slower along an axis of length three."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numba import njit
from torch import Tensor

LANES = 16
"""Number of points whose coordinates are compared side by side."""


@njit(nogil=True, cache=True)
def choose(uniform: np.ndarray, chosen: np.ndarray, places: np.ndarray) -> None:
    """Choose different places, one per random number; all subsets are equally likely (Floyd; Bentley, 1987).

    Args:
        uniform: Random numbers (number,), float64 in [0, 1).
        chosen: A mask (size,), all False, which is filled in; number <= size.
        places: The places (number,), int64, which are filled in; their order is not specified.
    """
    for n in range(len(uniform)):
        last = len(chosen) - len(uniform) + n
        place = int(uniform[n] * (last + 1))
        places[n] = last if chosen[place] else place
        chosen[places[n]] = True


@njit(nogil=True, cache=True)
def find(mask: np.ndarray, places: np.ndarray) -> None:
    """Fill in the places where a mask (N,) is True, in their order. ``places`` must have room for one more."""
    number = 0
    for n in range(len(mask)):
        places[number] = n
        number += mask[n]  # no branch, which random masks would mispredict


class Loops(NamedTuple):
    """Compiled loops over clouds with the same number of channels. A cloud is flat, float32 (N * channels,).

    Attributes:
        bounds: Fills in the lower and the upper corner (3,) of a cloud with N > 0.
        inside: Fills in a mask (N,): whether a point's offset from an origin lies in a box, including its faces.
        keep: Moves the points of a mask (N,) to the front, in their order.
        move: Replaces the coordinates x of each point by ``matrix x + shift``, in float32.
        normalize: Moves the centroid to the origin, and scales the farthest point to distance 1; fills in the centroid
            (3,) and the factor (1,), float32.
    """

    bounds: Callable[..., None]
    inside: Callable[..., None]
    keep: Callable[..., None]
    move: Callable[..., None]
    normalize: Callable[..., None]


@cache
def _loops(channels: int) -> Loops:
    """Compile the loops. The distance from point to point is a constant, so the compiler can vectorise them."""

    @njit(nogil=True, cache=True)
    def bounds(flat: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> None:
        width = LANES * channels
        low, high = np.empty(width, np.float32), np.empty(width, np.float32)
        for lane in range(width):
            low[lane] = high[lane] = flat[lane % channels]
        whole = flat.shape[0] // width * width
        for start in range(0, whole, width):
            block = flat[start : start + width]
            for lane in range(width):  # the compiler vectorises two loops, but not one loop
                low[lane] = min(low[lane], block[lane])
            for lane in range(width):
                high[lane] = max(high[lane], block[lane])
        for place in range(whole, flat.shape[0]):
            low[place - whole] = min(low[place - whole], flat[place])
            high[place - whole] = max(high[place - whole], flat[place])
        for axis in range(3):
            lower[axis], upper[axis] = low[axis], high[axis]
            for lane in range(axis, width, channels):
                lower[axis], upper[axis] = min(lower[axis], low[lane]), max(upper[axis], high[lane])

    @njit(nogil=True, cache=True)
    def inside(flat: np.ndarray, origin: np.ndarray, lower: np.ndarray, upper: np.ndarray, mask: np.ndarray) -> None:
        ox, oy, oz = origin[0], origin[1], origin[2]
        x0, y0, z0 = lower[0], lower[1], lower[2]
        x1, y1, z1 = upper[0], upper[1], upper[2]
        for n in range(mask.shape[0]):
            x, y, z = flat[channels * n] - ox, flat[channels * n + 1] - oy, flat[channels * n + 2] - oz
            mask[n] = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1) & (z >= z0) & (z <= z1)

    @njit(nogil=True, cache=True)
    def keep(flat: np.ndarray, mask: np.ndarray) -> None:
        place = 0
        for n in range(mask.shape[0]):
            for channel in range(channels):
                flat[place + channel] = flat[channels * n + channel]
            place += channels * mask[n]  # no branch here either

    @njit(nogil=True, cache=True)
    def move(flat: np.ndarray, matrix: np.ndarray, shift: np.ndarray) -> None:
        for n in range(flat.shape[0] // channels):
            x, y, z = flat[channels * n], flat[channels * n + 1], flat[channels * n + 2]
            for axis in range(3):
                moved = matrix[axis, 0] * x + matrix[axis, 1] * y + matrix[axis, 2] * z
                flat[channels * n + axis] = moved + shift[axis]

    @njit(nogil=True, cache=True)
    def normalize(flat: np.ndarray, centroid: np.ndarray, scale: np.ndarray) -> None:
        number = flat.shape[0] // channels
        sums, farthest = np.zeros(3), 0.0
        for n in range(number):
            for axis in range(3):
                sums[axis] += flat[channels * n + axis]
        # The mean of equal float32 coordinates must be that coordinate, or rounding errors would grow to radius 1.
        centroid[:] = (sums / number).astype(np.float32)
        for n in range(number):
            distance = 0.0
            for axis in range(3):
                flat[channels * n + axis] -= centroid[axis]
                distance += float(flat[channels * n + axis]) ** 2
            farthest = distance if distance > farthest else farthest
        scale[0] = 1
        if farthest > 0:
            scale[0] = np.float32(1 / np.sqrt(farthest))
            for n in range(number):
                for axis in range(3):
                    flat[channels * n + axis] *= scale[0]

    return Loops(bounds, inside, keep, move, normalize)


def _flat(points: Tensor) -> np.ndarray:
    """Return a cloud (N, 3 + C) as a flat array: its own memory, or a copy if it is not stored row by row."""
    return points.contiguous().view(-1).numpy()


def _in_place(loop: Callable[..., None], points: Tensor, *args: np.ndarray) -> None:
    """Run a loop that changes the cloud in place, for any memory order."""
    rows = points.contiguous()
    loop(_flat(rows), *args)
    if rows is not points:
        points.copy_(rows)


def bounds(points: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the axis-aligned box of a cloud.

    Args:
        points: (N, 3 + C), N > 0, float32 on the CPU.

    Returns:
        Its lower and its upper corner, each float32 (3,).
    """
    lower, upper = np.empty(3, np.float32), np.empty(3, np.float32)
    _loops(points.shape[1]).bounds(_flat(points), lower, upper)
    return lower, upper


def inside_box(points: Tensor, origin: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> Tensor:
    """Return which points lie in a box, including its faces.

    Args:
        points: (N, 3 + C), float32 on the CPU.
        origin: Float32 (3,); the box's corners are given relative to it.
        lower: Float32 (3,).
        upper: Float32 (3,).

    Returns:
        A mask (N,).
    """
    mask = np.empty(len(points), np.bool_)
    _loops(points.shape[1]).inside(_flat(points), origin, lower, upper, mask)
    return torch.from_numpy(mask)


def keep_rows(points: Tensor, keep: Tensor) -> Tensor:
    """Return ``points[keep]``, in the memory of the points, which are lost. A copy would take half as long again.

    Args:
        points: (N, C), float32 on the CPU.
        keep: A mask (N,).

    Returns:
        (M, C), the first rows of the cloud's memory.
    """
    rows = points.contiguous()
    _loops(points.shape[1]).keep(_flat(rows), keep.numpy())
    return rows[: int(np.count_nonzero(keep.numpy()))]


def move(points: Tensor, matrix: np.ndarray | None = None, shift: np.ndarray | None = None) -> None:
    """Replace the coordinates x of all points by ``matrix x + shift``, in place.

    Args:
        points: (N, 3 + C), float32 on the CPU; further channels stay.
        matrix: (3, 3); None for the identity.
        shift: (3,); None for none.
    """
    matrix = np.eye(3) if matrix is None else matrix
    shift = np.zeros(3) if shift is None else shift
    with np.errstate(over='ignore'):  # values too large for float32 become Inf, which a caller may check for
        matrix, shift = matrix.astype(np.float32), shift.astype(np.float32)
    _in_place(_loops(points.shape[1]).move, points, matrix, shift)


def normalize(points: Tensor) -> tuple[np.ndarray, float]:
    """Move the centroid to the origin and scale the farthest point to distance 1, in place.

    Args:
        points: (N, 3 + C), N > 0, float32 on the CPU; further channels stay.

    Returns:
        What was done: the centroid, float32 (3,), was subtracted, and the rest multiplied by the factor.
    """
    centroid, scale = np.empty(3, np.float32), np.empty(1, np.float32)
    _in_place(_loops(points.shape[1]).normalize, points, centroid, scale)
    return centroid, float(scale[0])
