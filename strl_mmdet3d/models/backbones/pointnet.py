"""PointNet without its transform networks: the trunk of STRL's shape classification."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...ops.linear_max import linear_max
from .linear_statistics import normalise


class PointLayer(BaseModule):
    """One layer of the MLP that all points share: linear and BatchNorm, without the ReLU.

    Args:
        in_channels: C.
        out_channels: D.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels, bias=False)
        self.bn = nn.BatchNorm1d(out_channels)

    def forward(self, points: Tensor) -> Tensor:
        """Map the features of points: (M, C) to (M, D)."""
        return self.bn(self.linear(points))

    def max_over_points(self, points: Tensor) -> Tensor:
        """Return the maximum of `forward` over the points of each cloud.

        BatchNorm is monotone in each channel. So, on a CPU, it is enough to find the largest output of the linear layer
        (the smallest if BatchNorm's scale is negative) and to normalise only that one. The statistics of all outputs
        follow from the mean and the covariance of the inputs, which have fewer channels.

        Args:
            points: (B, N, C).

        Returns:
            (B, D).
        """
        if points.is_cuda:
            return self(points.flatten(0, 1)).unflatten(0, points.shape[:2]).max(dim=1).values
        weight = self.linear.weight
        sign = torch.where(self.bn.weight < 0, -1.0, 1.0)
        extreme = sign * linear_max(points, sign[:, None] * weight)
        return normalise(self.bn, weight, extreme, lambda: moments_of(points.flatten(0, 1)))


def moments_of(points: Tensor) -> tuple[Tensor, Tensor, int]:
    """Return the mean (C,), the covariance (C, C) and the number M of points (M, C), in float32."""
    points = points.float()
    centre = points.mean(dim=0)
    offsets = points - centre
    return centre, offsets.T @ offsets / len(points), len(points)


@MODELS.register_module()
class PointNet(BaseModule):
    """The same MLP on every point, and the maximum over the points.

    Like STRL's released model, it has neither the input transform nor the feature transform of PointNet (Qi et al.,
    CVPR 2017).

    Args:
        in_channels: Channels of a point: 3 for x, y and z, more if the points have more.
        channels: Width of each layer. The defaults are the released model's, with D = 1024.
    """

    def __init__(self, in_channels: int = 3, channels: Sequence[int] = (64, 64, 64, 128, 1024)) -> None:
        super().__init__()
        widths = [in_channels, *channels]
        self.layers = nn.Sequential(*(PointLayer(*pair) for pair in pairwise(widths)))

    def forward(self, points: Tensor) -> Tensor:
        """Encode a batch of clouds.

        Args:
            points: (B, N, in_channels).

        Returns:
            (B, D); it does not depend on the order of the points.
        """
        # The points of all clouds are the rows. The last ReLU, which is increasing, comes after the maximum.
        *hidden, last = cast('list[PointLayer]', list(self.layers))
        features = points.flatten(0, 1)
        for layer in hidden:
            features = layer(features).relu_()
        return last.max_over_points(features.unflatten(0, points.shape[:2])).relu()
