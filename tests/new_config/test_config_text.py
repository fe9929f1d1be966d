"""The text of the configs: what it leaves to the fragments is what they hold."""

from __future__ import annotations

import ast

import pytest
from mmengine.config import Config
from mmengine.hub import get_config

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.new_config.config_text import USUAL_LOAD, pretrain_text
from strl_mmdet3d.new_config.data_fit import DataFit, fit_data
from strl_mmdet3d.new_config.downstream_text import downstream_text, lost_weights
from strl_mmdet3d.new_config.feature_choice import Choice
from strl_mmdet3d.new_config.feature_table import Feature, Inspection
from strl_mmdet3d.new_config.pretrain_data import DATA_SETS, DEPTH, SHAPE, PretrainData
from strl_mmdet3d.new_config.stock_points import StockPoints

PLANE = Feature('neck_feats.0', 'BEV plane', '(B, 8, 4, 4)', 8, dict(neck=1.0), 1.0, set(), 1, cell=(0.4, 0.4))
SEEDS = Feature('fp_features.1', 'points', '(B, 8, 64)', 8, dict(neck=1.0), 1.0, set(), 1, places='fp_xyz.1')
KITTI = StockPoints('KittiDataset', 'LIDAR', ('x', 'y', 'z', 'intensity'))
RANGE = (0.0, -40.0, -3.0, 70.4, 40.0, 1.0)


def inspection(extent=RANGE, has_voxels=True):
    return Inspection('VoxelNet', ['neck'], dict(neck=8), [PLANE], extent, "the detector's voxels", True, has_voxels)


def text(feature=PLANE, points=KITTI, data=DATA_SETS['kitti'], dense=False, **changes):
    fit = fit_data(points, data, {})
    choice = Choice(feature, ['the only one'], [])
    return pretrain_text('mmdet3d::a/b.py', inspection(**changes), choice, points, data, fit, dense)


def settings(written):
    """The assignments of a config -> their code."""
    assigned = [node for node in ast.parse(written).body if isinstance(node, ast.Assign)]
    return {node.targets[0].id: ast.unparse(node.value) for node in assigned}


@pytest.mark.parametrize('base', USUAL_LOAD)
def test_the_usual_loading_is_the_fragments(base):
    config = Config.fromfile(f'configs/_base_/datasets/{base}.py')
    assert config.train_dataloader.dataset.pipeline.load == [USUAL_LOAD[base]]


def test_only_what_differs_from_the_fragments_is_written():
    written = settings(text())
    assert set(written) == {'_base_', 'model', 'train_dataloader'}
    assert "feature='neck_feats.0'" in written['model']
    assert 'projector=dict(in_channels=8)' in written['model']
    assert 'point_cloud_range=[0, -40, -3, 70.4, 40, 1]' in written['train_dataloader']
    points = StockPoints('KittiDataset', 'LIDAR', KITTI.channels, num_points=16384)
    written = settings(text(points=points, has_voxels=False))
    assert written['num_points'] == '16384'
    assert "dict(type='DownSamplePoints', num_points=num_points)" in written['pack']
    written = settings(text(data=DATA_SETS['nuscenes']))
    assert 'intensity_scale=1 / 255' in written['load']


def test_dense():
    written = settings(text(dense=True))
    assert "pool=dict(type='BEVRegions')" in written['model']
    assert 'align_poses=True' in written['train_dataloader']
    assert 'DrawRegions' in written['pair']
    assert "'gt_bboxes_3d'" in written['pack']
    depth = StockPoints('ScanNetDataset', 'DEPTH', ('x', 'y', 'z'), 1000)
    written = settings(text(SEEDS, depth, DATA_SETS['scannet'], dense=True, extent=None, has_voxels=False))
    assert "pool=dict(type='PointRegions', places='fp_xyz.1', radius=0.3)" in written['model']
    assert 'PointsRangeFilter' not in written['pack']
    without = PretrainData('the index i', DEPTH, 'scannet_pairs', has_poses=False)
    assert "mode='spatial'" in text(SEEDS, depth, without, dense=True, extent=None, has_voxels=False)
    shapes = PretrainData('the index i', SHAPE, 'shape_pairs')
    with pytest.raises(ConfigError, match='shapes are pre-trained as wholes'):
        text(SEEDS, depth, shapes, dense=True)


