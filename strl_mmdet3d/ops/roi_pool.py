"""Pools the points inside 3D boxes: RoI-aware (Part-A2) and RoI-point pooling (PointRCNN).

A point is in a box as in :mod:`~strl_mmdet3d.ops.points_in_boxes`: the faces across z belong to the box, the other four
do not. A point with a NaN is in no box.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from torch import Tensor

from .arrays import check_clouds, check_triples, read_array, read_points, write_array
from .threads import run_over_rows

# Columns of a box's frame, see `_frames`.
X, Y, Z, HALF_X, HALF_Y, HALF_Z, COS, SIN = range(8)


def _frames(boxes: np.ndarray) -> np.ndarray:
    """Return the frames (..., 8) of boxes (..., 7): center, half sizes, cosine and sine of the yaw, in their type."""
    if boxes.shape[-1] != 7:
        raise ValueError(f'a box has 7 numbers (x, y, z, 3 sizes, yaw), got a tensor of shape {boxes.shape}')
    half = boxes[..., 3:6] / 2
    center = boxes[..., :3].copy()
    center[..., 2] += half[..., 2]
    yaw = boxes[..., 6:].astype(np.float64)
    return np.concatenate([center, half, np.cos(yaw), np.sin(yaw)], axis=-1, dtype=boxes.dtype)


@njit(nogil=True, cache=True)
def _locate(point: np.ndarray, frame: np.ndarray) -> tuple[bool, float, float]:
    """Tell whether a point is in a box, and where along the box's length and width, from its center."""
    if not abs(point[2] - frame[Z]) <= frame[HALF_Z]:
        return False, point[0], point[1]
    dx, dy = point[0] - frame[X], point[1] - frame[Y]
    along, across = dx * frame[COS] + dy * frame[SIN], dy * frame[COS] - dx * frame[SIN]
    inside = abs(along) < frame[HALF_X] and abs(across) < frame[HALF_Y]
    return inside, along, across


@njit(nogil=True, cache=True)
def _fill_voxels(
    start: int,
    stop: int,
    points: np.ndarray,
    frames: np.ndarray,
    bottom: np.ndarray,
    voxel_size: np.ndarray,
    places: np.ndarray,
) -> None:
    """List the points of each voxel of boxes (M,) in ``places`` (M, X, Y, Z, 1 + P), the number of points first."""
    _, num_x, num_y, num_z, length = places.shape
    for m in range(start, stop):
        frame = frames[m]
        for i in range(points.shape[0]):
            inside, along, across = _locate(points[i], frame)
            if not inside:
                continue
            x = min(int((along + frame[HALF_X]) / voxel_size[m, 0]), num_x - 1)
            y = min(int((across + frame[HALF_Y]) / voxel_size[m, 1]), num_y - 1)
            z = min(max(int((points[i, 2] - bottom[m]) / voxel_size[m, 2]), 0), num_z - 1)
            voxel = places[m, x, y, z]
            if voxel[0] < length - 1:
                voxel[0] += 1
                voxel[voxel[0]] = i


@njit(nogil=True, cache=True)
def _max_of_voxels(
    start: int, stop: int, features: np.ndarray, places: np.ndarray, pooled: np.ndarray, argmax: np.ndarray
) -> None:
    """Write the maximum of each voxel's points and its first point; -1 and nothing if there is none. A row is a box."""
    for m in range(start, stop):
        for v in range(places.shape[1]):
            for c in range(features.shape[1]):
                best, found = features.dtype.type(-np.inf), -1
                for k in range(1, places[m, v, 0] + 1):
                    value = features[places[m, v, k], c]
                    if value > best:
                        best, found = value, places[m, v, k]
                argmax[m, v, c] = found
                if found >= 0:
                    pooled[m, v, c] = best


