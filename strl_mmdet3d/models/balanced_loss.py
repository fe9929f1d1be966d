"""The loss of both heads that read a BEV plane: cross entropy in which the rarer kind counts as much as the other."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def balanced_loss(logits: Tensor, positive: Tensor, counted: Tensor) -> Tensor:
    """Cross entropy over the cells that count, the positive and the negative ones with half of the weight each.

    Args:
        logits: Any shape.
        positive: bool, the same shape.
        counted: bool, the same shape.

    Returns:
        A scalar; log 2 for logits of 0. 0 if no cell counts, so that such a batch changes nothing.
    """
    losses = F.binary_cross_entropy_with_logits(logits, positive.float(), reduction='none')
    halves: list[Any] = [losses[counted & which] for which in (positive, ~positive)]
    means = [half.mean() for half in halves if len(half)]
    return torch.stack(means).mean() if means else logits.sum() * 0
