"""Gathering and grouping of point features by index, dense and stacked, with their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from .arrays import check_clouds, check_indices, read_array, read_counts, write_array
from .threads import run_over_rows


@njit(nogil=True, cache=True)
def _gather(start: int, stop: int, features: np.ndarray, idx: np.ndarray, out: np.ndarray) -> None:
    """``out[b, c, s] = features[b, c, idx[b, s]]``; a row is one channel of one cloud."""
    num_channels = features.shape[1]
    for row in range(start, stop):
        b, c = row // num_channels, row % num_channels
        source, places, target = features[b, c], idx[b], out[b, c]
        for s in range(places.shape[0]):
            target[s] = source[places[s]]


@njit(nogil=True, cache=True)
def _scatter_add(start: int, stop: int, grad_out: np.ndarray, idx: np.ndarray, grad_features: np.ndarray) -> None:
    """The transpose of :func:`_gather`."""
    num_channels = grad_features.shape[1]
    for row in range(start, stop):
        b, c = row // num_channels, row % num_channels
        source, places, target = grad_out[b, c], idx[b], grad_features[b, c]
        for s in range(places.shape[0]):
            target[places[s]] += source[s]


@njit(nogil=True, cache=True)
def _stack_gather(
    start: int,
    stop: int,
    features: np.ndarray,
    first: np.ndarray,
    count: np.ndarray,
    idx: np.ndarray,
    out: np.ndarray,
) -> None:
    """``out[m, c, s] = features[first[m] + idx[m, s], c]``, or 0 if that is in another cloud; a row is one m."""
    for m in range(start, stop):
        for s in range(idx.shape[1]):
            if 0 <= idx[m, s] < count[m]:
                source = first[m] + idx[m, s]
                for c in range(features.shape[1]):
                    out[m, c, s] = features[source, c]
            else:
                for c in range(features.shape[1]):
                    out[m, c, s] = 0


@njit(nogil=True, cache=True)
def _stack_scatter_add(
    start: int,
    stop: int,
    grad_out: np.ndarray,
    first: np.ndarray,
    count: np.ndarray,
    idx: np.ndarray,
    grad_features: np.ndarray,
) -> None:
    """The transpose of :func:`_stack_gather`; a row is one channel, so no two threads add to the same value."""
    for m in range(idx.shape[0]):
        for c in range(start, stop):
            for s in range(idx.shape[1]):
                if 0 <= idx[m, s] < count[m]:
                    grad_features[first[m] + idx[m, s], c] += grad_out[m, c, s]


def _places(idx_tensor: Tensor) -> np.ndarray:
    """Return indices (B, ...) as unsigned (B, S). numba does not check these for negative values: twice as fast."""
    idx = read_array(idx_tensor)
    return idx.view(f'u{idx.itemsize}').reshape(len(idx), -1)


def _group(features_tensor: Tensor, idx_tensor: Tensor, out_tensor: Tensor) -> None:
    """Gather features (B, C, N) by indices (B, ...) into (B, C, ...)."""
    batch_size, num_channels, num_points = features_tensor.shape
    check_clouds(features_tensor, idx_tensor)
    check_indices(idx_tensor, num_points)
    with write_array(out_tensor) as out:
        flat = out.reshape(batch_size, num_channels, -1)
        run_over_rows(_gather, batch_size * num_channels, read_array(features_tensor), _places(idx_tensor), flat)


def _group_backward(grad_out_tensor: Tensor, idx_tensor: Tensor, grad_features_tensor: Tensor) -> None:
    """Add gradients (B, C, ...) to the features (B, C, N) that they came from."""
    batch_size, num_channels, num_points = grad_features_tensor.shape
    check_clouds(grad_features_tensor, grad_out_tensor, idx_tensor)
    check_indices(idx_tensor, num_points)
    grad_out = read_array(grad_out_tensor).reshape(batch_size, num_channels, -1)
    with write_array(grad_features_tensor) as grad_features:
        run_over_rows(_scatter_add, batch_size * num_channels, grad_out, _places(idx_tensor), grad_features)


def gather_points_forward(points_tensor: Tensor, idx_tensor: Tensor, out_tensor: Tensor, **sizes: int) -> None:
    """Pick points by index.

    Args:
        points_tensor (Tensor): Features, shape (B, C, N).
        idx_tensor (Tensor): Indices in [0, N), shape (B, M).
        out_tensor (Tensor): Receives the picked features, shape (B, C, M).
        **sizes (int): B, C, N and M, which the shapes say too.

    Raises:
        IndexError: If an index is out of range.
        TypeError: If the indices are not int32 or int64.
        ValueError: If features and indices are of different numbers of clouds.
    """
    _group(points_tensor, idx_tensor, out_tensor)


def gather_points_backward(
    grad_out_tensor: Tensor, idx_tensor: Tensor, grad_points_tensor: Tensor, **sizes: int
) -> None:
    """Gradient of :func:`gather_points_forward`, added to ``grad_points_tensor`` (B, C, N)."""
    _group_backward(grad_out_tensor, idx_tensor, grad_points_tensor)


def _cloud_of_rows(
    features_batch_cnt: Tensor, idx_batch_cnt: Tensor, num_features: int, indices: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Return the start of each row's cloud in the stacked features, and its number of points, both int64 (M,)."""
    if indices.is_floating_point() or indices.dtype == torch.bool:
        raise TypeError(f'point indices are whole numbers, got {indices.dtype}')
    check_clouds(features_batch_cnt, idx_batch_cnt)
    counts, rows = read_counts(features_batch_cnt, num_features), read_counts(idx_batch_cnt, len(indices))
    return np.repeat(np.cumsum(counts) - counts, rows), np.repeat(counts, rows)


