"""Three nearest neighbours and the interpolation between them, as in PointNet++'s feature propagation."""

from __future__ import annotations

import numpy as np
from numba import njit
from torch import Tensor

from .arrays import check_clouds, check_indices, check_triples, read_array, read_points, write_array
from .threads import run_over_rows

BLOCK = 64
"""Known points whose distances are computed together. Most blocks hold no point near enough, and are skipped."""


@njit(nogil=True, cache=True)
def _three_nn(
    start: int, stop: int, unknown: np.ndarray, known: np.ndarray, dist2: np.ndarray, idx: np.ndarray
) -> None:
    """Find the neighbours of rows ``start`` to ``stop``. A row is one point of one cloud; the lower index wins a tie.

    ``known`` is (B, 3, M), so the distances to a block are computed as vectors, in the type of the points.
    """
    num_points, num_known = unknown.shape[1], known.shape[2]
    block = np.empty(BLOCK, unknown.dtype)
    for row in range(start, stop):
        b, n = row // num_points, row % num_points
        x, y, z = unknown[b, n, 0], unknown[b, n, 1], unknown[b, n, 2]
        # A missing neighbour ends up at infinity, as in the CUDA kernel, which starts from 1e40, beyond any float32.
        best1, best2, best3 = np.inf, np.inf, np.inf
        index1, index2, index3 = 0, 0, 0
        for first in range(0, num_known, BLOCK):
            xs, ys, zs = known[b, 0, first:], known[b, 1, first:], known[b, 2, first:]
            width = min(BLOCK, num_known - first)
            for k in range(width):
                dx, dy, dz = x - xs[k], y - ys[k], z - zs[k]
                block[k] = dx * dx + dy * dy + dz * dz
            limit, any_nearer = unknown.dtype.type(best3), False
            for k in range(width):
                any_nearer |= block[k] < limit
            if not any_nearer:
                continue
            for k in range(width):
                d2 = block[k]
                if d2 < best1:
                    best1, best2, best3 = d2, best1, best2
                    index1, index2, index3 = first + k, index1, index2
                elif d2 < best2:
                    best2, best3 = d2, best2
                    index2, index3 = first + k, index2
                elif d2 < best3:
                    best3 = d2
                    index3 = first + k
        dist2[b, n, 0], dist2[b, n, 1], dist2[b, n, 2] = best1, best2, best3
        idx[b, n, 0], idx[b, n, 1], idx[b, n, 2] = index1, index2, index3


@njit(nogil=True, cache=True)
def _interpolate(
    start: int, stop: int, features: np.ndarray, idx: np.ndarray, weight: np.ndarray, out: np.ndarray
) -> None:
    """``out[b, c, n] = sum_j weight[b, n, j] * features[b, c, idx[b, n, j]]``; a row is one channel of one cloud."""
    num_channels = features.shape[1]
    for row in range(start, stop):
        b, c = row // num_channels, row % num_channels
        for n in range(idx.shape[1]):
            out[b, c, n] = (
                weight[b, n, 0] * features[b, c, idx[b, n, 0]]
                + weight[b, n, 1] * features[b, c, idx[b, n, 1]]
                + weight[b, n, 2] * features[b, c, idx[b, n, 2]]
            )


@njit(nogil=True, cache=True)
def _interpolate_backward(
    start: int, stop: int, grad_out: np.ndarray, idx: np.ndarray, weight: np.ndarray, grad_features: np.ndarray
) -> None:
    """The transpose of :func:`_interpolate`."""
    num_channels = grad_features.shape[1]
    for row in range(start, stop):
        b, c = row // num_channels, row % num_channels
        for n in range(idx.shape[1]):
            for j in range(3):
                grad_features[b, c, idx[b, n, j]] += grad_out[b, c, n] * weight[b, n, j]


