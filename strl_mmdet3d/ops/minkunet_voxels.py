"""MinkUNet's voxels on the CPU: mmdet3d's data preprocessor moves its index tables to CUDA, wherever the points are."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def by_device(original: Callable[..., dict[str, Tensor]]) -> Callable[..., dict[str, Tensor]]:
    """Return ``Det3DDataPreprocessor.voxelize`` that makes MinkUNet's voxels of CPU tensors by `voxelize`.

    All other types of voxels and all other tensors take the original, which becomes the ``__wrapped__`` of the result.
    """

    @functools.wraps(original)
    def dispatch(preprocessor: Any, points: Sequence[Tensor], data_samples: Sequence[Any]) -> dict[str, Tensor]:
        is_ours = preprocessor.voxel_type == 'minkunet' and points[0].is_cpu
        return (voxelize if is_ours else original)(preprocessor, points, data_samples)

    return dispatch


@torch.no_grad()
def voxelize(preprocessor: Any, points: Sequence[Tensor], data_samples: Sequence[Any]) -> dict[str, Tensor]:
    """Keep one point of each voxel, as ``Det3DDataPreprocessor.voxelize`` does.

    Args:
        preprocessor: mmdet3d's data preprocessor, with ``voxel_type='minkunet'``. In training it keeps at most
            ``max_voxels`` of a cloud, drawn by numpy's generator.
        points: B x (N_i, C), metres.
        data_samples: B data samples. Each gets ``point2voxel_map``, the voxel of each point (N_i,), ``batch_idx``, the
            cloud's number for each voxel, and, if its points are labelled, the labels of the voxels.

    Returns:
        ``voxels``, the kept points (V, C), and ``coors``, int32 (V, 1 + 3): the cloud's number, and the cell along x, y
        and z counted from the cloud's lowest one. Without ``batch_first`` the cloud's number is last.
    """
    kept, cells = [], []
    padding = (1, 0) if preprocessor.batch_first else (0, 1)
    for number, (cloud, sample) in enumerate(zip(points, data_samples, strict=True)):
        of_points = torch.round(cloud[:, :3] / cloud.new_tensor(preprocessor.voxel_layer.voxel_size)).int()
        of_points -= of_points.amin(0)
        rows, voxel_of_point = preprocessor.sparse_quantize(of_points.numpy(), return_index=True, return_inverse=True)
        most = preprocessor.max_voxels if preprocessor.training else None
        if most is not None and len(rows) > most:
            rows = np.random.choice(rows, most, replace=False)
        labels: Any = getattr(sample, 'gt_pts_seg', {})
        if 'pts_semantic_mask' in labels:
            labels.voxel_semantic_mask = labels.pts_semantic_mask[rows]
        sample.point2voxel_map = torch.from_numpy(voxel_of_point).long()
        kept.append(cloud[rows])
        cells.append(F.pad(of_points[rows], padding, value=number))
        sample.batch_idx = cells[-1][:, 0 if preprocessor.batch_first else -1]
    return dict(voxels=torch.cat(kept), coors=torch.cat(cells))
