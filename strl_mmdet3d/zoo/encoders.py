"""Finding and reading the encoders of the zoo: the file is compared with its SHA-256 before anything reads it."""

from __future__ import annotations

import json
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mmengine.runner import CheckpointLoader

from ..errors import StrlError
from ..file_hash import sha256_of
from ..safe_loading.checkpoints import load_from_local
from .entry import Entry

ZOO = Path(__file__).parent / 'files'
"""The folder of the encoders and of their records, ``encoders.json``."""

SCHEME = 'strl://'


class ZooError(StrlError):
    """An encoder of the zoo that is unknown, missing or changed."""


def read_entries(folder: Path | None = None) -> dict[str, Entry]:
    """Return the records of the encoders by their names.

    Args:
        folder: Of another zoo than the package's.

    Raises:
        ZooError: If the records are missing or damaged.
    """
    path = (folder or ZOO) / 'encoders.json'
    try:
        entries = [Entry.of(values) for values in json.loads(path.read_text(encoding='utf-8'))]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ZooError(f'{path} cannot be read ({error}). Install strl_mmdet3d again') from error
    return {entry.name: entry for entry in entries}


def entry_of(name: str, folder: Path | None = None) -> Entry:
    """Return the record of an encoder.

    Raises:
        ZooError: If there is no such encoder; names the nearest.
    """
    entries = read_entries(folder)
    if name not in entries:
        near = ', '.join(get_close_matches(name, entries, n=3, cutoff=0)) or 'none'
        raise ZooError(f'the zoo has no encoder {name!r}; it has {near}')
    return entries[name]


def checked_path(entry: Entry, folder: Path | None = None) -> Path:
    """Return the file of an encoder once its content is the recorded one.

    Raises:
        ZooError: If it is missing or changed.
    """
    folder = folder or ZOO
    path = folder / entry.file
    if path.parent != folder or not path.is_file():
        raise ZooError(f'{path}, the encoder {entry.name} of the zoo, is missing. Install strl_mmdet3d again')
    found = sha256_of(path)
    if found != entry.sha256:
        raise ZooError(
            f'{path} is not the encoder {entry.name} of the zoo: its SHA-256 is {found}, not {entry.sha256}. Install '
            'strl_mmdet3d again'
        )
    return path


@CheckpointLoader.register_scheme(prefixes=(SCHEME,))
def load_from_zoo(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read an encoder of the zoo, as mmengine reads ``load_from = 'strl://NAME'``.

    Args:
        filename: ``strl://NAME``.
        map_location: As of ``torch.load``.

    Raises:
        ZooError: If it is unknown, missing or changed.
    """
    return load_from_local(str(checked_path(entry_of(filename.removeprefix(SCHEME)))), map_location)
