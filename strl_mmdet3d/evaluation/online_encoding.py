"""Looking at the online encoder in the middle of its training, and leaving no trace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..generators import generators_kept


@contextmanager
def training_untouched(model: nn.Module) -> Iterator[None]:
    """Put a model into eval mode, and afterwards all back as it was.

    Each module gets its own mode back, because some may be frozen in eval mode, and python's, NumPy's and torch's
    global generators, that of this rank's GPU too, their states. In eval mode BatchNorm's running statistics stay as
    they are, and no gradient is recorded. So the training goes on as if nothing had been.

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
        clouds: Each (N_i, C), at least one in all; they are taken batch by batch, so they need not all be in memory.
        batch_size: Clouds that are encoded at a time; in eval mode it changes the time only.

    Returns:
        Float32 (N, D), what the projector gets of each cloud. NaN or infinite where the training has diverged.
    """
    preprocess = model.data_preprocessor.detector
    clouds, features = iter(clouds), []
    while batch := list(islice(clouds, batch_size)):
        inputs = preprocess(dict(inputs=dict(points=batch), data_samples=None), False)['inputs']
        features.append(model.online_encoder(inputs).float().cpu())
    return torch.cat(features).numpy()
