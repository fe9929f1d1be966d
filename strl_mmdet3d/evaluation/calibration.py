"""Measures the statistics of BatchNorm on data, which makes a random encoder an honest baseline."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import ConfigError


@torch.no_grad()
def calibrate_batchnorm(encoder: nn.Module, batches: Iterable[Any]) -> int:
    """Let each BatchNorm of an encoder measure its statistics, in one pass in train mode; nothing else changes.

    As initialised, a BatchNorm assumes that its input has mean 0 and variance 1. In eval mode a random encoder then
    shrinks its signal layer by layer. Any pre-training looks good beside it, because any training at all would measure
    the statistics. After the pass the statistics are the means, over the batches, of each batch's mean and unbiased
    variance. Draw the batches at random: batches of one class each have too small a variance.

    Args:
        encoder: The encoder. The function leaves it in eval mode and does not change its weights.
        batches: The inputs of the encoder, batch by batch, all of about the same size.

    Returns:
        The number of BatchNorm layers; 0 means that there was nothing to calibrate and that no batch was read.

    Raises:
        ConfigError: If there are layers to calibrate, but no batch.
    """
    layers = [layer for layer in encoder.modules() if isinstance(layer, _BatchNorm) and layer.track_running_stats]
    momenta = [layer.momentum for layer in layers]
    encoder.eval()  # only the layers that measure go into train mode: dropout and the like stay off
    try:
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # torch then takes the plain mean over all batches
            layer.train()
        num_batches = 0
        for batch in batches if layers else ():
            encoder(batch)
            num_batches += 1
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
            layer.eval()
    if layers and not num_batches:
        raise ConfigError('calibrate_batchnorm got no batch to measure the statistics on')
    return len(layers)
