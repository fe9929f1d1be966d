"""Regions stay at their place in the scene, whatever the transforms do to the points."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import (
    DepthInstance3DBoxes,
    DepthPoints,
    Det3DDataSample,
    LiDARInstance3DBoxes,
    LiDARPoints,
)
from mmengine.structures import InstanceData

from strl_mmdet3d.datasets import transforms as package
from strl_mmdet3d.datasets.transforms.regions import NoRegionError, add_regions, keep_common
from strl_mmdet3d.errors import ConfigError

CUTS = [
    dict(type='RandomCropPoints', volume=(0.1, 0.6), min_points=1, prob=1.0),
    dict(type='RandomCropPointsBySide', side=(0.4, 0.9), min_points=1, prob=1.0),
    dict(type='RandomCropPointsXY', area=(0.1, 0.6), min_points=1, prob=1.0),
    dict(type='RandomCutoutPoints', side=(0.3, 0.9), min_points=1, prob=1.0),
    dict(type='CutToFieldOfView'),
]
MOTIONS = [
    dict(type='RandomRotatePoints', max_angle=3.0, prob=1.0),
    dict(type='RandomTranslatePoints', max_shift=0.5, prob=1.0),
    dict(type='RandomScalePoints', scale=(0.2, 3.0), prob=1.0),
    dict(type='NormalizePointsToUnitSphere'),
    dict(type='RandomFlip3D', flip_ratio_bev_horizontal=0.5, flip_ratio_bev_vertical=0.5),
    dict(type='GlobalRotScaleTrans', rot_range=[-3, 3], scale_ratio_range=[0.5, 2], translation_std=[1, 2, 3]),
    dict(type='PointShuffle'),
]
# These take or move single points, and no place with them.
THINNINGS = [
    dict(type='RandomDropPoints'),
    dict(type='RandomDropPoints', overwrite=True),
    dict(type='DownSamplePoints', num_points=40),
    dict(type='DownSamplePoints', num_points=400),
    dict(type='RandomUniformJitterPoints', max_offset=0.05),
    dict(type='RandomJitterPoints'),
    dict(type='RandomDropByRange'),
    dict(type='RandomDropBeams'),
]
# No transforms of a view's points.
OTHERS = {
    'LoadFrame',
    'LoadDepthFrame',
    'LoadShape',
    'LoadSweeps',
    'MultiView',
    'DrawRegions',
    'MarkMoved',
    'PasteMoved',
    'DrawHeading',
}

NUM_POINTS, NUM_REGIONS = 80, 30
AXES = {'lidar': (LiDARPoints, LiDARInstance3DBoxes), 'depth': (DepthPoints, DepthInstance3DBoxes)}


def make_view(axes='lidar', seed=0):
    """A street of 80 numbered points; a region lies at each of the first 30."""
    points_type, boxes = AXES[axes]
    coord = np.random.default_rng(seed).uniform([2, -20, -2], [40, 25, 3], (NUM_POINTS, 3))
    rows = torch.from_numpy(np.column_stack([coord, np.arange(NUM_POINTS)]).astype(np.float32))
    view = dict(points=points_type(rows, points_dim=4))
    add_regions(view, rows[:NUM_REGIONS, :3].clone(), boxes)
    return view


def places(view):
    """The places of a view's regions by their numbers."""
    assert len(view['gt_bboxes_3d']) == len(view['gt_labels_3d'])
    return dict(zip(view['gt_labels_3d'].tolist(), view['gt_bboxes_3d'].gravity_center.numpy(), strict=True))


def by_number(view):
    """The coordinates of a view's points by their numbers."""
    return {int(row[3]): row[:3] for row in view['points'].tensor.numpy()}


def test_all_transforms_of_the_package_are_tried_here():
    ours = {
        name for name, kind in vars(package).items() if getattr(TRANSFORMS.get(name), '__name__', '') == name and kind
    }
    assert ours - OTHERS <= {config['type'] for config in [*CUTS, *MOTIONS, *THINNINGS]}


@pytest.mark.parametrize('axes', AXES)
@pytest.mark.parametrize('config', MOTIONS, ids=lambda config: config['type'])
@given(seed=st.integers(0, 2**31))
def test_regions_move_as_the_points_at_their_places(config, axes, seed):
    np.random.seed(seed)
    view = TRANSFORMS.build(config)(make_view(axes, seed))
    regions, points = places(view), by_number(view)
    assert sorted(regions) == list(range(NUM_REGIONS))
    for number, place in regions.items():
        np.testing.assert_allclose(place, points[number], atol=2e-5 * max(1, np.abs(points[number]).max()))


