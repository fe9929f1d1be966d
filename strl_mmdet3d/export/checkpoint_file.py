"""Reads checkpoints of a pre-training and exported encoders, and writes the latter."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch

from ..atomic_write import written_whole
from ..safe_loading import UnsafePickleError, allowed_globals, check_checkpoint, globals_allowed
from .export_error import ExportError
from .plain_content import is_plain_dict, plain_state_dict
from .whole_archive import check_archive


def load_tensors(path: str | Path, allowed: list, *, legacy: bool = False) -> Any:
    """Read a file with ``weights_only`` onto the CPU, after the checksums of its archive.

    Args:
        path: The file.
        allowed: The globals that it may name beside tensors and plain values, see `globals_allowed`.
        legacy: Whether to read what torch wrote before 1.6 too, which is no archive and has no checksums.

    Raises:
        ExportError: If it is missing, damaged, or refused as unsafe; the message names the file.
    """
    if not Path(path).is_file():
        raise ExportError(f'no checkpoint at {path}')
    try:
        with Path(path).open('rb') as file:  # opened once, so that what was checked is what is read
            if not legacy or zipfile.is_zipfile(file):
                check_archive(file, path)
            file.seek(0)
            check_checkpoint(file, allowed)
            with globals_allowed(allowed):
                return torch.load(file, map_location='cpu', weights_only=True)
    except ExportError:
        raise
    except UnsafePickleError as error:
        raise ExportError(f'{path} cannot be read as a checkpoint of tensors and plain values: {error}') from error
    except OSError as error:
        raise ExportError(f'{path} cannot be read: {error.strerror or error}') from error
    except Exception as error:
        raise ExportError(
            f'{path} cannot be read as a checkpoint of tensors and plain values: it is damaged or of another kind '
            f'({type(error).__name__}). Copy it again'
        ) from error


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of mmengine by `load_tensors`.

    Returns:
        Its ``meta`` and ``state_dict``, see `plain_checkpoint`.

    Raises:
        ExportError: If it is missing, damaged, refused as unsafe, or not a checkpoint; the message names the file.
    """
    return plain_checkpoint(load_tensors(path, allowed_globals()), str(path), Path(path).stat().st_size)


def plain_checkpoint(content: Any, source: str, size: int | None = None) -> dict[str, Any]:
    """Check the content of a checkpoint.

    Args:
        content: What ``torch.load`` returned.
        source: The file's name, for the error message.
        size: The file's size in bytes, if known; no tensor can be larger.

    Returns:
        ``{'meta': ..., 'state_dict': ...}``: a plain dict, and names with plain tensors.

    Raises:
        ExportError: If it is not the checkpoint of a model; names the file.
    """
    if not is_plain_dict(content):
        raise ExportError(f'{source} holds no state_dict: mmengine did not write it')
    meta = content.get('meta', {})
    if not is_plain_dict(meta):
        raise ExportError(f'{source} holds a meta of type {type(meta).__name__}: mmengine did not write it')
    return dict(meta=meta, state_dict=plain_state_dict(content.get('state_dict'), source, size))


def check_out(path: str | Path, checkpoint: str | Path) -> None:
    """Refuse to write an encoder where that would destroy the checkpoint, a folder or a device.

    Raises:
        ExportError: If `path` is the checkpoint, or anything but a file.
    """
    path = Path(path)
    try:
        if not path.exists():
            return
        if Path(checkpoint).exists() and path.samefile(checkpoint):
            raise ExportError(f'{path} is the checkpoint itself: name another file to write the encoder to')
    except OSError as error:
        raise ExportError(f'{path} cannot be written ({error.strerror}): name another file') from error
    if not path.is_file():
        raise ExportError(f'{path} is not a file that can be replaced: name a file to write the encoder to')


def save_exported(exported: dict[str, Any], path: str | Path) -> None:
    """Write an exported encoder. A kill or a full disk leaves either the old file or the new one.

    Args:
        exported: The result of `export_encoder`.
        path: The file; its folder is created.

    Raises:
        ExportError: If it cannot be written; names the file.
    """
    try:
        with written_whole(path) as part:
            torch.save(exported, part)
    except (OSError, RuntimeError) as error:  # torch's writer raises a RuntimeError where the disk is full
        reason = (isinstance(error, OSError) and error.strerror) or 'is the disk full?'
        raise ExportError(
            f'the encoder cannot be written to {path} ({reason}); a file that was there stays as it was. Free space, '
            'or name a file in a folder that you may write to'
        ) from error
