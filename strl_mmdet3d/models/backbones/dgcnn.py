"""DGCNN's trunk for classification (Wang et al., TOG 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, linear

from ...ops.arrays import widen
from ...ops.neighbour_pool import neighbour_max, neighbour_sum
from .feature_knn_dgcnn import feature_knn
from .linear_statistics import normalise

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
        neighbours = feature_knn(points, self.k).long()  # (B, N, k)
        # W [x_j - x_i, x_i] = W_1 x_j + (W_2 - W_1) x_i: one product per point instead of one per edge.
        difference, centre = self.linear.weight.chunk(2, dim=1)
        at_centre = widen(linear(points, centre - difference))
        if type(self.bn) is not nn.BatchNorm1d:  # synchronised over ranks: it has to see each edge
            at_neighbours = widen(linear(points, difference))
            clouds = torch.arange(len(points), device=points.device)[:, None, None]
            edges = at_neighbours[clouds, neighbours] + at_centre.unsqueeze(2)  # (B, N, k, D)
            normal = self.bn(edges.flatten(0, 2)).view_as(edges).amax(dim=2)
            return leaky_relu(normal, SLOPE)
        # BatchNorm and leaky ReLU are monotone in each channel. So only the largest output of a point's edges is needed
        # (the smallest if BatchNorm's scale is negative), and the statistics follow from the moments of the edges.
        sign = torch.where(self.bn.weight < 0, -1.0, 1.0)
        at_neighbours = widen(linear(points, sign[:, None] * difference))
        extreme = sign * neighbour_max(at_neighbours, neighbours) + at_centre
        normal = normalise(self.bn, self.linear.weight, extreme, lambda: edge_moments(points, neighbours))
        return leaky_relu(normal, SLOPE)


def edge_moments(points: Tensor, neighbours: Tensor) -> tuple[Tensor, Tensor, int]:
    """Return the mean and the covariance of the edges (x_j - x_i, x_i), and their number, without making the edges.

    Args:
        points: x, (B, N, C).
        neighbours: The points j of each point i, (B, N, k).

    Returns:
        (2 C,), (2 C, 2 C) and B N k.
    """
    points = widen(points)
    num_edges, k = neighbours.numel(), neighbours.shape[2]
    centre = points.mean(dim=(0, 1))
    x = (points - centre).flatten(0, 1)  # (B N, C), of mean 0
    sums = neighbour_sum(x.view_as(points), neighbours).flatten(0, 1)  # of x_j over the edges of a point i
    # How often a point is the neighbour of another.
    times = torch.zeros(points.shape[:2], dtype=x.dtype, device=x.device)
    times.scatter_add_(1, neighbours.flatten(1), torch.ones_like(neighbours.flatten(1), dtype=x.dtype))
    jj, ij, ii = x.T @ (x * times.view(-1, 1)), x.T @ sums, k * (x.T @ x)  # sums of products over the edges
    difference = sums.sum(dim=0) / num_edges
    top = (jj - ij - ij.T + ii) / num_edges - torch.outer(difference, difference)
    side = (ij.T - ii) / num_edges
    covariance = torch.cat([torch.cat([top, side], dim=1), torch.cat([side.T, ii / num_edges], dim=1)])
    return torch.cat([difference, centre]), covariance, num_edges


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
