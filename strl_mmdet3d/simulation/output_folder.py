"""Output folders that are either complete or absent, with a record of their settings and of their files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from strl_mmdet3d.atomic_write import written_whole
from strl_mmdet3d.errors import StrlError
from strl_mmdet3d.file_list import further_files, is_file_list, list_files, what_is_lost

_RECORD = 'simulation.json'


class OutputFolderError(StrlError, FileExistsError):
    """The output folder holds other data, which is never overwritten. The message names the folder and a remedy."""


def is_finished(out: Path, settings: dict[str, Any]) -> bool:
    """Return whether ``out`` already holds the data that ``settings`` give, all of it.

    Args:
        out: The folder.
        settings: Everything that the data depends on; JSON values.

    Returns:
        True if a run with the same settings finished here and every file still has its size; False if the folder is
        missing or empty.

    Raises:
        OutputFolderError: If the folder holds anything else, or has lost files.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    found, files = _read_record(out)
    if found != settings and found | dict(version=None) == settings | dict(version=None):
        raise OutputFolderError(
            f'{out} holds data with these settings that another version of the simulation has made, so it differs from '
            'what this one makes. Delete it or choose another --out.'
        )
    if found != settings:
        raise OutputFolderError(
            f'{out} holds data simulated with other settings ({found}). Delete it or choose another --out.'
        )
    lost = what_is_lost(out, files)
    if lost:
        raise OutputFolderError(
            f'{out} no longer holds all data that was simulated: {lost}. Delete {out} and simulate it again, or choose '
            'another --out.'
        )
    return True


def added_files(out: Path) -> list[str]:
    """Return the files of a finished folder that no simulation wrote, such as an index."""
    return [name for name in further_files(out, _read_record(out)[1]) if name != _RECORD]


@contextmanager
def simulated_whole(out: Path, settings: dict[str, Any]) -> Iterator[Path]:
    """Fill a folder by `written_whole`: if the run stops early, ``out`` stays missing or empty.

    Args:
        out: The folder; missing or empty.
        settings: Recorded in ``simulation.json`` with the list of the files, which :func:`is_finished` reads.

    Yields:
        An empty folder beside ``out``, to write to. It takes the name of ``out`` at the end.

    Raises:
        OutputFolderError: If ``out`` is a mount point, which no other folder can replace.
    """
    if os.path.ismount(out):
        raise OutputFolderError(f'{out} is a mount point, which cannot be replaced: name a folder in it as --out.')
    with written_whole(out) as folder:
        folder.mkdir()
        yield folder
        record = dict(settings=settings, files=list_files(folder))
        (folder / _RECORD).write_text(json.dumps(record, indent=2) + '\n')


def _read_record(out: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Read the settings and the files of a finished folder."""
    path = out / _RECORD
    if not path.is_file():
        raise OutputFolderError(f'{out} is not empty and was not written by this tool. Choose another --out.')
    try:
        record = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise OutputFolderError(f'{path} is damaged ({error}). Delete {out} or choose another --out.') from error
    if not isinstance(record, dict) or not is_file_list(record.get('files')) or 'settings' not in record:
        raise OutputFolderError(
            f'{path} lists no files (an older version of this tool wrote it), so nothing shows whether the data is '
            f'whole. Delete {out} and simulate it again, or choose another --out.'
        )
    return record['settings'], record['files']
