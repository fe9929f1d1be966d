"""PAConv's assembly of neighbours' features by scores, without the neighbours' features in memory."""

from __future__ import annotations

import numpy as np
from numba import njit
from torch import Tensor

from .arrays import check_clouds, read_array, write_array
from .threads import run_over_rows


@njit(nogil=True, cache=True)
def _assemble(
    start: int,
    stop: int,
    points: np.ndarray,
    centers: np.ndarray,
    scores: np.ndarray,
    idx: np.ndarray,
    out: np.ndarray,
) -> None:
    """``out[b, :, n, k] += sum over m of scores[b, n, k, m] * (points[b, idx[k], m] - centers[b, idx[0], m])``.

    A row is one n of one b.
    """
    _, num_points, num_weights, num_channels = points.shape
    num_rows, num_neighbours = idx.shape[1:]
    for row in range(start, stop):
        b, n = row // num_rows, row % num_rows
        center = idx[b, n, 0]
        for k in range(num_neighbours):
            neighbour = idx[b, n, k]
            if not 0 <= neighbour < num_points:
                continue
            total = out[b, :, n, k].copy()
            for m in range(num_weights):
                score = scores[b, n, k, m]
                for c in range(num_channels):
                    total[c] += points[b, neighbour, m, c] * score - centers[b, center, m, c] * score
            out[b, :, n, k] = total


@njit(nogil=True, cache=True)
def _spread_to_features(
    start: int,
    stop: int,
    grad_out: np.ndarray,
    scores: np.ndarray,
    idx: np.ndarray,
    grad_points: np.ndarray,
    grad_centers: np.ndarray,
) -> None:
    """The gradients of points and centers; a row is one m of one b, so no two threads add to the same value."""
    _, num_points, num_weights, num_channels = grad_points.shape
    for row in range(start, stop):
        b, m = row // num_weights, row % num_weights
        for n in range(idx.shape[1]):
            center = idx[b, n, 0]
            for k in range(idx.shape[2]):
                neighbour = idx[b, n, k]
                if not 0 <= neighbour < num_points:
                    continue
                for c in range(num_channels):
                    grad = scores[b, n, k, m] * grad_out[b, n, k, c]
                    grad_points[b, neighbour, m, c] += grad
                    grad_centers[b, center, m, c] -= grad


@njit(nogil=True, cache=True)
def _spread_to_scores(
    start: int,
    stop: int,
    grad_out: np.ndarray,
    points: np.ndarray,
    centers: np.ndarray,
    idx: np.ndarray,
    grad_scores: np.ndarray,
) -> None:
    """The gradient of the scores; a row is one n of one b."""
    _, num_points, num_weights, num_channels = points.shape
    num_rows, num_neighbours = idx.shape[1:]
    for row in range(start, stop):
        b, n = row // num_rows, row % num_rows
        center = idx[b, n, 0]
        for k in range(num_neighbours):
            neighbour = idx[b, n, k]
            if not 0 <= neighbour < num_points:
                continue
            for m in range(num_weights):
                total = grad_scores[b, n, k, m]
                for c in range(num_channels):
                    total += (points[b, neighbour, m, c] - centers[b, center, m, c]) * grad_out[b, n, k, c]
                grad_scores[b, n, k, m] = total


def _read_neighbours(points: Tensor, centers: Tensor, scores: Tensor, knn_idx: Tensor) -> np.ndarray:
    """Return the neighbours' indices, int64 (B, N1, K), after a check of all shapes: a kernel would read past them."""
    check_clouds(points, centers, scores, knn_idx)
    if points.shape != centers.shape or scores.shape != (*knn_idx.shape, points.shape[2]):
        raise ValueError(
            'assign_score_withk takes scores (B, n, K, M), points and centers (B, N, M, C) and indices (B, n, K), got '
            f'{tuple(scores.shape)}, {tuple(points.shape)}, {tuple(centers.shape)} and {tuple(knn_idx.shape)}'
        )
    if knn_idx.is_floating_point():
        raise TypeError(f'point indices are whole numbers, got {knn_idx.dtype}')
    idx = read_array(knn_idx).astype(np.int64)
    in_cloud = (idx >= 0) & (idx < points.shape[1])
    if (in_cloud & ~in_cloud[..., :1]).any():
        raise IndexError(f'the first neighbour is the center; some lie outside the cloud of {points.shape[1]} points')
    return idx


def assign_score_withk_forward(
    points: Tensor, centers: Tensor, scores: Tensor, knn_idx: Tensor, output: Tensor, **sizes: int
) -> None:
    """Sum the features of each neighbour over the weight matrices, by their scores, relative to the center.

    Args:
        points (Tensor): Features of the points under each weight matrix, shape (B, N, M, C).
        centers (Tensor): Features to subtract where the point is the center, shape (B, N, M, C).
        scores (Tensor): Scores of the weight matrices, shape (B, n, K, M).
        knn_idx (Tensor): Neighbours of each center, the center first, int32 or int64 (B, n, K). A neighbour outside
            [0, N) leaves its place in ``output`` alone.
        output (Tensor): Zeros, shape (B, C, n, K). Receives the sums.
        **sizes (int): The sizes, which the shapes say too, and the number of the aggregation, which mmcv's CUDA kernel
            does not use either: the sum over the neighbours is left to the caller.

    Raises:
        IndexError: If a center lies outside the cloud, but not all of its neighbours do.
        TypeError: If the indices are not whole numbers.
        ValueError: If the shapes do not fit each other.
    """
    idx = _read_neighbours(points, centers, scores, knn_idx)
    with write_array(output) as out:
        arrays = read_array(points), read_array(centers), read_array(scores)
        run_over_rows(_assemble, idx.shape[0] * idx.shape[1], *arrays, idx, out)


def assign_score_withk_backward(
    grad_out: Tensor,
    points: Tensor,
    centers: Tensor,
    scores: Tensor,
    knn_idx: Tensor,
    grad_points: Tensor,
    grad_centers: Tensor,
    grad_scores: Tensor,
    **sizes: int,
) -> None:
    """Add the gradients of :func:`assign_score_withk_forward` to those tensors, of the shapes of the inputs.

    ``grad_out`` (B, C, n, K) is the gradient of the output; the other arguments are the same as there.
    """
    idx = _read_neighbours(points, centers, scores, knn_idx)
    grad = read_array(grad_out.permute(0, 2, 3, 1))
    with write_array(grad_points) as to_points, write_array(grad_centers) as to_centers:
        num_rows = points.shape[0] * points.shape[2]
        run_over_rows(_spread_to_features, num_rows, grad, read_array(scores), idx, to_points, to_centers)
    with write_array(grad_scores) as to_scores:
        arrays = read_array(points), read_array(centers)
        run_over_rows(_spread_to_scores, idx.shape[0] * idx.shape[1], grad, *arrays, idx, to_scores)
