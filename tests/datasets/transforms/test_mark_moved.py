"""Points that have moved: against scans of a small world in which it is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import LiDARPoints

from strl_mmdet3d.datasets.transforms.downsample import DownSamplePoints
from strl_mmdet3d.datasets.transforms.draw_regions import is_above_ground
from strl_mmdet3d.datasets.transforms.jitter import RandomUniformJitterPoints
from strl_mmdet3d.datasets.transforms.mark_moved import MOVED, STAYS, UNKNOWN, MarkMoved, touching
from strl_mmdet3d.datasets.transforms.rotate import RandomRotatePoints
from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.recording.lidar import SpinningLidar
from strl_mmdet3d.simulation.streets.scene import SIGHT, Scene

ROAD = -1.7
WALL = ((25.0, -30.0, ROAD), (26.0, 30.0, 6.0))


def scan(boxes, sensor):
    """Return the returns of a LiDAR at `sensor`, in the world's axes, and the number of the box that each is on.

    The rays are 0.3 degrees apart in azimuth and 0.4 in elevation; -1 is the road.
    """
    azimuth, elevation = np.meshgrid(np.radians(np.arange(-60, 60, 0.3)), np.radians(np.arange(-16, 4, 0.4)))
    rays = np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], axis=-1
    ).reshape(-1, 3)
    distance = np.where(rays[:, 2] < 0, (ROAD - sensor[2]) / np.where(rays[:, 2] < 0, rays[:, 2], -1), np.inf)
    owner = np.full(len(rays), -1)
    for number, (low, high) in enumerate(boxes):
        with np.errstate(divide='ignore'):
            bounds = np.stack([(np.array(side) - sensor) / rays for side in (low, high)])
        enter, leave = bounds.min(0).max(1), bounds.max(0).min(1)
        hit = (enter < leave) & (enter > 0) & (enter < distance)
        distance[hit], owner[hit] = enter[hit], number
    returned = distance < 60
    return sensor + rays[returned] * distance[returned, None], owner[returned]


def box(x, y, size=(1.0, 1.0, 1.7)):
    return ((x, y, ROAD), (x + size[0], y + size[1], ROAD + size[2]))


def test_what_left_has_moved_and_what_stands_stays_as_seen_from_another_place():
    before, owner = scan([WALL, box(12, 2), box(10, -5)], np.zeros(3))
    after, _ = scan([WALL, box(12, 6), box(10, -5)], np.array([1.5, 0.3, 0.0]))
    marks = MarkMoved().mark(before, after, np.array([1.5, 0.3, 0.0]))
    above = before[:, 2] > ROAD + 0.5
    walker, pillar, wall = (marks[above & (owner == number)] for number in (1, 2, 0))
    assert len(walker) > 100
    assert len(pillar) > 100
    assert (walker == MOVED).mean() > 0.9
    assert (pillar == STAYS).mean() > 0.9
    assert (wall == MOVED).mean() < 0.005


def test_what_is_hidden_later_is_unknown():
    before, owner = scan([WALL, box(12, 0)], np.zeros(3))
    after, _ = scan([WALL, box(6, -2, (0.5, 5, 3))], np.zeros(3))
    marks = MarkMoved().mark(before, after, np.zeros(3))
    seen = marks[(owner == 1) & (before[:, 2] > ROAD + 0.4)]
    assert len(seen) > 100
    assert (seen == UNKNOWN).all()


def test_the_sky_proves_nothing():
    before, owner = scan([box(12, 0, (1, 1, 6))], np.zeros(3))
    after, _ = scan([], np.zeros(3))
    marks = MarkMoved().mark(before, after, np.zeros(3))
    above = (owner == 0) & (before[:, 2] > 0.5)
    assert above.sum() > 50
    assert (marks[above] == UNKNOWN).all()


def pair(before, after, pose):
    """Two frames in the axes of the first, with the second one's pose."""
    poses = (np.eye(4), pose)
    return {
        f'view_{number + 1}': dict(
            points=LiDARPoints(torch.tensor(cloud, dtype=torch.float32), points_dim=3), lidar2view_1=poses[number]
        )
        for number, cloud in enumerate((before, after))
    }


