"""Sequences of the KITTI raw recordings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ...readers.kitti_calibration import read_calibration, relative_to_first, rigid_motion
from ...readers.whole_file import read_text
from ...sequence_index import FrameSequence, SequenceIndexError, are_rigid
from .frame_rows import first_fault, rows_by_number, usable_frames
from .scans import ScanLister

EARTH_RADIUS = 6378137.0  # metres; the equatorial radius that KITTI's own development kit uses


def kitti_raw_sequences(root: Path, lister: ScanLister, with_poses: bool = True) -> Iterator[FrameSequence]:
    """Make a sequence for each synchronised drive.

    The layout is the published one::

        ROOT/DATE/calib_imu_to_velo.txt                                  (for the poses)
        ROOT/DATE/DATE_drive_NNNN_sync/velodyne_points/data/%010d.bin
        ROOT/DATE/DATE_drive_NNNN_sync/velodyne_points/timestamps.txt    (optional)
        ROOT/DATE/DATE_drive_NNNN_sync/oxts/data/%010d.txt               (for the poses; optional)

    A scan's time stamp and pose are found by the number in its file name, since some drives lack a few scans. A scan
    whose time stamp or reading is broken is left out.

    Args:
        root: The data's root.
        lister: How the key frames of a drive are listed. It records the scans left out.
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
        times, time_faults = read_timestamps(folder.parent / 'timestamps.txt', names, lister)
        packets, packet_faults = _read_packets(drive, names) if with_poses and (drive / 'oxts').is_dir() else (None, [])
        keep = usable_frames(map(first_fault, time_faults, packet_faults or [None] * len(names)), names, lister)
        yield FrameSequence(
            sequence_id=drive.name,
            frames=[(folder.relative_to(root) / names[i]).as_posix() for i in keep],
            poses=None if packets is None else _lidar_poses(drive, packets[keep]),
            timestamps=None if times is None else (times[keep] - times[keep[0]]) / np.timedelta64(1, 's'),
        )


def read_timestamps(path: Path, names: list[str], lister: ScanLister) -> tuple[np.ndarray | None, list[str | None]]:
    """Read the times (N,) of scans, datetime64[ns], and what is wrong with each; None if there is no file."""
    if not path.is_file():
        return None, [None] * len(names)
    try:
        lines = re.split('\r*\n|\r', read_text(path).rstrip())
    except (OSError, ValueError) as error:
        raise SequenceIndexError(
            f'{path} cannot be read ({error}). Restore the file, or move it away to build the index without time stamps'
        ) from error
    times = np.full(len(names), 'NaT', dtype='datetime64[ns]')
    faults: list[str | None] = [None] * len(names)
    for i, row in enumerate(rows_by_number(path, len(lines), names, lister)):
        with suppress(ValueError):
            times[i] = np.datetime64(lines[row].strip(), 'ns')
        if np.isnat(times[i]):
            faults[i] = f'{path}, line {row + 1}: no time stamp'
    return times, faults


def _read_packets(drive: Path, names: list[str]) -> tuple[np.ndarray, list[str | None]]:
    """Read latitude, longitude (degrees), altitude (m), roll, pitch and yaw (rad) of scans (N, 6), and the faults."""
    packets = np.zeros((len(names), 6))
    faults: list[str | None] = []
    for i, name in enumerate(names):
        path = drive / 'oxts' / 'data' / f'{Path(name).stem}.txt'
        try:
            packet = [float(value) for value in read_text(path).split()[:6]]
        except (OSError, ValueError) as error:
            faults.append(f'{path} cannot be read ({error}), but the drive has poses, which --no-poses leaves out')
            continue
        if len(packet) != 6 or not np.isfinite(packet).all() or not abs(packet[0]) < 90:
            faults.append(f'{path} does not hold 6 finite values, with a latitude within 90 degrees')
            continue
        packets[i] = packet
        faults.append(None)
    return packets, faults


def _lidar_poses(drive: Path, packets: np.ndarray) -> np.ndarray:
    """Return the poses (N, 4, 4) of the lidar, relative to the first scan."""
    calibration_path = drive.parent / 'calib_imu_to_velo.txt'
    calibration = read_calibration(calibration_path)
    if [calibration.get(key, np.empty(0)).size for key in ('R', 'T')] != [9, 3]:
        raise SequenceIndexError(f'{calibration_path} has no R of 9 and T of 3 numbers. Restore it, or use --no-poses')
    imu_to_lidar = rigid_motion(calibration['R'], calibration['T'])
    if not are_rigid(imu_to_lidar[None]):  # a singular one could not be inverted below
        raise SequenceIndexError(
            f'{calibration_path}: R and T are not a rotation and a translation. Restore it, or use --no-poses'
        )
    return relative_to_first(imu_to_world(packets) @ np.linalg.inv(imu_to_lidar))


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
