"""Trajectories in several formats, matched to the scans of a folder by order, number and time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from strl_mmdet3d.datasets.readers.kitti_calibration import lidar_to_body
from strl_mmdet3d.datasets.readers.trajectory import poses_at, read_trajectory
from strl_mmdet3d.datasets.sequence_index import SequenceIndexError
from strl_mmdet3d.datasets.sources import PoseFiles, ScanLister, folder_sequences, with_trajectories
from strl_mmdet3d.datasets.sources.lidar import folder_with_poses
from strl_mmdet3d.datasets.sources.lidar.frame_rows import BROKEN_ROW, NO_POSE
from strl_mmdet3d.datasets.sources.recordings import RecordingSplitter

T0 = 1_600_000_000


def pose(i):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler('zyx', [0.1 * i, 0.02 * i, -0.01 * i]).as_matrix()
    matrix[:3, 3] = 5 + 1.5 * i, 0.2 * i, -0.1 * i
    return matrix


def relative(numbers):
    return [np.linalg.inv(pose(numbers[0])) @ pose(i) for i in numbers]


def numbers_of(values):
    return ' '.join(f'{value:.15g}' for value in np.ravel(values))


def tum(i, stamp):
    return f'{stamp} {numbers_of(pose(i)[:3, 3])} {numbers_of(Rotation.from_matrix(pose(i)[:3, :3]).as_quat())}'


LINES = {
    'tum': lambda i: tum(i, f'{T0 + 0.1 * i:.3f}'),
    'kitti': lambda i: numbers_of(pose(i)[:3]),
    '4x4': lambda i: numbers_of(pose(i)),
    'four rows': lambda i: '\n'.join(map(numbers_of, pose(i))),
    'number and 12': lambda i: f'{i} {numbers_of(pose(i)[:3])}',
    'number and 16': lambda i: f'{i} {numbers_of(pose(i))}',
    'nanoseconds and 12': lambda i: f'{T0 * 10**9 + i * 10**8} {numbers_of(pose(i)[:3])}',
}


def scans(root, names):
    root.mkdir(exist_ok=True)
    for name in names:
        (root / name).write_bytes(bytes(16))


def posed(root, path, lister=None, **kwargs):
    lister = lister or ScanLister()
    return list(with_trajectories(root, folder_sequences(root, lister), PoseFiles(path, **kwargs), lister))


@pytest.mark.parametrize('form', LINES)
@pytest.mark.parametrize('end', ['\n', '\r\n', ',\r\n'])
def test_formats_are_found_by_the_number_of_their_values(tmp_path, form, end):
    scans(
        tmp_path / 'drive',
        [f'{T0 + i / 10:.1f}.bin' if 'tum' in form or 'nano' in form else f'{i:06d}.bin' for i in range(6)],
    )
    separator = ',' if ',' in end else ' '
    text = ''.join(LINES[form](i).replace(' ', separator).replace('\n', '\r\n') + end.lstrip(',') for i in range(6))
    (tmp_path / 'poses.txt').write_bytes(b'\xef\xbb\xbf# a comment\n' + text.encode())
    (sequence,) = posed(tmp_path / 'drive', tmp_path / 'poses.txt')
    np.testing.assert_allclose(sequence.poses, relative(range(6)), atol=1e-9)
    assert len(sequence.frames) == 6


def test_a_named_format_refuses_another(tmp_path):
    (tmp_path / 'poses.txt').write_text('\n'.join(LINES['kitti'](i) for i in range(3)))
    with pytest.raises(SequenceIndexError, match=r'poses\.txt has no row of 8 numbers \(line 1 has 12\)'):
        read_trajectory(tmp_path / 'poses.txt', 'tum')


@pytest.mark.parametrize(
    ('line', 'said'),
    [
        ('0 1 2 3 0 0 0 2', 'a quaternion of length 2'),
        ('0 1 2 3 0 0 0 0', 'a quaternion of length 0'),
        ('0 1 2 3 0 0 nan 1', 'NaN or Inf'),
        ('0 1 2', '3 values where 8 are expected'),
    ],
)
def test_a_broken_line_is_told_by_file_and_line(tmp_path, line, said):
    scans(tmp_path / 'a', [f'{T0 + i / 10:.1f}.bin' for i in range(6)])
    lines = [LINES['tum'](i) for i in range(6)]
    (tmp_path / 'p.txt').write_text('\n'.join([*lines[:2], line.replace('0', str(T0), 1), *lines[2:]]))
    trajectory = read_trajectory(tmp_path / 'p.txt')
    assert trajectory.rows.fault(2).startswith(f'{tmp_path / "p.txt"}, line 3: {said}')
    (sequence,) = posed(tmp_path / 'a', tmp_path / 'p.txt')
    np.testing.assert_allclose(sequence.poses, relative(range(6)), atol=1e-9)


def test_a_transposed_matrix_is_told(tmp_path):
    (tmp_path / 'p.txt').write_text('\n'.join(numbers_of(pose(i).T) for i in range(3)))
    with pytest.raises(SequenceIndexError, match=r'p\.txt, line 1: a matrix that is stored by columns'):
        read_trajectory(tmp_path / 'p.txt')


def test_poses_between_two_times_are_interpolated_and_told(tmp_path):
    """A motion of constant speed about one axis: the pose halfway is known."""
    scans(tmp_path / 'a', [f'{T0 + i / 10 + 0.05:.2f}.bin' for i in range(7)])

    def turn(i):
        half = 0.05 * i
        return f'{T0 + i / 10:.3f} {2 * i} 0 0 0 0 {np.sin(half):.15g} {np.cos(half):.15g}'

    (tmp_path / 'p.txt').write_text('\n'.join(turn(i) for i in range(7)))
    lister = ScanLister()
    (sequence,) = posed(tmp_path / 'a', tmp_path / 'p.txt', lister)
    assert [frame[-7:] for frame in sequence.frames] == [f'.{i}5.bin' for i in range(6)]  # no pose follows the last
    yaw = Rotation.from_matrix(sequence.poses[:, :3, :3]).as_euler('zyx')
    np.testing.assert_allclose(yaw, [[0.1 * i, 0, 0] for i in range(6)], atol=1e-6)
    first = Rotation.from_euler('z', 0.05).inv()
    np.testing.assert_allclose(sequence.poses[:, :3, 3], first.apply([[2.0 * i, 0, 0] for i in range(6)]), atol=1e-4)
    assert lister.left_out[NO_POSE] == [tmp_path / 'a' / f'{T0}.65.bin']
    assert lister.notes[-1].startswith('6 of 7 poses are interpolated between two neighbours in time, at most 0.5 s')


@given(st.lists(st.floats(-1, 8), min_size=1, max_size=20), st.integers(0, 5))
def test_a_pose_at_a_time_lies_between_its_neighbours(tmp_path_factory, times, missing):
    folder = tmp_path_factory.mktemp('t')
    keep = [i for i in range(7) if i != missing]
    (folder / 'p.txt').write_text('\n'.join(tum(i, i) for i in reversed(keep)))
    trajectory = read_trajectory(folder / 'p.txt')
    poses, interpolated = poses_at(trajectory, np.array(times), max_gap=1.5)
    for time, found, between in zip(times, poses, interpolated, strict=True):
        near = min(keep, key=lambda i, time=time: abs(i - time))
        inside = keep[0] <= time <= keep[-1] and not missing - 1 < time < missing + 1
        assert np.isfinite(found).all() == (inside or abs(near - time) <= 1e-3)
        if abs(near - time) <= 1e-3:
            assert not between
            np.testing.assert_allclose(found, pose(near), atol=1e-9)
        elif inside:
            low, high = pose(int(time))[:3, 3], pose(int(time) + 1)[:3, 3]
            np.testing.assert_allclose(found[:3, 3], low + (time - int(time)) * (high - low), atol=1e-9)


def test_each_folder_has_its_own_trajectory(tmp_path):
    for name, first in ('a', 0), ('b', 10):
        scans(tmp_path / name, [f'{i:06d}.bin' for i in range(4)])
        (tmp_path / name / 'poses.txt').write_text('\n'.join(LINES['kitti'](first + i) for i in range(4)))
    one, two = posed(tmp_path, Path('poses.txt'))
    np.testing.assert_allclose(one.poses, relative(range(4)), atol=1e-9)
    np.testing.assert_allclose(two.poses, relative(range(10, 14)), atol=1e-9)
    (tmp_path / 'b/poses.txt').unlink()
    with pytest.raises(SequenceIndexError, match=r'/b has no poses\.txt'):
        posed(tmp_path, Path('poses.txt'))


def test_times_beside_the_scans_are_read_once_for_all_recordings_of_a_folder(tmp_path, monkeypatch):
    seconds = [0.0, 0.1, 0.2, 60.0, 60.1, 120.0, 120.1]  # two gaps: three recordings
    scans(tmp_path / 'drive', [f'{i:06d}.bin' for i in range(len(seconds))])
    (tmp_path / 'drive/times.txt').write_text(''.join(f'{each}\n' for each in seconds))
    (tmp_path / 'poses.txt').write_text(''.join(f'{tum(i, each)}\n' for i, each in enumerate(seconds)))
    reads = []
    usual = folder_with_poses.read_times
    monkeypatch.setattr(folder_with_poses, 'read_times', lambda *args: reads.append(args) or usual(*args))
    first, second, third = posed(tmp_path / 'drive', tmp_path / 'poses.txt')
    np.testing.assert_allclose(first.poses, relative(range(3)), atol=1e-9)
    np.testing.assert_allclose(second.poses, relative([3, 4]), atol=1e-9)
    np.testing.assert_allclose(third.poses, relative([5, 6]), atol=1e-9)
    assert len(reads) == 1


def test_missing_scans_keep_the_lines_of_their_numbers(tmp_path):
    scans(tmp_path / 'a', [f'{i:06d}.bin' for i in (0, 1, 3, 5)])
    path = tmp_path / 'p.txt'
    path.write_text('\n'.join(LINES['kitti'](i) for i in range(7)))
    (sequence,) = posed(tmp_path / 'a', path)
    np.testing.assert_allclose(sequence.poses, relative([0, 1, 3, 5]), atol=1e-9)
    path.write_text('\n'.join(LINES['kitti'](i) for i in range(5)))
    with pytest.raises(SequenceIndexError, match=r'p\.txt ends at line 5, but the scan 000005\.bin needs line 6'):
        posed(tmp_path / 'a', path)


def test_numbered_poses_may_skip_scans_and_one_may_be_broken(tmp_path):
    scans(tmp_path / 'a', [f'{i:06d}.bin' for i in range(6)])
    lines = [LINES['number and 12'](i) for i in (1, 2, 3, 5)]
    lines[1] = '2 ' + '0 ' * 12
    (tmp_path / 'p.txt').write_text('\n'.join(lines))
    lister = ScanLister()
    (sequence,) = posed(tmp_path / 'a', tmp_path / 'p.txt', lister)
    np.testing.assert_allclose(sequence.poses, relative([1, 3, 5]), atol=1e-9)
    assert len(lister.left_out[NO_POSE]) == 2
    assert lister.left_out[BROKEN_ROW][0].startswith(f'{tmp_path / "p.txt"}, line 2: not a rotation')


def test_another_clock_is_told(tmp_path):
    scans(tmp_path / 'a', [f'{T0 + i / 10:.1f}.bin' for i in range(6)])
    (tmp_path / 'p.txt').write_text('\n'.join(tum(i, 3600 + T0 + i / 10) for i in range(6)))
    with pytest.raises(
        SequenceIndexError, match=r'p\.txt has a pose for 0 of the 6 scans.*1600003600\.000 to.*same clock'
    ):
        posed(tmp_path / 'a', tmp_path / 'p.txt')
    scans(tmp_path / 'b', [f'{i:06d}.bin' for i in range(6)])
    with pytest.raises(SequenceIndexError, match=r'p\.txt has time stamps, but the scans of .*000000, have none'):
        posed(tmp_path / 'b', tmp_path / 'p.txt')


def test_poses_of_another_sensor_are_moved_to_the_lidar(tmp_path):
    mount = pose(-3)
    scans(tmp_path / 'a', [f'{i:06d}.bin' for i in range(3)])
    (tmp_path / 'p.txt').write_text('\n'.join(LINES['4x4'](i) for i in range(3)))
    for text in numbers_of(mount), '\r\n'.join(map(numbers_of, mount)), f'Tr: {numbers_of(mount[:3])}':
        (tmp_path / 'mount.txt').write_text(text)
        (sequence,) = posed(tmp_path / 'a', tmp_path / 'p.txt', lidar_to_body=lidar_to_body(tmp_path / 'mount.txt'))
        world = [np.linalg.inv(pose(0) @ mount) @ pose(i) @ mount for i in range(3)]
        np.testing.assert_allclose(sequence.poses, world, atol=1e-9)
    (tmp_path / 'mount.txt').write_text('1 2 3')
    with pytest.raises(SequenceIndexError, match=r'mount\.txt holds 3 numbers'):
        lidar_to_body(tmp_path / 'mount.txt')


@pytest.mark.parametrize('form', ['number and 12', 'kitti'])
def test_the_number_of_a_sensor_is_no_number_of_a_pose(tmp_path, form):
    scans(tmp_path / 'drive', [f'{i:06d}_lidar0.bin' for i in range(8)])
    path = tmp_path / 'poses.txt'
    path.write_text('\n'.join(LINES[form](i) for i in range(12)))
    (sequence,) = posed(tmp_path, path)
    np.testing.assert_allclose(sequence.poses, relative(range(8)), atol=1e-7)


def test_scans_of_one_number_are_told(tmp_path):
    scans(tmp_path / 'drive', ['a1_1.bin', 'a2_1.bin', 'b3_1.bin'])
    path = tmp_path / 'poses.txt'
    path.write_text('\n'.join(LINES['number and 12'](i) for i in range(12)))
    with pytest.raises(SequenceIndexError, match=r'a1_1\.bin and a2_1\.bin have the same one, 1\.'):
        list(
            with_trajectories(
                tmp_path,
                folder_sequences(tmp_path, ScanLister(), RecordingSplitter(split=False)),
                PoseFiles(path),
                ScanLister(),
            )
        )


@pytest.mark.parametrize('other', ['b_{}', '0_{}'])
def test_a_recording_without_times_beside_one_with_times_is_told(tmp_path, other):
    scans(
        tmp_path / 'drive', [f'a_{T0 + 0.5 * i}.bin' for i in range(4)] + [other.format(i) + '.bin' for i in range(4)]
    )
    path = tmp_path / 'poses.txt'
    path.write_text('\n'.join(tum(i, f'{T0 + 0.5 * i}') for i in range(4)))
    with pytest.raises(SequenceIndexError, match='have none in their names'):
        posed(tmp_path, path)


@pytest.mark.parametrize('form', ['kitti', 'number and 12'])
def test_poses_without_times_and_numbers_are_of_one_folder(tmp_path, form):
    for name, number in ('a', 6), ('b', 4):
        scans(tmp_path / name, [f'{i:06d}.bin' for i in range(number)])
    path = tmp_path / 'poses.txt'
    path.write_text('\n'.join(LINES[form](i) for i in range(6)))
    if form == 'kitti':
        with pytest.raises(SequenceIndexError, match=r'poses\.txt has poses without .* for .*a and .*b\. Lay a file'):
            posed(tmp_path, path)
    else:
        assert [len(sequence.frames) for sequence in posed(tmp_path, path)] == [6, 4]


def test_what_names_say_of_time_shows_in_all_of_them(tmp_path):
    """Nanoseconds that are not padded; those of the key frames all have eight digits, as a fraction might."""
    nanoseconds = [20_000_000 + 100_300_000 * i for i in range(80)]
    times = [(T0 + each // 10**9, each % 10**9) for each in nanoseconds]
    scans(tmp_path / 'drive', [f'{seconds}_{rest}.bin' for seconds, rest in times])
    path = tmp_path / 'poses.txt'
    path.write_text('\n'.join(tum(i, f'{times[i][0]}.{times[i][1]:09d}') for i in range(80)))
    (sequence,) = posed(tmp_path, path, ScanLister(key_frame_every=10))
    assert len({len(frame) for frame in sequence.frames}) == 1
    np.testing.assert_allclose(sequence.poses, relative(range(0, 80, 10)), atol=1e-6)
    np.testing.assert_allclose(sequence.timestamps, 1.003 * np.arange(8), atol=1e-6)
