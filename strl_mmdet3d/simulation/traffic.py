"""Cars, cyclists and pedestrians in a street: their places and their motion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from strl_mmdet3d.simulation.actors import Shape, car, cyclist, pedestrian
from strl_mmdet3d.simulation.street import Street
from strl_mmdet3d.simulation.surface import Surface

ShapeBuilder = Callable[[np.random.Generator], tuple[str, Shape]]


@dataclass(frozen=True)
class Actor:
    """An object that KITTI labels.

    Attributes:
        kind: The KITTI class: ``Car``, ``Van``, ``Pedestrian`` or ``Cyclist``.
        shape: Its surface as a function of the metres travelled.
        street: The street it is in.
        s, d: Its place at time 0, in the street's coordinates, metres.
        turned: Its heading relative to the street's, radians.
        speed: Metres per second along +s; negative for the opposite direction.
    """

    kind: str
    shape: Shape
    street: Street
    s: float
    d: float
    turned: float
    speed: float = 0.0

    def position(self, time: float) -> tuple[float, float, float, float]:
        """Return world x, y, z of the ground beneath it, and its yaw, at ``time`` seconds."""
        s = self.s + self.speed * time
        x, y, heading = self.street.line.at(s, self.d)
        # A pedestrian who steps off a kerb stays up until the last foot has left it, so the kerb does not reach into
        # the box.
        return float(x), float(y), self.street.ground_height(s, self.d, reach=0.6), float(heading) + self.turned

    def surface(self, time: float) -> Surface:
        """Return its surface in its own frame at ``time`` seconds."""
        return self.shape(abs(self.speed) * time)


@dataclass(frozen=True)
class Convoy:
    """Actors in a row that never meet: each one is at least as fast as the one behind it.

    Attributes:
        shapes: Draws one actor's class and shape.
        d: The row's distance from the centreline, metres to the left.
        direction: +1 along s, -1 against it.
        speeds: Slowest and fastest, metres per second.
        gap: Smallest distance between two actors, metres.
        spacing: Mean of the additional distance between two actors, metres.
    """

    shapes: ShapeBuilder
    d: float
    direction: int
    speeds: tuple[float, float]
    gap: float
    spacing: float

    def sample(self, rng: np.random.Generator, street: Street, low: float, high: float, duration: float) -> list[Actor]:
        """Draw the actors that are between ``low`` and ``high`` (s, metres) at any time up to ``duration`` seconds."""
        reach = self.speeds[1] * duration
        low, high = (low - reach, high) if self.direction > 0 else (low, high + reach)
        placed = _in_a_row(rng, self.shapes, low, high, self.gap, self.spacing)
        speeds = np.sort(rng.uniform(*self.speeds, len(placed)))[:: self.direction]
        turned = 0.0 if self.direction > 0 else np.pi
        return [
            Actor(kind, shape, street, s, self.d, turned, float(speed) * self.direction)
            for (s, kind, shape), speed in zip(placed, speeds, strict=True)
        ]


def _in_a_row(
    rng: np.random.Generator,
    shapes: ShapeBuilder,
    low: float,
    high: float,
    gap: float,
    spacing: float,
    *,
    across: bool = False,
) -> list[tuple[float, str, Shape]]:
    """Draw actors one behind the other, or ``across`` side by side, between ``low`` and ``high`` (s, metres).

    Two actors are at least ``gap`` metres apart, plus an exponentially distributed distance with the mean ``spacing``.
    Returns the position of the centre, the class and the shape of each.
    """
    placed: list[tuple[float, str, Shape]] = []
    front = low + rng.exponential(spacing)
    while True:
        kind, shape = shapes(rng)
        # Legs and pedals change a shape's length: leave room for the longest of a cycle.
        extents = np.max([np.ptp(shape(travelled).bounds, axis=0) for travelled in np.linspace(0, 1, 5)], axis=0)
        size = float(extents[1] if across else extents[0])
        if front + size > high:
            return placed
        placed.append((front + size / 2, kind, shape))
        front += size + gap + rng.exponential(spacing)


def main_street_traffic(rng: np.random.Generator, street: Street, duration: float, ego_speed: float) -> list[Actor]:
    """Draw all actors of the main street. No two of them meet, and none meets the sensor.

    The sensor drives along it on the right-hand lane from s = 0, for ``duration`` seconds at ``ego_speed`` m/s. In its
    lane nobody ahead is slower, and nobody behind is faster.
    """
    lane, cycle = street.section.lane, street.section.cycle
    busy = rng.uniform(12, 60)
    convoys = [Convoy(car, lane / 2, -1, (4.0, 13.0), gap=4.0, spacing=busy)]
    for side in (-1, 1):
        convoys.append(Convoy(cyclist, side * (lane + cycle / 2), -side, (2.5, 6.5), gap=2.0, spacing=40.0))
        convoys += _walkers(rng, street, side)
    actors = [actor for convoy in convoys for actor in convoy.sample(rng, street, street.start, street.end, duration)]
    ahead = Convoy(car, -lane / 2, 1, (ego_speed, 1.4 * ego_speed), gap=5.0, spacing=busy)
    behind = Convoy(car, -lane / 2, 1, (0.6 * ego_speed, ego_speed), gap=5.0, spacing=busy)
    actors += ahead.sample(rng, street, 8.0, street.end, 0.0)
    actors += behind.sample(rng, street, street.start, -8.0, 0.0)
    return actors + _parked(rng, street) + _standing(rng, street)


def side_street_traffic(rng: np.random.Generator, street: Street, stop_line: float) -> list[Actor]:
    """Draw all actors of a side street, whose s grows away from the main street. None of them enters the main street.

    Waiting cars stop at ``stop_line`` (s, metres). Moving cars and cyclists are beyond it and drive away.
    """
    lane, cycle = street.section.lane, street.section.cycle
    queue = _in_a_row(rng, car, stop_line, stop_line + rng.uniform(0, 25), gap=1.2, spacing=0.5)
    actors = [Actor(kind, shape, street, s, lane / 2, np.pi) for s, kind, shape in queue]
    leaving = [
        Convoy(car, -lane / 2, 1, (3.0, 9.0), gap=3.0, spacing=25.0),
        Convoy(cyclist, -(lane + cycle / 2), 1, (2.5, 6.0), gap=2.0, spacing=25.0),
    ]
    for convoy in leaving:
        actors += convoy.sample(rng, street, stop_line, street.end, 0.0)
    for side in (-1, 1):
        for convoy in _walkers(rng, street, side):
            if convoy.direction > 0:
                actors += convoy.sample(rng, street, street.start + 1, street.end, 0.0)
    return actors + _parked(rng, street) + _standing(rng, street)


def _walkers(rng: np.random.Generator, street: Street, side: int) -> list[Convoy]:
    """Draw the two rows of walking pedestrians on one side's pavement, one for each direction."""
    spacing = float(rng.choice([12.0, 40.0, 120.0]))
    return [
        Convoy(pedestrian, side * (street.section.half_road + offset), direction, (0.8, 1.8), gap=0.7, spacing=spacing)
        for offset, direction in ((1.25, 1), (2.15, -1))
    ]


