"""Sequences of the KITTI raw recordings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ..readers.kitti_calibration import read_calibration, relative_to_first, rigid_motion
from ..readers.whole_file import read_text
from ..sequence_index import FrameSequence, SequenceIndexError, are_rigid
from .scans import ScanLister, frame_number

EARTH_RADIUS = 6378137.0  # metres; the equatorial radius that KITTI's own development kit uses


def kitti_raw_sequences(root: Path, lister: ScanLister, with_poses: bool = True) -> Iterator[FrameSequence]:
    """Make a sequence for each synchronised drive.

    The layout is the published one::

        ROOT/DATE/calib_imu_to_velo.txt                                  (for the poses)
        ROOT/DATE/DATE_drive_NNNN_sync/velodyne_points/data/%010d.bin
        ROOT/DATE/DATE_drive_NNNN_sync/velodyne_points/timestamps.txt    (optional)
        ROOT/DATE/DATE_drive_NNNN_sync/oxts/data/%010d.txt               (for the poses; optional)

    A scan's time stamp and pose are found by the number in its file name, since some drives lack a few scans.

    Args:
        root: The data's root.
        lister: How the key frames of a drive are listed.
        with_poses: Whether to read the poses of the drives that have an ``oxts`` folder.

    Yields:
        Sequences named after their drive. Their world has the lidar's axes at the first key frame, and their time
        starts there.

    Raises:
        SequenceIndexError: If the root is not a folder, a scan is truncated, or a drive has some but not all of the
            files that its poses and time stamps need.
    """
    for folder, names in lister.folders(root, '*/*_sync/velodyne_points/data'):
        drive = folder.parent.parent
        yield FrameSequence(
            sequence_id=drive.name,
            frames=[(folder.relative_to(root) / name).as_posix() for name in names],
            poses=_read_poses(drive, names) if with_poses and (drive / 'oxts').is_dir() else None,
            timestamps=_read_timestamps(folder.parent / 'timestamps.txt', names),
        )


def _read_timestamps(path: Path, names: list[str]) -> np.ndarray | None:
    """Read the times (N,) of scans, in seconds since the first one; None if there is no file."""
    if not path.is_file():
        return None
    try:
        lines = read_text(path).split('\n')
        times = np.array([lines[frame_number(name)].strip() for name in names], dtype='datetime64[ns]')
        if np.isnat(times).any():
            raise ValueError('an empty line')
    except (OSError, IndexError, ValueError) as error:
        raise SequenceIndexError(
            f'{path} has no time stamp for some of the scans {names[0]} to {names[-1]} ({error}). Restore the file, or '
            'move it away to build the index without time stamps'
        ) from error
    return (times - times[0]) / np.timedelta64(1, 's')


def _read_poses(drive: Path, names: list[str]) -> np.ndarray:
    """Read the poses (N, 4, 4) of the lidar, relative to the first scan."""
    calibration_path = drive.parent / 'calib_imu_to_velo.txt'
    calibration = read_calibration(calibration_path)
    if [calibration.get(key, np.empty(0)).size for key in ('R', 'T')] != [9, 3]:
        raise SequenceIndexError(f'{calibration_path} has no R of 9 and T of 3 numbers. Restore it, or use --no-poses')
    imu_to_lidar = rigid_motion(calibration['R'], calibration['T'])
    if not are_rigid(imu_to_lidar[None]):  # a singular one could not be inverted below
        raise SequenceIndexError(
            f'{calibration_path}: R and T are not a rotation and a translation. Restore it, or use --no-poses'
        )
    packets = [_read_packet(drive / 'oxts' / 'data' / f'{Path(name).stem}.txt') for name in names]
    imu_poses = imu_to_world(np.array(packets))
    return relative_to_first(imu_poses @ np.linalg.inv(imu_to_lidar))


def _read_packet(path: Path) -> list[float]:
    """Read latitude, longitude (degrees), altitude (m), roll, pitch and yaw (rad) from an oxts file."""
    try:
        packet = [float(value) for value in read_text(path).split()[:6]]
    except (OSError, ValueError) as error:
        raise SequenceIndexError(
            f'{path} cannot be read ({error}), but the drive has poses. Restore it, or build the index with --no-poses'
        ) from error
    if len(packet) != 6 or not np.isfinite(packet).all() or not abs(packet[0]) < 90:
        raise SequenceIndexError(
            f'{path} does not hold 6 finite values, with a latitude within 90 degrees. Restore it, or use --no-poses'
        )
    return packet


def imu_to_world(packets: np.ndarray) -> np.ndarray:
    """Turn GPS and IMU readings into poses, with the Mercator projection of KITTI's development kit.

    Args:
        packets: (N, 6) of latitude and longitude in degrees, altitude in metres, and roll, pitch and yaw in radians.

    Returns:
        Poses (N, 4, 4) of the IMU. The world's x points east, y north and z up, in metres, with the scale of the first
        reading's latitude.
    """
    latitude, longitude, altitude = packets[:, 0], packets[:, 1], packets[:, 2]
    scale = np.cos(np.radians(latitude[0]))
    poses = np.tile(np.eye(4), (len(packets), 1, 1))
    poses[:, 0, 3] = scale * EARTH_RADIUS * np.radians(longitude)
    poses[:, 1, 3] = scale * EARTH_RADIUS * np.log(np.tan(np.radians(90 + latitude) / 2))
    poses[:, 2, 3] = altitude
    # Rz(yaw) Ry(pitch) Rx(roll): about the fixed axes x, then y, then z.
    poses[:, :3, :3] = Rotation.from_euler('xyz', packets[:, 3:6]).as_matrix()
    return poses
