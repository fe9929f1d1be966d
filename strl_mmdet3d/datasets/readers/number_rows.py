"""Rows of numbers in text files: poses and time stamps, one row for each frame of a recording."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..sequence_index import SequenceIndexError
from .whole_file import read_text

_COMMENT = ('#', '%', '//')


@dataclass
class NumberRows:
    """The rows of a file. A broken row keeps its place, so that the rows behind it stay with their frames.

    Attributes:
        path: The file.
        values: Float64 (N, width); NaN in a broken row.
        lines: For each row, the number of its line in the file, from 1.
        faults: Row -> what is wrong with it.
    """

    path: Path
    values: np.ndarray
    lines: list[int]
    faults: dict[int, str]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)

    def fault(self, row: int) -> str | None:
        """Return what is wrong with a row, with the file and the line; None if it can be used."""
        return f'{self.path}, line {self.lines[row]}: {self.faults[row]}' if row in self.faults else None

    def add_fault(self, row: int, fault: str) -> None:
        """Mark a row as broken; the first fault of a row stays."""
        self.faults.setdefault(row, fault)
        self.values[row] = np.nan


def read_number_rows(path: Path, widths: Collection[int], num_frames: int | None = None) -> NumberRows:
    """Read the rows of a text file.

    Numbers are separated by blanks, commas or semicolons. Comment lines, a header of words if enough rows remain, and
    empty lines at the end are skipped. Other empty lines count as broken rows, unless the file has ``num_frames`` rows
    without them.

    Args:
        path: The file.
        widths: How many numbers a row may have. All rows have the same number: the one that most of them have.
        num_frames: The number of rows expected, where it is known; -1 if empty lines never count.

    Returns:
        The rows.

    Raises:
        SequenceIndexError: If the file cannot be read, or not one row has a number of values that is expected.
    """
    try:
        lines = re.split('\r*\n|\r', read_text(path))
    except (OSError, ValueError) as error:
        raise SequenceIndexError(f'{path} cannot be read as text ({error}). Restore it, or move it away') from error
    rows = [
        (number, re.sub('[,;]', ' ', line).split())
        for number, line in enumerate(lines, 1)
        if not line.lstrip().startswith(_COMMENT)
    ]
    while rows and not rows[-1][1]:
        del rows[-1]
    filled = [row for row in rows if row[1]]
    has_place = num_frames in (None, -1) or len(rows) > num_frames
    if filled and has_place and not any(map(_is_number, filled[0][1])):
        rows, filled = rows[rows.index(filled[0]) + 1 :], filled[1:]  # the header
    if num_frames is not None and (num_frames == -1 or len(filled) == num_frames):
        rows = filled
    counts = Counter(len(words) for _, words in filled if len(words) in widths)
    expected = ' or '.join(map(str, sorted(widths)))
    if not counts:
        found = f'line {filled[0][0]} has {len(filled[0][1])}' if filled else 'it has no line'
        raise SequenceIndexError(f'{path} has no row of {expected} numbers ({found}). Restore it, or move it away')
    width = counts.most_common(1)[0][0]

    result = NumberRows(path, np.full((len(rows), width), np.nan), [number for number, _ in rows], {})
    for i, (_, words) in enumerate(rows):
        if len(words) != width:
            result.faults[i] = f'{len(words)} values where {width} are expected'
        elif not all(map(_is_number, words)):
            result.faults[i] = 'a word where a number is expected'
        else:
            result.values[i] = [float(word) for word in words]
            if not np.isfinite(result.values[i]).all():
                result.add_fault(i, 'NaN or Inf')
    return result


def _is_number(word: str) -> bool:
    """Return whether a word is a number, NaN and Inf among them."""
    try:
        float(word)
    except ValueError:
        return False
    return '_' not in word  # which Python takes for a separator of thousands
