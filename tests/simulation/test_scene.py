"""Whole scenes: actors do not meet, and boxes are exact."""

from __future__ import annotations

import numpy as np
import pytest
from shapely import Polygon, STRtree

from strl_mmdet3d.simulation.lidar import SENSOR_HEIGHT, SpinningLidar
from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.scene import SIGHT, EgoPath, Scene
from strl_mmdet3d.simulation.street import Centreline

DURATION = 4.0


@pytest.fixture(scope='module')
def scenes() -> list[Scene]:
    return [Scene.sample(np.random.default_rng(seed), DURATION) for seed in range(6)]


def _footprint(box: np.ndarray) -> Polygon:
    x, y, _, length, width, _, yaw = box
    corners = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) / 2 * [length, width]
    cos, sin = np.cos(yaw), np.sin(yaw)
    return Polygon(corners @ np.array([[cos, sin], [-sin, cos]]) + [x, y])


def _in_box_frame(points: np.ndarray, box: np.ndarray) -> np.ndarray:
    """World points in the frame of the box's bottom centre."""
    cos, sin = np.cos(box[6]), np.sin(box[6])
    return (points - box[:3]) @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def test_nobody_meets_anybody_nor_the_sensors_car(scenes):
    for scene in scenes:
        for time in np.linspace(0, DURATION, 5):
            moment = scene.at(time)
            boxes = [actor.box for actor in moment.actors]
            boxes.append(np.array([*moment.position[:2], 0, 4.5, 1.8, 1.7, moment.yaw]))
            footprints = [_footprint(box) for box in boxes]
            first, second = STRtree(footprints).query(footprints, predicate='intersects')
            np.testing.assert_array_equal(first, second)


def test_boxes_are_the_exact_extents_of_the_surfaces(scenes):
    for actor in scenes[0].at(1.3).actors:
        local = _in_box_frame(actor.surface.vertices, actor.box)
        length, width, height = actor.box[3:6]
        np.testing.assert_allclose(local.min(0), [-length / 2, -width / 2, 0], atol=1e-9)
        np.testing.assert_allclose(local.max(0), [length / 2, width / 2, height], atol=1e-9)


def test_box_holds_its_actors_points_and_no_other(scenes):
    lidar = SpinningLidar(500, range_noise=0.0)
    seen = 0
    for scene in scenes:
        moment = scene.at(0.0)
        scan = lidar.scan(
            RayCaster(moment.surface), moment.surface, moment.position, moment.yaw, np.random.default_rng(0)
        )
        pose = moment.sensor_to_world
        points = scan.points[:, :3].astype(np.float64) @ pose[:3, :3].T + pose[:3, 3]
        np.testing.assert_allclose(moment.in_sensor(points), scan.points[:, :3], atol=1e-6)
        owner = moment.owner[scan.face]
        for index, actor in enumerate(moment.actors):
            local = _in_box_frame(points, actor.box)
            half = np.array([*(actor.box[3:5] / 2), actor.box[5] / 2])
            outside = np.abs(local - [0, 0, half[2]]) - half
            mine = owner == index
            # Coordinates are rounded to millimetres; the ground below may be rounded into the box.
            assert np.all(outside[mine] < 1e-3)
            assert not np.any(np.all(outside[~mine] < -2e-3, axis=1))
            seen += mine.any()
    assert seen > 60


def test_actors_move_as_fast_as_their_kind(scenes):
    limits = {'Car': 17.0, 'Van': 17.0, 'Cyclist': 7.0, 'Pedestrian': 2.0}
    moving = set()
    for scene in scenes:
        for actor in scene.actors:
            step = np.subtract(actor.position(1.1), actor.position(1.0))[:2]
            assert np.linalg.norm(step) / 0.1 <= limits[actor.kind]
            if actor.speed:
                moving.add(actor.kind)
                # They face the way they move.
                yaw = actor.position(1.0)[3]
                assert step @ [np.cos(yaw), np.sin(yaw)] > 0.99 * np.linalg.norm(step)
    assert moving == set(limits)


def test_all_in_sight_is_built(scenes):
    moment = scenes[1].at(0.0)
    assert len(moment.owner) == len(moment.surface.faces)
    assert set(np.unique(moment.owner)) == set(range(-1, len(moment.actors)))
    distance = [np.hypot(*(actor.box[:2] - moment.position[:2])) for actor in moment.actors]
    assert max(distance) <= SIGHT
    assert moment.position[2] == SENSOR_HEIGHT


@pytest.mark.parametrize('curvature', [0.0, 1 / 150, -1 / 200])
def test_ego_looks_where_it_goes(curvature):
    ego = EgoPath(Centreline(0, 0, 2.0, curvature), -1.6, 9.0, 0.25, 50.0, 1.0)
    for time in (0.0, 1.7, 6.0):
        before, after = np.array(ego.pose(time - 1e-4)), np.array(ego.pose(time + 1e-4))
        velocity = (after - before)[:2] / 2e-4
        heading = ego.pose(time)[2]
        np.testing.assert_allclose(velocity / np.linalg.norm(velocity), [np.cos(heading), np.sin(heading)], atol=1e-6)
        assert np.linalg.norm(velocity) == pytest.approx(9.0, rel=0.03)


def test_scenes_vary(scenes):
    assert len({len(scene.surroundings.faces) for scene in scenes}) == len(scenes)
    assert len({len(scene.actors) for scene in scenes}) > 3
    assert all(5 <= scene.ego.speed <= 12 for scene in scenes)


def test_same_seed_same_scene(scenes):
    again = Scene.sample(np.random.default_rng(2), DURATION).at(1.0)
    moment = scenes[2].at(1.0)
    np.testing.assert_array_equal(again.surface.vertices, moment.surface.vertices)
    np.testing.assert_array_equal(again.surface.albedo, moment.surface.albedo)
