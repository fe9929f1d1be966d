"""Listing the key frames of one folder of scans."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ...frame_table import INDEX_TABLE
from ...readers.foreign_formats import CONVERTERS, foreign_suffix
from ...sequence_index import SequenceIndexError
from ..frame_order import ambiguity, in_frame_order, natural_key
from ..linked_files import MISSING
from ..root_folder import require_folder
from .scan_columns import ScanColumns

FLOAT32_BYTES = 4
PLAIN_ENDS = ('.bin',)
SCAN_ENDS = (*PLAIN_ENDS, '.pcd', '.npy', '.npz', '.ply', '.las', '.laz')
GZIP_END = '.gz'


@dataclass
class ScanLister:
    """Lists the key frames of a folder, and checks the files' sizes to find truncated ones.

    One frame of each folder is read, to compare what its points hold, see :class:`ScanColumns`.

    Attributes:
        load_dim: Values per point; None: found from the files, and then set.
        key_frame_every: Every n-th scan of the folder is a key frame, beginning with the first.
        ext: The end of a scan's file name; None: found, see :meth:`choose_end`.
        skip_truncated: Whether to leave truncated and empty key frames out instead of raising an error.
        truncated: The paths of the key frames left out so far.
        left_out: Further key frames left out, by the reason: the files or the lines of files at fault.
        notes: What else the user must know, a sentence each.
    """

    load_dim: int | None = 4
    key_frame_every: int = 1
    ext: str | None = '.bin'
    skip_truncated: bool = False
    truncated: list[Path] = field(default_factory=list)
    left_out: dict[str, list[Path | str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    foreign: dict[str, Path] = field(default_factory=dict)
    """The first file of each format that is not read, by the end of its name."""

    def __post_init__(self) -> None:
        """Raise a SequenceIndexError if a setting is out of its range."""
        if (self.load_dim is not None and self.load_dim < 3) or self.key_frame_every < 1:
            raise SequenceIndexError(
                'load_dim must be at least 3 (x, y, z) and key_frame_every at least 1, '
                f'got {self.load_dim} and {self.key_frame_every}'
            )
        if self.ext and (suffix := foreign_suffix(self.ext)):
            raise SequenceIndexError(f'{suffix} files are not read: {CONVERTERS[suffix]}')
        self._columns = ScanColumns(self.load_dim, notes=self.notes)
        self._seen: set[str] = set()  # the folders of which a frame was looked at

    def leave_out(self, reason: str, path: Path | str) -> None:
        """Record a key frame that is left out: the reason, and the file or the line of a file at fault."""
        self.left_out.setdefault(reason, []).append(path)

    def folders(self, root: Path, pattern: str) -> Iterator[tuple[Path, list[str]]]:
        """List the folders below the data's root that fit a glob pattern and hold key frames, in natural order."""
        require_folder(root)
        folders = [root]
        for part in pattern.split('/'):
            entries = [entry for folder in folders for entry in folder.iterdir() if fnmatchcase(entry.name, part)]
            for entry in entries:
                self._note_dead_link(entry)
            folders = [entry for entry in entries if entry.is_dir()]  # behind links, too
        for folder in sorted(folders, key=lambda path: natural_key(path.as_posix())):
            if names := self.key_frames(folder):
                yield folder, names

    def key_frames(self, folder: Path) -> list[str]:
        """List the file names of a folder's key frames, see :func:`in_frame_order`; none if it holds no scans.

        Its subfolders are not searched.

        Raises:
            SequenceIndexError: If a key frame is empty or truncated, and ``skip_truncated`` is off.
        """
        return [scan.name for scan in self.usable(self.scans(folder)[:: self.key_frame_every])]

    def choose_end(self, ends_of: Mapping[Path, Counter[str]]) -> None:
        """Find how the names of the scans in some folders end, if `ext` does not say it, and note what is not taken.

        In a folder plain scans come first: it may have other files beside them that are no scans. Over all folders
        the end of more than half of the files is taken.

        Args:
            ends_of: Folder -> the ends of its files, see :func:`count_ends`.

        Raises:
            SequenceIndexError: If no end is that of more than half of the files, or it shares a folder with another.
        """
        if self.ext is not None:
            return
        folder_of: dict[str, Path] = {}
        number: Counter[str] = Counter()
        mixed: set[str] = set()
        for folder, ends in ends_of.items():
            plain = Counter({end: times for end, times in ends.items() if end.lower().startswith(PLAIN_ENDS)})
            found = plain or ends
            number += found
            mixed.update(found if len(found) > 1 else ())
            folder_of = dict.fromkeys(ends, folder) | folder_of
        if not number:
            return
        (taken, times), *_ = number.most_common()
        if 2 * times <= number.total() or taken in mixed:
            listed = ', '.join(f'{end} (in {folder_of[end]})' for end in sorted(number))
            raise SequenceIndexError(f'scans end in {listed}. Choose one by --ext')
        self.ext = taken
        for end in sorted(folder_of.keys() - {taken}):
            self.notes.append(
                f'files that end in {end}, such as those in {folder_of[end]}, are not taken: the scans end in '
                f'{self.ext}. --ext {end} would take them'
            )

    def scans(self, folder: Path) -> list[os.DirEntry[str]]:
        """List all scans of a folder in order, whatever they hold, and note names that have two orders.

        Links are followed. Dead ones are left out as missing.

        Raises:
            SequenceIndexError: If the end of the names is to be found, and the folder has scans of several formats.
        """
        with os.scandir(folder) as listed:
            # A leading dot marks files that are not scans, such as the '._*.bin' that macOS leaves on foreign disks.
            entries = sorted((one for one in listed if not one.name.startswith('.')), key=lambda one: one.name)
        if self.ext is None:
            self.choose_end({folder: count_ends(entry.name for entry in entries)})
        scans = {}
        for entry in entries:
            if self.ext and entry.name.endswith(self.ext) and not entry.name.endswith(INDEX_TABLE):
                if entry.is_file():
                    scans[entry.name] = entry
                else:
                    self._note_dead_link(Path(entry.path))
            elif '.' not in entry.name:  # it may be meant as a folder of scans
                self._note_dead_link(Path(entry.path))
            elif suffix := foreign_suffix(entry.name):
                self.foreign.setdefault(suffix, Path(entry.path))
        if odd := ambiguity(list(scans)):
            self.notes.append(f'{folder}: {odd}')
        return [scans[name] for name in in_frame_order(list(scans))]

    def usable(self, scans: list[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
        """Return the key frames among them that hold whole points.

        Raises:
            SequenceIndexError: If one is empty or truncated, and ``skip_truncated`` is off; or if the points of a
                folder are not what is expected, see :meth:`ScanColumns.look_at`.
        """
        by_folder: dict[str, list[str]] = {}
        for scan in scans:
            by_folder.setdefault(os.path.dirname(scan.path), []).append(scan.path)  # noqa: PTH120 - for speed
        for folder, paths in by_folder.items():
            if folder not in self._seen:
                self._seen.add(folder)
                self._columns.look_at(paths)
                self.load_dim = self._columns.load_dim
        load_dim = self._columns.facts()['load_dim']
        point_bytes = FLOAT32_BYTES * load_dim if self._columns.is_plain and self._is_plain() else 1
        whole = []
        for scan in scans:
            size = scan.stat().st_size
            if size > 0 and size % point_bytes == 0:
                whole.append(scan)
            elif self.skip_truncated:
                self.truncated.append(Path(scan.path))
            else:
                raise SequenceIndexError(
                    f'{scan.path} is {"empty" if size == 0 else "truncated"}: its {size} bytes do not hold whole '
                    f'points of {load_dim} float32 values. Restore the file, or leave such frames out with '
                    '--skip-truncated'
                )
        return whole

    def facts(self) -> dict[str, Any]:
        """Return what the metainfo of an index states about the points, as far as it is known."""
        return self._columns.facts()

    def describe_points(self) -> list[str]:
        """Say what the points hold, and which setting brings the intensities to another scale."""
        return self._columns.describe()

    def describe_foreign(self) -> list[str]:
        """Name the files of formats that are not read, and the converter for each format."""
        return [f'{path} is not read: {CONVERTERS[suffix]}' for suffix, path in self.foreign.items()]

    def _is_plain(self) -> bool:
        """Return whether the names are those of plain float32 values."""
        return not (self.ext or '').lower().endswith((*SCAN_ENDS[len(PLAIN_ENDS) :], GZIP_END))

    def _note_dead_link(self, path: Path) -> None:
        """Leave a path out if it is a link to what does not exist."""
        if path.is_symlink() and not path.exists() and path not in self.left_out.get(MISSING, ()):
            self.leave_out(MISSING, path)


def count_ends(names: Iterable[str]) -> Counter[str]:
    """Count the ends of the names that may be scans, see :data:`SCAN_ENDS`; a leading dot marks other files."""
    return Counter(end for name in names if not name.startswith('.') and (end := _scan_end(name)))


def _scan_end(name: str) -> str | None:
    """Return the end of a scan's name, such as '.pcd' or '.npy.gz'; None if it is none of :data:`SCAN_ENDS`."""
    lower = name.lower()
    if lower.endswith(INDEX_TABLE):
        return None
    for end in SCAN_ENDS:
        for packed in (end, end + GZIP_END):
            if lower.endswith(packed):
                return name[-len(packed) :]
    return None


def frame_number(name: str) -> int:
    """Return the number that a scan's file name is, or raise a ValueError: '-1' would count from the end of a list."""
    stem = Path(name).stem
    if not (stem.isascii() and stem.isdigit()):
        raise ValueError(f'{name} is not named by its number')
    return int(stem)
