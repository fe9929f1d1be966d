"""What makes a run: the settings, data and ranks that a resumed run must share with its checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Set
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..errors import StrlError
from ..file_hash import sha256_of

RECORD_KEY = 'strl_run'
"""The key of the record in a checkpoint's ``meta``."""

SECTIONS = (
    'model',
    'train_dataloader',
    'train_cfg',
    'optim_wrapper',
    'param_scheduler',
    'randomness',
    'custom_hooks',
    'default_hooks.target',
    'sync_bn',
    'auto_scale_lr',
)
"""The parts of a config that decide what a run computes."""

INITIAL_WEIGHTS = frozenset({'init_cfg', 'pretrained'})
"""Settings of the weights before the first iteration."""

WITHOUT_EFFECT = INITIAL_WEIGHTS | {
    *('num_workers', 'persistent_workers', 'prefetch_factor', 'pin_memory', 'timeout', 'backend_args', 'data_root'),
    *('val_interval', 'val_begin'),
}
"""Settings in them that change nothing after the first iteration. Data may move: its files are recorded by content."""

FILES = frozenset({'ann_file', 'info_path', 'things', 'checkpoint'})
"""Settings that name a file of data or weights: relative to the data's root, or to the current folder."""

NOT_SET = 'not set'
SHOWN = 8
"""Differences that a message names with their values."""


class ResumeError(StrlError, RuntimeError):
    """The run differs too much from the run of the checkpoint to continue it."""


def record_of(config: Config, ranks: int, without: Set[str] = WITHOUT_EFFECT) -> dict[str, str]:
    """Describe a run by plain text.

    Args:
        config: The run's config.
        ranks: The number of ranks.
        without: Settings that do not count; by default those that change nothing after the first iteration.

    Returns:
        Dotted key of each setting -> its value as JSON. A file of `FILES` is recorded by the SHA-256 of its bytes.
    """
    plain = config.to_dict()
    record = {'ranks': str(ranks)}
    for section in SECTIONS:
        value: Any = plain
        for key in section.split('.'):
            value = (value or {}).get(key)
        record |= dict(flattened(section, value, without=without))
    return record


def flattened(key: str, value: Any, root: str = '', without: Set[str] = WITHOUT_EFFECT) -> Iterator[tuple[str, str]]:
    """Go through the settings below a key.

    Args:
        key: The dotted key.
        value: Its value.
        root: The ``data_root`` around it.
        without: Settings that are left out.

    Yields:
        Dotted keys and values as JSON.
    """
    if isinstance(value, dict):
        root = value.get('data_root') or root
        for name, inner in value.items():
            if name not in without:
                yield from flattened(f'{key}.{name}', inner, root, without)
    elif isinstance(value, (list, tuple)) and any(isinstance(inner, (dict, list, tuple)) for inner in value):
        for number, inner in enumerate(value):
            yield from flattened(f'{key}.{number}', inner, root, without)
    elif key.rpartition('.')[2] in FILES and isinstance(value, str):
        yield key, file_hash(Path(root) / value) or file_hash(Path(value)) or json.dumps(value)
    elif value is not None:
        yield key, json.dumps(value, sort_keys=True, default=name_of)


def name_of(value: Any) -> str:
    """Name a value that JSON does not have, such as a class, without its place in memory."""
    return f'{getattr(value, "__module__", "")}.{getattr(value, "__qualname__", type(value).__qualname__)}'


def file_hash(path: Path) -> str | None:
    """Return the SHA-256 of a file's bytes, or None if there is no such file."""
    try:
        return f'sha256 {sha256_of(path)}'
    except OSError:
        return None


def differences(record: dict[str, str], before: dict[str, str], allowed: Iterable[str] = ()) -> dict[str, str]:
    """Compare a run with the run of a checkpoint.

    Args:
        record: This run.
        before: The run of the checkpoint.
        allowed: Keys, or beginnings of keys up to a dot, that may differ.

    Returns:
        Each key that differs -> a phrase with both values.
    """
    allowed = tuple(allowed)
    found = {}
    for key in sorted(record.keys() | before.keys()):
        now, then = record.get(key, NOT_SET), before.get(key, NOT_SET)
        if now != then and not any(key == name or key.startswith(f'{name}.') for name in allowed):
            found[key] = f'{key} is {short(now)} and was {short(then)}'
    return found


def short(text: str, limit: int = 60) -> str:
    """Shorten a long value."""
    return text if len(text) <= limit else f'{text[:limit]}...'
