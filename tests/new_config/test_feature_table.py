"""The table of features, on small stock detectors, against a backward pass and hand-computed sizes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from mmengine.hub import get_config
from tiny import RANGE, tiny_detector

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.models import DetectorEncoder
from strl_mmdet3d.new_config.feature_choice import choose_feature
from strl_mmdet3d.new_config.feature_table import Feature, Inspection, inspect_detector, table_lines
from strl_mmdet3d.new_config.made_up_clouds import made_up_clouds
from strl_mmdet3d.new_config.stock_points import StockPoints

POINTS = StockPoints('KittiDataset', 'LIDAR', ('x', 'y', 'z', 'intensity'))


def pyramid():
    """The tiny detector with a neck of two levels."""
    model = tiny_detector()
    model.neck = dict(type='mmdet.FPN', in_channels=[8, 16], out_channels=8, num_outs=2)
    return model


def votenet():
    """A small VoteNet: 256 points, 64 and 16 of them in the set abstractions, features back at 64."""
    model = get_config('mmdet3d::votenet/votenet_8xb8_scannet-3d.py').model
    model.backbone.update(
        num_points=(64, 16),
        radius=(1.0, 2.0),
        num_samples=(8, 8),
        sa_channels=((8, 8), (8, 16)),
        fp_channels=((16, 12),),
    )
    return model


def test_a_plane_is_measured_in_metres_and_voxels():
    inspection = inspect_detector(tiny_detector(), POINTS)
    (feature,) = inspection.features
    assert (feature.name, feature.kind, feature.shape) == ('0', 'BEV plane', '(B, 16, 16, 16)')
    # 16 m in 16 cells, of voxels of 0.5 m.
    assert (feature.cell, feature.stride, feature.channels) == ((1.0, 1.0), 2.0, 16)
    assert (feature.share, feature.shares) == (1.0, dict(voxel_encoder=1.0, backbone=1.0, neck=1.0))
    assert inspection.point_cloud_range == tuple(RANGE)
    assert inspection.has_voxels
    assert inspection.covers_range


@pytest.mark.parametrize(('model', 'points'), [
    (pyramid(), POINTS),
    (votenet(), StockPoints('', 'DEPTH', ('x', 'y', 'z', 'height'), 256)),
])  # fmt: skip
def test_what_a_feature_reaches_is_what_a_backward_pass_reaches(model, points):
    inspection = inspect_detector(model, points)
    assert len(inspection.features) > 1
    for feature in inspection.features:
        torch.manual_seed(0)
        encoder = DetectorEncoder(model, feature=feature.name).train()
        clouds = made_up_clouds(points, inspection.point_cloud_range)
        inputs = encoder.data_preprocessor(dict(inputs=dict(points=clouds), data_samples=None), True)['inputs']
        vectors = encoder(inputs)
        assert vectors.shape == (2, feature.channels)
        vectors.sum().backward()
        total = reached = 0
        for name, parameter in encoder.detector.named_parameters():
            total += parameter.numel()
            if parameter.grad is not None:
                assert feature.shares[name.split('.')[0]] > 0
                reached += parameter.numel()
        assert total == inspection.total
        assert feature.share == pytest.approx(reached / total)


def test_points_have_their_places():
    inspection = inspect_detector(votenet(), StockPoints('', 'DEPTH', ('x', 'y', 'z', 'height'), 256))
    places = {feature.name: (feature.shape, feature.places) for feature in inspection.features}
    assert places['fp_features.1'] == ('(B, 12, 64)', 'fp_xyz.1')
    assert not inspection.has_voxels
    assert choose_feature(inspection).feature.name == choose_feature(inspection, dense=True).feature.name


def test_the_deepest_of_the_furthest_is_chosen():
    inspection = inspect_detector(pyramid(), POINTS)
    choice = choose_feature(inspection)
    # Level 0 is under both laterals; level 1 has a convolution of its own, which it does not reach.
    assert choice.feature.name == '0'
    assert choice.feature.share == max(feature.share for feature in inspection.features) < 1
    assert 'not under its loss' in choice.reasons[1]
    assert 'neck' in choice.reasons[1]
    together = [choice.feature.name, *(feature.name for feature in choice.more)]
    assert sorted(together) == ['0', '1']
    assert choice.reasons[2] == f'with feature={together} and projector.in_channels=16 it would be 100 %'
    table = table_lines(inspection, choice.feature.name)
    assert len(table) == 1 + len(inspection.features)
    assert [line for line in table if line.startswith('* ')] == [next(line for line in table if '* 0' in line)]


@pytest.mark.parametrize(('stride', 'written'), [(1.0, '1 m (1 voxel)'), (8.0, '1 m (8 voxels)'), (None, '1 m  ')])
def test_a_cell_is_written_in_voxels_where_there_are_voxels(stride, written):
    inspection = inspect_detector(tiny_detector(), POINTS)
    features = (replace(inspection.features[0], stride=stride),)
    assert f' {written}' in table_lines(replace(inspection, features=features), '0')[1]


def test_a_feature_can_be_asked_for():
    inspection = inspect_detector(pyramid(), POINTS)
    assert choose_feature(inspection, name='1').feature.name == '1'
    with pytest.raises(ConfigError, match=r"VoxelNet has no feature '7'; its features are \['0', '1'\]"):
        choose_feature(inspection, name='7')


def test_a_detector_that_does_not_run_is_one_sentence():
    with pytest.raises(ConfigError, match=r'VoxelNet does not run on a made-up cloud of x, y, z: \w+: '):
        inspect_detector(tiny_detector(), StockPoints('', 'LIDAR', ('x', 'y', 'z')))


def test_made_up_clouds_lie_inside_and_have_all_columns():
    points = StockPoints('', 'LIDAR', ('x', 'y', 'z', 'height', 'intensity', 'time lag'))
    one, other = made_up_clouds(points, RANGE)
    assert len(one) != len(other), 'rows of the clouds could be mixed up unseen'
    low, high = torch.tensor(RANGE).view(2, 3)
    for cloud in (one, other):
        assert ((cloud[:, :3] > low) & (cloud[:, :3] < high)).all()
        assert torch.allclose(cloud[:, 3], cloud[:, 2] - low[2])
        assert 0 <= cloud[:, 4].min() < cloud[:, 4].max() <= 1
        assert (cloud[:, 5] == 0).all()
    again, _ = made_up_clouds(points, RANGE)
    assert torch.equal(one, again)
    assert [len(cloud) for cloud in made_up_clouds(StockPoints('', 'DEPTH', ('x', 'y', 'z'), 100), None)] == [100, 100]


@pytest.mark.parametrize(
    ('shape', 'told'), [('(B, 8, 16)', True), ('(B, 8, 47)', True), ('(B, 8, 48)', False), ('(B, 8, 1024)', False)]
)
def test_regions_that_would_share_vectors_are_told(shape, told):
    feature = Feature('fp_features.0', 'points', shape, 8, dict(backbone=1.0), 1.0, set(), 1, places='fp_xyz.0')
    inspection = Inspection('D', ['backbone'], dict(backbone=8), [feature], None, '', False, False)
    assert any('same vector' in reason for reason in choose_feature(inspection, dense=True).reasons) == told
    assert not any('same vector' in reason for reason in choose_feature(inspection).reasons)
