"""Calibrates the BatchNorm statistics of a random trunk that stays frozen, the baseline of a frozen pre-trained one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import nn

from ...models.detector_kinds import extract_features
from ..calibration import calibrate_batchnorm


class Trunk(nn.Module):
    """The part of a detector that is frozen, run as the detector runs it.

    Args:
        detector: The detector. Children outside the trunk take part in the forward pass, but are not below this module.
        names: The names of the trunk's children.
    """

    def __init__(self, detector: Any, names: Sequence[str]) -> None:
        super().__init__()
        self.children_of_trunk = nn.ModuleList(getattr(detector, name) for name in names)
        self.run = [detector]  # in a list, so that it is not a submodule
        self.names = names

    def forward(self, batch: dict) -> None:
        """Run the trunk on a batch as the dataloader gives it."""
        detector = self.run[0]
        inputs = detector.data_preprocessor(batch, False)['inputs']
        extract_features(detector, inputs, self.names)


def calibrated_trunk(detector: nn.Module, names: Sequence[str], batches: Iterable[dict]) -> None:
    """Measure the BatchNorm statistics of a detector's trunk in place; see `calibrate_batchnorm`.

    Args:
        detector: The detector, whose weights stay. It is left in eval mode.
        names: The names of the trunk's children.
        batches: Batches as the dataloader gives them, of about the same size.
    """
    detector.eval()
    calibrate_batchnorm(Trunk(detector, names), batches)
