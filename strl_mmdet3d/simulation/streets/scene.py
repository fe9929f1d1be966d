"""A whole street scene that the sensor drives through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strl_mmdet3d.simulation.recording.lidar import SENSOR_HEIGHT
from strl_mmdet3d.simulation.streets.crowd import Actor, Crowd
from strl_mmdet3d.simulation.streets.district import District
from strl_mmdet3d.simulation.streets.roadside import closed_bays, countryside, roadside
from strl_mmdet3d.simulation.streets.street import GARDEN_DEPTH, Centreline, CrossSection, Mouth, Street, ground
from strl_mmdet3d.simulation.streets.terrain import Terrain
from strl_mmdet3d.simulation.streets.traffic import main_street_traffic, side_street_traffic
from strl_mmdet3d.simulation.surface import Surface, join, turn_about_z, within

SIGHT = 90.0
"""Radius around the sensor within which actors are built, metres. The LiDAR sees 80 m."""

_VIEW = SIGHT + 60
"""Radius around the sensor within which everything else is built, metres: pictures show a little more."""


@dataclass(frozen=True)
class EgoPath:
    """The path of the sensor along a street's right-hand lane, weaving a little.

    Attributes:
        line: The street's course.
        d: Middle of its lane.
        speed: Metres per second along the street, 5-12.
        weave: Largest distance from the middle, metres.
        wavelength: Metres per period of the weaving.
        phase: Phase of the weaving at the start, radians.
    """

    line: Centreline
    d: float
    speed: float
    weave: float
    wavelength: float
    phase: float

    def pose(self, time: float) -> tuple[float, float, float]:
        """Return world x, y and yaw (the direction of travel) at ``time`` seconds."""
        s = self.speed * time
        turn = 2 * np.pi * s / self.wavelength + self.phase
        d = self.d + self.weave * np.sin(turn)
        slope = self.weave * np.cos(turn) * 2 * np.pi / self.wavelength
        x, y, heading = self.line.at(s, d)
        return float(x), float(y), float(heading + np.arctan2(slope, 1 - self.line.curvature * d))


@dataclass(frozen=True)
class PlacedActor:
    """An actor at one instant.

    Attributes:
        kind: The KITTI class.
        surface: Its surface in the world.
        box: ``(7,)`` float64 in the LiDAR's frame: x, y, z of the centre of its bottom, length, width, height in
            metres, and yaw in radians from +x to +y; the exact extents of the surface in the LiDAR's axes turned by
            that yaw.
    """

    kind: str
    surface: Surface
    box: np.ndarray


def bounding_box(points: np.ndarray, yaw: float) -> np.ndarray:
    """Return the ``(7,)`` box (see :class:`PlacedActor`) around ``(N, 3)`` points, turned by ``yaw`` radians."""
    turn = turn_about_z(yaw)
    turned = points @ turn
    low, high = turned.min(0), turned.max(0)
    bottom = turn @ np.array([*(low + high)[:2] / 2, low[2]])
    return np.array([*bottom, *(high - low), yaw])


@dataclass(frozen=True)
class Moment:
    """A scene at one instant.

    Attributes:
        surface: Everything within sight, in the world's frame.
        owner: ``(F,)`` int64: each face's index into ``actors``, -1 for all that is not labelled.
        actors: The actors within sight.
        position: ``(3,)`` float64, the LiDAR's position in the world, metres.
        rotation: ``(3, 3)`` float64, turns the LiDAR's axes to the world's.
        road_plane: ``(4,)`` a, b, c, d: the road beneath the sensor's car is ``a x + b y + c z + d = 0`` in the
            LiDAR's frame, metres; (a, b, c) is a unit vector upwards.
    """

    surface: Surface
    owner: np.ndarray
    actors: list[PlacedActor]
    position: np.ndarray
    rotation: np.ndarray
    road_plane: np.ndarray

    @property
    def sensor_to_world(self) -> np.ndarray:
        """``(4, 4)`` float64, the pose of the LiDAR: maps homogeneous points of its frame to the world."""
        pose = np.eye(4)
        pose[:3, :3] = self.rotation
        pose[:3, 3] = self.position
        return pose

    def in_sensor(self, points: np.ndarray) -> np.ndarray:
        """Map ``(N, 3)`` points of the world to the LiDAR's frame."""
        return (points - self.position) @ self.rotation


