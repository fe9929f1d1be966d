"""The encoders that a probe compares: pre-trained and random ones."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.runner.checkpoint import load_state_dict

from ..export import (
    META_KEY,
    ExportError,
    check_exported,
    compare_loaded,
    compare_settings,
    export_encoder,
    read_checkpoint,
)
from ..models.encoder import DetectorEncoder


def random_encoder(model: dict, seed: int) -> DetectorEncoder:
    """Build an encoder with the weights that a pre-training starts from.

    Args:
        model: The config of the downstream model; its heads are dropped.
        seed: Determines the weights. torch's global state does not change.

    Returns:
        The encoder in eval mode, BatchNorm as initialised.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = DetectorEncoder(detector=model)
        encoder.init_weights()
    return encoder.eval()


def pretrained_encoder(model: dict, path: str | Path) -> DetectorEncoder:
    """Build an encoder, load a checkpoint into it, and check that every tensor was loaded.

    Args:
        model: The config of the downstream model; its heads are dropped.
        path: An exported encoder, or a checkpoint of STRL; its online encoder is loaded.

    Returns:
        The encoder in eval mode.

    Raises:
        ExportError: If the file is neither, or not whole; if one of its tensors does not load, the encoder has a tensor
            that the file lacks, or a setting of the model differs from the pre-training's.
    """
    checkpoint = read_checkpoint(path)
    prove = check_exported if META_KEY in checkpoint['meta'] else export_encoder
    exported = prove(checkpoint, str(path))
    encoder = random_encoder(model, seed=0)
    load_state_dict(encoder.detector, exported['state_dict'], strict=False, logger='silent')
    report = compare_loaded(exported, encoder.detector, str(path))
    if report.from_scratch:
        raise ExportError(
            f'{path} holds {len(report.landed)} tensors of the encoder, but lacks {len(report.from_scratch)}: '
            f'{", ".join(report.from_scratch[:5])}. They would stay random: probe a whole encoder of this model, '
            'exported without --leave-out'
        )
    compare_settings(exported, Config(dict(model=model)), str(path))
    return encoder
