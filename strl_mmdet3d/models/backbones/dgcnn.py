"""DGCNN's trunk for classification (Wang et al., TOG 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, linear

from .feature_knn_dgcnn import feature_knn

SLOPE = 0.2
"""Slope of the leaky ReLU below zero, as in DGCNN."""


class EdgeConv(BaseModule):
    """Edge convolution: the maximum over a point's edges to its neighbours in feature space.

    Args:
        in_channels: C.
        out_channels: D.
        k: Number of neighbours of a point, itself included.
    """

    def __init__(self, in_channels: int, out_channels: int, k: int) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * in_channels, out_channels, bias=False)
        self.bn = nn.BatchNorm1d(out_channels)
        self.k = k

    def forward(self, points: Tensor) -> Tensor:
        """Map the features of points.

        Args:
            points: (B, N, C) with N >= k.

        Returns:
            (B, N, D).
        """
        # W [x_j - x_i, x_i] = W_1 x_j + (W_2 - W_1) x_i: one product per point instead of one per edge.
        difference, centre = self.linear.weight.chunk(2, dim=1)
        at_neighbours = linear(points, difference)
        neighbours = feature_knn(points, self.k).long()  # (B, N, k)
        clouds = torch.arange(len(points), device=points.device)[:, None, None]
        edges = at_neighbours[clouds, neighbours] + linear(points, centre - difference).unsqueeze(2)  # (B, N, k, D)
        edges = self.bn(edges.flatten(0, 2)).view_as(edges)
        # Leaky ReLU is increasing, so it gives the same after the maximum, and backward keeps one (B, N, k, D) less.
        return leaky_relu(edges.amax(dim=2), SLOPE)


@MODELS.register_module()
class DGCNN(BaseModule):
    """A chain of edge convolutions, a layer over all their outputs, and the maximum and mean over the points.

    Args:
        in_channels: Channels of a point.
        channels: Width of each edge convolution.
        out_channels: Width of the layer after them; D is twice this width.
        k: Number of neighbours of a point, itself included: 20 for 1024 points, 40 for 2048 (DGCNN's and the paper's).
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (64, 64, 128, 256),
        out_channels: int = 1024,
        k: int = 20,
    ) -> None:
        super().__init__()
        widths = [in_channels, *channels]
        self.edge_convs = nn.ModuleList(EdgeConv(*pair, k) for pair in pairwise(widths))
        self.last_linear = nn.Linear(sum(channels), out_channels, bias=False)
        self.last_bn = nn.BatchNorm1d(out_channels)

    def forward(self, points: Tensor) -> Tensor:
        """Encode a batch of clouds.

        Args:
            points: (B, N, in_channels) with N >= k.

        Returns:
            (B, D), the maximum followed by the mean.
        """
        outputs = []
        for edge_conv in self.edge_convs:
            points = edge_conv(points)
            outputs.append(points)
        features = self.last_linear(torch.cat(outputs, dim=2))
        features = leaky_relu(self.last_bn(features.flatten(0, 1)).view_as(features), SLOPE)
        return torch.cat([features.amax(dim=1), features.mean(dim=1)], dim=1)
