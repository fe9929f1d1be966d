from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import Det3DDataSample, LiDARPoints
from mmengine.dataset import pseudo_collate
from scipy.spatial.transform import Rotation

from strl_mmdet3d.datasets.readers.frame_file import CorruptFrameError
from strl_mmdet3d.datasets.transforms.views import EmptyViewError, MultiView, align_points

PACK = [{'type': 'Pack3DDetInputs', 'keys': ['points']}]


def load(view):
    """Stand in for a loader: the points are in the view already."""
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


def test_the_frame_that_cannot_be_used_is_named_by_its_path_below_the_root():
    def fail(view):
        if view['frame_path'] == 's/view_2.bin':
            raise CorruptFrameError('/root/s/view_2.bin is damaged')
        return load(view)

    with pytest.raises(CorruptFrameError, match='is damaged') as error:
        MultiView([fail])(make_pair())
    assert error.value.frame_path == 's/view_2.bin'
    with pytest.raises(EmptyViewError, match='view_1') as error:
        MultiView([load], [lambda view: None])(make_pair())
    assert error.value.frame_path == 's/view_1.bin'


@pytest.mark.parametrize('distance', [1.1e5, 1e30, 1e300])
def test_a_pose_that_is_beyond_any_sensor_is_an_unusable_frame(distance):
    pair = make_pair()
    pair['view_2']['lidar2view_1'] = np.eye(4)
    pair['view_2']['lidar2view_1'][0, 3] = distance
    with pytest.raises(CorruptFrameError, match=r'view_2\.bin gives points at .* m, beyond any sensor.*Check its pose'):
        MultiView([load])(pair)


def test_local_views_are_made_in_turn_of_both_frames_as_they_were_loaded():
    def shift(view):
        view['points'].translate([10.0, 0, 0])
        return view

    local = [{'type': 'DownSamplePoints', 'num_points': 7}, *PACK]
    pair = make_pair()
    views = MultiView([load], [shift], num_local=3, local=local)(pair)
    assert list(views) == ['view_1', 'view_2', 'local_1', 'local_2', 'local_3']
    for name, source in (('local_1', 'view_1'), ('local_2', 'view_2'), ('local_3', 'view_1')):
        points = views[name]['inputs']['points'].numpy()
        frame = pair[source]['raw'].astype(np.float32)
        assert points.shape == (7, 4)
        assert {tuple(point) for point in points} <= {tuple(point) for point in frame}
        assert views[name]['data_samples'].frame_path == f's/{source}.bin'
    assert not np.array_equal(views['local_1']['inputs']['points'], views['local_3']['inputs']['points'])
    assert views['view_1']['inputs']['points'][:, 0].min() > 10


def test_the_two_views_are_the_same_with_and_without_local_ones():
    augment, local = [{'type': 'RandomJitterPoints'}], [{'type': 'RandomJitterPoints'}, *PACK]
    np.random.seed(3)
    plain = MultiView([load], augment)(make_pair())
    np.random.seed(3)
    with_local = MultiView([load], augment, num_local=1, local=local)(make_pair())
    assert torch.equal(plain['view_1']['inputs']['points'], with_local['view_1']['inputs']['points'])


def test_without_augmentation_there_are_no_local_views():
    views = MultiView([load], num_local=2, local=PACK)(make_pair(augment=False))
    assert list(views) == ['view_1', 'view_2']


def test_an_empty_local_view_is_told_by_name():
    def empty_the_second(view):
        return view if view['frame_index'] == 0 else None

    with pytest.raises(EmptyViewError, match=r'local_2 of view_2\.bin'):
        MultiView([load], num_local=2, local=[empty_the_second, *PACK])(make_pair())


@pytest.mark.parametrize('options', [{'num_local': 2}, {'local': PACK}, {'num_local': -1}])
def test_half_a_setting_of_local_views_is_refused(options):
    with pytest.raises(ValueError, match='give both'):
        MultiView([load], **options)
