"""Which row of a file of poses or time stamps belongs to which scan, and what happens to scans whose row is broken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ...sequence_index import SequenceIndexError
from .scans import ScanLister, frame_number

BROKEN_ROW = 'broken pose or time stamp'
"""The reason for leaving a scan out, as the index and the tool name it."""

NO_POSE = 'no pose'
"""The reason for leaving out a scan that the data set has no pose for."""


def numbers_of_frames(names: Sequence[str], path: Path) -> np.ndarray:
    """Return the numbers (N,) in the file names of scans.

    Args:
        names: The file names.
        path: The file that needs the numbers; the message names it.

    Raises:
        SequenceIndexError: If a scan is not named by its number.
    """
    try:
        return np.array([frame_number(name) for name in names])
    except ValueError as error:
        raise SequenceIndexError(
            f'{path} does not hold a row for each of the scans {names[0]} to {names[-1]} ({error}). Rename the scan, '
            'or move the file away'
        ) from error


def num_rows_expected(names: Sequence[str]) -> int | None:
    """Return how many rows a file has that ends with the row of the last scan; None if scans have no numbers."""
    try:
        return max(frame_number(name) for name in names) + 1
    except ValueError:
        return None


def rows_by_number(path: Path, num_rows: int, names: Sequence[str], lister: ScanLister) -> np.ndarray:
    """Return the row (N,) of each of N scans: the number in the scan's file name, from 0.

    The numbers may begin elsewhere, as in a part of a recording, if the file then has a row for each scan and no more.

    Args:
        path: The file of the rows.
        num_rows: How many it has.
        names: The file names of the key frames of one recording, in the order of their numbers.
        lister: Notes what is unusual.

    Raises:
        SequenceIndexError: If the file has too few rows, or a scan is not named by its number.
    """
    numbers = numbers_of_frames(names, path)
    first, last = int(numbers.min()), int(numbers.max())
    rows_without_scan = num_rows - (last + 1)
    if rows_without_scan < 0:
        if first > 0 and last <= first + num_rows - 1 < last + lister.key_frame_every:
            lister.notes.append(
                f'{path} has {num_rows} rows, one for each scan from {names[0]} to {names[-1]}: its first row is taken '
                f'for {names[0]}'
            )
            return numbers - first
        raise SequenceIndexError(
            f'{path} ends at line {num_rows}, but the scan {names[int(numbers.argmax())]} needs line {last + 1}: '
            f'{-rows_without_scan} lines are missing, and which ones is unknown. Restore the file, or move it away to '
            'build the index without it'
        )
    if rows_without_scan >= lister.key_frame_every:
        lister.notes.append(
            f'{path} has {num_rows} lines, but the last scan is {names[int(numbers.argmax())]}: the lines from '
            f'{last + 2} on are not used. Check that no line is twice in it, which would shift those behind it'
        )
    return numbers


def usable_frames(faults: Iterable[str | None], names: Sequence[str], lister: ScanLister) -> np.ndarray:
    """Return which scans to keep (K,), and record the others.

    Args:
        faults: For each scan what is wrong with its row, with the file and the line; None if it can be used.
        names: The file names of the scans.
        lister: Records the scans left out.

    Raises:
        SequenceIndexError: If more than half of the rows are broken: then it is the file that is, or its format.
    """
    found = list(faults)
    broken = [fault for fault in found if fault is not None]
    if 2 * len(broken) > len(found):
        raise SequenceIndexError(
            f'{broken[0]}. Of the {len(found)} rows for {names[0]} to {names[-1]}, {len(broken)} are broken. '
            'Restore the file, or move it away to build the index without it'
        )
    for fault in broken:
        lister.leave_out(BROKEN_ROW, fault)
    return np.array([i for i, fault in enumerate(found) if fault is None], dtype=np.int64)


def first_fault(*faults: str | None) -> str | None:
    """Return the first fault that there is; None if there is none."""
    return next((fault for fault in faults if fault is not None), None)
