from __future__ import annotations

import os

import numpy as np
import pytest
from mmdet3d.datasets.transforms import LoadPointsFromFile
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import DepthPoints, LiDARPoints

from strl_mmdet3d.datasets.readers.frame_file import CorruptFrameError
from strl_mmdet3d.datasets.transforms.load_frame import LoadFrame


def write(path, values):
    np.asarray(values, dtype=np.float32).tofile(path)
    return {'lidar_points': {'lidar_path': str(path)}}


def random_points(n, dim=4):
    return np.random.default_rng(0).normal(size=(n, dim)).astype(np.float32)


@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(use_dim=3),
        dict(use_dim=[0, 1, 2, 4]),
        dict(use_dim=5, norm_intensity=True, norm_elongation=True),
        dict(shift_height=True),
        dict(load_dim=6, use_dim=6, use_color=True),
    ],
    ids=str,
)
def test_a_whole_file_is_loaded_as_by_the_stock_transform(options, tmp_path):
    options = dict(coord_type='LIDAR', load_dim=5, use_dim=4) | options
    results = write(tmp_path / '0.bin', random_points(100, options['load_dim']))
    expected = LoadPointsFromFile(**options)(dict(results))['points']
    points = TRANSFORMS.build(dict(type='LoadFrame', **options))(results)['points']
    assert isinstance(points, LiDARPoints)
    assert points.attribute_dims == expected.attribute_dims
    assert points.points_dim == expected.points_dim
    np.testing.assert_array_equal(points.tensor, expected.tensor)


def test_dimensions_and_coordinates(tmp_path):
    values = random_points(7, dim=5)
    points = LoadFrame('DEPTH', load_dim=5, use_dim=[0, 1, 2, 4])(write(tmp_path / '0.bin', values))['points']
    assert isinstance(points, DepthPoints)
    np.testing.assert_array_equal(points.tensor, values[:, [0, 1, 2, 4]])


def test_returns_at_the_origin_are_dropped_and_no_others(tmp_path):
    values = random_points(6)
    values[1, :3] = 0  # at the origin, with reflectance
    values[3] = 0
    values[4, :2] = 0  # on the z axis
    values[5, 3] = 0  # without reflectance
    points = LoadFrame()(write(tmp_path / '0.bin', values))['points']
    np.testing.assert_array_equal(points.tensor, values[[0, 2, 4, 5]])


@pytest.mark.parametrize('cut', [1, 2, 4, 8, 12])
def test_a_truncated_file_is_named(tmp_path, cut):
    path = tmp_path / '0.bin'
    path.write_bytes(random_points(10).tobytes()[:-cut])
    with pytest.raises(CorruptFrameError, match=r'0\.bin is truncated.*--skip-truncated'):
        LoadFrame()({'lidar_points': {'lidar_path': str(path)}})


@pytest.mark.parametrize('values', [np.zeros((0, 4)), np.zeros((5, 4))])
def test_a_file_without_returns_is_named(tmp_path, values):
    with pytest.raises(CorruptFrameError, match=r'0\.bin holds no returns'):
        LoadFrame()(write(tmp_path / '0.bin', values))


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('column', range(4))
def test_points_that_are_not_finite_are_counted(tmp_path, bad, column):
    values = random_points(10)
    values[[2, 7], column] = bad
    with pytest.raises(CorruptFrameError, match=r'0\.bin holds NaN or Inf in 2 of 10 points'):
        LoadFrame()(write(tmp_path / '0.bin', values))


@pytest.mark.parametrize(('column', 'bad'), [(0, 1e30), (1, -1e30), (2, 1.01e5), (3, 1e30), (3, -3e38)])
def test_values_beyond_any_sensor_are_counted(tmp_path, column, bad):
    values = random_points(10)
    values[[2, 7], column] = bad
    with pytest.raises(CorruptFrameError, match=r'0\.bin holds values beyond any sensor .* in 2 of 10 points'):
        LoadFrame()(write(tmp_path / '0.bin', values))


def test_values_that_only_seem_large_are_fine(tmp_path):
    """A point 99 km away, and a time in microseconds as the fourth value."""
    values = random_points(10)
    values[0] = [-9.9e4, 9.9e4, 9.9e4, 1.7e15]
    np.testing.assert_array_equal(LoadFrame()(write(tmp_path / '0.bin', values))['points'].tensor, values)


def test_random_bytes_are_no_scan(tmp_path):
    for seed in range(20):
        (tmp_path / '0.bin').write_bytes(np.random.default_rng(seed).bytes(16 * 40))
        with pytest.raises(CorruptFrameError, match=r'0\.bin holds (NaN|values beyond)'):
            LoadFrame()({'lidar_points': {'lidar_path': str(tmp_path / '0.bin')}})


def test_integers_are_no_scan(tmp_path):
    np.arange(1, 41, dtype=np.int32).tofile(tmp_path / '0.bin')
    with pytest.raises(CorruptFrameError, match=r'0\.bin holds no point farther than .*float32: integers'):
        LoadFrame()({'lidar_points': {'lidar_path': str(tmp_path / '0.bin')}})


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / '0.bin')
    with pytest.raises(CorruptFrameError, match=r'0\.bin cannot be read \(it is not a regular file'):
        LoadFrame()({'lidar_points': {'lidar_path': str(tmp_path / '0.bin')}})


def test_a_link_to_a_file_is_fine(tmp_path):
    values = random_points(10)
    results = write(tmp_path / 'file', values)
    (tmp_path / '0.bin').symlink_to(tmp_path / 'file')
    results['lidar_points']['lidar_path'] = str(tmp_path / '0.bin')
    np.testing.assert_array_equal(LoadFrame()(results)['points'].tensor, values)


def test_a_column_that_is_not_used_may_hold_anything(tmp_path):
    values = random_points(10)
    values[3, 3] = np.nan
    points = LoadFrame(use_dim=3)(write(tmp_path / '0.bin', values))['points']
    np.testing.assert_array_equal(points.tensor, values[:, :3])


def test_a_missing_file_is_named(tmp_path):
    for path in (tmp_path / 'nowhere.bin', tmp_path):
        with pytest.raises(CorruptFrameError, match=f'{path.name} cannot be read'):
            LoadFrame()({'lidar_points': {'lidar_path': str(path)}})


def test_another_load_dim_than_the_index_has_is_an_error_of_the_config(tmp_path):
    results = write(tmp_path / '0.bin', random_points(20))
    results['lidar_points']['num_pts_feats'] = 5
    with pytest.raises(ValueError, match='Set load_dim=5') as error:
        LoadFrame(load_dim=4)(results)
    assert not isinstance(error.value, CorruptFrameError)


def test_a_depth_frame_is_an_error_of_the_config():
    with pytest.raises(ValueError, match='LoadDepthFrame') as error:
        LoadFrame()({'depth_frame': {'depth_path': '0.png'}})
    assert not isinstance(error.value, CorruptFrameError)


@pytest.mark.real
def test_real_scans_are_loaded(real_data):
    scans = sorted(real_data.glob('kitti_raw/*/*/velodyne_points/data/*.bin'))[:3]
    assert scans
    for scan in scans:
        points = LoadFrame()({'lidar_points': {'lidar_path': str(scan)}})['points'].tensor
        assert 100_000 < len(points) <= scan.stat().st_size // 16
        assert 0 <= points[:, 3].min() <= points[:, 3].max() <= 1
        assert points[:, :3].any(dim=1).all()
