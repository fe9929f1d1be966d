"""Points that the detector cannot take are told before the first iteration, with the line to add."""

from __future__ import annotations

import ast
import re
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config
from tiny import tiny_detector, tiny_strl

from strl_mmdet3d.datasets import TemporalPairDataset
from strl_mmdet3d.engine.points_check import check_points, check_time_lag, columns_of
from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.models.encoder import build_detector


class Pairs(TemporalPairDataset):
    """Pairs of clouds of given sizes; item i has its own sizes."""

    def __init__(self, *sizes, columns=4):
        self.sizes, self.columns = sizes, columns

    def __len__(self):
        return len(self.sizes)

    def __getitem__(self, key):
        views = zip(('view_1', 'view_2', 'local_1'), self.sizes[int(key)], strict=False)
        return {name: dict(inputs=dict(points=torch.zeros(size, self.columns))) for name, size in views}


def check(detector, data, stacks=False):
    config = Config(dict(model=dict(tiny_strl(), encoder=dict(type='DetectorEncoder', detector=detector))))
    encoder = SimpleNamespace(stacks_clouds=stacks)
    check_points(config, SimpleNamespace(online_encoder=encoder), data)


@pytest.mark.parametrize(
    ('name', 'columns'),
    [
        ('second/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py', 4),
        ('dynamic_voxelization/second_dv_secfpn_8xb2-cosine-80e_kitti-3d-3class.py', 4),
        ('pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py', 4),
        ('pointpillars/pointpillars_hv_secfpn_sbn-all_16xb2-2x_waymo-3d-3class.py', 5),
        ('pointpillars/pointpillars_hv_fpn_sbn-all_8xb4-2x_nus-3d.py', 4),
        ('centerpoint/centerpoint_voxel01_second_secfpn_8xb4-cyclic-20e_nus-3d.py', 5),
        ('centerpoint/centerpoint_pillar02_second_secfpn_8xb4-cyclic-20e_nus-3d.py', 5),
        ('cylinder3d/cylinder3d_4xb4-3x_semantickitti.py', 4),
        ('minkunet/minkunet34_w32_spconv_8xb2-laser-polar-mix-3x_semantickitti.py', 4),
        ('point_rcnn/point-rcnn_8xb2_kitti-3d-3class.py', 4),
        ('votenet/votenet_8xb8_scannet-3d.py', 4),
        ('groupfree3d/groupfree3d_head-L6-O256_4xb8_scannet-seg.py', 3),
        ('h3dnet/h3dnet_8xb3_scannet-seg.py', 4),
        ('dgcnn/dgcnn_4xb32-cosine-100e_s3dis-seg_test-area5.py', 9),
        ('pointnet2/pointnet2_ssg_2xb16-cosine-200e_scannet-seg-xyz-only.py', 3),
    ],
)
def test_the_values_that_stock_detectors_take(name, columns):
    assert columns_of(get_config(f'mmdet3d::{name}').model)[2] == columns


def test_a_layer_of_ones_own_is_known_by_its_base():
    detector = get_config('mmdet3d::dgcnn/dgcnn_4xb32-cosine-100e_s3dis-seg_test-area5.py').model
    detector.backbone.update(type='FeatureKNNDGCNN', in_channels=3)
    assert columns_of(detector)[2] == 3


def test_an_unknown_first_layer_is_not_judged():
    own = ConfigDict(tiny_detector())
    own.voxel_encoder.type = 'Own'
    assert columns_of(own)[2] is None
    assert columns_of(ConfigDict(type='Own', backbone=dict(type='SECOND', in_channels=64)))[2] is None
    check(own, Pairs((5, 5), columns=7))


def test_equal_columns_pass_whatever_the_sizes():
    check(tiny_detector(), Pairs((5, 6), (7, 8)))