def three_nn_forward(
    unknown_tensor: Tensor, known_tensor: Tensor, dist2_tensor: Tensor, idx_tensor: Tensor, **sizes: int
) -> None:
    """Find the three known points nearest to each unknown point, nearest first.

    If fewer than three points are known, the missing ones are index 0 at an infinite distance. A point with a NaN is
    not a neighbour of any point and has none itself. float64 points are compared in float64.

    Args:
        unknown_tensor (Tensor): Points to find neighbours for, shape (B, N, 3).
        known_tensor (Tensor): Points to find them among, shape (B, M, 3).
        dist2_tensor (Tensor): Receives the squared distances, shape (B, N, 3).
        idx_tensor (Tensor): Receives the indices, int32 (B, N, 3).
        **sizes (int): B, N and M, which the shapes say too.

    Raises:
        TypeError: If the points are not floating-point numbers.
        ValueError: If the tensors differ in B, or a point has fewer than three coordinates.
    """
    check_triples(unknown_tensor, known_tensor)
    check_clouds(unknown_tensor, known_tensor, idx_tensor)
    unknown, known = read_points(unknown_tensor, known_tensor)
    known = np.ascontiguousarray(known.transpose(0, 2, 1))
    with write_array(dist2_tensor) as dist2, write_array(idx_tensor) as idx:
        run_over_rows(_three_nn, idx.shape[0] * idx.shape[1], unknown, known, dist2, idx)


def _check_weights(idx_tensor: Tensor, weight_tensor: Tensor) -> None:
    """Refuse indices and weights of different shapes, or of other than three neighbours."""
    if idx_tensor.shape != weight_tensor.shape or idx_tensor.shape[-1] != 3:
        raise ValueError(
            f'three_interpolate takes indices and weights of one shape (B, N, 3), got {tuple(idx_tensor.shape)} and '
            f'{tuple(weight_tensor.shape)}'
        )


def three_interpolate_forward(
    points_tensor: Tensor, idx_tensor: Tensor, weight_tensor: Tensor, out_tensor: Tensor, **sizes: int
) -> None:
    """Compute the weighted sum of three known features for each unknown point.

    Args:
        points_tensor (Tensor): Known features, shape (B, C, M).
        idx_tensor (Tensor): Indices in [0, M), shape (B, N, 3).
        weight_tensor (Tensor): Weights, shape (B, N, 3).
        out_tensor (Tensor): Receives the features, shape (B, C, N).
        **sizes (int): B, C, M and N, which the shapes say too.

    Raises:
        IndexError: If an index is out of range.
        TypeError: If the indices are not int32 or int64, or the features not floating-point numbers.
        ValueError: If the tensors differ in B, or the indices and weights in their shape.
    """
    check_indices(idx_tensor, points_tensor.shape[2])
    _check_weights(idx_tensor, weight_tensor)
    check_clouds(points_tensor, idx_tensor)
    features, weight = read_points(points_tensor, weight_tensor)
    idx = read_array(idx_tensor)
    with write_array(out_tensor) as out:
        run_over_rows(_interpolate, out.shape[0] * out.shape[1], features, idx, weight, out)


def three_interpolate_backward(
    grad_out_tensor: Tensor, idx_tensor: Tensor, weight_tensor: Tensor, grad_points_tensor: Tensor, **sizes: int
) -> None:
    """Add the features' gradient of :func:`three_interpolate_forward` to ``grad_points_tensor`` (B, C, M)."""
    check_indices(idx_tensor, grad_points_tensor.shape[2])
    _check_weights(idx_tensor, weight_tensor)
    check_clouds(grad_points_tensor, idx_tensor)
    grad_out, weight = read_points(grad_out_tensor, weight_tensor)
    idx = read_array(idx_tensor)
    with write_array(grad_points_tensor) as grad_features:
        num_rows = grad_features.shape[0] * grad_features.shape[1]
        run_over_rows(_interpolate_backward, num_rows, grad_out, idx, weight, grad_features)
