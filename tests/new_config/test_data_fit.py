"""How the points of the data become a detector's: every loading gives the columns that the detector reads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmdet3d.registry import TRANSFORMS
from mmengine.hub import get_config

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.new_config.data_fit import fit_data
from strl_mmdet3d.new_config.pretrain_data import DATA_SETS, LIDAR, PretrainData
from strl_mmdet3d.new_config.stock_points import StockPoints, read_stock_points

XYZI = ('x', 'y', 'z', 'intensity')
VOXELS = dict(voxel_encoder=dict(type='HardSimpleVFE'))
KITTI = StockPoints('KittiDataset', 'LIDAR', XYZI)
NUSCENES = StockPoints('NuScenesDataset', 'LIDAR', (*XYZI, 'time lag'), sweeps=9)
WITHOUT_INTENSITY = StockPoints('NuScenesDataset', 'LIDAR', ('x', 'y', 'z', 'time lag'), sweeps=10)
WAYMO = StockPoints('WaymoDataset', 'LIDAR', (*XYZI, 'elongation'))
INDOOR = StockPoints('S3DISSegDataset', 'DEPTH', ('x', 'y', 'z', 'red', 'green', 'blue'), 4096)
HEIGHT = StockPoints('ScanNetDataset', 'DEPTH', ('x', 'y', 'z', 'height'), 40000)


def frame(columns, tmp_path):
    """A scan whose values say their column: x = 1, y = 2, and so on."""
    rows = np.tile(np.arange(1, len(columns) + 1, dtype=np.float32), (4, 1))
    rows.tofile(tmp_path / '0.bin')
    path = str(tmp_path / '0.bin')
    return dict(lidar_points=dict(lidar_path=path, num_pts_feats=len(columns), columns=list(columns)))


@pytest.mark.parametrize(
    ('points', 'data', 'values'),
    [
        (KITTI, 'kitti', [1, 2, 3, 4]),
        (KITTI, 'nuscenes', [1, 2, 3, 4 / 255]),
        (NUSCENES, 'kitti', [1, 2, 3, 4 * 255, 0]),
        (NUSCENES, 'nuscenes', [1, 2, 3, 4, 0]),
        (WITHOUT_INTENSITY, 'nuscenes', [1, 2, 3, 0]),
        (WAYMO, 'kitti', [1, 2, 3, 4, 0]),
        (HEIGHT, 'kitti', [1, 2, 3, 0]),
    ],
)
def test_a_scan_is_loaded_as_the_detector_reads_it(points, data, values, tmp_path):
    fit = fit_data(points, DATA_SETS[data], VOXELS)
    assert fit.channels == points.channels
    loaded = TRANSFORMS.build(fit.load)(frame(DATA_SETS[data].columns, tmp_path))['points'].tensor
    assert loaded[0].tolist() == pytest.approx(values)


def test_a_loader_that_squashes_is_followed():
    squashed = StockPoints('WaymoDataset', 'LIDAR', WAYMO.channels, squashed=('norm_intensity', 'norm_elongation'))
    fit = fit_data(squashed, DATA_SETS['waymo'], VOXELS)
    assert (fit.load['norm_intensity'], fit.load['norm_elongation']) == (True, True)
    TRANSFORMS.build(fit.load)
    fit = fit_data(squashed, DATA_SETS['kitti'], VOXELS)  # a column of zeros for the elongation
    assert 'norm_intensity' not in fit.load
    assert sum('which does not go with this loading' in note for note in fit.notes) == 2


def test_all_of_a_segmentor_that_counts_columns_is_narrowed():
    paconv = get_config('mmdet3d::paconv/paconv_ssg_8xb8-cosine-150e_s3dis-seg.py')
    points = read_stock_points(paconv)
    fit = fit_data(points, DATA_SETS['scannet'], paconv.model)
    (first, *_) = fit.override['decode_head.fp_channels'][-1]
    assert fit.override['backbone.in_channels'] == len(fit.channels) == 3
    assert first == 128 + 6 - (len(points.channels) - 3)
    assert fit.override['test_cfg.use_normalized_coord'] is False


@given(st.permutations(['intensity', 'ring', 'time']), st.sampled_from([KITTI, NUSCENES, WITHOUT_INTENSITY]))
def test_columns_are_taken_by_name_wherever_they_are(others, points):
    data = PretrainData('the index i', LIDAR, 'kitti_pairs', ('x', 'y', 'z', *others), 255.0)
    fit = fit_data(points, data, VOXELS)
    used = fit.load['use_dim']
    names = list(data.columns[:used]) if isinstance(used, int) else used
    assert [*names, *(['time lag'] if fit.load.get('time_lag') else [])] == list(points.channels)
    assert fit.load.get('intensity_scale') == (1 / 255 if points is KITTI else None)


def test_what_does_not_fit_is_told_with_the_line_to_add():
    (note,) = fit_data(KITTI, DATA_SETS['nuscenes'], VOXELS).notes
    assert 'LoadFrame(intensity_scale=0.00392157)' in note
    (note,) = fit_data(NUSCENES, DATA_SETS['nuscenes'], VOXELS).notes
    assert "dataset.sweeps=9 and load=[dict(type='LoadSweeps', load_dim=5, use_dim=4)]" in note
    unknown = PretrainData('the index i', LIDAR, 'kitti_pairs', XYZI, None)
    assert any('add LoadFrame(intensity_scale=...)' in note for note in fit_data(KITTI, unknown, VOXELS).notes)
    assert any(
        'elongation, which the detector reads, is not in KITTI raw' in note
        for note in fit_data(WAYMO, DATA_SETS['kitti'], VOXELS).notes
    )
    assert any('radii in metres fit no street' in note for note in fit_data(HEIGHT, DATA_SETS['kitti'], {}).notes)


def test_a_first_layer_is_narrowed_to_what_there_is():
    fit = fit_data(INDOOR, DATA_SETS['scannet'], dict(backbone=dict(in_channels=6)))
    assert (fit.override, fit.channels) == ({'backbone.in_channels': 3}, ('x', 'y', 'z'))
    assert fit.load == dict(type='LoadDepthFrame')
    assert 'model = dict(backbone=dict(in_channels=3))' in fit.notes[0]
    assert fit_data(HEIGHT, DATA_SETS['scannet'], {}).load == dict(type='LoadDepthFrame', height=True)


def test_a_detector_whose_first_layer_cannot_be_narrowed_is_refused():
    with pytest.raises(ConfigError, match="reads x, y, z, intensity, and there is no intensity in ScanNet's"):
        fit_data(KITTI, DATA_SETS['scannet'], VOXELS)
    places = PretrainData('the index i', LIDAR, 'kitti_pairs', ('x', 'y', 'z'))
    with pytest.raises(ConfigError, match='there is no intensity'):
        fit_data(NUSCENES, places, VOXELS)
