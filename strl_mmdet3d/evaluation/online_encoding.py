"""Encodes clouds by the online encoder in the middle of its training, without affecting the training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..generators import generators_kept
from ..models.data_preprocessor import detector_inputs


@contextmanager
def training_untouched(model: nn.Module) -> Iterator[None]:
    """Put a model into eval mode without gradients, and restore everything afterwards.

    Each module gets its own mode back, because some may be frozen in eval mode. The global generators of Python, NumPy
    and torch, including the generator of this rank's GPU, get their states back. In eval mode BatchNorm's running
    statistics do not change. So the training continues as if the block had not run.

    Args:
        model: The model in training.
    """
    modes = {module: module.training for module in model.modules()}
    try:
        with generators_kept(gpus=True), torch.no_grad():
            model.eval()
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def encode_online(model: Any, clouds: Iterable[Tensor], batch_size: int) -> np.ndarray:
    """Encode clouds by the online encoder, under `training_untouched`.

    Args:
        model: `STRL`.
        clouds: At least one cloud, each (N_i, C). They are read batch by batch, so they need not all be in memory.
        batch_size: Clouds that are encoded at a time; in eval mode it affects only the time.

    Returns:
        Float32 (N, D), the input of the projector for each cloud. NaN or infinite if the training has diverged.
    """
    preprocess = model.data_preprocessor.detector
    clouds, features = iter(clouds), []
    while batch := list(islice(clouds, batch_size)):
        features.append(model.online_encoder(detector_inputs(preprocess, batch)).float().cpu())
    return torch.cat(features).numpy()