@njit(nogil=True, cache=True)
def _mean_of_voxels(start: int, stop: int, features: np.ndarray, places: np.ndarray, pooled: np.ndarray) -> None:
    """Write the mean of each voxel's points, nothing if there is none. A row is a box."""
    for m in range(start, stop):
        for v in range(places.shape[1]):
            count = places[m, v, 0]
            if count == 0:
                continue
            for c in range(features.shape[1]):
                total = features.dtype.type(0)
                for k in range(1, count + 1):
                    total += features[places[m, v, k], c]
                pooled[m, v, c] = total / count


@njit(nogil=True, cache=True)
def _spread_max(start: int, stop: int, argmax: np.ndarray, grad_out: np.ndarray, grad_in: np.ndarray) -> None:
    """Add each voxel's gradient to its maximum; a row is one channel, so no two threads add to the same value."""
    for v in range(argmax.shape[0]):
        for c in range(start, stop):
            if argmax[v, c] >= 0:
                grad_in[argmax[v, c], c] += grad_out[v, c]


@njit(nogil=True, cache=True)
def _spread_mean(start: int, stop: int, places: np.ndarray, grad_out: np.ndarray, grad_in: np.ndarray) -> None:
    """Add each voxel's gradient to its points in equal parts; a row is one channel."""
    for v in range(places.shape[0]):
        count = places[v, 0]
        share = grad_out.dtype.type(1) / grad_out.dtype.type(max(count, 1))
        for k in range(1, count + 1):
            for c in range(start, stop):
                grad_in[places[v, k], c] += grad_out[v, c] * share


def roiaware_pool3d_forward(
    rois: Tensor,
    pts: Tensor,
    pts_feature: Tensor,
    argmax: Tensor,
    pts_idx_of_voxels: Tensor,
    pooled_features: Tensor,
    pool_method: int,
) -> None:
    """Pool the features of the points in each voxel of each box.

    Of a voxel's points the first P by index count. A voxel without points keeps its value in ``pooled_features``.

    Args:
        rois (Tensor): Boxes (x, y, z, x_size, y_size, z_size, yaw) with (x, y, z) the bottom center, shape (M, 7), in
            LiDAR coordinates, metres.
        pts (Tensor): Positions, shape (N, 3), in the same frame.
        pts_feature (Tensor): Features, shape (N, C).
        argmax (Tensor): Receives the first point with the maximum, or -1 without points, int32 (M, X, Y, Z, C). Left
            alone by the mean.
        pts_idx_of_voxels (Tensor): Zeros, int32 (M, X, Y, Z, 1 + P). Receives the number of points and their indices.
        pooled_features (Tensor): Zeros, shape (M, X, Y, Z, C). Receives the maxima or means.
        pool_method (int): 0 for the maximum, 1 for the mean.

    Raises:
        ValueError: If the shapes do not fit each other, or there is no room for a voxel's number of points.
    """
    check_triples(pts)
    if len(pts) != len(pts_feature):
        raise ValueError(f'each point has one row of features, got {len(pts)} points and {len(pts_feature)} rows')
    if min(pts_idx_of_voxels.shape[1:]) < 1:
        raise ValueError(f'out_size and max_pts_per_voxel are at least 1, got {tuple(pts_idx_of_voxels.shape[1:])}')
    boxes, points = read_points(rois, pts)
    features = read_array(pts_feature)
    voxel_size = boxes[:, 3:6] / np.array(pts_idx_of_voxels.shape[1:4], boxes.dtype)
    voxel_size[voxel_size == 0] = 1  # all points of a flat box are in its first layer
    with write_array(pts_idx_of_voxels) as places, write_array(pooled_features) as pooled, write_array(argmax) as first:
        run_over_rows(_fill_voxels, len(boxes), points, _frames(boxes), boxes[:, 2].copy(), voxel_size, places)
        shape = (len(boxes), int(np.prod(places.shape[1:4])))
        lists, values = places.reshape(*shape, places.shape[-1]), pooled.reshape(*shape, features.shape[1])
        if pool_method == 0:
            run_over_rows(_max_of_voxels, len(boxes), features, lists, values, first.reshape(values.shape))
        else:
            run_over_rows(_mean_of_voxels, len(boxes), features, lists, values)


