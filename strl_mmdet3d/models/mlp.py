"""The projector f and the predictor r: the same two-layer perceptron (paper, Sec. 3; Grill et al., BYOL, 2020).

The paper's text gives no widths; it defers to its supplementary material. The defaults, 4096 and 256, are BYOL's, and
the authors' released code has them too.
"""

from __future__ import annotations

from mmdet3d.registry import MODELS
from torch import Tensor, nn

from ..errors import ConfigError


@MODELS.register_module()
class ProjectionMLP(nn.Sequential):
    """Linear (no bias), BatchNorm, ReLU, Linear (no bias), and optionally a last BatchNorm.

    Args:
        in_channels: Width of the input: D of the encoder for the projector, 256 for the predictor.
        hidden_channels: Width between the layers. Defaults to 4096, as in BYOL and the released code.
        out_channels: Width of the output. Defaults to 256, as in BYOL and the released code.
        normalize: Whether a BatchNorm without scale and shift follows, as in SimSiam's projector. The loss then
            compares centred channels of equal variance, so two clouds no longer agree through what all clouds share.
            For the projector on small data, see docs/small_data.md. Defaults to False, as in BYOL.
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
        """Project one vector per cloud, or per region.

        Args:
            x: (B, in_channels). B >= 2 in training, because BatchNorm uses the statistics of the batch.

        Returns:
            (B, out_channels).

        Raises:
            ConfigError: If the width of `x` is not `in_channels`.
        """
        if x.shape[1] != self.in_channels:
            raise ConfigError(
                f'the encoder gives {x.shape[1]} channels, but projector.in_channels is {self.in_channels}: '
                f'set projector.in_channels={x.shape[1]} in the config'
            )
        return super().forward(x)
