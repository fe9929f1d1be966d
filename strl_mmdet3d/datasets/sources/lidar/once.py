"""Sequences of ONCE."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from ...readers.time_stamps import in_seconds
from ...readers.whole_file import read_whole
from ...sequence_index import FrameSequence, SequenceIndexError
from ..frame_order import natural_key
from ..root_folder import require_folder
from .listed_scans import ListedScan, ScanFolders, listed_sequences
from .scans import ScanLister

PATTERNS = ('data/*/*.json', '*/data/*/*.json', '*/*.json')
"""Where the files of sequences are below the root: the root may hold the splits, one of them, or its data."""


def once_sequences(root: Path, lister: ScanLister, with_poses: bool = True) -> Iterator[FrameSequence]:
    """Make a sequence for each of the data set's sequences, with annotated and raw frames.

    The layout is the published one; the files of a sequence may be below ``train``, ``val``, ``raw_0`` and so on::

        ROOT/data/NNNNNN/NNNNNN.json                  the frames, their times and their poses
        ROOT/data/NNNNNN/lidar_roof/MILLISECONDS.bin

    Args:
        root: The data's root.
        lister: How the key frames of a sequence are listed. It records the scans left out.
        with_poses: Whether to take the poses.

    Yields:
        Sequences named after their number. Their world has the lidar's axes at the first key frame.

    Raises:
        SequenceIndexError: If the root is not a folder or a sequence's file cannot be read.
    """
    require_folder(root)
    paths = next((found for pattern in PATTERNS if (found := list(root.glob(pattern)))), [])
    paths = [path for path in paths if path.stem == path.parent.name]
    recordings = {}
    for path in sorted(paths, key=lambda path: natural_key(path.as_posix())):
        folder = (path.parent / 'lidar_roof').relative_to(root).as_posix()
        frames = _frames(path)
        try:
            times = in_seconds([int(frame['frame_id']) for frame in frames]).tolist()
        except ValueError as error:
            raise SequenceIndexError(f'{path} has a frame_id that is no time in milliseconds ({error})') from error
        recordings[path.stem] = [
            ListedScan(f'{folder}/{frame["frame_id"]}.bin', time, _pose(frame.get('pose')))
            for frame, time in zip(frames, times, strict=True)
        ]
    yield from listed_sequences(recordings, ScanFolders(root), lister, with_poses)


def _frames(path: Path) -> list[dict[str, Any]]:
    """Read the frames of a sequence's file."""
    try:
        content = json.loads(read_whole(path))
    except (OSError, ValueError, RecursionError) as error:
        raise SequenceIndexError(f'{path} cannot be read ({error}). Restore it') from error
    frames = content.get('frames') if isinstance(content, dict) else None
    if not isinstance(frames, list) or not all(
        isinstance(frame, dict) and isinstance(frame.get('frame_id'), str) for frame in frames
    ):
        raise SequenceIndexError(f'{path} lists no frames with a frame_id. Restore it')
    return frames


def _pose(values: Any) -> np.ndarray | None:
    """Return the pose (4, 4) of qx, qy, qz, qw, x, y and z; None if a frame has none, NaN if it is something else."""
    if values is None:
        return None
    pose = np.full((4, 4), np.nan)
    try:
        numbers = np.asarray(values, dtype=np.float64)
        rotation = Rotation.from_quat(numbers[:4]).as_matrix()
    except (TypeError, ValueError, IndexError):
        return pose
    if numbers.shape == (7,):
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = rotation, numbers[4:]
    return pose
