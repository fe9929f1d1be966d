"""k nearest neighbours with the heap of mmcv's CUDA kernel. The heap decides the order of ties."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from .arrays import check_clouds, read_points, write_array
from .threads import run_over_rows

# The CUDA kernel keeps its heap in an array of 100 entries.
MAX_NEIGHBOURS = 99


@njit(nogil=True, cache=True)
def _sift_down(dist: np.ndarray, index: np.ndarray, size: int) -> None:
    """Restore the max-heap of the first ``size`` entries after its root was replaced."""
    root = 0
    child = 1
    while child < size:
        if child + 1 < size and dist[child + 1] > dist[child]:
            child += 1
        if dist[root] > dist[child]:
            return
        dist[root], dist[child] = dist[child], dist[root]
        index[root], index[child] = index[child], index[root]
        root = child
        child = 2 * root + 1


@njit(nogil=True, cache=True)
def _knn(start: int, stop: int, xyz: np.ndarray, centers: np.ndarray, dist2: np.ndarray, idx: np.ndarray) -> None:
    """Find the neighbours of rows ``start`` to ``stop``. A row is one center of one cloud."""
    num_centers, k = idx.shape[1], idx.shape[2]
    dist = np.empty(k, xyz.dtype)
    index = np.empty(k, np.int32)
    for row in range(start, stop):
        b, m = row // num_centers, row % num_centers
        x, y, z = centers[b, m, 0], centers[b, m, 1], centers[b, m, 2]
        dist[:] = 1e10
        index[:] = 0
        for n in range(xyz.shape[1]):
            dx, dy, dz = x - xyz[b, n, 0], y - xyz[b, n, 1], z - xyz[b, n, 2]
            d2 = dx * dx + dy * dy + dz * dz
            if d2 < dist[0]:
                dist[0] = d2
                index[0] = n
                _sift_down(dist, index, k)
        for last in range(k - 1, 0, -1):
            dist[0], dist[last] = dist[last], dist[0]
            index[0], index[last] = index[last], index[0]
            _sift_down(dist, index, last)
        dist2[b, m] = dist
        idx[b, m] = index


def _as_triples(array: np.ndarray) -> np.ndarray:
    """Return an array's memory as the CUDA kernel reads it: N triples per cloud from the front, (B, N, 3)."""
    if array.shape[-1] < 3:
        raise ValueError(f'knn reads three values per point, got a tensor of shape {array.shape}')
    batch_size, num_points = array.shape[:2]
    return array.reshape(-1)[: batch_size * num_points * 3].reshape(batch_size, num_points, 3)


def knn_forward(
    xyz_tensor: Tensor, new_xyz_tensor: Tensor, idx_tensor: Tensor, dist2_tensor: Tensor, **sizes: int
) -> None:
    """Find the k points nearest to each center, nearest first.

    If a cloud has fewer than k points, the missing ones are index 0 at squared distance 1e10. Points farther away than
    that, or with a NaN, are not found. float64 points are compared in float64; the CUDA kernel keeps float32.

    mmdet3d's DGCNN ('F-KNN') passes features of more than three channels here. The CUDA kernel knows only triples: it
    reads the memory of the whole batch as triples, from the front. This kernel does the same, because models were
    trained that way. The result is not a graph of neighbours, and it mixes the clouds of a batch. Use
    :class:`strl_mmdet3d.models.FeatureKNNDGCNN` instead.

    Args:
        xyz_tensor (Tensor): Points, shape (B, N, 3).
        new_xyz_tensor (Tensor): Centers, shape (B, M, 3).
        idx_tensor (Tensor): Receives the indices, int32 (B, M, k).
        dist2_tensor (Tensor): Receives the squared distances, shape (B, M, k).
        **sizes (int): B, N, M and k, which the shapes say too.

    Raises:
        TypeError: If the points are not floating-point numbers.
        ValueError: If there are fewer than three channels, or the tensors differ in B.
    """
    check_clouds(xyz_tensor, new_xyz_tensor, idx_tensor)
    xyz, centers = map(_as_triples, read_points(xyz_tensor, new_xyz_tensor))
    with write_array(dist2_tensor) as dist2, write_array(idx_tensor) as idx:
        run_over_rows(_knn, idx.shape[0] * idx.shape[1], xyz, centers, dist2, idx)


def knn(ctx: Any, k: int, xyz: Tensor, center_xyz: Tensor | None = None, transposed: bool = False) -> Tensor:
    """Run ``KNN.forward``. Unlike mmcv's version it does not select a CUDA device.

    Args:
        ctx (Any): The autograd context.
        k (int): Number of neighbours, 1 to 99.
        xyz (Tensor): Points, shape (B, N, 3), or (B, 3, N) if transposed.
        center_xyz (Tensor, optional): Centers, shape (B, M, 3), or (B, 3, M) if transposed. Defaults to the points.
        transposed (bool): Whether the channels come before the points.

    Returns:
        Tensor: Indices of the neighbours, int32 (B, k, M).

    Raises:
        ValueError: If k is out of range.
    """
    if not 0 < k <= MAX_NEIGHBOURS:
        raise ValueError(f'knn finds 1 to {MAX_NEIGHBOURS} neighbours, got k={k}')
    if center_xyz is None:
        center_xyz = xyz
    if transposed:
        xyz, center_xyz = xyz.transpose(2, 1), center_xyz.transpose(2, 1)
    batch_size, num_centers, _ = center_xyz.shape
    idx = torch.zeros(batch_size, num_centers, k, dtype=torch.int32)
    dist2 = torch.zeros(batch_size, num_centers, k)
    knn_forward(xyz.contiguous(), center_xyz.contiguous(), idx, dist2)
    idx = idx.transpose(2, 1).contiguous()
    ctx.mark_non_differentiable(idx)
    return idx
