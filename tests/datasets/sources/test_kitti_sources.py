"""The KITTI layouts, with poses against independent references."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from strl_mmdet3d.datasets.sequence_index import SequenceIndexError
from strl_mmdet3d.datasets.sources import ScanLister, kitti_odometry_sequences, kitti_raw_sequences
from strl_mmdet3d.datasets.sources.kitti_raw import imu_to_world

DRIVE = '2011_09_26/2011_09_26_drive_0001_sync'


def motion(rotation_vector, translation):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(rotation_vector).as_matrix()
    matrix[:3, 3] = translation
    return matrix


def text(values):
    return ' '.join(f'{value:.17e}' for value in np.ravel(values))


def reference_imu_pose(lat, lon, alt, roll, pitch, yaw, lat_0):
    """KITTI's convertOxtsToPose, written out number by number."""
    scale = math.cos(lat_0 * math.pi / 180)
    er = 6378137.0
    rx = np.array([[1, 0, 0], [0, math.cos(roll), -math.sin(roll)], [0, math.sin(roll), math.cos(roll)]])
    ry = np.array([[math.cos(pitch), 0, math.sin(pitch)], [0, 1, 0], [-math.sin(pitch), 0, math.cos(pitch)]])
    rz = np.array([[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]])
    pose = np.eye(4)
    pose[:3, :3] = rz @ ry @ rx
    pose[:3, 3] = (
        scale * lon * math.pi * er / 180,
        scale * er * math.log(math.tan((90 + lat) * math.pi / 360)),
        alt,
    )
    return pose


def packets(n):
    rng = np.random.default_rng(1)
    steps = np.arange(n)
    return np.stack(
        [49.0 + 1e-5 * steps, 8.4 + 2e-5 * steps, 112 + 0.1 * steps, *rng.normal(0, 0.1, (2, n)), 1.0 + 0.2 * steps],
        axis=1,
    )


@pytest.fixture
def raw_root(tmp_path):
    """Two drives; the first lacks the scan 2, as some real drives do, and has poses and time stamps."""
    drive = tmp_path / DRIVE
    scans = drive / 'velodyne_points/data'
    scans.mkdir(parents=True)
    (drive / 'oxts/data').mkdir(parents=True)
    for i, packet in enumerate(packets(5)):
        if i != 2:
            (scans / f'{i:010d}.bin').write_bytes(bytes(32))
        (drive / f'oxts/data/{i:010d}.txt').write_text(text([*packet, *np.zeros(24)]))
    stamps = [f'2011-09-26 23:59:59.{i}00000001\n' for i in range(5)]
    (drive / 'velodyne_points/timestamps.txt').write_text(''.join(stamps))
    calibration = motion([0.01, 0.02, -0.03], [-0.8, 0.3, -0.8])
    (tmp_path / '2011_09_26/calib_imu_to_velo.txt').write_text(
        f'calib_time: 25-May-2012 16:47:16\nR: {text(calibration[:3, :3])}\nT: {text(calibration[:3, 3])}\n'
    )
    bare = tmp_path / '2011_09_26/2011_09_26_drive_0009_sync/velodyne_points/data'
    bare.mkdir(parents=True)
    (bare / '0000000000.bin').write_bytes(bytes(16))
    return tmp_path, calibration


def test_imu_poses_agree_with_the_development_kit():
    readings = packets(5)
    expected = [reference_imu_pose(*reading, lat_0=readings[0, 0]) for reading in readings]
    np.testing.assert_allclose(imu_to_world(readings), expected, rtol=1e-13, atol=1e-8)


def test_raw_poses_are_those_of_the_lidar_by_the_number_of_the_scan(raw_root):
    root, imu_to_lidar = raw_root
    first, second = kitti_raw_sequences(root, ScanLister())
    assert (first.sequence_id, second.sequence_id) == ('2011_09_26_drive_0001_sync', '2011_09_26_drive_0009_sync')
    assert first.frames == [f'{DRIVE}/velodyne_points/data/{i:010d}.bin' for i in (0, 1, 3, 4)]

    imu = [reference_imu_pose(*reading, lat_0=49.0) for reading in packets(5)]
    point_lidar = np.array([10.0, -3.0, 0.5, 1.0])
    for pose, i in zip(first.poses, (0, 1, 3, 4), strict=True):
        # The long way round: lidar -> IMU -> earth -> first IMU -> first lidar.
        point_earth = imu[i] @ np.linalg.inv(imu_to_lidar) @ point_lidar
        expected = imu_to_lidar @ np.linalg.inv(imu[0]) @ point_earth
        np.testing.assert_allclose(pose @ point_lidar, expected, atol=1e-6)
    np.testing.assert_allclose(first.poses[0], np.eye(4), atol=1e-9)
    np.testing.assert_allclose(first.timestamps, [0, 0.1, 0.3, 0.4], atol=1e-9)
    assert first.poses.dtype == np.float64
    assert second.poses is None
    assert second.timestamps is None


def test_raw_poses_can_be_left_out(raw_root):
    first, _ = kitti_raw_sequences(raw_root[0], ScanLister(), with_poses=False)
    assert first.poses is None


