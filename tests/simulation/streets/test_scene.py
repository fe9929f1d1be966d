"""Whole scenes: nothing meets a labelled object, boxes are exact, and the sensor stands on the road."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from shapely import Polygon, STRtree

from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.recording.lidar import SENSOR_HEIGHT, SpinningLidar
from strl_mmdet3d.simulation.streets.scene import SIGHT, EgoPath, Scene
from strl_mmdet3d.simulation.streets.street import Centreline
from strl_mmdet3d.simulation.streets.terrain import SHARPEST, Terrain

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
    """Points of the sensor's frame in the frame of the box's bottom centre."""
    cos, sin = np.cos(box[6]), np.sin(box[6])
    return (points - box[:3]) @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def _inside(points: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Whether points of the sensor's frame are within a box, and more than 1 cm from its sides."""
    local = np.abs(_in_box_frame(points, box) - np.array([0, 0, box[5] / 2]))
    return np.all(local < box[3:6] / 2 - 0.01, axis=1)


def _above_ground(scene: Scene, points: np.ndarray) -> np.ndarray:
    """Heights of points of the world above the road's level beneath them."""
    return points[:, 2] - scene.terrain.height(points[:, 0], points[:, 1])


def test_nobody_meets_anybody_nor_the_sensors_car(scenes):
    for scene in scenes:
        for time in np.linspace(0, DURATION, 5):
            moment = scene.at(time)
            boxes = [actor.box for actor in moment.actors]
            boxes.append(np.array([0, 0, -SENSOR_HEIGHT, 4.5, 1.8, 1.7, 0]))
            footprints = [_footprint(box) for box in boxes]
            first, second = STRtree(footprints).query(footprints, predicate='intersects')
            np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize('seed', range(int(os.environ.get('STRL_STREET_SEEDS', '3'))))
def test_no_thing_meets_a_labelled_object(seed):
    rng = np.random.default_rng(1000 + seed)
    scene = Scene.sample(rng, 0.0)
    moment = scene.at(0.0)
    corners = scene.surroundings.vertices[scene.surroundings.faces]
    # Corners, middles of the edges, and centres of all faces.
    points = np.concatenate([*corners.transpose(1, 0, 2), *((corners + corners[:, [1, 2, 0]]) / 2).transpose(1, 0, 2)])
    points = np.concatenate([points, corners.mean(1)])
    points = points[_above_ground(scene, points) > 0.25]
    points = moment.in_sensor(points)
    for actor in moment.actors:
        near = points[np.hypot(*(points[:, :2] - actor.box[:2]).T) < np.hypot(*actor.box[3:5])]
        assert not np.any(_inside(near, actor.box)), actor.kind


def test_boxes_are_the_exact_extents_of_the_surfaces(scenes):
    for scene in scenes:
        moment = scene.at(1.3)
        for index, actor in enumerate(moment.actors):
            vertices = moment.surface.vertices[np.unique(moment.surface.faces[moment.owner == index])]
            local = _in_box_frame(moment.in_sensor(vertices), actor.box)
            length, width, height = actor.box[3:6]
            np.testing.assert_allclose(local.min(0), [-length / 2, -width / 2, 0], atol=1e-9)
            np.testing.assert_allclose(local.max(0), [length / 2, width / 2, height], atol=1e-9)


def test_hills_hardly_change_a_box(scenes):
    """Boxes on hills are as large as on flat ground, but for the lean against the sensor's axes."""
    for scene in scenes:
        flat = replace(scene, terrain=Terrain.flat()).at(1.3)
        for level, on_hill in zip(flat.actors, scene.at(1.3).actors, strict=True):
            assert np.all(np.abs(on_hill.box[3:6] - level.box[3:6]) < 0.02 + 0.13 * level.box[[5, 5, 3]])


def test_actors_stand_on_the_ground(scenes):
    for scene in scenes:
        for actor in scene.at(1.3).actors:
            lowest = _above_ground(scene, actor.surface.vertices).min()
            assert -0.01 < lowest < 0.2, actor.kind


