"""Sequences of the KITTI odometry benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..readers.kitti_calibration import read_calibration, relative_to_first, rigid_motion
from ..readers.whole_file import read_text
from ..sequence_index import FrameSequence, SequenceIndexError, are_rigid
from .scans import ScanLister, frame_number


def kitti_odometry_sequences(root: Path, lister: ScanLister, with_poses: bool = True) -> Iterator[FrameSequence]:
    """List the sequences of the benchmark.

    The layout is the published one; sequences 11 to 21 have no poses::

        ROOT/sequences/NN/velodyne/%06d.bin
        ROOT/sequences/NN/times.txt    (optional)
        ROOT/sequences/NN/calib.txt    (for the poses)
        ROOT/poses/NN.txt              (for the poses; optional)

    Args:
        root: The data's root.
        lister: How the key frames of a sequence are listed.
        with_poses: Whether to read the poses of the sequences that have them.

    Yields:
        Sequences named after their number. Their world has the lidar's axes at the first key frame. Their time stamps
        are the times in ``times.txt``.

    Raises:
        SequenceIndexError: If the root is not a folder, a scan is truncated, or a sequence has poses or times but not
            for all of its scans.
    """
    for folder, names in lister.folders(root, 'sequences/*/velodyne'):
        sequence = folder.parent
        poses_path, times_path = root / 'poses' / f'{sequence.name}.txt', sequence / 'times.txt'
        has_poses = with_poses and poses_path.is_file()
        yield FrameSequence(
            sequence_id=sequence.name,
            frames=[(folder.relative_to(root) / name).as_posix() for name in names],
            poses=_read_poses(poses_path, sequence / 'calib.txt', names) if has_poses else None,
            timestamps=_read_rows(times_path, names, 1)[:, 0] if times_path.is_file() else None,
        )


def _read_rows(path: Path, names: list[str], width: int) -> np.ndarray:
    """Read the lines (N, width) of N scans. The number in a scan's file name is the number of its line, from 0."""
    try:
        lines = read_text(path).splitlines()
        rows = np.array([lines[frame_number(name)].split() for name in names], dtype=np.float64)
        return rows.reshape(len(names), width)
    except (OSError, IndexError, ValueError) as error:
        raise SequenceIndexError(
            f'{path} does not hold {width} number(s) for each of the scans {names[0]} to {names[-1]} ({error}). '
            'Restore it, or move it away to build the index without it'
        ) from error


def _read_poses(poses_path: Path, calibration_path: Path, names: list[str]) -> np.ndarray:
    """Read the poses (N, 4, 4) of the lidar, relative to the first scan.

    The file holds the poses of the left grey camera; ``Tr`` maps from the lidar to that camera.
    """
    rows = _read_rows(poses_path, names, 12).reshape(-1, 3, 4)
    lidar_to_camera = read_calibration(calibration_path).get('Tr', np.empty(0))
    if lidar_to_camera.size != 12:
        raise SequenceIndexError(f'{calibration_path} has no Tr of 12 numbers. Restore it, or use --no-poses')
    transform = lidar_to_camera.reshape(3, 4)
    camera_poses = np.array([rigid_motion(row[:, :3], row[:, 3]) for row in rows])
    poses = camera_poses @ rigid_motion(transform[:, :3], transform[:, 3])
    if not are_rigid(poses):  # a singular one could not be inverted below
        raise SequenceIndexError(
            f'{poses_path} or {calibration_path} holds what is not a rotation and a translation. Restore them, or use '
            '--no-poses'
        )
    return relative_to_first(poses)
