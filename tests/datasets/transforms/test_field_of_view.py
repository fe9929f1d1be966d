"""The field of view: what a pinhole camera sees, KITTI's own calibrations, and the same sector in both views."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet3d.structures import LiDARInstance3DBoxes, LiDARPoints

from strl_mmdet3d.datasets.transforms import CutToFieldOfView, DrawHeading, MultiView
from strl_mmdet3d.datasets.transforms.regions import add_regions

angle = st.floats(1, 80)


def cloud(number: int, seed: int) -> LiDARPoints:
    """Points on all sides; the fourth channel numbers them."""
    coord = np.random.default_rng(seed).normal(0, [20, 20, 4], (number, 3))
    return LiDARPoints(np.column_stack([coord, np.arange(number)]).astype(np.float32), points_dim=4)


def numbers(results: dict) -> np.ndarray:
    return results['points'].tensor[:, 3].long().numpy()


@given(right=angle, left=angle, down=angle, up=angle, place=st.tuples(*[st.floats(-2, 2)] * 3), seed=st.integers(0, 99))
def test_what_is_seen_projects_into_the_image(right, left, down, up, place, seed):
    """The image of a pinhole of focal length 1: from -tan(left) to tan(right), and from -tan(up) to tan(down)."""
    points = cloud(300, seed)
    x, y, z = (points.coord.numpy().astype(float) - place).T
    with np.errstate(divide='ignore'):
        column, row = -y / x, -z / x
    low, high = -np.tan(np.radians([left, up])), np.tan(np.radians([right, down]))
    away = np.minimum.reduce([column - low[0], high[0] - column, row - low[1], high[1] - row])
    seen = (x > 0) & (away > 0)
    transform = CutToFieldOfView(horizontal=(-right, left), vertical=(-down, up), camera=place)
    kept = np.isin(np.arange(300), numbers(transform({'points': points})))
    clear = (abs(away) > 1e-3) & (abs(x) > 1e-3)
    np.testing.assert_array_equal(kept[clear], seen[clear])


@given(heading=st.floats(-np.pi, np.pi), seed=st.integers(0, 99))
def test_a_heading_sees_what_the_camera_sees_once_the_scan_is_turned(heading, seed):
    points = cloud(300, seed)
    places = torch.from_numpy(np.random.default_rng(seed).normal(0, 20, (50, 3)).astype(np.float32))
    motion = np.eye(4)
    motion[:2, 3] = 3, 1
    results = dict(points=points.clone(), heading=heading, lidar2view_1=motion)
    add_regions(results, places, LiDARInstance3DBoxes)
    results = CutToFieldOfView()(results)

    x, y = points.coord.double().numpy().T[:2]
    cos, sin = np.cos(heading), np.sin(heading)
    turned = points.coord.clone()
    turned[:, 0], turned[:, 1] = torch.from_numpy(cos * x + sin * y), torch.from_numpy(cos * y - sin * x)
    kept = numbers(results)
    torch.testing.assert_close(results['points'].coord, turned[kept], rtol=0, atol=1e-4)
    seen = CutToFieldOfView().sees(turned).numpy()
    assert np.isin(np.flatnonzero(seen), kept).mean() > 0.99 if seen.any() else True  # but for rounding at a border

    # A region stays where it is among the points, and moves with them.
    left = results['gt_labels_3d']
    torch.testing.assert_close(
        results['gt_bboxes_3d'].tensor[:, :2].norm(dim=1), places[left, :2].norm(dim=1), rtol=0, atol=1e-4
    )
    assert CutToFieldOfView().sees(results['gt_bboxes_3d'].tensor).all()
    # The motion of the turned frame is the turned motion: turning first or moving first is the same.
    turn = np.array([[cos, sin, 0, 0], [-sin, cos, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(results['lidar2view_1'] @ turn, turn @ motion, atol=1e-12)


def test_both_views_of_a_pair_get_the_same_heading_and_headings_fill_the_circle(assert_uniform):
    drawn = [DrawHeading()({'view_1': {}, 'view_2': {}}) for _ in range(2000)]
    assert all(pair['view_1'] == pair['view_2'] for pair in drawn)
    assert_uniform(np.array([pair['view_1']['heading'] for pair in drawn]), -np.pi, np.pi)


def test_a_heading_is_near_one_of_the_directions(assert_uniform):
    transform = DrawHeading(directions=(0, np.pi), max_angle=0.3)
    drawn = np.array([transform({'view_1': {}, 'view_2': {}})['view_1']['heading'] for _ in range(4000)])
    back = drawn > 1
    assert back.mean() == pytest.approx(0.5, abs=0.03)
    assert_uniform(drawn[~back], -0.3, 0.3)
    assert_uniform(drawn[back] - np.pi, -0.3, 0.3)


class Give:
    """Loads a given cloud."""

    def __init__(self, points: LiDARPoints) -> None:
        self.points = points

    def __call__(self, results: dict) -> dict:
        return dict(results, points=self.points.clone())


def test_the_two_views_see_the_same_places_behind_the_range_cut():
    """What looks backwards is turned to the front before the range, which ends at x = 0, takes it away."""
    pair = {view: dict(lidar_points=dict(lidar_path='a')) for view in ('view_1', 'view_2')}
    load = [Give(cloud(5000, 0)), CutToFieldOfView()]
    views = MultiView(load=load, point_cloud_range=[0, -40, -3, 70.4, 40, 1])
    for _ in range(5):
        packed = views(DrawHeading()({name: dict(view) for name, view in pair.items()}))
        one, other = (packed[view]['inputs']['points'] for view in pair)
        assert torch.equal(one, other)
        assert len(one) > 100


@pytest.mark.real
@pytest.mark.parametrize('frame', ['000000', '000001', '000002'])
def test_it_is_what_kittis_calibrated_camera_sees(frame, real_data):
    """Against the projection by each frame's own calibration, as mmdet3d's `velodyne_reduced` makes it."""
    training = real_data / 'kitti' / 'training'
    table = np.fromfile(training / 'velodyne' / f'{frame}.bin', np.float32).reshape(-1, 4)
    lines = (training / 'calib' / f'{frame}.txt').read_text().splitlines()
    matrices = {name: np.array(row.split(), float) for name, row in (line.split(':') for line in lines if line)}
    lidar_to_camera, rectify = np.eye(4), np.eye(4)
    lidar_to_camera[:3] = matrices['Tr_velo_to_cam'].reshape(3, 4)
    rectify[:3, :3] = matrices['R0_rect'].reshape(3, 3)
    project = matrices['P2'].reshape(3, 4) @ rectify @ lidar_to_camera
    u, v, depth = project @ np.column_stack([table[:, :3], np.ones(len(table))]).T
    width, height = (1224, 370) if frame == '000000' else (1242, 375)
    seen = (depth > 0) & (u >= 0) & (u < width * depth) & (v >= 0) & (v < height * depth)
    mine = CutToFieldOfView().sees(torch.from_numpy(table)).numpy()
    assert (seen & mine).sum() / (seen | mine).sum() > 0.975
