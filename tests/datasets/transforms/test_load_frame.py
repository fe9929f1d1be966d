from __future__ import annotations

import os

import numpy as np
import pytest
from mmdet3d.datasets.transforms import LoadPointsFromFile
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import DepthPoints, LiDARPoints

from strl_mmdet3d.datasets.readers.frame_file import CorruptFrameError
from strl_mmdet3d.datasets.transforms.load_frame import LoadFrame
from strl_mmdet3d.errors import ConfigError


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
def test_returns_that_are_not_finite_are_dropped_and_counted(tmp_path, bad, column):
    values = random_points(10)
    values[[2, 7], column] = bad
    values[4] = 0
    results = LoadFrame()(write(tmp_path / '0.bin', values))
    np.testing.assert_array_equal(results['points'].tensor, values[[0, 1, 3, 5, 6, 8, 9]])
    assert results['lidar_points']['num_broken'] == 2


def test_a_scan_that_is_mostly_broken_is_refused(tmp_path):
    values = random_points(10)
    values[:5, 1] = np.nan
    assert len(LoadFrame()(write(tmp_path / '0.bin', values))['points']) == 5
    values[5, 0] = np.inf
    with pytest.raises(CorruptFrameError, match=r'0\.bin holds NaN or Inf in 6 of 10 points'):
        LoadFrame()(write(tmp_path / '0.bin', values))


@pytest.mark.parametrize(('kind', 'name'), [('<f8', 'float64'), ('>f4', 'big-endian float32')])
def test_another_type_of_numbers_is_named(tmp_path, kind, name):
    (20 * random_points(500)).astype(kind).tofile(tmp_path / '0.bin')
    with pytest.raises(CorruptFrameError, match=rf'0\.bin holds .*It was written as {name}: write it as float32'):
        LoadFrame()({'lidar_points': {'lidar_path': str(tmp_path / '0.bin')}})


def sweep(number=400):
    """A scan of x, y, z, intensity 0..255 and ring."""
    rng = np.random.default_rng(0)
    xyz = rng.uniform((-50, -30, -2), (50, 30, 1), (number, 3))
    return np.column_stack([xyz, rng.integers(0, 256, number), np.arange(number) % 32]).astype(np.float32)


@pytest.mark.parametrize('load_dim', [3, 4, 6, 8, 10])
def test_a_width_that_does_not_fit_is_refused_and_the_right_one_named(tmp_path, load_dim):
    """400 points of 5 values are whole points of 4, 8 and 10 values, too."""
    load = LoadFrame(load_dim=load_dim, use_dim=3)
    for _ in range(2):  # the folder stays in doubt
        with pytest.raises(CorruptFrameError, match=rf'0\.bin has 5 values per point, not load_dim={load_dim}.*=5'):
            load(write(tmp_path / '0.bin', sweep()))
    assert len(LoadFrame(load_dim=5)(write(tmp_path / '0.bin', sweep()))['points']) == 400


@pytest.mark.parametrize('first', ['fits', 'does not', 'is damaged'])
def test_which_frame_shows_the_width_does_not_depend_on_the_order(tmp_path, first):
    """A frame of five values among those of four is loaded, or not, by what the first one of the sequence shows."""
    four = np.ascontiguousarray(sweep()[:, :4])
    write(tmp_path / '0.bin', {'fits': four, 'does not': sweep(), 'is damaged': four[:0]}[first])
    frames = [write(tmp_path / '1.bin', four), write(tmp_path / '2.bin', sweep())]
    for results in frames:
        results['lidar_points']['first_of_sequence'] = str(tmp_path / '0.bin')
    found = []
    for order in ([0, 1], [1, 0]):
        load, loaded = LoadFrame(), {}
        for number in order:
            try:
                loaded[number] = load(dict(frames[number]))['points'].tensor.numpy().tobytes()
            except CorruptFrameError as error:
                loaded[number] = str(error)
        found.append(loaded)
    assert found[0] == found[1]
    assert ('0.bin has 5 values per point' in str(found[0][0])) == (first == 'does not')


