"""Take out of a checkpoint the text that mmengine would run as Python, and paths that it would delete."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

CODE = (('meta', 'config'), ('meta', 'cfg'), ('message_hub', 'runtime_info', 'cfg'))
"""Where a checkpoint has its run's config as text. mmengine's Runner and inferencers give it to `Config.fromstring`,
which runs it as Python. The Runner only looks there for mmdet 2's ``gpu_ids``."""

OWN_CHECKPOINTS = ('last_ckpt', 'best_ckpt')
"""How the names in a message hub begin under which mmengine's CheckpointHook remembers files that it may delete."""


def without_code(checkpoint: Any) -> Any:
    """Drop every text of a checkpoint that mmengine or mmdet3d would run as Python.

    Args:
        checkpoint: The content of a checkpoint; it is changed.

    Returns:
        The same checkpoint.
    """
    dropped = []
    for *path, name in CODE:
        holder = _inner(checkpoint, path)
        if holder is not None and name in holder:
            del holder[name]
            dropped.append('.'.join((*path, name)))
    if 'meta.config' in dropped:  # mmengine itself writes the other two, and into every checkpoint
        print_log(f'of the checkpoint, its config as text is not read: {", ".join(dropped)}', 'current')
    return checkpoint


def without_foreign_files(checkpoint: Any, folder: str | Path) -> Any:
    """Drop the names of files outside a run's folder, which mmengine's CheckpointHook would delete as its own.

    Args:
        checkpoint: The content of a checkpoint; it is changed.
        folder: The work directory.

    Returns:
        The same checkpoint.
    """
    remembered = _inner(checkpoint, ('message_hub', 'runtime_info')) or {}
    for name in [name for name in remembered if isinstance(name, str) and name.startswith(OWN_CHECKPOINTS)]:
        path = remembered[name]
        if path is not None and not (isinstance(path, str) and _is_inside(path, folder)):
            del remembered[name]
            print_log(
                f'the checkpoint names {path!r} as a checkpoint of its run, outside of {folder}: it stays as it is',
                'current',
                logging.WARNING,
            )
    return checkpoint


def _is_inside(path: str, folder: str | Path) -> bool:
    """Return whether a path leads into a folder."""
    try:
        return Path(path).resolve().is_relative_to(Path(folder).resolve())
    except (OSError, ValueError):
        return False


def _inner(checkpoint: Any, path: tuple[str, ...] | list[str]) -> dict | None:
    """Return the dictionary at a path of names, or None."""
    for name in path:
        checkpoint = checkpoint.get(name) if isinstance(checkpoint, dict) else None
    return checkpoint if isinstance(checkpoint, dict) else None