@pytest.mark.parametrize(
    ('columns', 'message'),
    [
        (3, r"4 values of a point \(voxel_encoder\.in_channels\), the data gives 3: .*override=\{'voxel_encoder\.in"),
        (6, r'the data gives 6: load fewer, by use_dim=4'),
    ],
)  # fmt: skip
def test_another_number_of_values_is_refused(columns, message):
    with pytest.raises(ConfigError, match=message):
        check(tiny_detector(), Pairs((5, 5), columns=columns))


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('dgcnn/dgcnn_4xb32-cosine-100e_s3dis-seg_test-area5.py', r"9 values.*S3DIS.*\{'backbone\.in_channels': 3\}"),
        (
            'pv_rcnn/pv_rcnn_8xb2-80e_kitti-3d-3class.py',
            r"'middle_encoder\.in_channels': 3, 'points_encoder\.rawpoints_sa_cfgs\.in_channels': 0",
        ),
        (
            'centerpoint/centerpoint_voxel01_second_secfpn_8xb4-cyclic-20e_nus-3d.py',
            r"'pts_middle_encoder\.in_channels': 3, 'pts_voxel_encoder\.num_features': 3",
        ),
        ('cylinder3d/cylinder3d_4xb4-3x_semantickitti.py', r"'voxel_encoder\.in_channels': 5"),
        ('h3dnet/h3dnet_8xb3_scannet-seg.py', r"'backbone\.backbones\.in_channels': 3"),
    ],
)
def test_the_line_to_add_names_each_layer(name, message):
    with pytest.raises(ConfigError, match=message):
        check(get_config(f'mmdet3d::{name}').model, Pairs((5, 5), columns=3))


@pytest.mark.parametrize(
    'name',
    [
        'pv_rcnn/pv_rcnn_8xb2-80e_kitti-3d-3class.py',
        'second/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py',
        'centerpoint/centerpoint_voxel01_second_secfpn_8xb4-cyclic-20e_nus-3d.py',
        'h3dnet/h3dnet_8xb3_scannet-seg.py',
        'dgcnn/dgcnn_4xb32-cosine-100e_s3dis-seg_test-area5.py',
    ],
)
def test_the_line_to_add_builds(name):
    with pytest.raises(ConfigError, match='override=') as refusal:
        check(get_config(f'mmdet3d::{name}').model, Pairs((5, 5), columns=6))
    override = ast.literal_eval(re.search(r'override=(\{.*?\})', str(refusal.value))[1])
    build_detector(f'mmdet3d::{name}', override)


def test_clouds_of_unequal_size_are_told_to_a_detector_that_stacks_them():
    check(tiny_detector(), Pairs((5, 5, 3), (5, 5, 3)), stacks=True)
    for sizes in ([(5, 6)], [(5, 5), (6, 6)], [(5, 5, 3), (5, 5, 4)]):
        with pytest.raises(ConfigError, match=r"put dict\(type='DownSamplePoints', num_points=\.\.\.\)"):
            check(tiny_detector(), Pairs(*sizes), stacks=True)


@pytest.mark.parametrize(
    ('name', 'columns'),
    [
        ('pointpillars/pointpillars_hv_fpn_sbn-all_8xb4-2x_nus-3d.py', [0, 1, 2]),
        ('centerpoint/centerpoint_voxel01_second_secfpn_8xb4-cyclic-20e_nus-3d.py', [0, 1, 2, 3]),
    ],
)
def test_the_ring_is_not_taken_for_the_time_lag(name, columns):
    def loaded(**settings):
        return ConfigDict(dataset=dict(pipeline=dict(load=[dict(type='LoadFrame', load_dim=5, **settings)])))

    detector = f'mmdet3d::{name}'
    check_time_lag(detector, loaded(use_dim=columns, time_lag=True))
    with pytest.raises(ConfigError, match=rf'use_dim=\{columns}, time_lag=True'):
        check_time_lag(detector, loaded(use_dim=5))
    check_time_lag('mmdet3d::second/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py', loaded(use_dim=4))
    check_time_lag(tiny_detector(), loaded(use_dim=5))
