"""Ball query over points binned in a hashed grid, with the same results as mmcv's exhaustive CUDA scan."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from torch import Tensor

from .arrays import check_clouds, check_triples, read_counts, read_points, write_array
from .threads import run_over_rows

# Cells are wider than the radius by more than float32 rounding can add to a distance, so a ball never reaches past the
# neighbours of its cell.
CELL_SLACK = 1.0001
# Keeps the cell size positive for radius 0. Such a ball holds only the points at its center.
MIN_CELL_SIZE = 1e-12
# Cell coordinates are clipped to +-2**40: beyond it float64 does not separate cells, and int64 would overflow.
MAX_CELL = 2.0**40


class Grid(NamedTuple):
    """Points sorted by hashed grid cell.

    Attributes:
        cell_size (float): Edge of a cell, in the points' unit.
        first (np.ndarray): Where each bucket starts in ``order``, int64 (buckets + 1,). The number of buckets is a
            power of two.
        order (np.ndarray): Point indices, ascending within a bucket, int32 (N,).
        xyz (np.ndarray): Positions in the order of ``order``, (N, 3).
    """

    cell_size: float
    first: np.ndarray
    order: np.ndarray
    xyz: np.ndarray


@njit(nogil=True, cache=True)
def _cell(coordinate: np.floating, cell_size: float) -> int:
    """Return the cell of a finite coordinate along one axis."""
    return int(min(max(np.floor(coordinate / cell_size), -MAX_CELL), MAX_CELL))


@njit(nogil=True, cache=True)
def _bucket(i: int, j: int, k: int, num_buckets: int) -> int:
    """Return the bucket of cell (i, j, k), by the primes of Teschner et al., 'Optimized Spatial Hashing', VMV 2003."""
    return ((i * 73856093) ^ (j * 19349663) ^ (k * 83492791)) & (num_buckets - 1)


@njit(nogil=True, cache=True)
def _bin_points(xyz: np.ndarray, cell_size: float, num_buckets: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort the finite points by bucket (counting sort). Other points are left out: no ball holds them."""
    bucket_of = np.full(xyz.shape[0], -1, np.int64)
    first = np.zeros(num_buckets + 1, np.int64)
    for n in range(xyz.shape[0]):
        x, y, z = np.float64(xyz[n, 0]), np.float64(xyz[n, 1]), np.float64(xyz[n, 2])
        if np.isfinite(x) and np.isfinite(y) and np.isfinite(z):
            bucket = _bucket(_cell(x, cell_size), _cell(y, cell_size), _cell(z, cell_size), num_buckets)
            bucket_of[n] = bucket
            first[bucket + 1] += 1
    for bucket in range(num_buckets):
        first[bucket + 1] += first[bucket]
    order = np.empty(first[num_buckets], np.int32)
    free = first[:-1].copy()
    for n in range(xyz.shape[0]):
        bucket = bucket_of[n]
        if bucket >= 0:
            order[free[bucket]] = n
            free[bucket] += 1
    return first, order, xyz[order]


