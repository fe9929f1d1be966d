"""A whole street scene that the sensor drives through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strl_mmdet3d.simulation.lidar import SENSOR_HEIGHT
from strl_mmdet3d.simulation.street import GARDEN_DEPTH, Centreline, CrossSection, Mouth, Street, ground
from strl_mmdet3d.simulation.surface import Surface, join, turn_about_z
from strl_mmdet3d.simulation.traffic import Actor, main_street_traffic, side_street_traffic

SIGHT = 90.0
"""Radius around the sensor within which actors are built, metres. The LiDAR sees 80 m."""


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
        box: ``(7,)`` float64: x, y, z of the centre of its bottom in the world, length, width, height in metres, and
            yaw in radians; the exact extents of the surface in the actor's own frame.
    """

    kind: str
    surface: Surface
    box: np.ndarray


@dataclass(frozen=True)
class Moment:
    """A scene at one instant.

    Attributes:
        surface: Everything within sight, in the world's frame.
        owner: ``(F,)`` int64: each face's index into ``actors``, -1 for things that do not move.
        actors: The actors within sight.
        position: ``(3,)`` float64, the LiDAR's position in the world, metres.
        yaw: The LiDAR's heading in the world, radians.
    """

    surface: Surface
    owner: np.ndarray
    actors: list[PlacedActor]
    position: np.ndarray
    yaw: float

    @property
    def sensor_to_world(self) -> np.ndarray:
        """``(4, 4)`` float64, the pose of the LiDAR: maps homogeneous points of its frame to the world."""
        pose = np.eye(4)
        pose[:3, :3] = turn_about_z(self.yaw)
        pose[:3, 3] = self.position
        return pose

    def in_sensor(self, points: np.ndarray) -> np.ndarray:
        """Map ``(N, 3)`` points of the world to the LiDAR's frame."""
        pose = self.sensor_to_world
        return (points - pose[:3, 3]) @ pose[:3, :3]


@dataclass(frozen=True)
class Scene:
    """A street with its side streets on flat ground (z = 0).

    Attributes:
        surroundings: Everything that does not move, in the world's frame.
        actors: All actors of the scene, in sight or not.
        ego: The path of the sensor.
    """

    surroundings: Surface
    actors: list[Actor]
    ego: EgoPath

    @classmethod
    def sample(cls, rng: np.random.Generator, duration: float) -> Scene:
        """Draw a scene for a drive of ``duration`` seconds."""
        speed = rng.uniform(5.0, 12.0)
        end = speed * duration + SIGHT
        # At most one radian in total, so that a long street does not run into itself.
        curvature = rng.choice([0.0, rng.uniform(-1, 1)]) * min(1 / 150, 1.0 / (end + SIGHT))
        section = CrossSection.sample(rng)
        line = Centreline(0.0, 0.0, rng.uniform(-np.pi, np.pi), float(curvature))
        setback = rng.choice([0.5, 3.0, 7.0])

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
                side_streets.append(Street(course, side_section, start, start + 45, rng.uniform(0.5, 5.0)))
            s += rng.uniform(90, 180)
        street = Street(line, section, -SIGHT, end, setback, tuple(mouths))

        stop_line = section.half_road + section.pavement + 1.0
        surroundings = [ground(street), street.surroundings(rng)]
        actors = main_street_traffic(rng, street, duration, speed)
        for side_street in side_streets:
            surroundings.append(side_street.surroundings(rng))
            actors += side_street_traffic(rng, side_street, stop_line)
        ego = EgoPath(line, -section.lane / 2, speed, rng.uniform(0, 0.25), rng.uniform(50, 90), rng.uniform(0, 6.28))
        return cls(join(surroundings), actors, ego)

    def at(self, time: float) -> Moment:
        """Return the scene at ``time`` seconds after its start."""
        x, y, yaw = self.ego.pose(time)
        parts, owners = [self.surroundings], [np.full(len(self.surroundings.faces), -1)]
        placed: list[PlacedActor] = []
        for actor in self.actors:
            actor_x, actor_y, actor_z, actor_yaw = actor.position(time)
            if np.hypot(actor_x - x, actor_y - y) > SIGHT:
                continue
            shape = actor.surface(time)
            low, high = shape.bounds
            box = np.array([actor_x, actor_y, actor_z, *(high - low), actor_yaw])
            in_world = shape.placed(actor_x, actor_y, actor_z, actor_yaw)
            parts.append(in_world)
            owners.append(np.full(len(shape.faces), len(placed)))
            placed.append(PlacedActor(actor.kind, in_world, box))
        position = np.array([x, y, SENSOR_HEIGHT])
        return Moment(join(parts), np.concatenate(owners), placed, position, yaw)
