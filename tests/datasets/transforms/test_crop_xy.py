"""Cropping in x and y: the rectangles drawn, and which points and regions they keep."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet3d.structures import LiDARInstance3DBoxes, LiDARPoints

from strl_mmdet3d.datasets.transforms import RandomCropPointsXY
from strl_mmdet3d.datasets.transforms.regions import add_regions


@pytest.fixture
def sides() -> np.ndarray:
    transform = RandomCropPointsXY()
    return np.array([transform.draw_sides()[:2] for _ in range(10_000)])


def test_the_area_is_uniform_from_60_to_100_percent(sides, assert_uniform):
    assert_uniform(sides.prod(axis=1).round(12), 0.6, 1.0)


def test_the_aspect_ratio_holds_either_way_up_and_no_side_is_longer_than_the_cloud(sides):
    ratios = np.stack([sides[:, 0] / sides[:, 1], sides[:, 1] / sides[:, 0]])
    assert ratios.min() >= 0.75
    assert ratios.max() <= 1.34  # 1 / 0.75
    assert ratios.max() > 1.32  # and the range is used
    assert sides.max() <= 1


def test_no_axis_is_preferred(sides):
    assert abs(sides[:, 0].mean() - sides[:, 1].mean()) < 0.005


@given(area=st.floats(0.01, 1), low=st.floats(0.1, 0.99), high=st.floats(1.01, 5), seed=st.integers(0, 2**31))
def test_the_sides_meet_their_conditions_for_any_setting(area, low, high, seed):
    np.random.seed(seed)
    x, y, _ = RandomCropPointsXY(area=(area, area), aspect_ratio=(low, high)).draw_sides()
    assert x * y == pytest.approx(area)
    assert max(x / y, y / x) <= min(high, 1 / low) * (1 + 1e-9)
    assert max(x, y) <= 1


def street(number: int, seed: int) -> LiDARPoints:
    """A flat cloud with few points that are high up; the fourth channel numbers the points."""
    rng = np.random.default_rng(seed)
    coord = rng.uniform([-70, -70, -2], [70, 70, -1.5], (number, 3))
    coord[::10, 2] += rng.uniform(0, 30, len(coord[::10]))
    return LiDARPoints(np.column_stack([coord, np.arange(number)]).astype(np.float32), points_dim=4)


@given(number=st.integers(1, 300), seed=st.integers(0, 2**31))
def test_what_a_rectangle_keeps_is_what_lies_in_it_at_any_height(number, seed):
    np.random.seed(seed % 1000)
    points = street(number, seed)
    coord = points.coord.double().numpy()
    drawn = RandomCropPointsXY(area=(0.3, 0.6)).draw(points)
    low, high = coord[:, :2].min(axis=0), coord[:, :2].max(axis=0)
    lower = low + drawn.position[:2] * (1 - drawn.sides[:2]) * (high - low)
    upper = lower + drawn.sides[:2] * (high - low)
    away = np.minimum(coord[:, :2] - lower, upper - coord[:, :2]).min(axis=1)  # below 0 outside
    kept = np.zeros(number, bool)
    kept[RandomCropPointsXY().apply(points, drawn).tensor[:, 3].long().numpy()] = True
    clear = abs(away) > 1e-4
    np.testing.assert_array_equal(kept[clear], away[clear] > 0)


def test_regions_outside_of_the_rectangle_go_and_others_stay_at_any_height():
    np.random.seed(3)
    rng = np.random.default_rng(0)
    for _ in range(50):
        points = street(3000, 0)
        # Far above and below the points, too.
        places = torch.from_numpy(rng.uniform([-70, -70, -50], [70, 70, 80], (200, 3)).astype(np.float32))
        results = dict(points=points)
        add_regions(results, places, LiDARInstance3DBoxes)
        results = RandomCropPointsXY(area=(0.3, 0.6), prob=1.0)(results)
        lower, upper = results['points'].coord[:, :2].min(dim=0)[0], results['points'].coord[:, :2].max(dim=0)[0]
        left, numbers = results['gt_bboxes_3d'].tensor[:, :3], results['gt_labels_3d']
        assert torch.equal(left, places[numbers])
        gone = np.setdiff1d(np.arange(200), numbers)
        assert 0 < len(gone) < 200
        # The points that stay nearly fill the rectangle.
        inside = ((places[:, :2] >= lower - 2) & (places[:, :2] <= upper + 2)).all(dim=1)
        surely = ((places[:, :2] >= lower) & (places[:, :2] <= upper)).all(dim=1)
        assert inside[numbers].all()
        assert not surely[gone].any()


def test_a_crop_that_would_leave_too_few_points_is_not_made():
    points = street(100, 0)
    assert len(RandomCropPointsXY(area=(0.1, 0.1), min_points=100, prob=1.0)({'points': points})['points']) == 100
    for _ in range(50):
        kept = RandomCropPointsXY(area=(0.1, 0.9), min_points=40, prob=1.0)({'points': street(100, 0)})['points']
        assert len(kept) >= 40


@pytest.mark.real
def test_a_crop_of_a_real_scan_keeps_the_road_that_the_cuboid_takes_away(real_data):
    """Every height that the rectangle's points had stays, down to the road."""
    scan = next((real_data / 'kitti_raw').rglob('velodyne_points/data/*.bin'))
    table = np.fromfile(scan, np.float32).reshape(-1, 4)
    table = table[(table[:, 0] > 0) & (table[:, 0] < 70) & (abs(table[:, 1]) < 40) & (abs(table[:, 2] + 1) < 2)]
    heights = np.percentile(table[:, 2], [5, 95])
    for _ in range(20):
        kept = RandomCropPointsXY(prob=1.0)({'points': LiDARPoints(table, points_dim=4)})['points'].tensor
        assert len(kept) >= 1024
        np.testing.assert_allclose(np.percentile(kept[:, 2], [5, 95]), heights, atol=0.5)
