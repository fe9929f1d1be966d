"""The KITTI layouts, with poses against independent references."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from strl_mmdet3d.datasets.sequence_index import SequenceIndexError
from strl_mmdet3d.datasets.sources import ScanLister, kitti_odometry_sequences, kitti_raw_sequences
from strl_mmdet3d.datasets.sources.lidar.frame_rows import BROKEN_ROW
from strl_mmdet3d.datasets.sources.lidar.kitti_raw import imu_to_world

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


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, r'0000000003\.txt.*--no-poses'),
        ('1 2 3', r'0000000003\.txt.*6 finite'),
        ('1 2 3 4 5 nan', r'0000000003\.txt.*6 finite'),
        ('91 2 3 4 5 6', r'0000000003\.txt.*latitude'),
    ],
)
def test_a_broken_reading_leaves_out_its_scan_and_a_broken_folder_the_drive(raw_root, content, message):
    root, _ = raw_root
    whole, _ = kitti_raw_sequences(root, ScanLister())
    for numbers in (3,), (3, 4, 1):
        for number in numbers:
            path = root / f'{DRIVE}/oxts/data/{number:010d}.txt'
            path.unlink(missing_ok=True) if content is None else path.write_text(content)
        lister = ScanLister()
        if len(numbers) == 1:
            first, _ = kitti_raw_sequences(root, lister)
            assert first.frames == [frame for i, frame in enumerate(whole.frames) if i != 2]
            np.testing.assert_allclose(first.poses, whole.poses[[0, 1, 3]], atol=1e-9)
            np.testing.assert_allclose(first.timestamps, whole.timestamps[[0, 1, 3]])
            assert re.search(message, lister.left_out[BROKEN_ROW][0])
        else:
            with pytest.raises(SequenceIndexError, match=r'Of the 4 rows for .*, 3 are broken'):
                list(kitti_raw_sequences(root, lister))


def test_a_broken_time_stamp_leaves_out_its_scan(raw_root):
    root, _ = raw_root
    path = root / DRIVE / 'velodyne_points/timestamps.txt'
    lines = path.read_text().splitlines()
    lines[0] = ''
    path.write_bytes('\r\n'.join(lines).encode('utf-8-sig'))
    lister = ScanLister()
    first, _ = kitti_raw_sequences(root, lister)
    assert [frame[-5:] for frame in first.frames] == ['1.bin', '3.bin', '4.bin']
    np.testing.assert_allclose(first.timestamps, [0, 0.2, 0.3], atol=1e-9)
    np.testing.assert_allclose(first.poses[0], np.eye(4), atol=1e-9)
    assert lister.left_out == {BROKEN_ROW: [f'{path}, line 1: no time stamp']}


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


@pytest.mark.parametrize('unit', [1, 10**3, 10**6, 10**9])
def test_odometry_times_are_seconds_whatever_their_unit(odometry_root, unit):
    times = [f'{round((1_700_000_000 + 0.1 * i) * unit)}' if unit > 1 else f'{1.7e9 + 0.1 * i:.1f}' for i in range(4)]
    root, *_ = odometry_root
    (root / 'sequences/00/times.txt').write_text('\n'.join(times) + '\n')
    sequence = next(iter(kitti_odometry_sequences(root, ScanLister())))
    np.testing.assert_allclose(np.diff(sequence.timestamps), 0.1, atol=1e-5)


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
        ('poses/00.txt', f'{"0 " * 12}\n' * 4, r'00\.txt, line 1: not a rotation and a translation'),
        ('poses/00.txt', f'{"nan " * 12}\n' * 4, r'00\.txt, line 1: NaN or Inf'),
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


def as_semantic_kitti(root):
    """Move the poses into the sequence's folder, as SemanticKITTI has them."""
    (root / 'poses/00.txt').rename(root / 'sequences/00/poses.txt')
    return root / 'sequences/00/poses.txt'


@pytest.mark.parametrize('place', ['.', 'sequences', '..'])
def test_semantic_kitti_has_its_poses_beside_the_scans(odometry_root, place, monkeypatch):
    root, _, _ = odometry_root
    published, _ = kitti_odometry_sequences(root, ScanLister())
    as_semantic_kitti(root)
    if place == '..':
        root = root.rename(root.parent / 'dataset') / '..'
    lister = ScanLister()
    first, _ = kitti_odometry_sequences(root / place if place == 'sequences' else root, lister)
    np.testing.assert_array_equal(first.poses, published.poses)
    assert next(note for note in lister.notes if note.startswith('without poses')).endswith(': 11')


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
@pytest.mark.parametrize('end', ['\n', '\r\n', '\r', '\r\r\n', ' \n', '\n\n'])
def test_the_encoding_and_the_line_ends_of_the_files_do_not_matter(odometry_root, encoding, end):
    root = odometry_root[0]
    plain, _ = kitti_odometry_sequences(root, ScanLister())
    for name in 'poses/00.txt', 'sequences/00/calib.txt', 'sequences/00/times.txt':
        lines = (root / name).read_text().splitlines()
        (root / name).write_bytes(end.join([*lines, '']).encode(encoding))
    first, _ = kitti_odometry_sequences(root, ScanLister())
    np.testing.assert_array_equal(first.poses, plain.poses)
    np.testing.assert_array_equal(first.timestamps, plain.timestamps)


