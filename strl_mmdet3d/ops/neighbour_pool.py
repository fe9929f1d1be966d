"""Maximum and sum over each point's neighbours, without keeping a row for every edge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from .arrays import read_array
from .threads import run_over_rows

EDGES_AT_A_TIME = 2**27
"""Numbers gathered at a time on a GPU, 0.5 GB in float32: some clouds of the batch, so that memory stays bounded."""


@njit(nogil=True, cache=True)
def _max_over_neighbours(
    start: int, stop: int, features: np.ndarray, neighbours: np.ndarray, best: np.ndarray, where: np.ndarray
) -> None:
    """Find the largest of ``features[b, neighbours[b, i, :], c]``, and its point. A row is a cloud; the first wins."""
    for b in range(start, stop):
        for i in range(neighbours.shape[1]):
            first = neighbours[b, i, 0]
            for c in range(features.shape[2]):
                best[b, i, c] = features[b, first, c]
                where[b, i, c] = first
            for j in range(1, neighbours.shape[2]):
                point = neighbours[b, i, j]
                for c in range(features.shape[2]):
                    value = features[b, point, c]
                    # A NaN is the maximum, as in torch: it must not pass unseen.
                    if value > best[b, i, c] or value != value:
                        best[b, i, c] = value
                        where[b, i, c] = point


@njit(nogil=True, cache=True)
def _scatter_to_points(start: int, stop: int, grad: np.ndarray, where: np.ndarray, grad_features: np.ndarray) -> None:
    """``grad_features[b, where[b, i, c], c] += grad[b, i, c]``; a row is a cloud."""
    for b in range(start, stop):
        for i in range(grad.shape[1]):
            for c in range(grad.shape[2]):
                grad_features[b, where[b, i, c], c] += grad[b, i, c]


@njit(nogil=True, cache=True)
def _sum_over_neighbours(
    start: int, stop: int, features: np.ndarray, neighbours: np.ndarray, total: np.ndarray
) -> None:
    """``total[b, i] += features[b, neighbours[b, i, j]]``; a row is a cloud."""
    for b in range(start, stop):
        for i in range(neighbours.shape[1]):
            for j in range(neighbours.shape[2]):
                point = neighbours[b, i, j]
                for c in range(features.shape[2]):
                    total[b, i, c] += features[b, point, c]


@njit(nogil=True, cache=True)
def _spread_to_neighbours(
    start: int, stop: int, grad: np.ndarray, neighbours: np.ndarray, grad_features: np.ndarray
) -> None:
    """``grad_features[b, neighbours[b, i, j]] += grad[b, i]``; a row is a cloud."""
    for b in range(start, stop):
        for i in range(neighbours.shape[1]):
            for j in range(neighbours.shape[2]):
                point = neighbours[b, i, j]
                for c in range(grad.shape[2]):
                    grad_features[b, point, c] += grad[b, i, c]


def _has_kernels(tensor: Tensor) -> bool:
    """Whether the kernels above compute it; torch computes what is not on a CPU."""
    return tensor.device.type == 'cpu'


def _edges(neighbours: Tensor, num_points: int, channels: int) -> Iterator[tuple[slice, Tensor]]:
    """Yield slices of the clouds, and the row (b M k) of each edge's neighbour in the clouds' points (b N, C)."""
    clouds = max(1, EDGES_AT_A_TIME // (neighbours[0].numel() * channels))
    for start in range(0, len(neighbours), clouds):
        some = slice(start, start + clouds)
        offsets = num_points * torch.arange(len(neighbours[some]), device=neighbours.device)
        yield some, (neighbours[some] + offsets[:, None, None]).flatten()


def _gathered(features: Tensor, neighbours: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield slices of the clouds, and the features (b, M, k, C) at their neighbours."""
    for some, rows in _edges(neighbours, *features.shape[1:]):
        yield some, features[some].flatten(0, 1).index_select(0, rows).view(*neighbours[some].shape, -1)


class _NeighbourMax(Function):
    """See `neighbour_max`."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, neighbours: Tensor) -> Tensor:
        """Take the maxima, and save the points that hold them."""
        ctx.num_points = features.shape[1]
        shape = *neighbours.shape[:2], features.shape[2]
        best = features.new_empty(shape)
        where = torch.empty(shape, dtype=torch.int32, device=features.device)
        if _has_kernels(features):
            arrays = read_array(features), read_array(neighbours)
            run_over_rows(_max_over_neighbours, len(features), *arrays, best.numpy(), where.numpy())
        else:
            for some, edges in _gathered(features, neighbours):
                best[some], nearest = edges.max(dim=2)
                where[some] = neighbours[some].gather(2, nearest).int()
        ctx.save_for_backward(where)
        return best

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """Pass the gradient on to the points that hold the maxima."""
        (where,) = ctx.saved_tensors
        grad_features = grad.new_zeros(len(grad), ctx.num_points, grad.shape[2])
        if not _has_kernels(grad):
            return grad_features.scatter_add_(1, where.long(), grad), None
        run_over_rows(_scatter_to_points, len(grad), read_array(grad), where.numpy(), grad_features.numpy())
        return grad_features, None


class _NeighbourSum(Function):
    """See `neighbour_sum`."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, neighbours: Tensor) -> Tensor:
        """Add the features up."""
        ctx.num_points = features.shape[1]
        ctx.save_for_backward(neighbours)
        total = features.new_zeros(*neighbours.shape[:2], features.shape[2])
        if _has_kernels(features):
            arrays = read_array(features), read_array(neighbours)
            run_over_rows(_sum_over_neighbours, len(features), *arrays, total.numpy())
        else:
            for some, edges in _gathered(features, neighbours):
                total[some] = edges.sum(dim=2)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """Pass the gradient of each point's sum on to all its neighbours."""
        (neighbours,) = ctx.saved_tensors
        grad_features = grad.new_zeros(len(grad), ctx.num_points, grad.shape[2])
        if not _has_kernels(grad):
            for some, rows in _edges(neighbours, *grad_features.shape[1:]):
                edges = grad[some].unsqueeze(2).expand(*neighbours[some].shape, -1).flatten(0, 2)
                grad_features[some].flatten(0, 1).index_add_(0, rows, edges)
            return grad_features, None
        arrays = read_array(grad), read_array(neighbours)
        run_over_rows(_spread_to_neighbours, len(grad), *arrays, grad_features.numpy())
        return grad_features, None


def neighbour_max(features: Tensor, neighbours: Tensor) -> Tensor:
    """Compute ``max over j of features[b, neighbours[b, i, j]]``.

    For each point and channel the gradient goes to the neighbour that holds the maximum; on a CPU to the first of
    several equal ones. The (B, M, k, C) edges are not kept: a batch's memory is that of two results.

    Args:
        features: (B, N, C), float32 or float64.
        neighbours: (B, M, k) indices of points in [0, N), int64, k > 0.

    Returns:
        (B, M, C); NaN where a neighbour's feature is.
    """
    return _NeighbourMax.apply(features, neighbours)


def neighbour_sum(features: Tensor, neighbours: Tensor) -> Tensor:
    """Compute ``sum over j of features[b, neighbours[b, i, j]]``; arguments and shapes as in `neighbour_max`."""
    return _NeighbourSum.apply(features, neighbours)
