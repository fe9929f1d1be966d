"""Poses estimated from the scans alone, against those that the scans were made with."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from strl_mmdet3d.datasets import FrameSequence, write_sequence_index
from strl_mmdet3d.datasets.sequence_index import read_sequence_index

pytest.importorskip('kiss_icp')
NUM = 12


@pytest.fixture
def tool():
    return importlib.import_module('estimate_poses')


def write_drive(root):
    """Write scans of a street: ground, walls with bays and posts, seen from a car that turns a little."""
    rng = np.random.default_rng(0)
    ground = np.c_[rng.uniform(-40, 70, (40_000, 1)), rng.uniform(-15, 15, (40_000, 1)), np.full((40_000, 1), -1.7)]
    along, up = rng.uniform(-40, 70, 40_000), rng.uniform(-1.7, 4, 40_000)
    side = np.where(rng.random(40_000) < 0.5, -1, 1) * (9 + 2 * (np.floor(along / 5) % 2))
    ends = np.c_[rng.choice([-38.0, 68.0], 4000), rng.uniform(-9, 9, 4000), rng.uniform(-1.7, 4, 4000)]
    turns = rng.uniform(0, 2 * np.pi, 8000)
    at = rng.uniform(-35, 65, 25)[np.arange(8000) % 25]
    posts = np.c_[at + 0.2 * np.cos(turns), (at * 7 % 12 - 6) + 0.2 * np.sin(turns), rng.uniform(-1.7, 3, 8000)]
    world = np.concatenate([ground, np.c_[along, side, up], ends, posts])
    poses = np.tile(np.eye(4), (NUM, 1, 1))
    for i in range(NUM):
        poses[i, :3, :3] = Rotation.from_euler('z', 0.01 * i).as_matrix()
        poses[i, :3, 3] = 0.8 * i, 0.05 * i * i / 10, 0
        seen = world[rng.random(len(world)) < 0.5]
        points = (seen - poses[i, :3, 3]) @ poses[i, :3, :3] + rng.normal(0, 0.01, seen.shape)
        np.c_[points, rng.uniform(0, 1, len(points))].astype('<f4').tofile(root / f'{i:06d}.bin')
    return poses


def test_poses_are_estimated_and_judged(tmp_path, tool, capsys):
    poses = write_drive(tmp_path)
    frames = [f'{i:06d}.bin' for i in range(NUM)]
    index = tmp_path / 's.json'
    given = FrameSequence('given', frames[:3], poses=poses[:3])
    write_sequence_index(index, {'load_dim': 4}, [FrameSequence('drive', frames), given])
    tool.main(['--root', str(tmp_path), '--index', str(index), '--out', str(tmp_path / 'posed.json')])
    metainfo, (drive, kept) = read_sequence_index(tmp_path / 'posed.json')
    np.testing.assert_allclose(drive.poses[:, :3, 3], poses[:, :3, 3], atol=0.15)
    np.testing.assert_allclose(drive.poses[:, :3, :3], poses[:, :3, :3], atol=0.01)
    np.testing.assert_array_equal(kept.poses, given.poses)
    assert metainfo['poses_estimated_by'] == 'kiss-icp'
    said = capsys.readouterr().out
    assert 'drive: 8.8 m in 12 scans' in said
    assert 'aligned' in said
    assert 'POOR' not in said
    assert 'poses estimated for 1 of 2 sequences' in said


def test_scans_of_the_ground_alone_are_no_measure_of_poses(tmp_path, tool):
    rng = np.random.default_rng(0)
    paths = [tmp_path / f'{i}.bin' for i in range(4)]
    for path in paths:
        x, y = rng.uniform(-40, 40, (2, 5000))
        np.c_[x, y, -1.7 + rng.normal(0, 0.02, 5000), np.ones(5000)].astype('<f4').tofile(path)
    poses = np.tile(np.eye(4), (4, 1, 1))
    poses[:, 0, 3] = 2.0 * np.arange(4)
    assert tool.measure(paths, 4, poses) == []


def test_an_index_without_scans_to_register_is_refused(tmp_path, tool):
    index = tmp_path / 's.json'
    poses = np.tile(np.eye(4), (2, 1, 1))
    write_sequence_index(index, {'load_dim': 4}, [FrameSequence('a', ['0.bin', '1.bin'], poses=poses)])
    with pytest.raises(SystemExit, match=r'all sequences of .*s\.json have poses or one scan\. Use --again'):
        tool.main(['--root', str(tmp_path), '--index', str(index)])
    with pytest.raises(SystemExit, match=r'0\.bin cannot be read'):
        tool.main(['--root', str(tmp_path), '--index', str(index), '--again'])
    write_sequence_index(index, {}, [FrameSequence('a', ['0.npz', '1.npz'])])
    with pytest.raises(SystemExit, match=r's\.json is no index of lidar scans'):
        tool.main(['--root', str(tmp_path), '--index', str(index)])


def test_real_scans_meet_once_aligned(tmp_path, tool, real_data):
    root = real_data / 'kitti_raw'
    frames = sorted(path.relative_to(root).as_posix() for path in root.glob('*/*/velodyne_points/data/*.bin'))[:6]
    paths = [root / frame for frame in frames]
    poses = tool.estimate(paths, 4, 100.0)
    unaligned, aligned = np.mean(tool.measure(paths, 4, poses), axis=0)
    assert 3 < poses[-1, 0, 3] < 6  # forward; the drive is at 8 m/s
    assert aligned > unaligned + 0.2


@pytest.mark.parametrize('metres', ['0', '-5', 'nan', 'inf'])
def test_a_range_that_holds_no_point_is_refused(metres, capsys):
    with pytest.raises(SystemExit, match='2'):
        importlib.import_module('estimate_poses').parse_args(
            ['--root', 'drives', '--index', 'index.json', '--max-range', metres]
        )
    assert '--max-range must be above 0' in capsys.readouterr().err
