"""What points stock detectors read, checked against their own configs."""

from __future__ import annotations

import pytest
from mmengine.config import ConfigDict
from mmengine.hub import get_config

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.new_config.stock_points import StockPoints, read_stock_points

XYZI = ('x', 'y', 'z', 'intensity')
IN_ROOM = ('x in the room', 'y in the room', 'z in the room')
# Read by hand from mmdet3d's configs, and the transforms' defaults.
STOCK = {
    'second/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py': StockPoints(
        'KittiDataset', 'LIDAR', XYZI, None, (0, -40, -3, 70.4, 40, 1)
    ),
    'point_rcnn/point-rcnn_8xb2_kitti-3d-3class.py': StockPoints(
        'KittiDataset', 'LIDAR', XYZI, 16384, (0, -40, -3, 70.4, 40, 1)
    ),
    'centerpoint/centerpoint_pillar02_second_secfpn_8xb4-cyclic-20e_nus-3d.py': StockPoints(
        'NuScenesDataset', 'LIDAR', (*XYZI, 'time lag'), None, (-51.2, -51.2, -5, 51.2, 51.2, 3), 9
    ),
    # LoadPointsFromMultiSweeps keeps [0, 1, 2, 4] unless it is told otherwise: no intensity.
    'pointpillars/pointpillars_hv_fpn_sbn-all_8xb4-2x_nus-3d.py': StockPoints(
        'NuScenesDataset', 'LIDAR', ('x', 'y', 'z', 'time lag'), None, (-50, -50, -5, 50, 50, 3), 10
    ),
    'second/second_hv_secfpn_sbn-all_16xb2-2x_waymoD5-3d-3class.py': StockPoints(
        'WaymoDataset', 'LIDAR', (*XYZI, 'elongation'), None, (-76.8, -51.2, -2, 76.8, 51.2, 4)
    ),
    'votenet/votenet_8xb8_scannet-3d.py': StockPoints('ScanNetDataset', 'DEPTH', ('x', 'y', 'z', 'height'), 40000),
    'pointnet2/pointnet2_ssg_2xb16-cosine-200e_scannet-seg-xyz-only.py': StockPoints(
        'ScanNetSegDataset', 'DEPTH', ('x', 'y', 'z'), 8192
    ),
    'paconv/paconv_ssg_8xb8-cosine-150e_s3dis-seg.py': StockPoints(
        'S3DISSegDataset', 'DEPTH', ('x', 'y', 'z', 'red', 'green', 'blue', *IN_ROOM), 4096
    ),
}


@pytest.mark.parametrize('name', STOCK)
def test_the_points_of_a_stock_config(name):
    config = get_config(f'mmdet3d::{name}')
    points = read_stock_points(config)
    assert points == STOCK[name]
    # The first layer says the same, where it counts the columns of a point.
    first = config.model.get('voxel_encoder') or config.model.get('pts_voxel_encoder') or config.model.backbone
    width = first.get('in_channels', first.get('num_features', 4))
    assert len(points.channels) == width


@pytest.mark.parametrize(
    ('load', 'channels'),
    [
        (dict(type='LoadFrame', load_dim=4), XYZI),  # its default is all four
        (dict(type='LoadFrame', load_dim=5, use_dim=['x', 'y', 'z', 'intensity'], time_lag=True), (*XYZI, 'time lag')),
        (dict(type='LoadDepthFrame', height=True), ('x', 'y', 'z', 'height')),
        (dict(type='LoadPointsFromFile', coord_type='LIDAR', norm_intensity=True, use_dim=4), XYZI),
    ],
)
def test_a_pipeline_of_ones_own(load, channels):
    config = ConfigDict(train_dataloader=dict(dataset=dict(type='KittiDataset', pipeline=[load])))
    assert read_stock_points(config).channels == channels


def test_what_a_loader_squashes_is_known():
    load = dict(type='LoadPointsFromFile', coord_type='LIDAR', load_dim=6, use_dim=5, norm_intensity=True)
    for more, squashed in (
        ({}, ('norm_intensity',)),
        (dict(norm_elongation=True), ('norm_intensity', 'norm_elongation')),
    ):
        config = ConfigDict(train_dataloader=dict(dataset=dict(type='WaymoDataset', pipeline=[load | more])))
        assert read_stock_points(config).squashed == squashed


def test_a_loader_that_is_not_known_is_told():
    config = ConfigDict(train_pipeline=[dict(type='OwnLoader')])
    with pytest.raises(ConfigError, match=r'loads its points neither by LoadFrame, .* nor LoadShape'):
        read_stock_points(config)


def test_a_detector_of_images_is_refused():
    with pytest.raises(ConfigError, match=r'reads images \(LoadImageFromFileMono3D\) and no points'):
        read_stock_points(get_config('mmdet3d::smoke/smoke_dla34_dlaneck_gn-all_4xb8-6x_kitti-mono3d.py'))


@pytest.mark.parametrize(
    ('model', 'channels'),
    [
        (dict(voxel_encoder=dict(type='PillarFeatureNet', in_channels=5)), (*XYZI, 'column 4')),
        (dict(voxel_encoder=dict(type='SegVFE', in_channels=6)), XYZI),  # beside the radius and the angle
        (
            dict(pts_voxel_encoder=dict(type='HardSimpleVFE'), pts_middle_encoder=dict(in_channels=5)),
            (*XYZI, 'column 4'),
        ),
        (dict(backbone=dict(type='PointNet2SASSG', in_channels=3)), ('x', 'y', 'z')),
        (dict(voxel_encoder=dict(type='Own'), backbone=dict(type='SECOND', in_channels=64)), XYZI),
        (dict(), XYZI),
    ],
)
def test_without_a_pipeline_the_first_layer_counts(model, channels):
    assert read_stock_points(ConfigDict(model=model)) == StockPoints('', 'LIDAR', channels)
