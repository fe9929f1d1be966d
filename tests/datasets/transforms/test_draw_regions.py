"""Where regions are drawn: above the ground, where both frames saw something, as spread as asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet3d.structures import (
    CameraPoints,
    DepthInstance3DBoxes,
    DepthPoints,
    LiDARInstance3DBoxes,
    LiDARPoints,
)

from strl_mmdet3d.datasets.transforms.draw_regions import (
    DrawRegions,
    centroids,
    is_above_ground,
    number_cells,
    spread,
)
from strl_mmdet3d.datasets.transforms.regions import NoRegionError
from strl_mmdet3d.errors import ConfigError


def ground(slope=0.0, number=4000, seed=0):
    """A road of 40 x 40 m with a roughness of 2 cm, rising along x."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(-20, 20, (number, 2))
    z = -1.7 + slope * xy[:, 0] + rng.normal(0, 0.02, number)
    return np.column_stack([xy, z]).astype(np.float32)


def box(x, y, number=60, seed=0):
    """Points of something 1.5 m high that stands at (x, y)."""
    low, high = [x - 0.2, y - 0.2, -1.7], [x + 0.2, y + 0.2, -0.2]
    return np.random.default_rng(seed).uniform(low, high, (number, 3)).astype(np.float32)


def pair(*clouds, points_type=LiDARPoints):
    return {
        f'view_{number + 1}': dict(points=points_type(torch.from_numpy(cloud), points_dim=3))
        for number, cloud in enumerate(clouds)
    }


@pytest.mark.parametrize('slope', [0.0, 0.1])
def test_a_road_is_ground_and_what_stands_on_it_is_not_but_for_its_foot(slope):
    road, thing = ground(slope), box(0.9, 3.1)
    above = is_above_ground(np.concatenate([road, thing]), cell=2.0, height=0.3)
    assert above[: len(road)].mean() < 0.001
    thing_above = above[len(road) :]
    np.testing.assert_array_equal(thing_above[thing[:, 2] > -1.0], True)
    np.testing.assert_array_equal(thing_above[thing[:, 2] < -1.6], False)


def test_single_returns_from_below_do_not_lift_the_road():
    road = ground(number=20000)  # some 50 points a column
    below = np.column_stack([road[::200, :2], np.full(100, -4)]).astype(np.float32)
    above = is_above_ground(np.concatenate([road, below]), cell=2.0, height=0.3)
    assert above.mean() < 0.01


def test_a_cloud_without_points_has_none_above_ground():
    assert is_above_ground(np.empty((0, 3), np.float32), 2.0, 0.3).shape == (0,)


@given(seed=st.integers(0, 2**31), size=st.integers(1, 200), cell=st.sampled_from([(0.5, 0.5), (0.2, 1.0, 3.0)]))
def test_cells_have_the_same_number_just_where_they_are_the_same(seed, size, cell):
    coords = np.random.default_rng(seed).normal(0, 1.5, (size, 3)).astype(np.float32)
    corners = [tuple(np.floor(coord[: len(cell)] / np.array(cell))) for coord in coords]
    numbers = number_cells(coords, cell).tolist()
    assert len(set(numbers)) == len(set(corners)) == len(set(zip(numbers, corners, strict=True)))


def test_the_farthest_points_have_numbers_of_their_own_too():
    far = np.array([[-1e5, -1e5, -1e5], [1e5, 1e5, 1e5], [1e5, 1e5, 1e5 - 0.2], [0, 0, 0]])
    assert len(set(number_cells(far, (0.1, 0.1, 0.1)).tolist())) == 4


def test_centroids_by_hand():
    coords = np.array([[0, 0, 0], [1, 2, 3], [9, 9, 9], [3, 2, 1]], np.float32)
    means = centroids(coords, np.array([7, 4, 5, 4]), np.array([4, 7]))
    np.testing.assert_array_equal(means, [[2, 2, 2], [0, 0, 0]])


def test_spread_takes_the_farthest_each_time():
    places = np.array([[0.0, 0], [1, 0], [10, 0], [6, 0]])
    assert spread(places, 4, first=0).tolist() == [0, 2, 3, 1]
    assert spread(places, 1, first=2).tolist() == [2]