@njit(nogil=True, cache=True)
def _query(
    start: int,
    stop: int,
    centers: np.ndarray,
    cell_size: float,
    first: np.ndarray,
    order: np.ndarray,
    xyz: np.ndarray,
    min_radius: np.floating,
    max_radius: np.floating,
    mark_empty: bool,
    idx: np.ndarray,
) -> None:
    """Fill rows ``start`` to ``stop`` of ``idx``, int32 (M, S), with the points of the balls around ``centers`` (M, 3).

    ``cell_size`` to ``xyz`` are the fields of :class:`Grid`. The inner radius is inclusive, the outer one exclusive;
    points at the center itself are always in the ball. ``mark_empty`` puts -1 into the first place of an empty ball.
    """
    num_buckets = first.shape[0] - 1
    num_samples = idx.shape[1]
    min_radius2 = min_radius * min_radius
    max_radius2 = max_radius * max_radius
    visited = np.empty(27, np.int64)
    for m in range(start, stop):
        hits = idx[m]
        num_hits = 0
        x, y, z = centers[m, 0], centers[m, 1], centers[m, 2]
        if np.isfinite(x) and np.isfinite(y) and np.isfinite(z):
            ci = _cell(np.float64(x), cell_size)
            cj = _cell(np.float64(y), cell_size)
            ck = _cell(np.float64(z), cell_size)
            num_visited = 0
            for neighbour in range(27):
                # 13 is the center's own cell. It goes first: the row fills early, and the break below comes soon.
                offset = (neighbour + 13) % 27
                bucket = _bucket(ci + offset // 9 - 1, cj + offset // 3 % 3 - 1, ck + offset % 3 - 1, num_buckets)
                seen = False
                for v in range(num_visited):
                    seen = seen or visited[v] == bucket
                if seen:
                    continue
                visited[num_visited] = bucket
                num_visited += 1
                for p in range(first[bucket], first[bucket + 1]):
                    n = order[p]
                    if num_hits == num_samples and n > hits[num_samples - 1]:
                        break
                    dx, dy, dz = x - xyz[p, 0], y - xyz[p, 1], z - xyz[p, 2]
                    d2 = dx * dx + dy * dy + dz * dz
                    if d2 == 0 or (d2 >= min_radius2 and d2 < max_radius2):
                        # Insert in order. Once the row is full, its largest index drops out.
                        place = min(num_hits, num_samples - 1)
                        while place > 0 and hits[place - 1] > n:
                            hits[place] = hits[place - 1]
                            place -= 1
                        hits[place] = n
                        num_hits = min(num_hits + 1, num_samples)
        if num_hits > 0:
            hits[num_hits:] = hits[0]
        elif mark_empty:
            hits[0] = -1


def _build_grid(xyz: np.ndarray, radius: float) -> Grid:
    """Bin the points of one cloud, (N, 3), for balls of at most ``radius``."""
    cell_size = max(radius * CELL_SLACK, MIN_CELL_SIZE)
    num_buckets = 1 << max(len(xyz) - 1, 1).bit_length()
    return Grid(cell_size, *_bin_points(xyz, cell_size, num_buckets))


def _query_cloud(
    centers: np.ndarray, xyz: np.ndarray, min_radius: float, max_radius: float, mark_empty: bool, idx: np.ndarray
) -> None:
    """Query one cloud, see :func:`_query`."""
    if not 0 <= min_radius <= max_radius:
        raise ValueError(f'a ball needs radii 0 <= min_radius <= max_radius, got {min_radius} and {max_radius}')
    if not idx.shape[1]:
        return
    grid, number = _build_grid(xyz, max_radius), xyz.dtype.type
    run_over_rows(_query, len(centers), centers, *grid, number(min_radius), number(max_radius), mark_empty, idx)


def ball_query_forward(
    new_xyz_tensor: Tensor,
    xyz_tensor: Tensor,
    idx_tensor: Tensor,
    min_radius: float,
    max_radius: float,
    **sizes: int,
) -> None:
    """Find the S points of lowest index in each ball. A ball with fewer points repeats its first one.

    A ball holds the points at squared distance 0 or in [``min_radius``^2, ``max_radius``^2). The row of an empty ball
    is not written: mmcv passes zeros. A point with a NaN is in no ball, and a ball around one is empty. With float64
    points all is computed in float64, while the CUDA kernel rounds the radii to float32.

    Args:
        new_xyz_tensor (Tensor): Ball centers, shape (B, M, 3).
        xyz_tensor (Tensor): Points, shape (B, N, 3), in the unit of the radii.
        idx_tensor (Tensor): Receives the indices, int32 (B, M, S).
        min_radius (float): Inner radius.
        max_radius (float): Outer radius.
        **sizes (int): B, N, M and S, which the shapes say too.

    Raises:
        TypeError: If the points are not floating-point numbers.
        ValueError: If the tensors differ in B, a point has fewer than three coordinates, or not
            0 <= ``min_radius`` <= ``max_radius``.
    """
    check_triples(new_xyz_tensor, xyz_tensor)
    check_clouds(new_xyz_tensor, xyz_tensor, idx_tensor)
    centers, xyz = read_points(new_xyz_tensor, xyz_tensor)
    with write_array(idx_tensor) as idx:
        for cloud in range(len(idx)):
            _query_cloud(centers[cloud], xyz[cloud], min_radius, max_radius, False, idx[cloud])


def stack_ball_query_forward(
    new_xyz_tensor: Tensor,
    new_xyz_batch_cnt_tensor: Tensor,
    xyz_tensor: Tensor,
    xyz_batch_cnt_tensor: Tensor,
    idx_tensor: Tensor,
    max_radius: float,
    nsample: int,
) -> None:
    """Query balls like :func:`ball_query_forward`, in stacked clouds of unequal size.

    The inner radius is 0. Indices count from the start of the center's own cloud. An empty ball holds -1 in its first
    place.

    Args:
        new_xyz_tensor (Tensor): Ball centers, shape (M1 + M2 + ..., 3).
        new_xyz_batch_cnt_tensor (Tensor): Centers per cloud, int32 (B,).
        xyz_tensor (Tensor): Points, shape (N1 + N2 + ..., 3).
        xyz_batch_cnt_tensor (Tensor): Points per cloud, int32 (B,).
        idx_tensor (Tensor): Receives the indices, int32 (M1 + M2 + ..., S).
        max_radius (float): Radius.
        nsample (int): Places per ball S.

    Raises:
        TypeError: If the points are not floating-point numbers.
        ValueError: If the counts do not add up to the centers and points, a point has fewer than three coordinates, or
            the radius is negative.
    """
    check_triples(new_xyz_tensor, xyz_tensor)
    centers, xyz = read_points(new_xyz_tensor, xyz_tensor)
    center_ends = np.cumsum(read_counts(new_xyz_batch_cnt_tensor, len(centers)))[:-1]
    xyz_ends = np.cumsum(read_counts(xyz_batch_cnt_tensor, len(xyz)))[:-1]
    with write_array(idx_tensor) as idx:
        for cloud_centers, cloud_xyz, cloud_idx in zip(
            np.split(centers, center_ends), np.split(xyz, xyz_ends), np.split(idx, center_ends), strict=True
        ):
            _query_cloud(cloud_centers, cloud_xyz, 0.0, max_radius, True, cloud_idx)
