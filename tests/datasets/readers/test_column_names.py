from __future__ import annotations

import numpy as np
import pytest

from strl_mmdet3d.datasets.readers.column_names import canonical_names, name_columns


def points(*columns, number=640, seed=0):
    rng = np.random.default_rng(seed)
    xyz = rng.uniform((-50, -30, -2), (50, 30, 1), (number, 3))
    made = [column(rng, number) if callable(column) else np.full(number, column) for column in columns]
    return np.column_stack([xyz, *made]).astype(np.float32)


def intensity(rng, n):
    return np.floor(255 * rng.beta(1, 6, n))


def ring(rng, n):
    return np.arange(n) % 32


def lag(rng, n):
    return np.repeat([0.0, 0.05, 0.1, 0.15], n // 4)


def rising(rng, n):
    return np.linspace(0, 0.1, n)


def colour(rng, n):
    return np.clip(120 + 60 * np.sin(np.arange(n) / 9) + rng.normal(0, 9, n), 0, 255).round()


@pytest.mark.parametrize(
    ('columns', 'names'),
    [
        ((), []),
        ((intensity,), ['intensity']),
        ((ring,), ['ring']),
        ((intensity, ring), ['intensity', 'ring']),
        ((intensity, 1.0), ['intensity', 'column 4']),
        ((intensity, lag), ['intensity', 'time']),
        ((intensity, rising), ['intensity', 'time']),
        ((intensity, ring, lag), ['intensity', 'ring', 'time']),
        ((intensity, 0.0, 1.55e15), ['intensity', 'column 4', 'time']),
        ((colour, colour, colour), ['red', 'green', 'blue']),
        ((-1.0,), ['column 3']),
        ((np.nan, ring), ['column 3', 'ring']),
    ],
)
def test_columns_are_named_by_their_values(columns, names):
    assert name_columns(points(*columns)) == ('x', 'y', 'z', *names)


def test_spellings():
    assert canonical_names(['X', 'y ', 'z', 'Reflectivity', 'laser_id', 'T']) == [*'xyz', 'intensity', 'ring', 'time']
    assert canonical_names(['reflectivity', 'intensity']) == ['reflectivity', 'intensity']
    assert canonical_names(['i', 'reflectivity']) == ['intensity', 'reflectivity']


@pytest.mark.real
@pytest.mark.parametrize(
    ('pattern', 'width', 'names'),
    [
        ('kitti/training/velodyne/*.bin', 4, ['intensity']),
        ('mmdet3d_samples/nuscenes/*/LIDAR_TOP/*.bin', 5, ['intensity', 'ring']),
        ('mmdet3d_samples/lyft/lidar/*.bin', 5, ['intensity', 'column 4']),
        ('mmdet3d_samples/waymo/kitti_format/training/velodyne/*.bin', 6, ['intensity', 'column 4', 'time']),
        ('mmdet3d_samples/s3dis/points/*.bin', 6, ['red', 'green', 'blue']),
    ],
)
def test_columns_of_real_scans(real_data, pattern, width, names):
    paths = sorted(real_data.glob(pattern))
    assert paths
    for path in paths:
        assert name_columns(np.fromfile(path, np.float32).reshape(-1, width)) == ('x', 'y', 'z', *names)


def test_a_name_that_another_column_has_in_other_case_is_not_given_twice():
    names = ['x', 'y', 'z', 'reflectivity', 'Intensity', 't', ' Time']
    assert canonical_names(names) == ['x', 'y', 'z', 'reflectivity', 'intensity', 't', 'time']
