"""Reads checkpoints of a pre-training and exported encoders, and writes the latter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..atomic_write import written_whole
from ..errors import StrlError
from ..safe_loading import allowed_globals, globals_allowed

META_KEY = 'strl'
"""The key of an exported encoder's provenance in the ``meta`` of its file."""


class ExportError(StrlError, RuntimeError):
    """A file is not an STRL checkpoint or exported encoder, or an encoder does not fit the detector in full."""


def load_tensors(path: str | Path, allowed: list) -> Any:
    """Read a file with ``weights_only`` onto the CPU.

    Args:
        path: The file.
        allowed: The globals that it may name beside tensors and plain values, see `globals_allowed`.

    Raises:
        ExportError: If it is missing, damaged, or refused as unsafe; the message names the file.
    """
    if not Path(path).is_file():
        raise ExportError(f'no checkpoint at {path}')
    try:
        with globals_allowed(allowed):
            return torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        raise ExportError(f'{path} cannot be read as a checkpoint of tensors and plain values: {error}') from error


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of mmengine by `load_tensors`.

    Raises:
        ExportError: If it is missing, damaged, refused as unsafe, or not a checkpoint; the message names the file.
    """
    checkpoint = load_tensors(path, allowed_globals())
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get('state_dict'), dict):
        raise ExportError(f'{path} holds no state_dict: mmengine did not write it')
    if not isinstance(checkpoint.setdefault('meta', {}), dict):
        raise ExportError(f'{path} holds a meta of type {type(checkpoint["meta"]).__name__}: mmengine did not write it')
    for name, tensor in checkpoint['state_dict'].items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor) or tensor.layout != torch.strided:
            raise ExportError(f'{path}: {name!r} of its state_dict is not a dense tensor with a name')
    return checkpoint


def save_exported(exported: dict[str, Any], path: str | Path) -> None:
    """Write an exported encoder. A kill leaves either the old file or the new one.

    Args:
        exported: The result of `export_encoder`.
        path: The file; its folder is created.
    """
    with written_whole(path) as part:
        torch.save(exported, part)