def test_each_frame_is_marked_by_the_rays_of_the_other_from_where_its_sensor_stood():
    """With a sensor that is not at the frame's origin, as in the axes of a vehicle."""
    sensor, pose = np.array([1.4, 0.0, 2.0]), np.eye(4)
    pose[:2, :2] = [[0, -1], [1, 0]]
    pose[:3, 3] = [3.0, -1.0, 0.2]
    second = pose[:3, :3] @ sensor + pose[:3, 3]
    before, _ = scan([WALL, box(14, 2)], sensor)
    after, _ = scan([WALL, box(14, 7)], second)
    transform = TRANSFORMS.build(dict(type='MarkMoved', sensor=sensor.tolist()))
    frames = transform(pair(before, after, pose))
    clouds = [frame['points'].coord.numpy().astype(np.float64) for frame in frames.values()]
    for frame, own, other, rays in zip(frames.values(), clouds, clouds[::-1], (second, sensor), strict=True):
        marks, things = frame['pts_semantic_mask'], frame['pts_instance_mask']
        assert marks.dtype == things.dtype == np.int64
        above = is_above_ground(own, transform.ground_cell, transform.ground_height)
        expected, numbers = transform.as_things(own[above], transform.mark(own[above], other, rays))
        np.testing.assert_array_equal(marks[above], expected)
        np.testing.assert_array_equal(things[above], numbers)
        assert (marks[~above] == UNKNOWN).all()
        assert (things[~above] == -1).all()
        assert (marks == MOVED).sum() > 50 < (marks == STAYS).sum()
        assert set(things) == {-1, 0}  # one box moved


def test_the_car_that_carries_the_lidar_is_unknown_and_its_returns_hide_nothing():
    """A roof that drives along would have moved; KITTI's scans hold returns at (0, 0, 0)."""
    drive, pose = np.array([1.5, 0.0, 0.0]), np.eye(4)
    pose[:3, 3] = drive
    roof = np.random.default_rng(0).uniform([-0.6, -0.5, -0.3], [0.6, 0.5, -0.1], (200, 3))
    before, owner = scan([WALL, box(12, 2)], np.zeros(3))
    after, _ = scan([WALL, box(12, 6)], drive)
    clean = MarkMoved()(pair(before, after, pose))['view_1']['pts_semantic_mask']
    own = np.concatenate([roof, np.zeros((50, 3))])
    frames = MarkMoved()(pair(np.concatenate([before, own]), np.concatenate([after, own + drive]), pose))
    marks = frames['view_1']['pts_semantic_mask']
    assert (marks[len(before) :] == UNKNOWN).all()
    np.testing.assert_array_equal(marks[: len(before)], clean)
    assert (clean[owner == 1] == MOVED).sum() > 50


@pytest.mark.parametrize(('beams', 'steps', 'cell'), [(64, 1000, (0.4, 0.5)), (32, 1084, (0.4, 1.4))])
def test_on_a_street_most_of_what_is_marked_has_moved(beams, steps, cell):
    """Against the truth of the simulation, from a car that drives, as sensors of KITTI and nuScenes see it."""
    scene, times = Scene.sample(np.random.default_rng(306), duration=1.0), (0.0, 0.8)
    ways = np.array([np.ptp([actor.position(time)[:2] for time in times], axis=0).max() for actor in scene.actors])
    clouds, poses, moved = [], [], []
    for time in times:
        moment, ego = scene.at(time), scene.ego.pose(time)[:2]
        noise = np.random.default_rng(0)
        surface = moment.surface
        seen = SpinningLidar(steps, beams).scan(RayCaster(surface), surface, moment.position, moment.rotation, noise)
        poses.append(np.linalg.inv(scene.at(0.0).sensor_to_world) @ moment.sensor_to_world)
        clouds.append(seen.points[:, :3].astype(np.float64) @ poses[-1][:3, :3].T + poses[-1][:3, 3])
        in_sight = [np.hypot(*np.subtract(actor.position(time)[:2], ego)) <= SIGHT for actor in scene.actors]
        moved.append(np.append(ways[in_sight], 0.0)[moment.owner[seen.face]])  # metres; owner -1 is what stands
    frames = MarkMoved(cell=cell)(pair(*clouds, poses[1]))
    marked = np.concatenate([frame['pts_semantic_mask'] for frame in frames.values()]) == MOVED
    near, moved = np.concatenate([np.hypot(*cloud[:, :2].T) < 40 for cloud in clouds]), np.concatenate(moved)
    drives = near & (moved > 1)
    assert drives.sum() > 500
    assert (moved[marked & near] > 0.1).mean() > 0.9
    assert marked[drives].mean() > 0.5


