"""Sequences of the KITTI odometry benchmark and of SemanticKITTI."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...readers.kitti_calibration import lidar_to_camera, relative_to_first
from ...readers.number_rows import NumberRows, read_number_rows
from ...readers.time_stamps import in_seconds
from ...readers.trajectory import Trajectory, read_trajectory
from ...sequence_index import FrameSequence, SequenceIndexError
from ..root_folder import require_folder
from .frame_rows import first_fault, num_rows_expected, rows_by_number, usable_frames
from .scans import ScanLister


def kitti_odometry_sequences(root: Path, lister: ScanLister, with_poses: bool = True) -> Iterator[FrameSequence]:
    """List the sequences of the benchmark.

    The layouts are the published ones. The poses are KITTI's or SemanticKITTI's; KITTI's are taken where both are
    there. ROOT may also be the folder ``sequences``, or the one that holds ``dataset``::

        ROOT/sequences/NN/velodyne/%06d.bin
        ROOT/sequences/NN/times.txt    (optional)
        ROOT/sequences/NN/calib.txt    (for the poses)
        ROOT/poses/NN.txt              (for the poses; KITTI's, sequences 00 to 10)
        ROOT/sequences/NN/poses.txt    (for the poses; SemanticKITTI's)

    Args:
        root: The data's root.
        lister: How the key frames of a sequence are listed. It records the scans whose row of poses or times is broken.
        with_poses: Whether to read the poses of the sequences that have them.

    Yields:
        Sequences named after their number. Their world has the lidar's axes at the first key frame. Their time stamps
        are the times in ``times.txt``.

    Raises:
        SequenceIndexError: If the root is not a folder, a scan is truncated, or a sequence has poses or times but not
            for all of its scans.
    """
    without_poses = []
    for folder, names in _sequence_folders(root, lister):
        sequence = folder.parent
        trajectory = _find_trajectory(sequence, names, lister) if with_poses else None
        times_path = sequence / 'times.txt'
        times = read_number_rows(times_path, (1,), num_rows_expected(names)) if times_path.is_file() else None
        if with_poses and trajectory is None:
            without_poses.append(sequence.name)
        yield _make_sequence(root, folder, names, trajectory, times, lister)
    if without_poses:
        lister.notes.append(
            f'without poses, since neither poses/NN.txt nor sequences/NN/poses.txt is there: {", ".join(without_poses)}'
        )


def _sequence_folders(root: Path, lister: ScanLister) -> Iterator[tuple[Path, list[str]]]:
    """List the folders of scans of the first layout that there is."""
    require_folder(root)
    patterns = ['sequences/*/velodyne', 'dataset/sequences/*/velodyne']
    if root.resolve().name == 'sequences':
        patterns.append('*/velodyne')
    pattern = next((pattern for pattern in patterns if any(root.glob(pattern))), patterns[0])
    return lister.folders(root, pattern)


def _find_trajectory(sequence: Path, names: list[str], lister: ScanLister) -> Trajectory | None:
    """Read the poses of a sequence's left grey camera; None if it has none."""
    paths = [sequence.parent.absolute().parent / 'poses' / f'{sequence.name}.txt', sequence / 'poses.txt']
    found = [path for path in paths if path.is_file()]
    if len(found) > 1:
        lister.notes.append(f'{found[0]} is read, and {found[1]} is not')
    return read_trajectory(found[0], 'auto', num_rows_expected(names)) if found else None


def _make_sequence(
    root: Path,
    folder: Path,
    names: list[str],
    trajectory: Trajectory | None,
    times: NumberRows | None,
    lister: ScanLister,
) -> FrameSequence:
    """Make the sequence of a folder's scans, without those whose row of poses or times is broken."""
    all_rows = [rows for rows in (None if trajectory is None else trajectory.rows, times) if rows is not None]
    row_of = {id(rows): rows_by_number(rows.path, len(rows), names, lister) for rows in all_rows}
    faults = [first_fault(*(rows.fault(int(row_of[id(rows)][i])) for rows in all_rows)) for i in range(len(names))]
    keep = usable_frames(faults, names, lister)
    poses = timestamps = None
    if trajectory is not None:
        if trajectory.times is not None or trajectory.numbers is not None:
            raise SequenceIndexError(
                f'{trajectory.path} has {trajectory.rows.values.shape[1]} numbers in a line. KITTI writes the 12 of '
                'the upper three rows of a 4x4 matrix. Restore it, or use --no-poses'
            )
        camera_poses = trajectory.poses[row_of[id(trajectory.rows)][keep]]
        poses = relative_to_first(camera_poses @ lidar_to_camera(folder.parent / 'calib.txt'))
    if times is not None:
        timestamps = in_seconds(times.values[:, 0])[row_of[id(times)][keep]]
    below = folder.relative_to(root)
    return FrameSequence(
        sequence_id=folder.parent.name,
        frames=[(below / names[i]).as_posix() for i in keep],
        poses=poses,
        timestamps=timestamps,
    )