def group(
    ctx: Any,
    features: Tensor,
    indices: Tensor,
    features_batch_cnt: Tensor | None = None,
    indices_batch_cnt: Tensor | None = None,
) -> Tensor:
    """Pick the points of each ball by index, as ``GroupingOperation.forward``.

    Each value of the output is written once. mmcv's method fills the output with zeros first, which takes as long as
    the grouping (134 MB in VoteNet's first layer at 4 clouds). In stacked clouds an index outside its cloud gives
    zeros: the balls of an empty cloud have such indices.

    Args:
        ctx (Any): The autograd context.
        features (Tensor): Features, shape (B, C, N); stacked (N1 + N2 + ..., C).
        indices (Tensor): Indices in [0, N), shape (B, M, S); stacked, counted from the start of the ball's own cloud,
            (M1 + M2 + ..., S).
        features_batch_cnt (Tensor | None): Points in each of the stacked clouds, int32 (B,). None if not stacked.
        indices_batch_cnt (Tensor | None): Balls in each of the stacked clouds, int32 (B,). None if not stacked.

    Returns:
        Tensor: The grouped features, (B, C, M, S); stacked (M1 + M2 + ..., C, S).

    Raises:
        IndexError: If an index is out of range and the clouds are not stacked.
        TypeError: If the indices are not whole numbers; int32 or int64 if the clouds are not stacked.
        ValueError: If features and indices are of different numbers of clouds.
    """
    features, indices = features.contiguous(), indices.contiguous()
    if features_batch_cnt is None or indices_batch_cnt is None:
        out_tensor = features.new_empty(*features.shape[:2], *indices.shape[1:])
        _group(features, indices, out_tensor)
        ctx.for_backwards = (indices, features.shape[2])
        return out_tensor
    out_tensor = features.new_empty(len(indices), features.shape[1], indices.shape[1])
    first, count = _cloud_of_rows(features_batch_cnt, indices_batch_cnt, len(features), indices)
    with write_array(out_tensor) as out:
        run_over_rows(_stack_gather, len(indices), read_array(features), first, count, read_array(indices), out)
    ctx.for_backwards = (len(indices_batch_cnt), len(features), indices, features_batch_cnt, indices_batch_cnt)
    return out_tensor


def group_points_backward(
    grad_out_tensor: Tensor, idx_tensor: Tensor, grad_points_tensor: Tensor, **sizes: int
) -> None:
    """Add the gradient of :func:`group` to ``grad_points_tensor`` (B, C, N)."""
    _group_backward(grad_out_tensor, idx_tensor, grad_points_tensor)


def stack_group_points_backward(
    grad_out_tensor: Tensor,
    idx_tensor: Tensor,
    idx_batch_cnt_tensor: Tensor,
    features_batch_cnt_tensor: Tensor,
    grad_features_tensor: Tensor,
    **sizes: int,
) -> None:
    """Add the gradient of :func:`group` of stacked clouds to ``grad_features_tensor`` (N1 + N2 + ..., C)."""
    first, count = _cloud_of_rows(
        features_batch_cnt_tensor, idx_batch_cnt_tensor, len(grad_features_tensor), idx_tensor
    )
    grad_out, idx = read_array(grad_out_tensor), read_array(idx_tensor)
    with write_array(grad_features_tensor) as grad_features:
        run_over_rows(_stack_scatter_add, grad_features.shape[1], grad_out, first, count, idx, grad_features)
