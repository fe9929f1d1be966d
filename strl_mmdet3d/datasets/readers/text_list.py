"""Lists of names in text files, one per line."""

from __future__ import annotations

from pathlib import Path

from ..sequence_index import SequenceIndexError
from .whole_file import read_text


def read_list(path: Path) -> list[str]:
    """Read the names of a text file; empty lines are skipped.

    Raises:
        SequenceIndexError: If the file cannot be read or lists nothing.
    """
    try:
        names = [line.strip() for line in read_text(path).splitlines()]
    except (OSError, ValueError) as error:
        raise SequenceIndexError(f'{path} cannot be read ({error}). Restore the file') from error
    names = [name for name in names if name]
    if not names:
        raise SequenceIndexError(f'{path} lists nothing. Restore the file')
    return names
