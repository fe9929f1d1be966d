"""Sequences of KITTI-360."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...readers.kitti_calibration import as_motion, read_calibration, relative_to_first
from ...readers.trajectory import Trajectory, read_trajectory
from ...sequence_index import FrameSequence, SequenceIndexError
from ..root_folder import require_folder
from .frame_rows import NO_POSE, first_fault, numbers_of_frames, usable_frames
from .kitti_raw import read_timestamps
from .scans import ScanLister

CAMERA_TO_LIDAR = 'calibration/calib_cam_to_velo.txt'
CAMERA_TO_BODY = 'calibration/calib_cam_to_pose.txt'
RECTIFICATION = 'calibration/perspective.txt'


def kitti_360_sequences(root: Path, lister: ScanLister, with_poses: bool = True) -> Iterator[FrameSequence]:
    """Make a sequence for each drive.

    The layout is the published one::

        ROOT/data_3d_raw/DRIVE_sync/velodyne_points/data/%010d.bin
        ROOT/data_3d_raw/DRIVE_sync/velodyne_points/timestamps.txt              (optional)
        ROOT/data_poses/DRIVE_sync/poses.txt, or else cam0_to_world.txt         (for the poses; optional)
        ROOT/calibration/calib_cam_to_velo.txt, with calib_cam_to_pose.txt for poses.txt, or perspective.txt

    The poses are numbered by their frames. Frames without one, mostly where the car stood, are left out.

    Args:
        root: The data's root.
        lister: How the key frames of a drive are listed. It records the scans left out.
        with_poses: Whether to read the poses of the drives that have them.

    Yields:
        Sequences named after their drive. Their world has the lidar's axes at the first key frame.

    Raises:
        SequenceIndexError: If the root is not a folder, a scan is truncated, or a drive has some but not all of the
            files that its poses and time stamps need.
    """
    require_folder(root)
    without_poses = []
    for folder, names in lister.folders(root, 'data_3d_raw/*/velodyne_points/data'):
        drive = folder.parents[1].name
        times, faults = read_timestamps(folder.parent / 'timestamps.txt', names, lister)
        poses, has_pose = None, np.ones(len(names), bool)
        if with_poses:
            found = _lidar_trajectory(root, drive)
            if found is None:
                without_poses.append(drive)
            else:
                poses, has_pose, pose_faults = _poses_of(*found, names)
                faults = list(map(first_fault, faults, pose_faults))
        for i in np.flatnonzero(~has_pose):
            lister.leave_out(NO_POSE, folder / names[i])
        posed = np.flatnonzero(has_pose)
        if not len(posed):
            raise SequenceIndexError(f'none of the scans of {folder} has a pose in data_poses/{drive}. Use --no-poses')
        keep = posed[usable_frames([faults[i] for i in posed], [names[i] for i in posed], lister)]
        yield FrameSequence(
            sequence_id=drive,
            frames=[(folder.relative_to(root) / names[i]).as_posix() for i in keep],
            poses=None if poses is None else relative_to_first(poses[keep]),
            timestamps=None if times is None else (times[keep] - times[keep[0]]) / np.timedelta64(1, 's'),
        )
    if without_poses:
        lister.notes.append(f'without poses, since data_poses does not have them: {", ".join(without_poses)}')


def _lidar_trajectory(root: Path, drive: str) -> tuple[Trajectory, np.ndarray] | None:
    """Read a drive's trajectory, and the motion (4, 4) from the lidar to what it is of; None if it has none."""
    body_path, camera_path = (root / 'data_poses' / drive / name for name in ('poses.txt', 'cam0_to_world.txt'))
    path = body_path if body_path.is_file() else camera_path
    if not path.is_file():
        return None
    lidar_to_body = np.linalg.inv(_read_motion(root / CAMERA_TO_LIDAR, ''))
    if path == body_path:
        lidar_to_body = _read_motion(root / CAMERA_TO_BODY, 'image_00') @ lidar_to_body
    else:  # of the rectified camera, which is turned by half a degree
        lidar_to_body = _rectification(root / RECTIFICATION) @ lidar_to_body
    trajectory = read_trajectory(path, 'auto', -1)
    if trajectory.numbers is None:
        raise SequenceIndexError(f'{path} has no number of a frame before each pose. Restore it, or use --no-poses')
    return trajectory, lidar_to_body


def _rectification(path: Path) -> np.ndarray:
    """Read the rotation (4, 4) from camera 0 to the rectified camera 0."""
    numbers = read_calibration(path).get('R_rect_00', np.empty(0))
    if numbers.size != 9:
        raise SequenceIndexError(
            f'{path} has no R_rect_00 of 9 numbers, which cam0_to_world.txt needs. Restore it, add poses.txt, or use '
            '--no-poses'
        )
    return as_motion(np.column_stack([numbers.reshape(3, 3), np.zeros(3)]).ravel(), path)


def _read_motion(path: Path, name: str) -> np.ndarray:
    """Read a motion (4, 4) from a calibration file."""
    numbers = read_calibration(path).get(name, np.empty(0))
    if numbers.size not in (12, 16):
        raise SequenceIndexError(f'{path} has no {name or "motion"} of 12 numbers. Restore it, or use --no-poses')
    return as_motion(numbers, path)


def _poses_of(
    trajectory: Trajectory, lidar_to_body: np.ndarray, names: list[str]
) -> tuple[np.ndarray, np.ndarray, list[str | None]]:
    """Return the poses (N, 4, 4) of scans by their numbers, whether they have one, and what is wrong with it."""
    assert trajectory.numbers is not None
    row_of = {number: row for row, number in enumerate(trajectory.numbers.tolist()) if number >= 0}
    rows = [row_of.get(int(number)) for number in numbers_of_frames(names, trajectory.path)]
    poses = np.full((len(names), 4, 4), np.nan)
    faults: list[str | None] = [None] * len(names)
    for i, row in enumerate(rows):
        if row is not None:
            poses[i], faults[i] = trajectory.poses[row] @ lidar_to_body, trajectory.rows.fault(row)
    return poses, np.array([row is not None for row in rows]), faults
