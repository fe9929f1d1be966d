"""The settings that decide what a trunk's tensors mean, told from those that do not."""

from __future__ import annotations

import json

import pytest
from mmengine.config import Config, ConfigDict
from tiny import tiny_detector, tiny_strl

from strl_mmdet3d.export import pretrained_detector
from strl_mmdet3d.export.trunk_settings import differing_settings, trunk_settings

TRUNK = ['voxel_encoder', 'middle_encoder', 'backbone', 'neck']
SCAN = dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=5, use_dim=[0, 1, 2, 3])


def loader(*steps):
    return ConfigDict(dataset=dict(type='KittiDataset', pipeline=list(steps)))


def changed(*changes):
    model = ConfigDict(tiny_detector())
    config = Config(dict(model=model))
    config.merge_from_dict({f'model.{key}': value for key, value in changes})
    return differing_settings(trunk_settings(tiny_detector(), TRUNK), trunk_settings(config.model, TRUNK))


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('data_preprocessor.voxel_layer.voxel_size', [0.5, 0.5, 2]),
        ('data_preprocessor.voxel_layer.point_cloud_range', [0, -8, -3, 16, 8, 3]),
        ('data_preprocessor.voxel_layer.max_num_points', 16),
        ('data_preprocessor.voxel_type', 'dynamic'),
        ('data_preprocessor.voxel', False),
        ('voxel_encoder.legacy', False),
        ('voxel_encoder.mode', 'avg'),
        ('voxel_encoder.type', 'DynamicPillarFeatureNet'),
        ('middle_encoder.output_shape', [64, 64]),
        ('backbone.layer_strides', [1, 2]),
        ('backbone.norm_cfg', dict(type='BN', eps=1e-4)),
        ('neck.upsample_strides', [2, 4]),
    ],
)
def test_what_changes_the_meaning_is_told(key, value):
    names = set(changed((key, value)))
    assert key in names or f'{key}.eps' in names


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('data_preprocessor.voxel_layer.max_voxels', (9, 9)),
        ('data_preprocessor.voxel_layer.deterministic', False),
        ('backbone.init_cfg', dict(type='Pretrained', checkpoint='x.pth')),
        ('backbone.norm_cfg', dict(type='SyncBN', eps=1e-3, momentum=0.5, requires_grad=False)),
        ('voxel_encoder.norm_cfg', dict(type='naiveSyncBN1d', eps=1e-3)),
        ('voxel_encoder.legacy', True),  # its default
        ('voxel_encoder.with_distance', False),
        ('data_preprocessor.voxel_type', 'hard'),
        ('data_preprocessor.mean', [1, 2, 3]),
        ('bbox_head.num_classes', 7),
        ('train_cfg', dict(a=1)),
    ],
)
def test_what_does_not_is_not(key, value):
    assert changed((key, value)) == {}


def test_a_class_is_its_name_in_any_scope_and_as_an_object():
    from mmdet3d.models import SECOND

    assert changed(('backbone.type', 'mmdet3d.SECOND')) == {}
    model = tiny_detector()
    model.backbone.type = SECOND
    assert differing_settings(trunk_settings(tiny_detector(), TRUNK), trunk_settings(model, TRUNK)) == {}


def test_parts_outside_of_the_trunk_do_not_count():
    model = tiny_detector()
    model.neck.upsample_strides = [2, 4]
    before, here = (trunk_settings(each, ['backbone']) for each in (tiny_detector(), model))
    assert differing_settings(before, here) == {}
    assert {name.split('.')[0] for name in before} == {'data_preprocessor', 'backbone'}


def test_settings_are_plain_values_and_take_no_preprocessor_for_the_plain_one():
    model = dict(backbone=dict(type='PointNet'))
    settings = trunk_settings(model, ['backbone'])
    assert json.loads(json.dumps(settings)) == settings
    named = dict(model, data_preprocessor=dict(type='Det3DDataPreprocessor'))
    assert trunk_settings(named, ['backbone']) == settings


def test_channels_that_are_not_known_are_not_compared():
    known = trunk_settings(tiny_detector(), TRUNK, loader(SCAN))
    assert differing_settings(known, trunk_settings(tiny_detector(), TRUNK)) == {}


def test_another_order_of_channels_is_told_another_number_is_left_to_the_shapes():
    def compared(*steps):
        return differing_settings(*(trunk_settings(tiny_detector(), TRUNK, loader(step)) for step in steps))

    assert compared(SCAN, SCAN | dict(use_dim=[0, 1, 2])) == {}
    assert set(compared(SCAN, SCAN | dict(shift_height=True))) == {'points.channels'}
    assert set(compared(SCAN, SCAN | dict(use_dim=[0, 1, 2, 4]))) == {'points.channels'}
    assert set(compared(SCAN, SCAN | dict(coord_type='DEPTH'))) == {'points.coord_type'}


def test_the_pretrained_detector_has_its_overrides():
    model = tiny_strl()
    model.encoder.override = {'voxel_encoder.legacy': False}
    assert pretrained_detector(Config(dict(model=model))).voxel_encoder.legacy is False
    assert pretrained_detector(Config(dict(model=dict(type='STRL', encoder=dict(type='Other'))))) is None
    assert pretrained_detector(Config()) is None
