"""The number of values per point, found from the values."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strl_mmdet3d.datasets.readers.point_width import find_width, width_in_place_of

NUM_CUTS = int(os.environ.get('STRL_WIDTH_CUTS', '20'))  # cuts of each real file

EXTRA = {
    'intensity 0..1': lambda rng, n: rng.beta(1, 3, n),
    'intensity 0..255': lambda rng, n: np.floor(255 * rng.beta(1, 6, n)),
    'ring': lambda rng, n: np.arange(n) % 32,
    'time lag': lambda rng, n: np.repeat([0.0, 0.05, 0.1], n)[:n],
    'constant': lambda rng, n: np.full(n, 100.0),
    'zero': lambda rng, n: np.zeros(n),
    'elongation': lambda rng, n: rng.exponential(0.1, n),
    'time stamp': lambda rng, n: np.full(n, 1.55e15),
    'ambient': lambda rng, n: np.floor(rng.exponential(300, n)),
}
LAYOUTS = [
    (),
    ('intensity 0..1',),
    ('intensity 0..255',),
    ('zero',),
    ('ring',),
    ('intensity 0..255', 'ring'),
    ('constant', 'constant'),
    ('intensity 0..1', 'zero'),
    ('intensity 0..1', 'time lag'),
    ('intensity 0..1', 'elongation', 'time stamp'),
    ('intensity 0..1', 'ring', 'time lag'),
    ('intensity 0..255', 'ring', 'time lag', 'ambient'),
    ('intensity 0..255', 'ring', 'time stamp', 'ambient', 'elongation', 'zero'),
]


def cloud(layout, n, seed=0):
    rng = np.random.default_rng(seed)
    columns = [rng.uniform(-60, 60, n), rng.uniform(-40, 40, n), rng.normal(-1.6, 0.4, n)]
    return np.stack([*columns, *(EXTRA[name](rng, n) for name in layout)], axis=1).astype(np.float32)


@pytest.mark.parametrize('layout', LAYOUTS, ids=str)
@pytest.mark.parametrize('number', [60, 480, 20_000])
def test_the_width_of_common_layouts(layout, number):
    points = cloud(layout, number)
    assert find_width(points.reshape(-1)) == 3 + len(layout)
    for wrong in {4, 5, 6, 2 * (3 + len(layout))} - {3 + len(layout)}:
        assert width_in_place_of(points.reshape(-1), wrong) == 3 + len(layout)
    assert width_in_place_of(points.reshape(-1), 3 + len(layout)) is None


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(LAYOUTS), st.integers(500, 3000), st.integers(0, 99), st.floats(0, 0.3))
def test_neither_order_nor_broken_returns_matter(layout, number, seed, share):
    """Of few points, many of which are broken, the width may be unknown, but never wrong."""
    points = cloud(layout, number, seed)
    rng = np.random.default_rng(seed)
    points = rng.permutation(points)
    points[rng.random(number) < share] = np.nan
    points[rng.random(number) < share] = 0
    found = find_width(points.reshape(-1))
    assert found == 3 + len(layout) or (found is None and share > 0.05)


def test_values_behind_a_cut_point_still_tell():
    assert find_width(cloud(('intensity 0..255', 'ring'), 1000).reshape(-1)[:-3]) == 5


@pytest.mark.parametrize('number', [0, 1, 4, 11, 40, 400, 40_000])
def test_values_without_a_pattern_tell_nothing(number):
    rng = np.random.default_rng(number)
    for values in (rng.normal(size=number), np.zeros(number), np.full(number, np.nan)):
        assert find_width(values.astype(np.float32)) is None


@pytest.mark.real
def test_real_cuts_are_never_taken_for_another_width(real_data):
    """Blocks and random choices of the points of real scans, among them many whose size other widths divide, too."""
    samples = [(path, 4) for path in sorted(real_data.glob('kitti*/**/0*0.bin')) if 'velodyne' in str(path)]
    mmdet3d = real_data / 'mmdet3d_samples'
    samples += [(path, 5) for path in sorted(mmdet3d.glob('nuscenes/*/LIDAR_TOP/*.bin'))]
    samples += [(path, 5) for path in sorted(mmdet3d.glob('lyft/lidar/*.bin'))]
    samples += [(path, 6) for path in sorted(mmdet3d.glob('waymo/kitti_format/training/velodyne/*.bin'))]
    samples += [(path, 6) for path in sorted(mmdet3d.glob('*/points/*.bin'))]
    assert {width for _, width in samples} == {4, 5, 6}
    rng = np.random.default_rng(0)
    for path, width in samples:
        points = np.fromfile(path, np.float32).reshape(-1, width)
        assert find_width(points.reshape(-1)) == width, path
        for _ in range(NUM_CUTS if len(points) >= 90 else 0):
            number = int(60 * rng.integers(1, max(2, min(len(points), 12_000) // 60)))
            start = rng.integers(len(points) - number + 1)
            kept = np.sort(rng.choice(len(points), number, replace=False))
            for cut in (points[start : start + number], points[kept]):
                assert find_width(cut.reshape(-1)) in (width, None), (path, number)
