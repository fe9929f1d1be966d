"""mmdet3d's DGCNN segmentation trunk with the graph of the DGCNN paper: neighbours in feature space."""

from __future__ import annotations

from typing import Any

import torch
from mmcv.ops import grouping_operation
from mmdet3d.models import DGCNNBackbone
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from ...errors import ConfigError

DISTANCES_AT_A_TIME = 2**24
"""Distances between points of the same cloud computed at a time: 64 MB, which is 256 clouds of 256 points."""


@torch.no_grad()
def feature_knn(features: Tensor, k: int) -> Tensor:
    """Find the k points of the same cloud that are nearest in feature space, the point itself included.

    Args:
        features: (B, N, C) features of B clouds.
        k: Number of neighbours, at most N.

    Returns:
        (B, N, k) indices of points, int32, nearest first.

    Raises:
        ConfigError: If a cloud has fewer than k points.
    """
    if features.shape[1] < k:
        raise ConfigError(
            f'a graph of {k} neighbours needs {k} points per cloud, got {features.shape[1]}: raise num_points, '
            'or lower k'
        )
    # Some clouds at a time: the distances of a batch of 32 clouds of 4096 points would take 2 GB.
    clouds = max(1, DISTANCES_AT_A_TIME // features.shape[1] ** 2)
    nearest = [
        torch.cdist(some, some).topk(k, largest=False).indices for some in features.detach().float().split(clouds)
    ]
    return torch.cat(nearest).int()


class FeatureKNNGroup(nn.Module):
    """Replaces mmcv's ``QueryAndGroup`` in an F-KNN module; neither has parameters.

    Args:
        k: Number of neighbours.
    """

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k

    def forward(self, points: Tensor, centers: Tensor) -> Tensor:
        """Return the edge features: neighbour minus point.

        Args:
            points: (B, N, C) features.
            centers: The same features, as mmdet3d passes them.

        Returns:
            (B, C, N, k).

        Raises:
            ConfigError: If a cloud has fewer than k points.
        """
        neighbours = feature_knn(points, self.k)
        channels_first = centers.transpose(1, 2).contiguous()
        return grouping_operation(channels_first, neighbours) - channels_first.unsqueeze(-1)


@MODELS.register_module()
class FeatureKNNDGCNN(DGCNNBackbone):
    """`DGCNNBackbone` whose F-KNN modules find neighbours in feature space.

    mmdet3d passes features of 64 channels to mmcv's ``knn``, whose CUDA kernel handles three coordinates per point. It
    reads the batch's memory as triples from the front. Of the 20 neighbours that it finds for a point, only the point
    itself is a true one, and a cloud's graph is built from another cloud's features: the features of a cloud depend on
    its place in the batch. (The CPU kernel in ``strl_mmdet3d.ops`` gives the same indices, because models were trained
    that way.) A pre-training that compares two views of a cloud cannot rely on such graphs. Here the graph is DGCNN's,
    on every device. The parameters and their names are the same as in `DGCNNBackbone`, so checkpoints fit both ways.

    For pre-training the output has one more feature: ``pooled``, (B, C), the maximum over all points after the last
    convolution. The arguments are the same as in `DGCNNBackbone`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pooled_channels = self.FA_module.mlps[-1].out_channels
        for module in self.GF_modules:
            for number, mode in enumerate(module.knn_modes):
                if mode == 'F-KNN':
                    module.groupers[number] = FeatureKNNGroup(module.groupers[number].sample_num)

    def forward(self, points: Tensor) -> dict[str, Any]:
        """Encode a batch.

        Args:
            points: (B, N, in_channels); the graph of the first module uses the last three channels.

        Returns:
            ``gf_points`` and ``fa_points`` of `DGCNNBackbone`, and ``pooled``.
        """
        out = super().forward(points)
        # mmdet3d repeats the maximum for every point and appends the local features.
        return dict(out, pooled=out['fa_points'][:, 0, : self.pooled_channels])