@dataclass(frozen=True)
class Scene:
    """A street with its side streets, hills and traffic.

    Attributes:
        surroundings: Everything that has no label, in the world's frame, on the hills.
        actors: All actors of the scene, in sight or not, laid out on flat ground.
        ego: The path of the sensor.
        terrain: The height of the ground.
    """

    surroundings: Surface
    actors: list[Actor]
    ego: EgoPath
    terrain: Terrain

    @classmethod
    def sample(cls, rng: np.random.Generator, duration: float) -> Scene:
        """Draw a scene for a drive of ``duration`` seconds."""
        speed = rng.uniform(5.0, 12.0)
        end = speed * duration + SIGHT
        # At most one radian in total, so that a long street does not run into itself.
        curvature = rng.choice([0.0, rng.uniform(-1, 1)]) * min(1 / 150, 1.0 / (end + SIGHT))
        section = CrossSection.sample(rng)
        line = Centreline(0.0, 0.0, rng.uniform(-np.pi, np.pi), float(curvature))
        district = District.sample(rng)

        side_streets, mouths = [], []
        s = -SIGHT + rng.uniform(0, 150)
        while s < end - 15:
            sides = [(-1,), (1,), (-1, 1)][rng.choice(3, p=[0.25, 0.25, 0.5])]
            for side in sides:
                side_section = CrossSection.sample(rng)
                mouths.append(Mouth(s, side, side_section.half_road, side_section.half_road + side_section.pavement))
                x, y, heading = line.at(s)
                start = section.half_road + section.pavement + GARDEN_DEPTH + 0.5
                course = Centreline(float(x), float(y), float(heading) + side * np.pi / 2)
                side_streets.append(Street(course, side_section, start, start + 45, district.setback))
            s += rng.uniform(90, 180)
        street = Street(line, section, -SIGHT, end, district.setback, tuple(mouths))

        stop_line = section.half_road + section.pavement + 1.0
        actors: list[Actor] = []
        surroundings = [ground(street), *countryside(rng, street, district)]
        for each in (street, *side_streets):
            crowd = Crowd(duration)
            surroundings += [each.pavements(), *closed_bays(rng, each, district, crowd)]
            if each is street:
                actors += main_street_traffic(rng, each, duration, speed, crowd)
            else:
                actors += side_street_traffic(rng, each, stop_line, duration, crowd)
            surroundings += roadside(rng, each, district, crowd)
        ego = EgoPath(line, -section.lane / 2, speed, rng.uniform(0, 0.25), rng.uniform(50, 90), rng.uniform(0, 6.28))
        terrain = Terrain.sample(rng, line.heading)
        return cls(terrain.lifted(join(surroundings)), actors, ego, terrain)

    def sensor_pose(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the LiDAR's ``(3,)`` position and ``(3, 3)`` rotation in the world at ``time`` seconds."""
        x, y, yaw = self.ego.pose(time)
        road = np.array([x, y, self.terrain.height(x, y)])
        return road + SENSOR_HEIGHT * self.terrain.normal(x, y), self.terrain.stance(x, y, yaw)

    def at(self, time: float) -> Moment:
        """Return the scene at ``time`` seconds after its start."""
        x, y, _ = self.ego.pose(time)
        position, rotation = self.sensor_pose(time)
        surroundings = within(self.surroundings, x, y, _VIEW)
        parts, owners = [surroundings], [np.full(len(surroundings.faces), -1)]
        placed: list[PlacedActor] = []
        for actor in self.actors:
            actor_x, actor_y, actor_z, actor_yaw = actor.position(time)
            if np.hypot(actor_x - x, actor_y - y) > SIGHT:
                continue
            on_flat_ground = actor.surface(time).placed(actor_x, actor_y, actor_z, actor_yaw)
            in_world = self.terrain.tilted(on_flat_ground, actor_x, actor_y)
            forward = self.terrain.stance(actor_x, actor_y, actor_yaw)[:, 0] @ rotation
            box = bounding_box((in_world.vertices - position) @ rotation, float(np.arctan2(forward[1], forward[0])))
            parts.append(in_world)
            owners.append(np.full(len(in_world.faces), len(placed)))
            placed.append(PlacedActor(actor.kind, in_world, box))
        # The sensor's car stands on the slope as it is, so the road is level in the sensor's frame.
        road_plane = np.array([0.0, 0.0, 1.0, SENSOR_HEIGHT])
        return Moment(join(parts), np.concatenate(owners), placed, position, rotation, road_plane)