@pytest.mark.parametrize('config', CUTS, ids=lambda config: config['type'])
@given(seed=st.integers(0, 2**31))
def test_a_region_is_cut_away_with_the_point_at_its_place_and_only_then(config, seed):
    np.random.seed(seed)
    before = make_view(seed=seed)
    view = TRANSFORMS.build(config)(make_view(seed=seed))
    regions, points = places(view), by_number(view)
    assert list(regions) == [number for number in range(NUM_REGIONS) if number in points], (
        'other ones, or another order'
    )
    assert len(points) < NUM_POINTS or config['type'] in ('CutToFieldOfView', 'RandomCutoutPoints')  # may cut nothing
    for number, place in regions.items():
        np.testing.assert_array_equal(place, by_number(before)[number])


@pytest.mark.parametrize('config', THINNINGS, ids=str)
def test_single_points_that_go_or_tremble_take_no_region_with_them(config):
    before = make_view()
    view = TRANSFORMS.build(config)(make_view())
    assert torch.equal(view['gt_bboxes_3d'].tensor, before['gt_bboxes_3d'].tensor)
    assert view['gt_labels_3d'].tolist() == list(range(NUM_REGIONS))


@given(seed=st.integers(0, 2**31), order=st.permutations([*CUTS, *MOTIONS]))
def test_any_transforms_one_behind_the_other_keep_regions_and_points_together(seed, order):
    np.random.seed(seed)
    view = make_view(seed=seed)
    for config in order[:5]:
        view = TRANSFORMS.build(config)(view)
        if not len(view['points']):
            return
    points, size = by_number(view), view['points'].coord.abs().max().item()
    for number, place in places(view).items():
        np.testing.assert_allclose(place, points[number], atol=1e-4 * max(1, size))


@pytest.mark.parametrize('config', [*CUTS[:4], *MOTIONS[:4]], ids=lambda config: config['type'])
def test_the_points_and_the_draws_are_the_same_with_regions_and_without(config):
    outcomes = []
    for with_regions in (True, False):
        view = make_view()
        if not with_regions:
            del view['gt_bboxes_3d'], view['gt_labels_3d']
        np.random.seed(3)
        points = TRANSFORMS.build(config)(view)['points'].tensor
        outcomes.append((points, np.random.rand()))
    assert torch.equal(outcomes[0][0], outcomes[1][0])
    assert outcomes[0][1] == outcomes[1][1]


@pytest.mark.parametrize('config', [*CUTS[:4], *MOTIONS[:4]], ids=lambda config: config['type'])
def test_labelled_boxes_are_refused_where_they_would_have_to_change(config):
    view = make_view()
    view['gt_bboxes_3d'].tensor[:, 3:6] = 1.5
    with pytest.raises(ConfigError, match='move no labelled boxes'):
        TRANSFORMS.build(config)(view)


def test_labelled_boxes_pass_where_nothing_moves():
    view = make_view()
    view['gt_bboxes_3d'].tensor[:, 3:6] = 1.5
    assert len(TRANSFORMS.build(dict(type='DownSamplePoints', num_points=10))(view)['points']) == 10


def sample(numbers, x=0.0):
    """A data sample with regions of these numbers, at (x, number, 0)."""
    rows = torch.zeros(len(numbers), 7)
    rows[:, 0], rows[:, 1] = x, torch.tensor(numbers)
    instances = InstanceData(bboxes_3d=LiDARInstance3DBoxes(rows), labels_3d=torch.tensor(numbers))
    return Det3DDataSample(gt_instances_3d=instances)


def test_the_regions_that_both_views_hold_are_kept_in_the_same_order():
    samples = [sample([4, 1, 2, 9]), sample([0, 2, 9, 4], x=5.0)]
    keep_common(samples, None)
    for one, x in zip(samples, (0, 5), strict=True):
        assert one.gt_instances_3d.labels_3d.tolist() == [2, 4, 9]
        assert one.gt_instances_3d.bboxes_3d.gravity_center.tolist() == [[x, 2, 0], [x, 4, 0], [x, 9, 0]]


def test_a_region_that_is_out_of_range_in_one_view_is_dropped_in_both():
    samples = [sample([1, 2, 3]), sample([1, 2, 3], x=5.0)]
    keep_common(samples, [-1, 1.5, -1, 6, 10, 1])
    assert [one.gt_instances_3d.labels_3d.tolist() for one in samples] == [[2, 3], [2, 3]]
    with pytest.raises(NoRegionError, match='no region in common'):
        keep_common(samples, [-1, -1, -1, 4, 10, 1])


@pytest.mark.parametrize('numbers', [([], [1, 2]), ([1], [2])])
def test_a_pair_without_a_common_region_cannot_be_used(numbers):
    with pytest.raises(NoRegionError, match=r'DrawRegions\(count='):
        keep_common([sample(list(one)) for one in numbers], None)


def test_regions_that_were_not_packed_are_missed():
    bare = Det3DDataSample(gt_instances_3d=InstanceData())
    with pytest.raises(ConfigError, match=r"Pack3DDetInputs\(keys=\['points', 'gt_bboxes_3d', 'gt_labels_3d'\]\)"):
        keep_common([bare, sample([1])], None)