def test_regions_lie_where_both_frames_saw_something_above_the_ground():
    things = [(x + 0.25, y + 0.25) for x in range(-15, 15, 5) for y in range(-15, 15, 5)]
    first = np.concatenate([ground(seed=1), *(box(*at, seed=1) for at in things[:24])])
    second = np.concatenate([ground(seed=2), *(box(*at, seed=2) for at in things[12:])])
    frames = DrawRegions(count=100)(pair(first, second))
    places = frames['view_1']['gt_bboxes_3d'].gravity_center.numpy()
    for frame in frames.values():
        assert isinstance(frame['gt_bboxes_3d'], LiDARInstance3DBoxes)
        np.testing.assert_array_equal(frame['gt_bboxes_3d'].gravity_center, places)
        assert not frame['gt_bboxes_3d'].dims.any()
        assert frame['gt_labels_3d'].tolist() == list(range(12))
    assert frames['view_1']['gt_bboxes_3d'].tensor.data_ptr() != frames['view_2']['gt_bboxes_3d'].tensor.data_ptr()
    distances = np.linalg.norm(places[:, None, :2] - np.array(things)[None], axis=2)
    assert sorted(distances.argmin(axis=1)) == list(range(12, 24)), 'something that one frame saw alone, or twice'
    assert distances.min(axis=1).max() < 0.1
    assert (places[:, 2] > -1.4).all()


def test_no_more_regions_than_asked_for_and_farther_apart_if_they_are_chosen_among_more():
    things = [box(x, y) for x in range(-20, 20, 2) for y in range(-20, 20, 2)]
    cloud = np.concatenate([ground(), *things])
    nearest = []
    for oversample in (1, 8):
        np.random.seed(0)
        boxes = DrawRegions(count=30, oversample=oversample)(pair(cloud, cloud))['view_1']['gt_bboxes_3d']
        assert len(boxes) == 30
        distances = torch.cdist(boxes.bottom_center, boxes.bottom_center).fill_diagonal_(torch.inf)
        nearest.append(distances.amin().item())
    assert nearest[1] > 2 * nearest[0]


def test_draws_are_those_of_the_seed():
    cloud = np.concatenate([ground(), *(box(x, 0) for x in range(-20, 20, 2))])
    drawn = []
    for seed in (0, 0, 1):
        np.random.seed(seed)
        drawn.append(DrawRegions(count=8)(pair(cloud, cloud))['view_2']['gt_bboxes_3d'].tensor)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_points_in_depth_axes_get_boxes_in_depth_axes():
    cloud = np.concatenate([ground(), box(1, 1)])
    frames = DrawRegions(cell=(0.3, 0.3, 0.3))(pair(cloud, cloud, points_type=DepthPoints))
    assert isinstance(frames['view_1']['gt_bboxes_3d'], DepthInstance3DBoxes)
    assert len(frames['view_1']['gt_bboxes_3d']) > 4, 'one above the other'


def test_points_in_camera_axes_are_refused():
    cloud = box(1, 1)
    with pytest.raises(ConfigError, match="got CameraPoints: load frames with coord_type='LIDAR'"):
        DrawRegions()(pair(cloud, cloud, points_type=CameraPoints))


@pytest.mark.parametrize('clouds', [(ground(), ground()), (np.concatenate([ground(), box(1, 1)]), ground())])
def test_frames_without_a_common_place_above_the_ground_cannot_be_used(clouds):
    with pytest.raises(NoRegionError, match='Check their poses, or set larger cells'):
        DrawRegions(ground_height=0.5)(pair(*clouds))


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(count=0), 'count and oversample'),
        (dict(oversample=0), 'count and oversample'),
        (dict(cell=(0.5,)), '2 or 3 sides'),
        (dict(cell=(0.5, 0.01)), 'at least 0.1 m'),
        (dict(cell=(0.5, float('nan'))), 'at least 0.1 m'),
        (dict(ground_cell=0.0), 'at least 0.1 m'),
        (dict(ground_height=-0.1), 'ground_height must not be negative'),
        (dict(ground_height=float('nan')), 'ground_height must not be negative'),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        DrawRegions(**settings)
