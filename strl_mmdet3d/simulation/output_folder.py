"""Output folders that are either complete or absent, with a record of their settings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from strl_mmdet3d.atomic_write import written_whole
from strl_mmdet3d.errors import StrlError

_RECORD = 'simulation.json'


class OutputFolderError(StrlError, FileExistsError):
    """The output folder holds other data, which is never overwritten. The message names the folder and a remedy."""


def is_finished(out: Path, settings: dict[str, Any]) -> bool:
    """Return whether ``out`` already holds the data that ``settings`` give.

    Args:
        out: The folder.
        settings: Everything that the data depends on; JSON values.

    Returns:
        True if a run with the same settings finished here; False if the folder is missing or empty.

    Raises:
        OutputFolderError: If the folder holds anything else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    record = out / _RECORD
    if record.is_file():
        try:
            found = json.loads(record.read_text())
        except ValueError as error:
            raise OutputFolderError(f'{record} is damaged ({error}). Delete {out} or choose another --out.') from error
        if found == settings:
            return True
        raise OutputFolderError(
            f'{out} holds data simulated with other settings ({found}). Delete it or choose another --out.'
        )
    raise OutputFolderError(f'{out} is not empty and was not written by this tool. Choose another --out.')


@contextmanager
def simulated_whole(out: Path, settings: dict[str, Any]) -> Iterator[Path]:
    """Fill a folder by `written_whole`: if the run stops early, ``out`` stays missing or empty.

    Args:
        out: The folder; missing or empty.
        settings: Recorded in ``simulation.json``, which :func:`is_finished` reads.

    Yields:
        An empty folder beside ``out``, to write to. It takes the name of ``out`` at the end.
    """
    with written_whole(out) as folder:
        folder.mkdir()
        yield folder
        (folder / _RECORD).write_text(json.dumps(settings, indent=2) + '\n')