@pytest.mark.parametrize('name', ['Tr', 'Tr_velo_to_cam', 'Tr_velo_cam'])
@pytest.mark.parametrize('numbers', [12, 16])
@pytest.mark.parametrize('colon', [':', ' ', ' :', ':  '])
def test_calibrations_name_the_lidar_in_several_ways(odometry_root, name, numbers, colon):
    root, lidar_to_camera, _ = odometry_root
    plain, _ = kitti_odometry_sequences(root, ScanLister())
    text_of_it = text(lidar_to_camera.ravel()[:numbers])
    (root / 'sequences/00/calib.txt').write_text(f'P0: {text(np.eye(3, 4))}\n{name}{colon}{text_of_it}\n')
    first, _ = kitti_odometry_sequences(root, ScanLister())
    np.testing.assert_array_equal(first.poses, plain.poses)


def test_a_rectification_belongs_to_the_motion_of_the_object_release(odometry_root):
    root, lidar_to_camera, camera_poses = odometry_root
    rectify = motion([0.01, -0.02, 0.03], [0, 0, 0])
    (root / 'sequences/00/calib.txt').write_text(
        f'R0_rect: {text(rectify[:3, :3])}\nTr_velo_to_cam: {text(lidar_to_camera[:3])}\n'
    )
    first, _ = kitti_odometry_sequences(root, ScanLister())
    both = rectify @ lidar_to_camera
    np.testing.assert_allclose(first.poses, [np.linalg.inv(both) @ pose @ both for pose in camera_poses], atol=1e-12)


@pytest.mark.parametrize(
    ('row', 'said'),
    [
        ('1 0 0', '3 values where 12 are expected'),
        ('', '0 values where 12 are expected'),
        ('nan ' * 12, 'NaN or Inf'),
        ('lost ' * 12, 'a word where a number is expected'),
        ('0 ' * 12, 'not a rotation and a translation'),
        ('2 0 0 0 0 2 0 0 0 0 2 0', 'not a rotation and a translation'),
    ],
)
@pytest.mark.parametrize('broken', [0, 2])
def test_a_broken_pose_leaves_out_its_scan_and_not_the_index(odometry_root, row, said, broken):
    root, lidar_to_camera, camera_poses = odometry_root
    path = as_semantic_kitti(root)
    lines = path.read_text().splitlines()
    lines[broken] = row
    path.write_text('\n'.join(lines))
    lister = ScanLister()
    first, _ = kitti_odometry_sequences(root, lister)
    left = [i for i in range(4) if i != broken]
    assert first.frames == [f'sequences/00/velodyne/{i:06d}.bin' for i in left]
    world = [np.linalg.inv(camera_poses[left[0]] @ lidar_to_camera) @ camera_poses[i] @ lidar_to_camera for i in left]
    np.testing.assert_allclose(first.poses, world, atol=1e-12)
    np.testing.assert_allclose(first.timestamps, [0.1 * i for i in left])
    (fault,) = lister.left_out[BROKEN_ROW]
    assert fault.startswith(f'{path}, line {broken + 1}: {said}')


def test_missing_lines_are_named(odometry_root):
    root = odometry_root[0]
    path = as_semantic_kitti(root)
    path.write_text('\n'.join(path.read_text().splitlines()[:2]))
    with pytest.raises(SequenceIndexError, match=r'poses\.txt ends at line 2, but the scan 000003\.bin needs line 4'):
        list(kitti_odometry_sequences(root, ScanLister()))


def test_lines_without_a_scan_are_noted(odometry_root):
    root = odometry_root[0]
    path = root / 'poses/00.txt'
    path.write_text(path.read_text() + path.read_text().splitlines()[0] + '\n')
    lister = ScanLister()
    list(kitti_odometry_sequences(root, lister))
    assert any(f'{path} has 5 lines, but the last scan is 000003.bin' in note for note in lister.notes)


@pytest.mark.parametrize('every', [1, 2, 3])
def test_a_part_of_a_recording_has_its_own_lines(odometry_root, every):
    root = odometry_root[0]
    plain, _ = kitti_odometry_sequences(root, ScanLister(key_frame_every=every))
    for i in reversed(range(4)):
        (root / f'sequences/00/velodyne/{i:06d}.bin').rename(root / f'sequences/00/velodyne/{i + 100:06d}.bin')
    lister = ScanLister(key_frame_every=every)
    first, _ = kitti_odometry_sequences(root, lister)
    assert first.frames[0] == 'sequences/00/velodyne/000100.bin'
    np.testing.assert_array_equal(first.poses, plain.poses)
    assert sum('its first row is taken for 000100.bin' in note for note in lister.notes) == 2  # poses and times
