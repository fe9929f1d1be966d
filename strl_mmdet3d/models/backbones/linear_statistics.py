"""BatchNorm's statistics of a linear layer's outputs, from the moments of its inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn


def normalise(
    bn: nn.BatchNorm1d, weight: Tensor, outputs: Tensor, moments: Callable[[], tuple[Tensor, Tensor, int]]
) -> Tensor:
    """Normalise some outputs (..., D) of a linear layer as a BatchNorm does that sees all; see `linear_statistics`."""
    mean, variance = linear_statistics(bn, weight, moments)
    return (outputs - mean) * torch.rsqrt(variance + bn.eps) * bn.weight + bn.bias


def linear_statistics(
    bn: nn.BatchNorm1d, weight: Tensor, moments: Callable[[], tuple[Tensor, Tensor, int]]
) -> tuple[Tensor, Tensor]:
    """Return the mean and the variance (D,) that BatchNorm uses for the outputs ``weight @ x`` of all inputs x (C,).

    The inputs have fewer channels than the outputs, so their moments cost less. In training the statistics are the
    batch's, and the running ones are updated as in :class:`torch.nn.BatchNorm1d`.

    Args:
        bn: The layer, in training or not.
        weight: Of the linear layer, (D, C).
        moments: Called in training only: the mean (C,) and the covariance (C, C) of the inputs in float32, over their
            number, which it returns, too.
    """
    running_mean, running_var = cast(Tensor, bn.running_mean), cast(Tensor, bn.running_var)
    if not bn.training:
        return running_mean, running_var
    with torch.autocast(weight.device.type, enabled=False):
        centre, covariance, count = moments()
        weight = weight.to(centre.dtype)
        mean, variance = weight @ centre, ((weight @ covariance) * weight).sum(dim=1).clamp(min=0)
    with torch.no_grad():
        num_batches = cast(Tensor, bn.num_batches_tracked).add_(1)
        share = 1 / num_batches.item() if bn.momentum is None else bn.momentum
        running_mean.lerp_(mean.to(running_mean.dtype), share)
        running_var.lerp_(variance.to(running_var.dtype) * (count / max(count - 1, 1)), share)
    return mean, variance
