"""Listing the key frames of one folder of scans."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..sequence_index import SequenceIndexError

FLOAT32_BYTES = 4


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Return a sort key for names that orders numbers in them by value: 9.bin comes before 10.bin.

    Names that differ only in leading zeros are ordered as text, so that the order is total.
    """
    # Text and numbers alternate, and text comes first, so that a number is never compared with text.
    parts: list[str | int] = [int(part) if i % 2 else part for i, part in enumerate(re.split('([0-9]+)', name))]
    return parts, name


@dataclass
class ScanLister:
    """Lists the key frames of a folder, and checks the files' sizes to find truncated ones.

    Attributes:
        load_dim: float32 values per point.
        key_frame_every: Every n-th scan of the folder is a key frame, beginning with the first.
        ext: The end of a scan's file name.
        skip_truncated: Whether to leave truncated and empty key frames out instead of raising an error.
        truncated: The paths of the key frames left out so far.
    """

    load_dim: int = 4
    key_frame_every: int = 1
    ext: str = '.bin'
    skip_truncated: bool = False
    truncated: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Raise a SequenceIndexError if a setting is out of its range."""
        if self.load_dim < 3 or self.key_frame_every < 1:
            raise SequenceIndexError(
                'load_dim must be at least 3 (x, y, z) and key_frame_every at least 1, '
                f'got {self.load_dim} and {self.key_frame_every}'
            )

    def folders(self, root: Path, pattern: str) -> Iterator[tuple[Path, list[str]]]:
        """List the folders below the data's root that fit a glob pattern and hold key frames, in natural order."""
        require_folder(root)
        for folder in sorted(root.glob(pattern), key=lambda path: natural_key(path.as_posix())):
            if names := self.key_frames(folder):
                yield folder, names

    def key_frames(self, folder: Path) -> list[str]:
        """List the file names of a folder's key frames, in natural order; none if it holds no scans.

        Its subfolders are not searched.

        Raises:
            SequenceIndexError: If a key frame is empty or truncated, and ``skip_truncated`` is off.
        """
        with os.scandir(folder) as entries:
            # A leading dot marks files that are not scans, such as the '._*.bin' that macOS leaves on foreign disks.
            scans = [
                entry
                for entry in entries
                if entry.name.endswith(self.ext) and not entry.name.startswith('.') and entry.is_file()
            ]
        scans.sort(key=lambda entry: natural_key(entry.name))
        names = []
        for scan in scans[:: self.key_frame_every]:
            size = scan.stat().st_size
            if size > 0 and size % (FLOAT32_BYTES * self.load_dim) == 0:
                names.append(scan.name)
            elif self.skip_truncated:
                self.truncated.append(Path(scan.path))
            else:
                raise SequenceIndexError(
                    f'{scan.path} is {"empty" if size == 0 else "truncated"}: its {size} bytes do not hold whole '
                    f'points of {self.load_dim} float32 values. Restore the file, or leave such frames out with '
                    '--skip-truncated'
                )
        return names


def frame_number(name: str) -> int:
    """Return the number that a scan's file name is, or raise a ValueError: '-1' would count from the end of a list."""
    stem = Path(name).stem
    if not (stem.isascii() and stem.isdigit()):
        raise ValueError(f'{name} is not named by its number')
    return int(stem)


def require_folder(root: Path) -> None:
    """Raise a SequenceIndexError unless the data's root is a folder."""
    if not root.is_dir():
        raise SequenceIndexError(f'{root} is not a folder. Set --root to where the data lies')
