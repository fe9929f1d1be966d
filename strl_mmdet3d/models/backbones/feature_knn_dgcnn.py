"""mmdet3d's DGCNN segmentation trunk with the graph that DGCNN is named for: neighbours in feature space."""

from __future__ import annotations

from typing import Any

import torch
from mmcv.ops import grouping_operation
from mmdet3d.models import DGCNNBackbone
from mmdet3d.registry import MODELS
from torch import Tensor, nn


@torch.no_grad()
def feature_knn(features: Tensor, k: int) -> Tensor:
    """The k points of the same cloud that are nearest in feature space, the point itself included.

    Args:
        features: (B, N, C) features of B clouds.
        k: Number of neighbours, at most N.

    Returns:
        (B, N, k) indices of points, int32, nearest first.

    Raises:
        ValueError: If a cloud has fewer than k points.
    """
    if features.shape[1] < k:
        raise ValueError(
            f'a graph of {k} neighbours needs {k} points a cloud, got {features.shape[1]}: raise num_points, or lower k'
        )
    # Cloud by cloud: the distances of a whole batch of 32 clouds of 4096 points would take 2 GB.
    nearest = [torch.cdist(cloud, cloud).topk(k, largest=False).indices for cloud in features.detach().float()]
    return torch.stack(nearest).int()


class FeatureKNNGroup(nn.Module):
    """What stands in an F-KNN module in place of mmcv's ``QueryAndGroup``: it has no parameters either.

    Args:
        k: Number of neighbours.
    """

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k

    def forward(self, points: Tensor, centers: Tensor) -> Tensor:
        """Edge features: neighbour minus point.

        Args:
            points: (B, N, C) features.
            centers: The same, as mmdet3d passes them.

        Returns:
            (B, C, N, k).

        Raises:
            ValueError: If a cloud has fewer than k points.
        """
        neighbours = feature_knn(points, self.k)
        channels_first = centers.transpose(1, 2).contiguous()
        return grouping_operation(channels_first, neighbours) - channels_first.unsqueeze(-1)


@MODELS.register_module()
class FeatureKNNDGCNN(DGCNNBackbone):
    """`DGCNNBackbone` whose F-KNN modules find neighbours in feature space.

    mmdet3d passes features of 64 channels to mmcv's ``knn``, whose CUDA kernel knows three coordinates a point. It
    reads the batch's memory as triples from the front, so that of a point's 20 neighbours only itself is one, and a
    cloud's graph is made of another cloud's features: what is computed of a cloud depends on its place in the batch.
    (The CPU kernel in ``strl_mmdet3d.ops`` gives the same indices, since models have been trained that way.) A
    pre-training that compares two views of a cloud cannot rely on such graphs. Here the graph is DGCNN's, on every
    device. The parameters and their names are those of `DGCNNBackbone`: checkpoints go both ways.

    Its output has one feature more, for pre-training: ``pooled``, (B, C), the maximum over all points behind the last
    convolution. Arguments are those of `DGCNNBackbone`.
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
            points: (B, N, in_channels); the graph of the first module takes the last three of them.

        Returns:
            ``gf_points`` and ``fa_points`` of `DGCNNBackbone`, and ``pooled``.
        """
        out = super().forward(points)
        # mmdet3d repeats the maximum for every point and puts the local features behind it.
        return dict(out, pooled=out['fa_points'][:, 0, : self.pooled_channels])
