"""Read checkpoints without running what they may ask for.

mmengine's checkpoints hold more than tensors and plain values: the message hub's `HistoryBuffer` objects, their NumPy
arrays, and the names of their statistics, which pickle writes as calls of ``getattr``. Exactly these are allowed, by
stand-ins; a file that asks for anything else is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import wraps
from pathlib import Path
from typing import Any, BinaryIO

import torch
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import (
    load_from_ceph,
    load_from_http,
    load_from_mmcls,
    load_from_openmmlab,
    load_from_pavi,
    load_from_torchvision,
)

from .checkpoint_check import check_checkpoint
from .torch_stand_ins import ALLOWED
from .unsafe_pickle import UnsafePickleError
from .without_code import without_code

HAS_ALLOW_LIST = torch.__version__ >= '2.6'
"""Whether torch's allow-list takes stand-ins. torch 2.4 and 2.5 have a list of the real classes only."""

ELSEWHERE: dict[Callable, tuple[str, ...]] = {
    load_from_http: ('http://', 'https://'),
    load_from_torchvision: ('modelzoo://', 'torchvision://'),
    load_from_openmmlab: ('open-mmlab://', 'openmmlab://'),
    load_from_mmcls: ('mmcls://',),
    load_from_pavi: ('pavi://',),
    load_from_ceph: (r'(\S+\:)?s3://', r'(\S+\:)?petrel://'),
}
"""mmengine's readers of checkpoints that are not on this machine -> how the addresses begin."""


def allowed_globals() -> list:
    """List what occurs in a checkpoint that mmengine's Runner has written, as ``add_safe_globals`` takes it."""
    return list(ALLOWED)


@contextmanager
def globals_allowed(allowed: list) -> Iterator[None]:
    """Let ``weights_only`` read these globals while the context lasts; torch older than 2.6 refuses them, and says why.

    Args:
        allowed: As ``add_safe_globals`` takes them.
    """
    if not HAS_ALLOW_LIST:
        yield
        return
    before = torch.serialization.get_safe_globals()
    try:
        with torch.serialization.safe_globals(allowed):
            yield
    finally:
        torch.serialization.add_safe_globals(before)  # torch's context also removes what was allowed before it


def load_checked(
    path: str | Path | BinaryIO, map_location: Any = None, allowed: list | None = None, *, mmap: bool = False
) -> Any:
    """Read a checkpoint: look through it first, then have torch read it with ``weights_only``.

    torch 2.1 to 2.5 cannot read mmengine's checkpoints with ``weights_only``. There only the look guards the read.

    Args:
        path: The file, or its content as an open one.
        map_location: As ``torch.load`` takes it.
        allowed: What the file may name beside tensors and plain values; `allowed_globals` by default.
        mmap: Whether the tensors stay in the file until they are used, as ``torch.load`` takes it.

    Returns:
        Its content.

    Raises:
        UnsafePickleError: If it is damaged, or asks for more than that; the message names the file.
        OSError: If it cannot be opened.
    """
    allowed = allowed_globals() if allowed is None else allowed
    try:
        with _opened(path) as file, globals_allowed(allowed):
            check_checkpoint(file, allowed)
            source = path if mmap else file  # torch maps named files only
            return torch.load(source, map_location=map_location, mmap=mmap, weights_only=HAS_ALLOW_LIST)
    except OSError:
        raise
    except Exception as error:
        name = path if isinstance(path, (str, Path)) else 'what was fetched'
        raise UnsafePickleError(f'{name} cannot be read as a checkpoint: {_reason(error)}') from error


def _opened(path: str | Path | BinaryIO) -> AbstractContextManager[BinaryIO]:
    """Open a file, unless it is open."""
    return Path(path).open('rb') if isinstance(path, (str, Path)) else nullcontext(path)


def _reason(error: Exception) -> str:
    """Say why a checkpoint is refused, without torch's advice to read it unsafely."""
    if isinstance(error, UnsafePickleError):
        return str(error)
    refused = re.search(r'WeightsUnpickler error:\s*(.*?)(?: Please use .*)?$', str(error), re.MULTILINE)
    reason = refused[1] if refused else str(error).partition('\n')[0]
    return f'it is damaged ({type(error).__name__}: {reason}). Take another one, or copy it again'


def load_from_local(filename: str, map_location: Any) -> Any:
    """Read a checkpoint for mmengine, in place of its reader of the same name.

    Args:
        filename: The file.
        map_location: As ``torch.load`` takes it.

    Returns:
        Its content, without what mmengine would run as code.

    Raises:
        UnsafePickleError: As in `load_checked`.
        FileNotFoundError: If it is missing.
    """
    path = Path(filename).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'{filename} can not be found.')
    return without_code(load_checked(path, map_location))


def allow_mmengine_checkpoints() -> None:
    """Have all of mmengine's loads of checkpoints keep to what mmengine's Runner writes, for the whole process.

    ``torch.load`` by itself keeps ``weights_only``, and reads mmengine's checkpoints too. torch 2.1 to 2.3 do not.
    """
    if HAS_ALLOW_LIST:
        torch.serialization.add_safe_globals(allowed_globals())
    elif hasattr(torch.serialization, 'add_safe_globals'):  # from 2.6 on, weights_only is the default
        os.environ.setdefault('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    CheckpointLoader.register_scheme('', load_from_local, force=True)
    for load, prefixes in ELSEWHERE.items():
        CheckpointLoader.register_scheme(prefixes, _guarded(load), force=True)


@contextmanager
def _torch_loads_checked() -> Iterator[None]:
    """Have ``torch.load`` read by `load_checked`, whatever it is asked for, while the context lasts."""
    usual: Any = torch.load

    def load(source: str | Path | BinaryIO, map_location: Any = None, **_: Any) -> Any:
        torch.load = usual
        try:
            return load_checked(source, map_location)
        finally:
            torch.load = checked

    checked: Any = load
    torch.load = checked
    try:
        yield
    finally:
        torch.load = usual


def _guarded(load: Callable) -> Callable:
    """Return a reader that checks what it has fetched before it is unpickled, and drops what mmengine would run.

    Such readers end in ``torch.load``, torch.hub's with ``weights_only=False``.
    """

    @wraps(load)
    def load_data(*args: Any, **kwargs: Any) -> Any:
        with _torch_loads_checked():
            return without_code(load(*args, **kwargs))

    return load_data