def roiaware_pool3d_backward(
    pts_idx_of_voxels: Tensor, argmax: Tensor, grad_out: Tensor, grad_in: Tensor, pool_method: int
) -> None:
    """Add the gradient of :func:`roiaware_pool3d_forward` to ``grad_in`` (N, C).

    Args:
        pts_idx_of_voxels (Tensor): As the forward wrote it, int32 (M, X, Y, Z, 1 + P).
        argmax (Tensor): As the forward wrote it, int32 (M, X, Y, Z, C).
        grad_out (Tensor): Gradient of the pooled features, shape (M, X, Y, Z, C).
        grad_in (Tensor): Receives the gradient of the points' features, shape (N, C).
        pool_method (int): 0 for the maximum, 1 for the mean.
    """
    num_channels = grad_in.shape[1]
    grad_voxels = read_array(grad_out).reshape(-1, num_channels)
    with write_array(grad_in) as grad_features:
        if pool_method == 0:
            first = read_array(argmax).reshape(-1, num_channels)
            run_over_rows(_spread_max, num_channels, first, grad_voxels, grad_features)
        else:
            places = read_array(pts_idx_of_voxels)
            lists = places.reshape(-1, places.shape[-1])
            run_over_rows(_spread_mean, num_channels, lists, grad_voxels, grad_features)


@njit(nogil=True, cache=True)
def _sample_boxes(
    start: int,
    stop: int,
    points: np.ndarray,
    features: np.ndarray,
    frames: np.ndarray,
    pooled: np.ndarray,
    empty: np.ndarray,
) -> None:
    """Write position and features of each box's first points, repeated in turn; a row is one box of one cloud."""
    num_boxes, num_samples = empty.shape[1], pooled.shape[2]
    places = np.empty(num_samples, np.int64)
    for row in range(start, stop):
        b, m = row // num_boxes, row % num_boxes
        count = 0
        for i in range(points.shape[1]):
            if count == num_samples:
                break
            if _locate(points[b, i], frames[b, m])[0]:
                places[count] = i
                count += 1
        if count == 0:
            empty[b, m] = 1
            continue
        for s in range(num_samples):
            i, out = places[s % count], pooled[b, m, s]
            out[:3] = points[b, i, :3]
            out[3:] = features[b, i]


def roipoint_pool3d_forward(
    xyz: Tensor, boxes3d: Tensor, pts_feature: Tensor, pooled_features: Tensor, pooled_empty_flag: Tensor
) -> None:
    """Collect the first S points in each box, by index. If there are fewer, they are repeated in turn.

    mmcv gives this op no gradient.

    Args:
        xyz (Tensor): Positions, shape (B, N, 3), in LiDAR coordinates, metres.
        boxes3d (Tensor): Boxes (x, y, z, x_size, y_size, z_size, yaw) with (x, y, z) the bottom center, shape
            (B, M, 7), in the same frame.
        pts_feature (Tensor): Features, shape (B, N, C).
        pooled_features (Tensor): Zeros, shape (B, M, S, 3 + C). Receives positions and features; an empty box keeps
            its zeros.
        pooled_empty_flag (Tensor): Zeros, int32 (B, M). Receives 1 for each box without points.

    Raises:
        ValueError: If the shapes do not fit each other.
    """
    check_triples(xyz)
    check_clouds(xyz, boxes3d, pts_feature)
    if xyz.shape[1] != pts_feature.shape[1]:
        raise ValueError(
            f'each point has one row of features, got {xyz.shape[1]} points and {pts_feature.shape[1]} rows'
        )
    points, boxes = read_points(xyz, boxes3d)
    with write_array(pooled_features) as pooled, write_array(pooled_empty_flag) as empty:
        run_over_rows(_sample_boxes, empty.size, points, read_array(pts_feature), _frames(boxes), pooled, empty)
