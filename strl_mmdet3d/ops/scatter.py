"""Reduces point features to the voxels of dynamic voxelization, with gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from .arrays import REDUCED_PRECISION


def dynamic_point_to_voxel_forward(feats: Tensor, coors: Tensor, reduce_type: str) -> list[Tensor]:
    """Reduce the features of the points in each voxel.

    Args:
        feats (Tensor): Point features, shape (N, C).
        coors (Tensor): Voxel of each point, int32 (N, D). A point with a negative coordinate is left out.
        reduce_type (str): 'max', 'sum' or 'mean'.

    Returns:
        list[Tensor]: Voxel features (M, C); voxels in lexicographic order, int32 (M, D); the voxel of each point or
        -1, int32 (N,); points per voxel, int32 (M,).

    Raises:
        ValueError: If ``reduce_type`` is unknown.
    """
    if reduce_type not in ('max', 'sum', 'mean'):
        raise ValueError(f"reduce_type must be 'max', 'sum' or 'mean', got {reduce_type!r}")
    if feats.shape[0] == 0:
        empty = coors.new_empty(0, dtype=torch.int32)
        return [feats.detach().clone(), coors.clone(), empty, empty.clone()]
    coors = coors.masked_fill((coors < 0).any(dim=-1, keepdim=True), -1)
    voxels, voxel_of_point, count = torch.unique(coors, dim=0, return_inverse=True, return_counts=True)
    if voxels[0, 0] < 0:
        voxels, voxel_of_point, count = voxels[1:], voxel_of_point - 1, count[1:]

    valid = voxel_of_point >= 0
    source = feats.detach()[valid]
    if source.dtype in REDUCED_PRECISION:
        source = source.float()
    target = voxel_of_point[valid]
    reduced = source.new_zeros(len(voxels), feats.shape[1])
    if reduce_type == 'max':
        reduced.scatter_reduce_(0, target[:, None].expand_as(source), source, 'amax', include_self=False)
    else:
        reduced.index_add_(0, target, source)
        if reduce_type == 'mean':
            reduced /= count[:, None]
    return [reduced.to(feats.dtype), voxels, voxel_of_point.int(), count.int()]


def dynamic_point_to_voxel_backward(
    grad_feats: Tensor,
    grad_reduced_feats: Tensor,
    feats: Tensor,
    reduced_feats: Tensor,
    coors_idx: Tensor,
    reduce_count: Tensor,
    reduce_type: str,
) -> None:
    """Compute the point features' gradient of :func:`dynamic_point_to_voxel_forward`.

    If several points share a maximum, its gradient goes to the first of them.

    Args:
        grad_feats (Tensor): Receives the gradient, shape (N, C).
        grad_reduced_feats (Tensor): Gradient of the voxel features, shape (M, C).
        feats (Tensor): Point features, shape (N, C).
        reduced_feats (Tensor): Voxel features, shape (M, C).
        coors_idx (Tensor): The voxel of each point or -1, int32 (N,).
        reduce_count (Tensor): Points per voxel, int32 (M,).
        reduce_type (str): 'max', 'sum' or 'mean'.
    """
    grad_feats.zero_()
    valid = (coors_idx >= 0).nonzero().squeeze(1)
    target = coors_idx[valid].long()
    if reduce_type == 'max':
        num_points = len(feats)
        attains = feats[valid] == reduced_feats[target]
        candidate = torch.where(attains, valid[:, None], num_points)
        first = torch.full_like(reduced_feats, num_points, dtype=torch.long)
        first.scatter_reduce_(0, target[:, None].expand_as(candidate), candidate, 'amin')
        # No point equals a maximum of NaN: its gradient goes to the extra last row.
        padded = grad_feats.new_zeros(num_points + 1, feats.shape[1])
        grad_feats.copy_(padded.scatter_(0, first, grad_reduced_feats)[:num_points])
    elif reduce_type == 'sum':
        grad_feats[valid] = grad_reduced_feats[target]
    else:
        grad_feats[valid] = grad_reduced_feats[target] / reduce_count[target, None].to(grad_feats.dtype)
