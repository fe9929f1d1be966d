"""Pools features of points, voxels or a BEV plane to one vector per cloud."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import ConfigError
from .rows import clouds_of_rows, is_sparse

POOLINGS: dict[str, tuple[str, ...]] = {'max': ('amax',), 'mean': ('mean',), 'max_mean': ('amax', 'mean')}
"""Name -> the reductions; their results are concatenated."""


def pool_clouds(feature: Any, batch_size: int, pool: str = 'max', known_rows: Sequence[Tensor] = ()) -> Tensor:
    """Pool over all dimensions except the cloud and the channel.

    Args:
        feature: One of

            - a dense tensor (B, C, ...): features of points (B, C, N), or of a BEV plane (B, C, H, W);
            - a (V, C) tensor: features of the voxels, points or key points of all clouds;
            - a (B, C) tensor, which is returned unchanged;
            - a sparse tensor of spconv or mmcv, with ``features`` (V, C) and ``indices`` (V, 1 + 3), the cloud's number
              first.
        batch_size: B.
        pool: A key of `POOLINGS`.
        known_rows: The cloud's number of each voxel, point and key point, see `known_rows`; what (V, C) is pooled by.

    Returns:
        (B, C), or (B, 2 C) for 'max_mean'.

    Raises:
        ConfigError: If the feature is neither a tensor nor a sparse tensor.
        ConfigError: If the feature has another number of clouds, the cloud of its rows is unknown, or a cloud has none.
    """
    if not is_sparse(feature) and not isinstance(feature, Tensor):
        raise ConfigError(f'cannot pool a {type(feature).__name__}: name one tensor by `feature`, such as feature="0"')
    if is_sparse(feature) or feature.ndim == 2:
        rows = feature.features if is_sparse(feature) else feature
        clouds = clouds_of_rows(feature, batch_size, known_rows)
        if clouds is None:
            return rows
        return torch.cat([_scatter(rows, clouds, batch_size, how) for how in POOLINGS[pool]], dim=1)
    if feature.shape[0] != batch_size:
        raise ConfigError(f'the feature holds {feature.shape[0]} clouds, the batch {batch_size}')
    flat = feature.flatten(2)
    return torch.cat([getattr(flat, how)(dim=2) for how in POOLINGS[pool]], dim=1)


def _scatter(features: Tensor, clouds: Tensor, batch_size: int, how: str) -> Tensor:
    """Reduce the rows of each cloud: (V, C) and (V,) to (B, C)."""
    index = clouds[:, None].expand_as(features)
    empty = features.new_zeros(batch_size, features.shape[1])
    return empty.scatter_reduce(0, index, features, reduce=how, include_self=False)
