"""The frames of a sequence index as a few arrays that workers and ranks share, and as a file that opens at once.

An index of ten million frames is 700 MB of JSON. It takes half a minute to parse, and gigabytes as Python objects,
which every worker would copy as it touches their reference counts. As arrays it takes about ten bytes per frame,
because the common parts of a sequence's paths are stored once. A large index has the arrays in a file beside it
(``INDEX.json.npz``). The file is mapped, not read: all processes of a machine share the pages that they access.
"""

from __future__ import annotations

import json
import os
import zipfile
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic_write import written_whole
from .readers.npy_header import read_npy_header
from .readers.whole_file import require_regular
from .sequence_index import (
    FrameSequence,
    SequenceIndexError,
    are_intrinsics,
    check_metainfo,
    has_control,
    leaves_root,
    read_sequence_index,
)

MIN_FRAMES_FOR_FILE = 200_000  # the JSON of fewer frames is parsed in a quarter of a second
SUFFIX = '.npz'
INDEX_TABLE = f'.json{SUFFIX}'  # how such a file ends; it is no scan and no shape
TYPES = dict(starts='i', sequence_ids='S', prefixes='S', middles='S', suffixes='S')
TYPES |= dict(poses='f', timestamps='f', intrinsics='f')
LOCAL_HEADER = 30  # bytes of a zip member's header before its name


class FrameTable:
    """The frames of all sequences, one after the other.

    Args:
        arrays: The arrays that :func:`as_arrays` returns.

    Attributes:
        starts: Int64 (S + 1,). Sequence s holds the frames from ``starts[s]`` up to, not including, ``starts[s + 1]``.
        poses: Float64 (N, 4, 4), NaN in sequences without poses; None if no sequence has poses.
        timestamps: Float64 (N,) seconds from each sequence's own zero, NaN in sequences without time stamps; None if no
            sequence has time stamps, or the file beside the index was written before it kept them.
        intrinsics: Float64 (S, 3, 3), NaN for sequences without intrinsics; None if no sequence has intrinsics.
    """

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self._arrays = arrays
        self.starts = arrays['starts']
        self.poses: np.ndarray | None = arrays.get('poses')
        self.timestamps: np.ndarray | None = arrays.get('timestamps')
        self.intrinsics: np.ndarray | None = arrays.get('intrinsics')

    def __len__(self) -> int:
        """Return the number N of frames."""
        return int(self.starts[-1])

    @property
    def num_sequences(self) -> int:
        """The number S of sequences."""
        return len(self.starts) - 1

    def sequence_id(self, sequence: int) -> str:
        """Return the name of a sequence."""
        return self._arrays['sequence_ids'][sequence].decode()

    def frame(self, sequence: int, number: int) -> str:
        """Return the path of a frame, relative to the data's root, by its number in its sequence."""
        middle = self._arrays['middles'][self.starts[sequence] + number]
        return (self._arrays['prefixes'][sequence] + middle + self._arrays['suffixes'][sequence]).decode()


def as_arrays(sequences: list[FrameSequence]) -> dict[str, np.ndarray]:
    """Store sequences as arrays.

    Args:
        sequences: S sequences with N frames in all.

    Returns:
        ``starts`` (S + 1,); ``sequence_ids`` (S,); ``prefixes`` and ``suffixes`` (S,), the common beginning and end of
        a sequence's paths; ``middles`` (N,), the rest of each path; ``poses``, ``timestamps`` and ``intrinsics`` as
        :class:`FrameTable` describes them, if any sequence has them. Texts are UTF-8 bytes.
    """
    prefixes, middles, suffixes = [], [], []
    for sequence in sequences:
        paths = [frame.encode() for frame in sequence.frames]
        prefix = os.path.commonprefix(paths)  # noqa: RUF071 - of characters, not of folders
        rests = [path[len(prefix) :] for path in paths]
        end = len(os.path.commonprefix([rest[::-1] for rest in rests]))  # noqa: RUF071
        prefixes.append(prefix)
        suffixes.append(rests[0][len(rests[0]) - end :])
        middles += [rest[: len(rest) - end] for rest in rests]
    lengths = [len(sequence.frames) for sequence in sequences]
    arrays = dict(
        starts=np.cumsum([0, *lengths]),
        sequence_ids=np.array([sequence.sequence_id.encode() for sequence in sequences]),
        prefixes=np.array(prefixes),
        middles=np.array(middles),
        suffixes=np.array(suffixes),
    )
    if any(sequence.poses is not None for sequence in sequences):
        none = np.full((4, 4), np.nan)
        poses = [
            np.broadcast_to(none, (length, 4, 4)) if sequence.poses is None else sequence.poses
            for sequence, length in zip(sequences, lengths, strict=True)
        ]
        arrays['poses'] = np.concatenate(poses)
    if any(sequence.timestamps is not None for sequence in sequences):
        arrays['timestamps'] = np.concatenate(
            [
                np.full(length, np.nan) if sequence.timestamps is None else sequence.timestamps
                for sequence, length in zip(sequences, lengths, strict=True)
            ]
        )
    if any(sequence.intrinsics is not None for sequence in sequences):
        none = np.full((3, 3), np.nan)
        arrays['intrinsics'] = np.stack(
            [none if sequence.intrinsics is None else sequence.intrinsics for sequence in sequences]
        )
    return arrays


