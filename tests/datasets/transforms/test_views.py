from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import Det3DDataSample, LiDARPoints
from mmengine.dataset import pseudo_collate
from scipy.spatial.transform import Rotation

from strl_mmdet3d.datasets.transforms.views import EmptyViewError, MultiView, align_points

PACK = [{'type': 'Pack3DDetInputs', 'keys': ['points']}]


def load(view):
    """Stands for a loader: the points are in the view already."""
    view['points'] = LiDARPoints(torch.as_tensor(view['raw'], dtype=torch.float32).clone(), points_dim=4)
    return view


def make_pair(**changes):
    rng = np.random.default_rng(0)
    pair = {
        name: {
            'raw': rng.uniform(1, 5, (50, 4)),
            'lidar_points': {'lidar_path': f'{name}.bin'},
            'sequence_id': 's',
            'frame_path': f's/{name}.bin',
            'frame_index': i,
            'num_redraws': 0,
        }
        for i, name in enumerate(('view_1', 'view_2'))
    }
    return {**pair, **changes}


def test_without_augmentation_the_views_are_the_frames():
    pair = make_pair()
    views = TRANSFORMS.build({'type': 'MultiView', 'load': [load]})(pair)
    assert list(views) == ['view_1', 'view_2']
    for name, packed in views.items():
        np.testing.assert_array_equal(packed['inputs']['points'], pair[name]['raw'].astype(np.float32))
        assert isinstance(packed['data_samples'], Det3DDataSample)


def test_the_data_sample_says_where_the_view_comes_from():
    views = MultiView([load])(make_pair())
    for i, name in enumerate(views):
        sample = views[name]['data_samples']
        assert (sample.sequence_id, sample.frame_index, sample.num_redraws) == ('s', i, 0)
        assert sample.frame_path == f's/{name}.bin'


def test_stock_transforms_work_inside_and_draw_apart():
    augment = [
        {'type': 'RandomFlip3D', 'sync_2d': False, 'flip_ratio_bev_horizontal': 0.5},
        {'type': 'GlobalRotScaleTrans', 'rot_range': [-0.5, 0.5], 'scale_ratio_range': [0.9, 1.1]},
        {'type': 'RandomJitterPoints'},
        {'type': 'PointShuffle'},
    ]
    pack = [{'type': 'PointsRangeFilter', 'point_cloud_range': [-9, -9, -9, 9, 9, 9]}, *PACK]
    np.random.seed(0)
    views = MultiView([load], augment, pack)(make_pair())
    angles = [views[name]['data_samples'].pcd_rotation_angle for name in views]
    assert angles[0] != angles[1]


def test_augmentation_is_left_out_where_the_pair_says_so():
    def move(view):
        view['points'].translate([10.0, 0, 0])
        return view

    for flag, shift in ((True, 10), (False, 0)):
        pair = make_pair(augment=flag)
        views = MultiView([load], [move])(pair)
        for name, packed in views.items():
            np.testing.assert_allclose(packed['inputs']['points'][:, 0], pair[name]['raw'][:, 0] + shift, rtol=1e-5)


def test_two_views_collate_to_a_list_each():
    batch = pseudo_collate([MultiView([load])(make_pair()) for _ in range(3)])
    for name in ('view_1', 'view_2'):
        assert [tuple(points.shape) for points in batch[name]['inputs']['points']] == [(50, 4)] * 3
        assert len(batch[name]['data_samples']) == 3


@pytest.mark.parametrize('stage', ['load', 'augment', 'pack'])
@pytest.mark.parametrize('outcome', ['empty', 'none'])
def test_the_transform_that_leaves_no_points_is_named(stage, outcome):
    def vanish(view):
        view['points'] = view['points'][:0]
        return view if outcome == 'empty' else None

    def never(view):
        raise AssertionError('a transform after an empty view was run')

    stages = {'load': [load], 'augment': [], 'pack': []}
    stages[stage] += [vanish, never]
    with pytest.raises(EmptyViewError, match=r'view_1 of view_1\.bin.*vanish'):
        MultiView(**stages)(make_pair())


def test_an_empty_packed_view_is_found():
    def pack(view):
        return {'inputs': {'points': torch.zeros(0, 4)}, 'data_samples': Det3DDataSample()}

    with pytest.raises(EmptyViewError, match='view_1'):
        MultiView([load], pack=[pack])(make_pair())


def random_motion(seed):
    motion = np.eye(4)
    motion[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    motion[:3, 3] = np.random.default_rng(seed).normal(0, 10, 3)
    return motion


def test_alignment_agrees_with_homogeneous_coordinates():
    coords, motion = np.random.default_rng(0).normal(0, 20, (30, 3)), random_motion(1)
    points = LiDARPoints(torch.tensor(np.hstack([coords, np.arange(30)[:, None]]), dtype=torch.float32), points_dim=4)
    align_points(points, motion)
    expected = (motion @ np.hstack([coords, np.ones((30, 1))]).T).T[:, :3]
    np.testing.assert_allclose(points.coord, expected, atol=1e-4)
    np.testing.assert_array_equal(points.tensor[:, 3], np.arange(30))


def test_alignment_comes_before_the_augmentation():
    motion = random_motion(2)
    pair = make_pair()
    pair['view_2']['lidar2view_1'] = motion
    seen = {}

    def look(view):
        seen[view['frame_index']] = view['points'].coord.clone()
        return view

    MultiView([load], [look])(pair)
    np.testing.assert_allclose(seen[0], pair['view_1']['raw'][:, :3], rtol=1e-6)
    expected = pair['view_2']['raw'][:, :3] @ motion[:3, :3].T + motion[:3, 3]
    np.testing.assert_allclose(seen[1], expected, atol=1e-4)
