"""Time stamps of frames from a text file beside them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np

from ..readers.whole_file import read_text
from ..sequence_index import SequenceIndexError
from .name_times import DIGITS_PER_UNIT, FIRST_SECOND, NANOSECONDS

NAMES = ('timestamps.txt', 'times.txt')
LARGEST = 2**62  # nanoseconds, 146 years

_REMEDY = 'Correct the file, or move it away to go without its time stamps'


def find_times_file(folder: Path) -> Path | None:
    """Return the file of time stamps that lies in a folder of frames or beside it; None if there is none."""
    return next((path for place in (folder, folder.parent) for name in NAMES if (path := place / name).is_file()), None)


def read_times(path: Path, stems: list[str]) -> np.ndarray:
    """Read the times of all frames of a folder.

    A line holds seconds (``0.1``), a whole number of a unit since 1970, or a date and a time of day (``2011-09-26
    13:02:25.951199337``). The lines are those of the frames in order, or, if some frames are missing, those of the
    numbers that the frames are named by, counted from 0.

    Args:
        path: The file.
        stems: The frames' names without extension, in order.

    Returns:
        Int64 nanoseconds (N,) from an unknown zero.

    Raises:
        SequenceIndexError: If the file cannot be read, a line of a frame is no time, or the lines are not those of the
            frames.
    """
    try:
        lines = read_text(path).splitlines()
    except (OSError, ValueError) as error:
        raise SequenceIndexError(f'{path} cannot be read ({error}). {_REMEDY}') from error
    while lines and not lines[-1].strip():
        lines.pop()
    if len(lines) == len(stems):
        wanted = list(range(len(stems)))
    elif all(stem.isascii() and stem.isdigit() for stem in stems) and max(map(int, stems)) < len(lines):
        wanted = list(map(int, stems))
    else:
        raise SequenceIndexError(f'{path} has {len(lines)} time stamps for {len(stems)} frames. {_REMEDY}')
    return np.array([_nanoseconds(path, number, lines[number].strip()) for number in wanted], dtype=np.int64)


def _nanoseconds(path: Path, number: int, line: str) -> int:
    """Read the time of a line."""
    try:
        if line.isascii() and line.isdigit() and len(line) in DIGITS_PER_UNIT and len(line) > 10:
            time = int(line) * 10 ** DIGITS_PER_UNIT[len(line)]
            if time // NANOSECONDS >= FIRST_SECOND:
                return time
        if '-' in line[1:] and ':' in line:
            moment = np.datetime64(line, 'ns')
            if np.isnat(moment):
                raise ValueError('no date')
            return int(moment.astype(np.int64))
        seconds = Decimal(line)
        if not abs(seconds) < LARGEST // NANOSECONDS:  # Infinity and NaN are not
            raise ValueError('out of range')
        return int(seconds * NANOSECONDS)
    except (ValueError, InvalidOperation) as error:
        raise SequenceIndexError(f'{path}, line {number + 1}: {line!r:.80} is not a time. {_REMEDY}') from error
