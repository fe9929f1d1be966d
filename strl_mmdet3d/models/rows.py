"""Which cloud of a batch each row of a (V, C) feature belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..errors import ConfigError


class SparseRows(NamedTuple):
    """Features of voxels beside their coordinates, as in a sparse tensor.

    Attributes:
        features: (V, C).
        indices: (V, 1 + 3), the cloud's number first.
    """

    features: Tensor
    indices: Tensor


class LeftOut(nn.Module):
    """Stands in the place of a detector's child outside the trunk, and hands on what that child would read.

    A middle encoder reads features of voxels and their coordinates: both are handed on together.
    """

    def forward(self, feature: Any, *others: Any, **named: Any) -> Any:
        """Return the first argument; with coordinates (V, 1 + 3) as the second, `SparseRows`."""
        if others and isinstance(others[0], Tensor) and others[0].shape == (len(feature), 4):
            return SparseRows(feature, others[0])
        return feature


def is_sparse(feature: Any) -> bool:
    """Return whether a feature has its own coordinates: a sparse tensor of spconv or mmcv, or `SparseRows`."""
    return hasattr(feature, 'features') and hasattr(feature, 'indices')


def known_rows(inputs: dict, outputs: Any, cloud_column: int = 0) -> list[Tensor]:
    """Collect what tells the clouds of rows in a batch.

    Args:
        inputs: What the detector's data preprocessor makes of B clouds.
        outputs: The detector's output. Its ``keypoints``, (V, 1 + 3), have the cloud's number first.
        cloud_column: Where the coordinates of voxels have the cloud's number, 0 or -1; MinkUNet has it last on some
            backends.

    Returns:
        The cloud's number, int64 (V,), for each of: the points, the voxels, the key points.
    """
    sizes = torch.tensor([len(points) for points in inputs['points']], device=inputs['points'][0].device)
    tables = [torch.arange(len(sizes), device=sizes.device).repeat_interleave(sizes)]
    if 'voxels' in inputs:
        tables.append(inputs['voxels']['coors'][:, cloud_column].long())
    if isinstance(outputs, dict) and isinstance(outputs.get('keypoints'), Tensor) and outputs['keypoints'].ndim == 2:
        tables.append(outputs['keypoints'][:, 0].long())
    return tables


def clouds_of_rows(feature: Any, batch_size: int, known: Sequence[Tensor] = ()) -> Tensor | None:
    """Return the cloud of each row of a feature. It is never guessed from the number of rows.

    Args:
        feature: A (V, C) tensor, or one with its own coordinates.
        batch_size: B.
        known: The result of `known_rows`.

    Returns:
        int64 (V,), in which each cloud occurs; or None for one row per cloud, in their order.

    Raises:
        ConfigError: If nothing of the batch has as many rows, two that have belong to clouds differently, or a cloud
            has no row.
    """
    if is_sparse(feature):
        clouds = feature.indices[:, 0].long()
    else:
        fitting = [table for table in known if len(table) == len(feature)]
        if not fitting and len(feature) == batch_size:
            return None
        if not fitting and batch_size > 1:
            raise ConfigError(
                f'the feature has {len(feature)} rows, and which of the {batch_size} clouds each belongs to is '
                f'unknown: the batch has {" and ".join(str(len(table)) for table in known) or "no"} rows of points, '
                'voxels or key points. Name a sparse tensor, a BEV plane, or points (B, C, N) by `feature`'
            )
        if any(not torch.equal(table, fitting[0]) for table in fitting):
            raise ConfigError(
                f'the feature has {len(feature)} rows, as many as two of the points, voxels and key points of the '
                'batch, so which cloud each belongs to is unknown: name another feature, or change the number of points'
            )
        clouds = fitting[0] if fitting else torch.zeros(len(feature), dtype=torch.int64, device=feature.device)
    counts = torch.bincount(clouds, minlength=batch_size)
    if len(counts) > batch_size:
        raise ConfigError(f'the feature holds {len(counts)} clouds, the batch {batch_size}')
    if counts.min() == 0:
        raise ConfigError('a cloud of the batch has no voxel: all its points are outside the point_cloud_range')
    return clouds