@pytest.mark.parametrize(
    ('file', 'content', 'message'),
    [
        (f'{DRIVE}/oxts/data/0000000003.txt', None, r'0000000003\.txt.*--no-poses'),
        (f'{DRIVE}/oxts/data/0000000003.txt', '1 2 3', r'0000000003\.txt.*6 finite'),
        (f'{DRIVE}/oxts/data/0000000003.txt', '1 2 3 4 5 nan', r'0000000003\.txt.*6 finite'),
        (f'{DRIVE}/oxts/data/0000000003.txt', '91 2 3 4 5 6', r'0000000003\.txt.*latitude'),
        ('2011_09_26/calib_imu_to_velo.txt', f'R:{" 0" * 9}\nT: 1 2 3\n', r'velo\.txt.*not a rotation and a trans'),
        ('2011_09_26/calib_imu_to_velo.txt', f'R:{" nan" * 9}\nT: 1 2 3\n', r'velo\.txt.*not a rotation and a trans'),
        ('2011_09_26/calib_imu_to_velo.txt', None, r'calib_imu_to_velo\.txt.*--no-poses'),
        ('2011_09_26/calib_imu_to_velo.txt', 'R: 1 2 3\n', r'calib_imu_to_velo\.txt'),
        (f'{DRIVE}/velodyne_points/timestamps.txt', '2011-09-26 00:00:00\n', r'timestamps\.txt'),
        (f'{DRIVE}/velodyne_points/timestamps.txt', 'then\n' * 9, r'timestamps\.txt'),
    ],
)
def test_a_raw_drive_with_half_of_its_files_is_named(raw_root, file, content, message):
    path = raw_root[0] / file
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(SequenceIndexError, match=message):
        list(kitti_raw_sequences(raw_root[0], ScanLister()))


@pytest.fixture
def odometry_root(tmp_path):
    """Sequence 00 with poses and times, 11 without."""
    for name in ('00', '11'):
        scans = tmp_path / 'sequences' / name / 'velodyne'
        scans.mkdir(parents=True)
        for i in range(4):
            (scans / f'{i:06d}.bin').write_bytes(bytes(16))
    lidar_to_camera = motion([1.2, -1.2, 1.2], [0.0, -0.1, -0.3])
    camera_poses = [motion([0.0, 0.1 * i, 0.0], [0.1 * i, 0.0, 1.5 * i]) for i in range(4)]
    (tmp_path / 'sequences/00/calib.txt').write_text(f'P0: {text(np.eye(3, 4))}\nTr: {text(lidar_to_camera[:3])}\n')
    (tmp_path / 'sequences/00/times.txt').write_text('\n'.join(f'{0.1 * i:e}' for i in range(4)) + '\n')
    (tmp_path / 'poses').mkdir()
    (tmp_path / 'poses/00.txt').write_text('\n'.join(text(pose[:3]) for pose in camera_poses) + '\n')
    return tmp_path, lidar_to_camera, camera_poses


def test_odometry_poses_are_those_of_the_lidar(odometry_root):
    root, lidar_to_camera, camera_poses = odometry_root
    first, second = kitti_odometry_sequences(root, ScanLister())
    assert first.frames[0] == 'sequences/00/velodyne/000000.bin'
    expected = [np.linalg.inv(lidar_to_camera) @ pose @ lidar_to_camera for pose in camera_poses]
    np.testing.assert_allclose(first.poses, expected, atol=1e-12)
    np.testing.assert_allclose(first.timestamps, [0, 0.1, 0.2, 0.3])
    assert (second.sequence_id, second.poses, second.timestamps) == ('11', None, None)


def test_odometry_key_frames_keep_their_own_poses(odometry_root):
    root, lidar_to_camera, camera_poses = odometry_root
    first, _ = kitti_odometry_sequences(root, ScanLister(key_frame_every=3))
    assert first.frames == ['sequences/00/velodyne/000000.bin', 'sequences/00/velodyne/000003.bin']
    expected = np.linalg.inv(lidar_to_camera) @ camera_poses[3] @ lidar_to_camera
    np.testing.assert_allclose(first.poses[1], expected, atol=1e-12)
    np.testing.assert_allclose(first.timestamps, [0, 0.3])


@pytest.mark.parametrize(
    ('file', 'content', 'message'),
    [
        ('poses/00.txt', '1 0 0 0 0 1 0 0 0 0 1 0\n', r'00\.txt'),
        ('poses/00.txt', '1 0 0\n' * 4, r'00\.txt'),
        ('poses/00.txt', f'{"0 " * 12}\n' * 4, r'00\.txt .*calib\.txt holds what is not a rotation and a translation'),
        (
            'poses/00.txt',
            f'{"nan " * 12}\n' * 4,
            r'00\.txt .*calib\.txt holds what is not a rotation and a translation',
        ),
        ('sequences/00/calib.txt', f'Tr:{" 0" * 12}\n', r'calib\.txt holds what is not a rotation and a translation'),
        (
            'sequences/00/velodyne/-1.bin',
            'four floats, so.',
            r'00\.txt does not hold.*-1\.bin is not named by its number',
        ),
        ('sequences/00/times.txt', '0\n', r'times\.txt'),
        ('sequences/00/calib.txt', 'P0: 1\n', r'calib\.txt has no Tr'),
    ],
)
def test_an_odometry_sequence_with_half_of_its_files_is_named(odometry_root, file, content, message):
    (odometry_root[0] / file).write_text(content)
    with pytest.raises(SequenceIndexError, match=message):
        list(kitti_odometry_sequences(odometry_root[0], ScanLister()))
