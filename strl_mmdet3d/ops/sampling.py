"""Furthest point sampling as mmcv's CUDA kernel does it, ties included."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from .arrays import check_clouds, check_triples, read_points, write_array
from .threads import run_over_rows

MAX_BLOCK_SIZE = 1024


def cuda_block_size(num_points: int) -> int:
    """Return the threads per block that mmcv's launcher chooses (``opt_n_threads``): a power of two, at most 1024.

    Args:
        num_points (int): Points per cloud.

    Raises:
        ValueError: If the cloud is empty.
    """
    if num_points < 1:
        raise ValueError('furthest point sampling needs at least one point per cloud, got an empty cloud')
    return min(1 << int(math.log(num_points) / math.log(2)), MAX_BLOCK_SIZE)


@njit(nogil=True, cache=True)
def _reduce_lanes(best: np.ndarray, best_step: np.ndarray) -> int:
    """Return the index of the furthest point; ties are decided as in the CUDA block.

    The lanes are reduced in a tree, where the lower half wins a tie. The distance of each lane's candidate, (block,),
    and the step at which the lane saw it, int32 (block,), are overwritten.
    """
    block = best.shape[0]
    for lane in range(block):
        best_step[lane] = best_step[lane] * block + lane
    half = block // 2
    while half >= 1:
        for lane in range(half):
            if best[lane + half] > best[lane]:
                best[lane] = best[lane + half]
                best_step[lane] = best_step[lane + half]
        half //= 2
    return best_step[0]


@njit(nogil=True, cache=True)
def _sample_by_position(
    start: int, stop: int, coords: np.ndarray, nearest: np.ndarray, idx: np.ndarray, block: int
) -> None:
    """Sample clouds ``start`` to ``stop`` into ``idx``, int32 (B, M).

    One lane stands for one CUDA thread: lane t sees points t, t + block, ... in order and keeps the furthest, or the
    first of several that are equally far. :func:`_reduce_lanes` decides ties between lanes. x, y and z are each
    contiguous in ``coords``, (B, 3, N), so lanes are computed as vectors. ``nearest``, (B, N) of the same type, holds
    the squared distance to the nearest sample so far, and is overwritten. ``block`` is at most N.
    """
    num_points = coords.shape[2]
    best = np.empty(block, coords.dtype)
    best_step = np.empty(block, np.int32)
    for b in range(start, stop):
        last = 0
        idx[b, 0] = last
        for j in range(1, idx.shape[1]):
            best[:] = -1
            best_step[:] = 0
            x1, y1, z1 = coords[b, 0, last], coords[b, 1, last], coords[b, 2, last]
            for first in range(0, num_points, block):
                x, y, z = coords[b, 0, first:], coords[b, 1, first:], coords[b, 2, first:]
                near = nearest[b, first:]
                step = np.int32(first // block)
                for lane in range(min(block, num_points - first)):
                    dx, dy, dz = x[lane] - x1, y[lane] - y1, z[lane] - z1
                    d = dx * dx + dy * dy + dz * dz
                    so_far, lane_best, lane_step = near[lane], best[lane], best_step[lane]
                    d = d if d < so_far else so_far
                    near[lane] = d
                    best[lane] = d if d > lane_best else lane_best
                    best_step[lane] = step if d > lane_best else lane_step
            last = _reduce_lanes(best, best_step)
            idx[b, j] = last


@njit(nogil=True, cache=True)
def _sample_by_distance(
    start: int, stop: int, distances: np.ndarray, nearest: np.ndarray, idx: np.ndarray, block: int
) -> None:
    """Sample like :func:`_sample_by_position`, but from given distances, (B, N, N)."""
    num_points = distances.shape[2]
    best = np.empty(block, distances.dtype)
    best_step = np.empty(block, np.int32)
    for b in range(start, stop):
        last = 0
        idx[b, 0] = last
        for j in range(1, idx.shape[1]):
            best[:] = -1
            best_step[:] = 0
            for first in range(0, num_points, block):
                to_last = distances[b, last, first:]
                near = nearest[b, first:]
                step = np.int32(first // block)
                for lane in range(min(block, num_points - first)):
                    d, so_far, lane_best, lane_step = to_last[lane], near[lane], best[lane], best_step[lane]
                    d = d if d < so_far else so_far
                    near[lane] = d
                    best[lane] = d if d > lane_best else lane_best
                    best_step[lane] = step if d > lane_best else lane_step
            last = _reduce_lanes(best, best_step)
            idx[b, j] = last


def furthest_point_sampling_forward(
    points_tensor: Tensor, temp_tensor: Tensor, idx_tensor: Tensor, **sizes: int
) -> None:
    """Sample M points of each cloud, starting with point 0.

    If a cloud has fewer than M distinct points, the other samples repeat point 0, as in the CUDA kernel. As there, a
    point with a NaN counts as farthest from all others, for every sample after it too. float64 points are compared in
    float64, while the CUDA kernel takes float32 only.

    Args:
        points_tensor (Tensor): Positions, shape (B, N, 3), in any unit.
        temp_tensor (Tensor): Filled with 1e10, the largest squared distance that counts, shape (B, N).
        idx_tensor (Tensor): Receives the samples, int32 (B, M).
        **sizes (int): B, N and M, which the shapes say too.

    Raises:
        TypeError: If the positions are not floating-point numbers.
        ValueError: If the clouds are empty, the tensors differ in B, or a position has fewer than three coordinates.
    """
    if idx_tensor.shape[1] < 1:
        return
    check_triples(points_tensor)
    check_clouds(points_tensor, idx_tensor)
    points, nearest = read_points(points_tensor, temp_tensor)
    coords = np.ascontiguousarray(points.transpose(0, 2, 1))
    with write_array(idx_tensor) as idx:
        block = cuda_block_size(coords.shape[2])
        run_over_rows(_sample_by_position, len(idx), coords, nearest.copy(), idx, block)


def furthest_point_sampling_with_dist_forward(
    points_tensor: Tensor, temp_tensor: Tensor, idx_tensor: Tensor, **sizes: int
) -> None:
    """Sample like :func:`furthest_point_sampling_forward`, from distances: ``points_tensor`` has shape (B, N, N)."""
    if idx_tensor.shape[1] < 1:
        return
    if points_tensor.shape[1] != points_tensor.shape[2]:
        raise ValueError(f'distances have the shape (B, N, N), got {tuple(points_tensor.shape)}')
    check_clouds(points_tensor, idx_tensor)
    distances, nearest = read_points(points_tensor, temp_tensor)
    with write_array(idx_tensor) as idx:
        block = cuda_block_size(distances.shape[2])
        run_over_rows(_sample_by_distance, len(idx), distances, nearest.copy(), idx, block)


def furthest_point_sample(ctx: Any, points_xyz: Tensor, num_points: int) -> Tensor:
    """Run ``FurthestPointSampling.forward`` with its buffers on the CPU; mmcv's version asks ``torch.cuda`` for them.

    Args:
        ctx (Any): The autograd context.
        points_xyz (Tensor): Positions, shape (B, N, 3), contiguous.
        num_points (int): Samples per cloud M.

    Returns:
        Tensor: The samples, int32 (B, M).
    """
    assert points_xyz.is_contiguous()
    idx = torch.empty(len(points_xyz), num_points, dtype=torch.int32)
    # Half precision ends below 1e10.
    nearest = torch.full(points_xyz.shape[:2], 1e10, dtype=torch.promote_types(points_xyz.dtype, torch.float32))
    furthest_point_sampling_forward(points_xyz, nearest, idx)
    ctx.mark_non_differentiable(idx)
    return idx
