"""Output folders that are either finished or not there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_RECORD = 'simulation.json'


def is_finished(out: Path, settings: dict[str, Any]) -> bool:
    """Whether ``out`` already holds what ``settings`` would give.

    Args:
        out: The folder.
        settings: All that the data depends on; JSON values.

    Returns:
        True if a run with the same settings finished here; False if the folder is missing or empty.

    Raises:
        FileExistsError: The folder holds anything else, which is never overwritten.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    record = out / _RECORD
    if record.is_file():
        found = json.loads(record.read_text())
        if found == settings:
            return True
        raise FileExistsError(
            f'{out} holds data simulated with other settings ({found}). Delete it or choose another --out.'
        )
    raise FileExistsError(f'{out} is not empty and was not written by this tool. Choose another --out.')


@contextmanager
def written_whole(out: Path, settings: dict[str, Any]) -> Iterator[Path]:
    """Fill a folder in such a way that a killed run leaves nothing under its name.

    Args:
        out: The folder; missing or empty.
        settings: Recorded in ``simulation.json``, for :func:`is_finished`.

    Yields:
        The folder to write to, beside ``out``. It takes the name of ``out`` at the end.
    """
    unfinished = out.with_name(f'.{out.name}.unfinished')
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(parents=True)
    yield unfinished
    (unfinished / _RECORD).write_text(json.dumps(settings, indent=2) + '\n')
    if out.exists():
        out.rmdir()
    unfinished.rename(out)