def test_scans_need_a_range():
    with pytest.raises(ConfigError, match='states no point_cloud_range'):
        text(extent=None)


def test_downstream_keeps_hooks_and_asks_for_no_planes():
    stock = dict(
        model=dict(type='PointVoxelRCNN'),
        custom_hooks=[dict(type='DisableObjectSampleHook')],
        train_dataloader=dict(
            dataset=dict(
                type='RepeatDataset', dataset=dict(pipeline=[dict(type='ObjectSample', use_ground_plane=True)])
            )
        ),
    )
    written = settings(downstream_text('mmdet3d::a/b.py', 'work_dirs/my/encoder.pth', stock))
    assert written['custom_hooks'] == "[*_base_.custom_hooks, dict(type='VerifyLoadHook')]"
    assert written['load_from'] == "'work_dirs/my/encoder.pth'"
    assert written['train_dataloader'] == '_base_.train_dataloader'
    assert set(settings(downstream_text('x.py', 'e.pth', dict(model=dict(type='X'))))) == {
        '_base_', 'custom_imports', 'load_from', 'custom_hooks',
    }  # fmt: skip
    narrow = DataFit({}, '', ('x', 'y', 'z'), {'backbone.in_channels': 3})
    assert settings(downstream_text('x.py', 'e.pth', stock, narrow))['model'] == 'dict(backbone=dict(in_channels=3))'
    narrow.override |= {'decode_head.fp_channels': [[5, 6]], 'test_cfg.use_normalized_coord': False}
    assert settings(downstream_text('x.py', 'e.pth', stock, narrow))['model'] == (
        'dict(backbone=dict(in_channels=3), decode_head=dict(fp_channels=[[5, 6]]), '
        'test_cfg=dict(use_normalized_coord=False))'
    )


def test_downstream_keeps_the_pipeline_that_the_detectors_own_config_trains_by(tmp_path):
    (tmp_path / 'mine.py').write_text(
        "_base_ = 'mmdet3d::pv_rcnn/pv_rcnn_8xb2-80e_kitti-3d-3class.py'\n"
        "mine = [dict(type='LoadPointsFromFile'), dict(type='ObjectSample', use_ground_plane=True), dict(type='Pack')]"
        '\n'
        'train_dataloader = dict(dataset=dict(dataset=dict(pipeline=mine)))\n'
    )
    stock = Config.fromfile(tmp_path / 'mine.py')
    (tmp_path / 'downstream.py').write_text(downstream_text('mine.py', 'e.pth', stock))
    made = Config.fromfile(tmp_path / 'downstream.py').train_dataloader.dataset.dataset.pipeline
    assert [step.type for step in made] == ['LoadPointsFromFile', 'ObjectSample', 'Pack']
    assert made[1].use_ground_plane is False
    assert stock.train_dataloader.dataset.dataset.pipeline[1].use_ground_plane is True


@pytest.mark.parametrize(
    ('stock', 'imports'),
    [
        ({}, "['strl_mmdet3d'], allow_failed_imports=False"),
        (
            dict(imports='mine.nets', allow_failed_imports=True),
            "['mine.nets', 'strl_mmdet3d'], allow_failed_imports=True",
        ),
        (dict(imports=['a', 'strl_mmdet3d', 'b']), "['a', 'strl_mmdet3d', 'b'], allow_failed_imports=False"),
    ],
)
def test_downstream_imports_what_the_detector_is_made_of(stock, imports):
    written = settings(downstream_text('x.py', 'e.pth', dict(model=dict(type='X'), custom_imports=stock)))
    assert written['custom_imports'] == f'dict(imports={imports})'


def test_weights_that_the_stock_config_loads_are_told_to_be_lost():
    name = 'mmdet3d::imvotenet/imvotenet_stage2_8xb16_sunrgbd-3d.py'
    config = get_config(name)
    assert 'imvotenet' in lost_weights(config)
    text = downstream_text(name, 'e.pth', config)
    assert '# The stock config starts from http' in text
    assert settings(text)['load_from'] == "'e.pth'"
    assert lost_weights(dict(load_from=None)) == ''
