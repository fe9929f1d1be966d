"""The encoders that a probe compares: pre-trained ones, and random ones beside them."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.runner.checkpoint import load_state_dict

from ..export import META_KEY, ExportError, compare_loaded, export_encoder, read_checkpoint
from ..models.encoder import DetectorEncoder


def random_encoder(model: dict, seed: int) -> DetectorEncoder:
    """Build an encoder as its pre-training would start.

    Args:
        model: The config of the downstream model; its heads are dropped.
        seed: Of the weights. torch's global state is left as it was.

    Returns:
        The encoder in eval mode, BatchNorm as initialised.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = DetectorEncoder(detector=model)
        encoder.init_weights()
    return encoder.eval()


def pretrained_encoder(model: dict, path: str | Path) -> DetectorEncoder:
    """Build an encoder and load a checkpoint into it, tensor by tensor accounted for.

    Args:
        model: The config of the downstream model; its heads are dropped.
        path: An exported encoder, or a checkpoint of STRL, whose online encoder is taken.

    Returns:
        The encoder in eval mode.

    Raises:
        ExportError: If the file is none of the two, one of its tensors does not land, or the encoder has a tensor that
            the file does not hold.
    """
    checkpoint = read_checkpoint(path)
    exported = checkpoint if META_KEY in checkpoint.get('meta', {}) else export_encoder(checkpoint, str(path))
    encoder = random_encoder(model, seed=0)
    load_state_dict(encoder.detector, exported['state_dict'], strict=False, logger='silent')
    report = compare_loaded(exported, encoder.detector, str(path))
    if report.from_scratch:
        raise ExportError(
            f'{path} holds {len(report.landed)} tensors of the encoder, but lacks {len(report.from_scratch)}: '
            f'{", ".join(report.from_scratch[:5])}. A probe of a part that is random would be no probe'
        )
    return encoder