def write_frame_table(index: str | Path, metainfo: dict[str, Any], sequences: list[FrameSequence]) -> None:
    """Write the arrays of a large index to the file beside it, in one piece. A small index needs no such file.

    Args:
        index: The index, already written.
        metainfo: Its metainfo.
        sequences: Its sequences.
    """
    path = Path(f'{index}{SUFFIX}')
    if sum(len(sequence.frames) for sequence in sequences) < MIN_FRAMES_FOR_FILE:
        path.unlink(missing_ok=True)  # left by an earlier, larger index
        return
    about = np.frombuffer(json.dumps(metainfo).encode(), np.uint8)
    with written_whole(path) as part, part.open('wb') as file:
        np.savez(file, made_for=_identity(index), metainfo=about, **as_arrays(sequences))


def read_frame_table(index: str | Path) -> tuple[dict[str, Any], FrameTable]:
    """Read an index, from the arrays beside it if they were made for exactly this file.

    Args:
        index: The file that ``tools/create_sequence_index.py`` wrote.

    Returns:
        The metainfo, and the frames.

    Raises:
        SequenceIndexError: As :func:`read_sequence_index`; or if the arrays beside it are damaged. Their poses are too
            many to be checked here; :class:`TemporalPairDataset` checks each one that it uses.
    """
    path = Path(f'{index}{SUFFIX}')
    if path.exists() and Path(index).is_file():
        try:
            require_regular(path)
            arrays = _map_arrays(path)
            if np.array_equal(arrays['made_for'], _identity(index)):
                _check(arrays)
                metainfo = json.loads(arrays['metainfo'].tobytes())
                check_metainfo(index, metainfo)
                return metainfo, FrameTable(arrays)
        except SequenceIndexError:
            raise
        except Exception as error:  # zipfile and NumPy raise errors of many types on damaged archives
            raise SequenceIndexError(
                f'{path} cannot be used ({error!r}). Remove it, or rebuild the sequence index with '
                'tools/create_sequence_index.py'
            ) from error
    metainfo, sequences = read_sequence_index(index)
    try:
        return metainfo, FrameTable(as_arrays(sequences))
    except MemoryError as error:  # one long path widens the array of all
        raise SequenceIndexError(f'{index} does not fit into the memory. Make several indices of the data') from error


def _identity(index: str | Path) -> np.ndarray:
    """Return the size and the modification time of an index; an edit changes them."""
    status = Path(index).stat()
    return np.array([status.st_size, status.st_mtime_ns])


def _map_arrays(path: Path) -> dict[str, np.ndarray]:
    """Map the arrays of an uncompressed ``.npz`` file. Values are read when they are accessed, and never unpickled."""
    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(path) as members, path.open('rb') as file:
        for member in members.infolist():
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f'{member.filename} is compressed')
            file.seek(member.header_offset)
            header = file.read(LOCAL_HEADER)
            name, extra = int.from_bytes(header[26:28], 'little'), int.from_bytes(header[28:30], 'little')
            file.seek(name + extra, os.SEEK_CUR)
            shape, fortran_order, dtype = read_npy_header(file)
            if dtype.hasobject or fortran_order:
                raise ValueError(f'{member.filename} is not a plain array')
            key = member.filename.removesuffix('.npy')
            if key in arrays:
                raise ValueError(f'it has two arrays {key!r}')
            arrays[key] = np.memmap(path, dtype, mode='r', offset=file.tell(), shape=shape)
    return arrays


def _check(arrays: dict[str, np.ndarray]) -> None:
    """Check that arrays fit each other, and that no path leaves the root.

    Raises:
        ValueError: If arrays do not fit each other, or a path leaves the root.
    """
    wrong = [name for name in arrays if name in TYPES and arrays[name].dtype.kind != TYPES[name]]
    if wrong:
        raise ValueError(f'{wrong[0]} has the type {arrays[wrong[0]].dtype}')
    starts = arrays['starts']
    num_sequences, num_frames = starts.size - 1, len(arrays['middles'])
    shapes: dict[str, tuple[int, ...]] = dict(
        starts=(num_sequences + 1,), sequence_ids=(num_sequences,), prefixes=(num_sequences,), suffixes=(num_sequences,)
    )
    shapes |= dict(middles=(num_frames,), poses=(num_frames, 4, 4), timestamps=(num_frames,))
    shapes |= dict(intrinsics=(num_sequences, 3, 3))
    for name, shape in shapes.items():
        if name in arrays and arrays[name].shape != shape:
            raise ValueError(f'{name} has the shape {arrays[name].shape}, expected {shape}')
    if num_sequences < 1 or starts[0] != 0 or starts[-1] != num_frames or (np.diff(starts) < 1).any():
        raise ValueError('its sequences do not cover its frames')
    if len(np.unique(arrays['sequence_ids'])) < num_sequences:
        raise ValueError('two of its sequences have the same name')
    for matrix in arrays.get('intrinsics', ()):
        if not (np.isnan(matrix).all() or are_intrinsics(matrix)):
            raise ValueError('its intrinsics are not the matrices of cameras')
    table = FrameTable(arrays)
    # The middles are nearly always digits or empty. Then two paths of a sequence are enough to check all of them.
    middles = arrays['middles'].view(np.uint8)
    plain = bool(((middles == 0) | ((middles >= ord('0')) & (middles <= ord('9')))).all())
    for sequence in range(num_sequences):
        if has_control(table.sequence_id(sequence)):
            raise ValueError('the name of a sequence has a control character')
        # The ends are joined before they are decoded: names may differ within a character of several bytes.
        ends = arrays['prefixes'][sequence], arrays['suffixes'][sequence]
        length = int(starts[sequence + 1] - starts[sequence])
        every = map(table.frame, repeat(sequence), range(length))
        for path in (b''.join(ends).decode(), b'0'.join(ends).decode()) if plain else every:
            if leaves_root(path) or has_control(path):
                raise ValueError(f'{path!r} leaves the root of the data, or has a control character')