@pytest.mark.parametrize('columns', [['x', 'y', 'z', 'intensity', 'ring'], ['X', 'Y', 'Z', 'Reflectance', 'ring']])
@pytest.mark.parametrize('name', ['intensity', 'reflectance'])
def test_columns_by_the_names_of_the_index(tmp_path, columns, name):
    values = sweep()
    results = write(tmp_path / '0.bin', values)
    results['lidar_points']['columns'] = columns
    load = LoadFrame(load_dim=5, use_dim=['x', 'y', 'z', 'ring', name], intensity_scale=0.5)
    found = load(results)['points'].tensor
    np.testing.assert_array_equal(found, values[:, [0, 1, 2, 4, 3]] * np.float32([1, 1, 1, 1, 0.5]))


def test_columns_by_the_names_of_the_file(tmp_path):
    values = sweep()
    results = write(tmp_path / '0.bin', values)
    rows = np.array([*map(tuple, values)], [(name, 'f4') for name in ('ring', 'y', 'z', 'x', 'reflectance')])
    np.save(tmp_path / '0.npy', rows)
    results['lidar_points']['lidar_path'] = str(tmp_path / '0.npy')
    load = LoadFrame(load_dim=5, use_dim=['x', 'y', 'z', 'intensity', 'ring'], shift_height=True)
    points = load(results)['points'].tensor
    np.testing.assert_array_equal(points[:, [0, 1, 2, 4, 5]], values[:, [3, 1, 2, 4, 0]])


def test_a_name_that_the_scan_does_not_have_is_an_error_of_the_config(tmp_path):
    load = LoadFrame(load_dim=5, use_dim=['x', 'y', 'z', 'ring'])
    results = write(tmp_path / '0.bin', sweep())
    with pytest.raises(ConfigError, match=r"no column 'ring', neither the file nor the index names its columns"):
        load(results)
    results['lidar_points']['columns'] = ['x', 'y', 'z', 'intensity', 'column 4']
    with pytest.raises(ConfigError, match=r"no column 'ring', it has x, y, z, intensity, column 4"):
        load(results)


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        (dict(use_dim=['x', 'y', 'intensity']), "must begin with 'x', 'y', 'z'"),
        (dict(use_dim=['x', 'y', 'z', 'ring', 'Ring']), 'name each column once'),
        (dict(use_dim=['x', 'y', 'z', 3]), 'all names or all numbers'),
        (dict(intensity_scale=0), 'intensity_scale=0 must be a number above 0'),
        (dict(intensity_scale=float('nan')), 'intensity_scale=nan must be a number above 0'),
    ],
)
def test_settings_that_make_no_sense_are_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        LoadFrame(**options)


def test_intensities_are_scaled_and_nothing_else(tmp_path):
    values = sweep()
    load = LoadFrame(load_dim=5, use_dim=5, intensity_scale=1 / 255)
    points = load(write(tmp_path / '0.bin', values))['points'].tensor.numpy()
    np.testing.assert_array_equal(points[:, [0, 1, 2, 4]], values[:, [0, 1, 2, 4]])
    np.testing.assert_allclose(points[:, 3], values[:, 3] / 255, rtol=1e-6)
    assert points[:, 3].max() <= 1
    with pytest.raises(ConfigError, match=r'intensity_scale=0\.1\): .*0\.bin has no column of intensities'):
        LoadFrame(load_dim=3, use_dim=3, intensity_scale=0.1)(write(tmp_path / '0.bin', values[:, :3]))


def test_the_coordinates_of_a_map_are_not_aligned_by_poses(tmp_path):
    np.save(tmp_path / '0.npy', sweep().astype(np.float64) + np.array([4e5, 5e6, 0, 0, 0]))
    results = {'lidar_points': {'lidar_path': str(tmp_path / '0.npy')}}
    assert LoadFrame(load_dim=5)(dict(results))['points'].tensor[:, :2].abs().max() < 110
    with pytest.raises(ConfigError, match=r'0\.npy has coordinates of a map.*Set align_poses=False'):
        LoadFrame(load_dim=5)(results | {'lidar2view_1': np.eye(4)})


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
