"""Pools features of points, sparse voxels or a BEV plane to one vector per cloud."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..errors import ConfigError

POOLINGS: dict[str, tuple[str, ...]] = {'max': ('amax',), 'mean': ('mean',), 'max_mean': ('amax', 'mean')}
"""Name -> the reductions; their results are concatenated."""


def pool_clouds(feature: Any, batch_size: int, pool: str = 'max') -> Tensor:
    """Pool over all dimensions except the cloud and the channel.

    Args:
        feature: One of

            - a dense tensor (B, C, ...): features of points (B, C, N), or of a BEV plane (B, C, H, W);
            - a (B * M, C) tensor: M features for each cloud, one cloud after the other (PV-RCNN's key points);
            - a (B, C) tensor, which is returned unchanged;
            - a sparse tensor of spconv, with ``features`` (V, C) and ``indices`` (V, 1 + 3), the cloud's number first.
        batch_size: B.
        pool: A key of `POOLINGS`.

    Returns:
        (B, C), or (B, 2 C) for 'max_mean'.

    Raises:
        ConfigError: If the feature is neither a tensor nor a sparse tensor.
        ConfigError: If the feature has another number of clouds, or a cloud has no voxel.
    """
    if hasattr(feature, 'indices') and hasattr(feature, 'features'):
        clouds = feature.indices[:, 0].long()
        if torch.bincount(clouds, minlength=batch_size).min() == 0:
            raise ConfigError('a cloud of the batch has no voxel: all its points are outside the point_cloud_range')
        return torch.cat([_scatter(feature.features, clouds, batch_size, how) for how in POOLINGS[pool]], dim=1)
    if not isinstance(feature, Tensor):
        raise ConfigError(f'cannot pool a {type(feature).__name__}: name one tensor by `feature`, such as feature="0"')
    if feature.ndim == 2:
        if feature.shape[0] % batch_size:
            raise ConfigError(f'{feature.shape[0]} rows do not divide among {batch_size} clouds')
        if feature.shape[0] == batch_size:
            return feature
        feature = feature.unflatten(0, (batch_size, -1)).transpose(1, 2)
    if feature.shape[0] != batch_size:
        raise ConfigError(f'the feature holds {feature.shape[0]} clouds, the batch {batch_size}')
    flat = feature.flatten(2)
    return torch.cat([getattr(flat, how)(dim=2) for how in POOLINGS[pool]], dim=1)


def _scatter(features: Tensor, clouds: Tensor, batch_size: int, how: str) -> Tensor:
    """Reduce the rows of each cloud: (V, C) and (V,) to (B, C)."""
    index = clouds[:, None].expand_as(features)
    empty = features.new_zeros(batch_size, features.shape[1])
    return empty.scatter_reduce(0, index, features, reduce=how, include_self=False)
