"""The time lag that detectors of several sweeps take as their last value."""

from __future__ import annotations

import numpy as np
import pytest
from mmdet3d.registry import TRANSFORMS

from strl_mmdet3d.datasets.transforms import LoadFrame
from strl_mmdet3d.errors import ConfigError


def test_single_scans_have_the_columns_that_mmdet3d_gives_a_key_frame(tmp_path):
    """mmdet3d's own pipeline is the reference: the ring of the fifth column becomes a lag of 0."""
    rng = np.random.default_rng(0)
    records = np.c_[rng.uniform(2, 50, (400, 3)), rng.integers(0, 256, 400), np.arange(400) % 32].astype('<f4')
    records.tofile(tmp_path / '0.bin')
    results = {'lidar_points': {'lidar_path': str(tmp_path / '0.bin')}, 'timestamp': 0.0}
    points = LoadFrame(load_dim=5, use_dim=4, time_lag=True)(dict(results))['points'].tensor.numpy()
    theirs = dict(results)
    for config in (
        {'type': 'LoadPointsFromFile', 'coord_type': 'LIDAR', 'load_dim': 5, 'use_dim': 5},
        {'type': 'LoadPointsFromMultiSweeps', 'sweeps_num': 0, 'load_dim': 5, 'use_dim': [0, 1, 2, 3, 4]},
    ):
        theirs = TRANSFORMS.build(config)(theirs)
    np.testing.assert_array_equal(points, theirs['points'].tensor.numpy())
    assert (points[:, 4] == 0).all()


def test_a_time_lag_goes_with_no_other_added_column():
    with pytest.raises(ConfigError, match='time_lag goes with none of shift_height'):
        LoadFrame(time_lag=True, shift_height=True)