def test_box_holds_its_actors_points_and_no_other(scenes):
    lidar = SpinningLidar(500, range_noise=0.0)
    seen = 0
    for scene in scenes:
        moment = scene.at(0.0)
        rng = np.random.default_rng(0)
        scan = lidar.scan(RayCaster(moment.surface), moment.surface, moment.position, moment.rotation, rng)
        points = scan.points[:, :3].astype(np.float64)
        in_world = points @ moment.rotation.T + moment.position
        np.testing.assert_allclose(moment.in_sensor(in_world), points, atol=1e-6)
        owner = moment.owner[scan.face]
        # On a slope the road reaches into the level bottom of a box.
        on_ground = (owner < 0) & (_above_ground(scene, in_world) < 0.25)
        for index, actor in enumerate(moment.actors):
            local = _in_box_frame(points, actor.box)
            outside = np.abs(local - [0, 0, actor.box[5] / 2]) - actor.box[3:6] / 2
            mine = owner == index
            # Coordinates are rounded to millimetres.
            assert np.all(outside[mine] < 1e-3)
            assert not np.any(np.all(outside[~mine & ~on_ground] < -2e-3, axis=1))
            seen += mine.any()
    assert seen > 60


def test_the_sensor_stands_on_the_road(scenes):
    for scene in scenes:
        for time in (0.0, 1.7):
            moment = scene.at(time)
            x, y, yaw = scene.ego.pose(time)
            ground = np.array([x, y, scene.terrain.height(x, y)])
            # Height above the road, perpendicular to it.
            np.testing.assert_allclose(moment.in_sensor(ground[None]), [[0, 0, -SENSOR_HEIGHT]], atol=1e-9)
            np.testing.assert_allclose(moment.rotation @ moment.rotation.T, np.eye(3), atol=1e-12)
            assert np.cos(np.arctan2(moment.rotation[1, 0], moment.rotation[0, 0]) - yaw) == pytest.approx(1)
            # The plane holds the road around the car, to second order of its bends.
            away = np.random.default_rng(0).uniform(-3, 3, (50, 2)) + ground[:2]
            road = np.column_stack([away, scene.terrain.height(*away.T)])
            normal, distance = moment.road_plane[:3], moment.road_plane[3]
            assert np.linalg.norm(normal) == pytest.approx(1)
            assert np.abs(moment.in_sensor(road) @ normal + distance).max() < 0.5 * SHARPEST * 18 + 1e-9


def test_the_beams_meet_the_road_where_the_hills_say(scenes):
    """The facets of ground and pavement follow the hills to 5 mm near the street."""
    for scene in scenes:
        caster = RayCaster(scene.surroundings)
        for s in (-60.0, -7.3, 0.0, 11.1, 40.7):
            x, y, _ = scene.ego.line.at(s, scene.ego.d)
            z = float(scene.terrain.height(float(x), float(y)))
            hit = caster.first_hits(np.array([x, y, z + 0.5]), np.array([[0.0, 0.0, -1.0]]))
            assert hit.distance[0] == pytest.approx(0.5, abs=5e-3)


def test_actors_move_as_fast_as_their_kind(scenes):
    moving = set()
    for scene in scenes:
        for actor in scene.actors:
            step = np.subtract(actor.position(1.02), actor.position(1.0))[:2]
            limit = {'Cyclist': 9.0, 'Pedestrian': 3.0, 'Person_sitting': 3.0}.get(actor.kind, 20.0)
            assert np.linalg.norm(step) / 0.02 <= limit
            if np.linalg.norm(step) > 1e-6:
                moving.add(actor.kind)
                # They face the way they move.
                yaw = actor.position(1.01)[3]
                assert step @ [np.cos(yaw), np.sin(yaw)] > 0.99 * np.linalg.norm(step)
    assert moving >= {'Car', 'Cyclist', 'Pedestrian'}


def test_all_in_sight_is_built(scenes):
    moment = scenes[1].at(0.0)
    assert len(moment.owner) == len(moment.surface.faces)
    assert set(np.unique(moment.owner)) == set(range(-1, len(moment.actors)))
    assert max(np.hypot(*actor.box[:2]) for actor in moment.actors) <= SIGHT + 1


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
