"""Frames with the sweeps before them: against mmdet3d's own transform, and in a world that stands still."""

from __future__ import annotations

import numpy as np
import pytest
from mmdet3d.registry import DATASETS, TRANSFORMS

from strl_mmdet3d.datasets import FrameSequence, write_sequence_index
from strl_mmdet3d.datasets.readers.frame_file import CorruptFrameError
from strl_mmdet3d.datasets.sequence_index import SequenceIndexError
from strl_mmdet3d.datasets.transforms import LoadSweeps
from strl_mmdet3d.errors import ConfigError


def pose(n):
    """The car goes 2 m and turns by 0.1 radians a frame."""
    matrix = np.eye(4)
    cos, sin = np.cos(0.1 * n), np.sin(0.1 * n)
    matrix[:2, :2] = [[cos, -sin], [sin, cos]]
    matrix[:3, 3] = [2.0 * n, 0.5 * n, 0.1 * n]
    return matrix


@pytest.fixture
def drive(tmp_path):
    """Five sweeps of five values, of parts of one world, 0.05 s apart."""
    rng = np.random.default_rng(0)
    world = np.column_stack([rng.uniform(10, 60, 500), rng.uniform(10, 40, 500), rng.uniform(-2, 2, 500)])
    names = [f'{n}.bin' for n in range(5)]
    for n, name in enumerate(names):
        seen = world[100 * n : 100 * n + 100]
        coords = (seen - pose(n)[:3, 3]) @ pose(n)[:3, :3]
        np.column_stack([coords, rng.integers(0, 256, 100), np.arange(100) % 32]).astype('<f4').tofile(tmp_path / name)
    poses = np.stack([pose(n) for n in range(5)])
    write_sequence_index(
        tmp_path / 'sequences.json', dict(load_dim=5), [FrameSequence('s', names, poses, 0.05 * np.arange(5))]
    )
    return tmp_path, world


def described(root, frame=4, **settings):
    """What the data set gives the loading of a frame."""
    seen = []
    view = dict(type='MultiView', load=[lambda results: seen.append(results) or LoadSweeps()(results)])
    dataset = DATASETS.build(
        dict(
            type='TemporalPairDataset',
            data_root=str(root),
            ann_file='sequences.json',
            mode='spatial',
            pipeline=[view],
            **dict(sweeps=3) | settings,
        )
    )
    return seen, dataset[frame]


def test_sweeps_lie_in_the_axes_of_their_frame_with_their_lag(drive):
    root, world = drive
    _, pair = described(root)
    points = pair['view_1']['inputs']['points'].numpy()
    assert points.shape == (400, 5)
    for n, lag in ((4, 0.0), (3, 0.05), (2, 0.1), (1, 0.15)):
        of_sweep = points[np.abs(points[:, 4] - lag) < 1e-4]
        in_world = of_sweep[:, :3] @ pose(4)[:3, :3].T + pose(4)[:3, 3]
        order = np.lexsort(world[100 * n : 100 * n + 100].T)
        np.testing.assert_allclose(in_world[np.lexsort(in_world.T)], world[100 * n : 100 * n + 100][order], atol=1e-4)


def test_a_damaged_sweep_is_listed_and_not_the_frames_behind_it(drive):
    root, _ = drive
    (root / '2.bin').write_bytes(b'123')
    seen, pair = described(root, frame=4)
    skipped = pair['view_1']['data_samples'].skipped
    assert {record['frame_path'] for record in skipped} == {'2.bin'}
    assert len(seen) > 1


def test_it_is_mmdet3ds_own_loading(drive):
    root, _ = drive
    (results, *_), pair = described(root)
    theirs = {key: results[key] for key in ('lidar_points', 'lidar_sweeps', 'timestamp')}
    for config in (
        dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=5, use_dim=5),
        dict(type='LoadPointsFromMultiSweeps', sweeps_num=9, use_dim=5, pad_empty_sweeps=True, remove_close=True),
    ):
        theirs = TRANSFORMS.build(config)(theirs)
    np.testing.assert_array_equal(pair['view_1']['inputs']['points'].numpy(), theirs['points'].tensor.numpy())


def test_the_first_frame_takes_its_own_points_as_often_as_the_stock_configs_do(drive):
    root, _ = drive
    _, pair = described(root, frame=0)
    points = pair['view_1']['inputs']['points'].numpy()
    assert len(points) == 10 * 100
    assert (points[:, 4] == 0).all()
    assert len(np.unique(points, axis=0)) == 100


def test_a_damaged_sweep_makes_the_frame_unusable(drive):
    root, _ = drive
    (root / '3.bin').write_bytes(b'123')
    with pytest.raises(CorruptFrameError, match=r'3\.bin'):
        described(root, max_refetch=0)


def test_what_sweeps_need_is_asked_for(drive):
    root, _ = drive
    with pytest.raises(ConfigError, match='sweeps must not be negative'):
        described(root, sweeps=-1)
    names = [f'{n}.bin' for n in range(5)]
    write_sequence_index(root / 'sequences.json', dict(load_dim=5), [FrameSequence('s', names)])
    with pytest.raises(SequenceIndexError, match='sequences without poses, and sweeps=3 needs them'):
        described(root)
    poses = np.stack([pose(n) for n in range(5)])
    write_sequence_index(root / 'sequences.json', dict(load_dim=5), [FrameSequence('s', names, poses)])
    with pytest.raises(SequenceIndexError, match='sequences without time stamps'):
        described(root)


@pytest.mark.parametrize('use_dim', [3, 5, ['x', 'y', 'z']])
def test_another_number_of_values_is_refused(use_dim):
    """mmdet3d's base class writes the lag over the fifth value, whatever it is."""
    with pytest.raises(ConfigError, match=r'LoadSweeps puts the time lag behind 4 values, got use_dim='):
        LoadSweeps(use_dim=use_dim)


def test_a_data_set_without_sweeps_is_told(drive):
    root, _ = drive
    with pytest.raises(ConfigError, match=r'LoadSweeps got .*4\.bin without its time: set dataset\.sweeps'):
        described(root, sweeps=0)
