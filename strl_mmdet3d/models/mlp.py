"""The projector f and the predictor r, both the same two-layer perceptron (paper, Sec. 3 and BYOL)."""

from __future__ import annotations

from mmdet3d.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class ProjectionMLP(nn.Sequential):
    """Linear (no bias), BatchNorm, ReLU, Linear (no bias), and where asked for a last BatchNorm.

    Args:
        in_channels: Width of the input: D of the encoder for the projector, 256 for the predictor.
        hidden_channels: Width between the layers. Defaults to 4096, the paper's.
        out_channels: Width of the output. Defaults to 256, the paper's.
        normalize: Whether a BatchNorm without scale and shift follows, as in SimSiam's projector. Cosines are then
            those of centred channels of equal variance, so two clouds no longer agree by what all clouds have in
            common: for the projector of small data, see docs/small_data.md. Defaults to False, the paper's.
    """

    def __init__(
        self, in_channels: int, hidden_channels: int = 4096, out_channels: int = 256, normalize: bool = False
    ) -> None:
        super().__init__(
            nn.Linear(in_channels, hidden_channels, bias=False),
            nn.BatchNorm1d(hidden_channels),
            nn.ReLU(inplace=True),
            nn.Linear(hidden_channels, out_channels, bias=False),
        )
        if normalize:
            self.append(nn.BatchNorm1d(out_channels, affine=False))
        self.in_channels = in_channels

    def forward(self, x: Tensor) -> Tensor:
        """Project one vector per cloud.

        Args:
            x: (B, in_channels), B >= 2 in training, because BatchNorm takes the batch's statistics.

        Returns:
            (B, out_channels).

        Raises:
            ValueError: If the width of `x` is not `in_channels`.
        """
        if x.shape[1] != self.in_channels:
            raise ValueError(
                f'the encoder gives {x.shape[1]} channels, but projector.in_channels is {self.in_channels}: '
                f'set projector.in_channels={x.shape[1]} in the config'
            )
        return super().forward(x)