def _standing(rng: np.random.Generator, street: Street) -> list[Actor]:
    """Draw pedestrians who stand near the buildings and face in any direction."""
    actors = []
    for side in (-1, 1):
        d = side * (street.section.half_road + 3.1)
        for low, high in street.stretches(side, of_buildings=False):
            # The gap leaves room for the feet of two people who face each other.
            for s, kind, shape in _in_a_row(rng, pedestrian, low + 1, high - 1, gap=0.8, spacing=40.0):
                actors.append(Actor(kind, shape, street, s, d, rng.uniform(-np.pi, np.pi)))
    return actors


def _parked(rng: np.random.Generator, street: Street) -> list[Actor]:
    """Draw cars in the parking strips, turned by up to 2 degrees and at least 5 m away from the side streets."""
    section = street.section
    actors: list[Actor] = []
    if not section.parking:
        return actors
    for side in (-1, 1):
        spacing = float(rng.choice([0.8, 3.0, 12.0, 60.0]))
        with_traffic = 0.0 if side < 0 else np.pi
        for low, high in street.stretches(side, of_buildings=False):
            row = _in_a_row(rng, car, low + 5, high - 5, gap=0.7, spacing=spacing, across=section.parks_across)
            for s, kind, shape in row:
                turned = with_traffic + rng.uniform(-1, 1) * np.radians(2.0)
                if section.parks_across:
                    turned += np.pi / 2
                if rng.uniform() < 0.2:
                    turned += np.pi
                actors.append(Actor(kind, shape, street, s, side * (section.half_road - section.parking / 2), turned))
    return actors