def test_things_move_as_a_whole():
    """A long car covers a part of its own place before and after."""
    rng = np.random.default_rng(0)

    def points(x, length, number):
        return np.column_stack(
            [rng.uniform(x, x + length, number), rng.uniform(0, 1.5, number), rng.uniform(-1, 0, number)]
        )

    clouds = [points(0, 4, 400), points(10, 4, 400), points(20, 4, 400), points(30, 20, 2000), points(60, 0.2, 4)]
    shares = [0.4, 0.2, 0.05, 0.6, 1.0]
    marks = [
        np.where(np.arange(len(c)) < share * len(c), MOVED, STAYS) for c, share in zip(clouds, shares, strict=True)
    ]
    found, numbers = MarkMoved().as_things(np.concatenate(clouds), np.concatenate(marks))
    car, doubtful, stays, row, stray = np.split(found, np.cumsum([len(c) for c in clouds])[:-1])
    assert (car == MOVED).all()
    assert (doubtful == UNKNOWN).all()
    assert set(stays) == {STAYS, UNKNOWN}
    assert (stays == STAYS).sum() == 380
    assert MOVED not in row  # too large to be one thing
    assert MOVED not in stray  # too few points
    assert (numbers[:400] == 0).all()
    assert (numbers[400:] == -1).all()


def test_things_that_move_are_numbered_from_0():
    coords = np.repeat([[0.0, 0, 0], [5, 0, 0], [10, 0, 0]], 6, axis=0)
    _, numbers = MarkMoved().as_things(coords, np.repeat([MOVED, STAYS, MOVED], 6))
    assert numbers.tolist() == [0] * 6 + [-1] * 6 + [1] * 6


@given(st.integers(0, 10**6), st.integers(0, 40))
def test_groups_are_those_of_brute_force(seed, number):
    places = np.random.default_rng(seed).uniform(-3, 3, (number, 2))
    groups = touching(places, 0.5)
    cells = np.floor(places / 0.5)
    joined = np.abs(cells[:, None] - cells[None]).max(axis=-1) <= 1 if number else np.zeros((0, 0), bool)
    for _ in range(number):  # reach of reach
        joined = joined @ joined
    np.testing.assert_array_equal(groups[:, None] == groups[None], joined)


def test_groups_far_apart_take_no_memory_for_what_lies_between():
    assert touching(np.array([[0.0, 0], [9e4, 9e4], [9e4, 9e4 + 0.1]]), 0.3).tolist() == [0, 1, 1]


@given(st.integers(0, 10**6))
def test_a_scan_compared_with_itself_has_moved_nowhere(seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(0, 20, (200, 3))
    sensor = rng.normal(0, 1, 3)
    assert not (MarkMoved().mark(points, points, sensor) == MOVED).any()


def test_marks_stay_with_their_points_through_our_transforms():
    rng = np.random.default_rng(0)
    cloud = torch.from_numpy(rng.uniform(-10, 10, (500, 4)).astype(np.float32))
    marks = (cloud[:, 3] > 0).numpy().astype(np.int64)  # the last channel says what the mark is
    results = dict(
        points=LiDARPoints(cloud.clone(), points_dim=4), pts_semantic_mask=marks, pts_instance_mask=marks - 1
    )
    steps = [
        RandomRotatePoints(prob=1.0),
        RandomUniformJitterPoints(),
        TRANSFORMS.build(dict(type='RandomCropPointsXY', min_points=8, prob=1.0)),
        TRANSFORMS.build(dict(type='RandomDropPoints')),
        DownSamplePoints(num_points=100),
    ]
    for step in steps:
        results = step(results)
    assert len(results['points']) == 100
    assert results['points'].tensor.shape[1] == 4
    assert results['pts_semantic_mask'].dtype == np.int64
    np.testing.assert_array_equal(results['pts_semantic_mask'] == 1, (results['points'].tensor[:, 3] > 0).numpy())
    np.testing.assert_array_equal(results['pts_instance_mask'], results['pts_semantic_mask'] - 1)


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (dict(cell=(0, 0.5)), 'cell must hold two angles'),
        (dict(near=0.6, margin=0.5), '0 < near <= margin'),
        (dict(near=0), '0 < near <= margin'),
        (dict(touch=0.01), 'touch must be at least'),
        (dict(share=1), 'share in'),
    ],
)
def test_settings_out_of_range_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        MarkMoved(**wrong)


def test_frames_without_poses_are_refused():
    frames = pair(np.ones((5, 3)), np.ones((5, 3)), np.eye(4))
    del frames['view_2']['lidar2view_1']
    with pytest.raises(ConfigError, match='set align_poses=True'):
        MarkMoved()(frames)
