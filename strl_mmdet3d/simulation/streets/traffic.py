"""Vehicles, cyclists and people in a street: their places and their motion.

Every function proposes places; :class:`Crowd` lets in whoever meets nobody throughout the drive. So what comes first
has the right of way: the sensor's car, then the lanes, then the parked cars, then people.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from strl_mmdet3d.simulation.actors.cyclists import cyclist
from strl_mmdet3d.simulation.actors.people import bystander, pedestrian
from strl_mmdet3d.simulation.actors.shape import Shape
from strl_mmdet3d.simulation.actors.vehicles import car, vehicle
from strl_mmdet3d.simulation.streets.crowd import Actor, Crowd, largest_extents
from strl_mmdet3d.simulation.streets.street import Street

ShapeBuilder = Callable[[np.random.Generator], tuple[str, Shape]]

_KERB_STRIP = 0.95
"""Metres from the kerb that poles and trees stand in."""

_FRONT_STRIP = 0.6
"""Metres in front of the buildings that nobody walks in."""

_EGO_SIZE = np.array([6.5, 2.4])
"""Length and width in metres of the sensor's car, with its distance to others and its weaving."""


@dataclass(frozen=True)
class Density:
    """How many there are in a scene, from hardly any to a crowd.

    Attributes:
        gap: Mean distance between two moving vehicles of a lane, metres.
        walking, standing, riding: Groups of walkers, groups of bystanders and cyclists on 100 m of one side.
    """

    gap: float
    walking: float
    standing: float
    riding: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Density:
        """Draw each independently: a street may be full of cars and without people. One street in eight is deserted."""
        gap = 80.0 * rng.uniform(0.05, 1.0)
        walking, standing, riding = rng.gamma([1.2, 1.2, 1.0], [2.9, 2.6, 3.1])
        if rng.uniform() < 1 / 8:
            gap, walking, standing, riding = 3 * gap, 0.1 * walking, 0.1 * standing, 0.1 * riding
        return cls(float(gap), float(walking), float(standing), float(riding))


def main_street_traffic(
    rng: np.random.Generator, street: Street, duration: float, ego_speed: float, crowd: Crowd
) -> list[Actor]:
    """Draw all actors of the main street. No two of them meet, and none meets the sensor or what ``crowd`` holds.

    The sensor drives along it on the right-hand lane from s = 0, for ``duration`` seconds at ``ego_speed`` m/s. In its
    lane nobody who drives ahead is slower, and nobody behind is faster; a queue may stand there.
    """
    lane = street.section.lane
    ego = Actor('Car', car(rng)[1], street, 0.0, -lane / 2, speed=ego_speed)
    crowd.keep_clear(ego, _EGO_SIZE)
    density = Density.sample(rng)
    if rng.uniform() < 0.3:
        _queue(rng, crowd, street, int(rng.choice([-1, 1])), rng.uniform(5, street.end))
    oncoming = rng.uniform(3.0, 14.0)
    _lane(rng, crowd, street, -1, street.start, street.end + oncoming * duration, (0.85, 1.15), oncoming, density.gap)
    _lane(rng, crowd, street, 1, 5.0, street.end, (1.0, 1.25), ego_speed, density.gap)
    _lane(rng, crowd, street, 1, street.start, -5.0, (0.7, 1.0), ego_speed, density.gap)
    _along(rng, crowd, street, density, duration, both_ways=True)
    for _ in range(rng.poisson(0.4 * density.walking)):
        _crossing(rng, crowd, street, duration)
    return crowd.actors


def side_street_traffic(
    rng: np.random.Generator, street: Street, stop_line: float, duration: float, crowd: Crowd
) -> list[Actor]:
    """Draw all actors of a side street, whose s grows away from the main street. None of them enters the main street.

    Waiting cars stop at ``stop_line`` (s, metres). Whoever moves is beyond it and moves away, without meeting anybody
    or what ``crowd`` holds for ``duration`` seconds.
    """
    density = Density.sample(rng)
    queue_end = stop_line + rng.uniform(0, 25)
    _standing_row(rng, crowd, street, -1, stop_line, queue_end)
    _lane(rng, crowd, street, 1, stop_line, street.end, (0.85, 1.15), rng.uniform(3.0, 9.0), density.gap)
    _along(rng, crowd, street, density, duration, both_ways=False)
    return crowd.actors


def _along(
    rng: np.random.Generator, crowd: Crowd, street: Street, density: Density, duration: float, *, both_ways: bool
) -> None:
    """Fill both sides of a street: parked cars, and people and cyclists ``both_ways`` or along +s only."""
    for side in (-1, 1):
        _parked(rng, crowd, street, side)
        _stopped(rng, crowd, street, side)
    for side in (-1, 1):
        hundreds = (street.end - street.start) / 100
        for _ in range(rng.poisson(density.riding * hundreds)):
            _cyclist(rng, crowd, street, side, both_ways=both_ways)
        for _ in range(rng.poisson(density.standing * hundreds)):
            _standing_group(rng, crowd, street, side)
        # Whoever walks during a drive needs a longer way, on which there are as many.
        for _ in range(rng.poisson(density.walking * (hundreds + duration / 100))):
            _walking_group(rng, crowd, street, side, both_ways=both_ways)


def _lane(
    rng: np.random.Generator,
    crowd: Crowd,
    street: Street,
    direction: int,
    low: float,
    high: float,
    factors: tuple[float, float],
    speed: float,
    spacing: float,
) -> None:
    """Draw moving vehicles between ``low`` and ``high`` (s, metres) in the lane of a direction (+1 along s).

    Nobody is faster than the one ahead. The speeds are ``factors`` of ``speed`` in m/s, the additional distances
    have the mean ``spacing`` in metres.
    """
    row = _row(rng, vehicle, low, high, gap=2.5, spacing=spacing)
    speeds = np.sort(speed * rng.uniform(*factors, len(row)))[::direction]
    for (s, kind, shape), own in zip(row, speeds, strict=True):
        d = -direction * street.section.lane / 2 + rng.uniform(-0.25, 0.25)
        crowd.add(Actor(kind, shape, street, s, d, speed=float(own) * direction, **_weaving(rng, 0.15, (40.0, 90.0))))


def _weaving(rng: np.random.Generator, largest: float, wavelengths: tuple[float, float]) -> dict[str, float]:
    """Draw how an actor weaves, by up to ``largest`` metres."""
    return {
        'weave': rng.uniform(0, largest),
        'wavelength': rng.uniform(*wavelengths),
        'phase': rng.uniform(0, 2 * np.pi),
    }


def _row(
    rng: np.random.Generator, build: ShapeBuilder, low: float, high: float, gap: float, spacing: float
) -> list[tuple[float, str, Shape]]:
    """Draw vehicles one behind the other between ``low`` and ``high`` (s, metres).

    Two are at least ``gap`` metres apart, plus an exponentially distributed distance with the mean ``spacing``.
    Returns the position of the centre, the class and the shape of each.
    """
    placed: list[tuple[float, str, Shape]] = []
    front = low + rng.exponential(spacing)
    while True:
        kind, shape = build(rng)
        length = float(largest_extents(shape)[0])
        if front + length > high:
            return placed
        placed.append((front + length / 2, kind, shape))
        front += length + gap + rng.exponential(spacing)


def _queue(rng: np.random.Generator, crowd: Crowd, street: Street, direction: int, light: float) -> None:
    """Draw vehicles that wait at a red light at ``light`` (s, metres)."""
    length = rng.uniform(8, 45)
    low, high = (light - length, light) if direction > 0 else (light, light + length)
    _standing_row(rng, crowd, street, direction, low, high)


def _standing_row(
    rng: np.random.Generator, crowd: Crowd, street: Street, direction: int, low: float, high: float
) -> None:
    """Draw vehicles that wait bumper to bumper in a lane between ``low`` and ``high`` (s, metres)."""
    for s, kind, shape in _row(rng, vehicle, low, high, gap=0.9, spacing=0.8):
        d = -direction * street.section.lane / 2 + rng.uniform(-0.3, 0.3)
        turned = (0.0 if direction > 0 else np.pi) + np.radians(rng.normal(0, 1.5))
        crowd.add(Actor(kind, shape, street, s, d, turned))


def _parked(rng: np.random.Generator, crowd: Crowd, street: Street, side: int) -> None:
    """Draw cars in one side's parking strip, at least 5 m away from the side streets.

    They stand along the kerb, or in bays at 30-90 degrees to it; some badly: shifted, and turned by up to 8 degrees.
    Where cars park along the kerb, so do vans.
    """
    section = street.section
    if not section.parking:
        return
    angle = np.radians(rng.choice([90.0, rng.uniform(30, 90)])) if section.parks_across else 0.0
    spacing = rng.choice([0.2, 0.8, 2.5, 10.0, 50.0])
    for low, high in street.stretches(side, of_buildings=False):
        front = low + 5 + rng.exponential(spacing)
        while front < high - 8:
            kind, shape = car(rng) if section.parks_across or rng.uniform() < 0.85 else vehicle(rng)
            length, width, _ = largest_extents(shape)
            turned = angle + np.radians(np.clip(rng.normal(0, 2.5), -8, 8))
            cos, sin = abs(np.cos(turned)), abs(np.sin(turned))
            along, deep = length * cos + width * sin, length * sin + width * cos
            # In turned bays the cars overlap along the street.
            taken = min(along, width / max(sin, 1e-3))
            slack = section.parking - 0.2 - deep
            offset = 0.1 + rng.uniform(0, 1) * max(slack, 0.0) + deep / 2
            place = front + along / 2
            if slack > -0.4 and place + along / 2 < high - 5:
                # Everybody enters a bay with the traffic; some back in, or park against it.
                heading = (0.0 if side < 0 else np.pi) - turned + (np.pi if rng.uniform() < 0.25 else 0.0)
                crowd.add(Actor(kind, shape, street, place, side * (section.half_road - offset), heading))
            front += taken + 0.35 + rng.exponential(spacing)


def _stopped(rng: np.random.Generator, crowd: Crowd, street: Street, side: int) -> None:
    """Draw vehicles where they should not be: beside the parked ones, and on the pavement along or across it."""
    section = street.section
    for low, high in street.stretches(side, of_buildings=False):
        if high - low < 20:
            continue
        for _ in range(rng.poisson(0.006 * (high - low))):
            kind, shape = vehicle(rng)
            length, width, _ = largest_extents(shape)
            tilt = np.radians(np.clip(rng.normal(0, 3), -8, 8))
            deep = length * abs(np.sin(tilt)) + width * np.cos(tilt)
            wish = section.lane + section.cycle / 2 + rng.uniform(-0.4, 0.3)
            d = side * min(wish, section.half_road - 0.1 - deep / 2)
            turned = (0.0 if side < 0 else np.pi) + tilt
            crowd.add(Actor(kind, shape, street, rng.uniform(low + 8, high - 8), d, turned))
        for _ in range(rng.poisson(0.004 * (high - low))):
            kind, shape = car(rng)
            length, width, _ = largest_extents(shape)
            sticks_out = rng.uniform() < 0.5
            turned = (np.pi / 2 if sticks_out else 0.0) + np.radians(rng.normal(0, 3)) + rng.choice([0.0, np.pi])
            deep = length * abs(np.sin(turned)) + width * abs(np.cos(turned))
            room = section.pavement - _KERB_STRIP - _FRONT_STRIP + 0.2 - deep
            if room > 0:
                offset = _KERB_STRIP + deep / 2 + rng.uniform(0, room)
                s = rng.uniform(low + 8, high - 8)
                crowd.add(Actor(kind, shape, street, s, side * (section.half_road + offset), turned))


def _pavement(rng: np.random.Generator, street: Street, side: int) -> float:
    """Draw a d on one side's pavement, where people walk and stand."""
    section = street.section
    return side * (section.half_road + rng.uniform(_KERB_STRIP + 0.35, section.pavement - _FRONT_STRIP - 0.35))


def _within(rng: np.random.Generator, street: Street, side: int) -> float | None:
    """Draw an s on one side between the side streets; ``None`` if it falls into the mouth of one."""
    s = rng.uniform(street.start + 1, street.end - 1)
    inside = any(low + 1 < s < high - 1 for low, high in street.stretches(side, of_buildings=False))
    return s if inside else None


def _walking_group(rng: np.random.Generator, crowd: Crowd, street: Street, side: int, *, both_ways: bool) -> None:
    """Draw one to four people who walk together along the pavement."""
    direction = int(rng.choice([-1, 1])) if both_ways else 1
    s, d, speed = rng.uniform(street.start + 1, street.end), _pavement(rng, street, side), rng.uniform(0.6, 1.8)
    inner, outer = street.section.half_road + _KERB_STRIP + 0.3, street.section.half_road + street.section.pavement
    for member in range(rng.choice(4, p=[0.55, 0.3, 0.1, 0.05]) + 1):
        kind, shape = pedestrian(rng)
        for _ in range(8):
            away = rng.uniform([-1.3, -1.2], [1.3, 1.2]) if member else np.zeros(2)
            own = np.clip(abs(d + away[1]), inner, outer - _FRONT_STRIP - 0.3)
            pace = direction * speed * rng.uniform(0.995, 1.005)
            course = _weaving(rng, 0.2, (3.0, 9.0))
            if crowd.add(Actor(kind, shape, street, s + away[0], side * own, speed=pace, **course)):
                break


def _standing_group(rng: np.random.Generator, crowd: Crowd, street: Street, side: int) -> None:
    """Draw people who stand: alone, in a group, as at a bus stop, or on the road beside a parked car."""
    s = _within(rng, street, side)
    if s is None:
        return
    section = street.section
    on_road = section.parking and rng.uniform() < 0.2
    d = side * (section.lane + rng.uniform(0.5, section.cycle)) if on_road else _pavement(rng, street, side)
    spread = 0.5 if on_road else 1.3
    for member in range(1 if on_road else rng.choice([1, 2, 3, 4, 5, 6], p=[0.55, 0.2, 0.1, 0.07, 0.05, 0.03])):
        kind, shape = bystander(rng)
        for _ in range(8):
            away = rng.normal(0, [spread, spread / 2]) if member else np.zeros(2)
            inner, outer = section.half_road + _KERB_STRIP + 0.35, section.half_road + section.pavement - 0.95
            own = abs(d) if on_road else np.clip(abs(d + away[1]), inner, outer)
            if crowd.add(Actor(kind, shape, street, s + away[0], side * own, rng.uniform(-np.pi, np.pi))):
                break


def _crossing(rng: np.random.Generator, crowd: Crowd, street: Street, duration: float) -> None:
    """Draw one to three people who cross the road, before, during or after the drive, where nobody hinders them."""
    kerb = street.section.half_road + 1.5
    side = int(rng.choice([-1, 1]))
    speed = rng.uniform(0.8, 1.7)
    away = rng.normal(0, 0.15)
    s = _within(rng, street, side)
    if s is None or not any(low + 2 < s < high - 2 for low, high in street.stretches(-side, of_buildings=False)):
        return
    begin = rng.uniform(-2 * kerb / speed, duration)
    for member in range(rng.choice(3, p=[0.7, 0.2, 0.1]) + 1):
        kind, shape = pedestrian(rng)
        walker = Actor(
            kind,
            shape,
            street,
            s + 0.9 * member,
            side * kerb,
            speed=speed * away,
            across=-side * speed,
            begin=begin + rng.uniform(0, 0.5),
            end=begin + 2 * kerb / speed,
        )
        crowd.add(walker)


def _cyclist(rng: np.random.Generator, crowd: Crowd, street: Street, side: int, *, both_ways: bool) -> None:
    """Draw a cyclist who rides in the cyclists' strip or on the pavement, or who stands in the strip."""
    section = street.section
    kind, shape = cyclist(rng)
    where = rng.uniform()
    along = -side if rng.uniform() < 0.85 else side
    for _ in range(4):
        s = rng.uniform(street.start + 1, street.end)
        in_strip = side * (section.lane + rng.uniform(0.35, min(section.cycle, section.cycle + section.parking - 0.65)))
        if where < 0.25:
            turned = (0.0 if along > 0 else np.pi) + rng.uniform(-0.3, 0.3)
            done = crowd.add(Actor(kind, shape, street, s, in_strip, turned))
        else:
            on_pavement = where > 0.8
            d = _pavement(rng, street, side) if on_pavement else in_strip
            direction = along if both_ways else 1
            speed = direction * (rng.uniform(1.5, 4.0) if on_pavement else rng.uniform(2.0, 7.5))
            rider = Actor(kind, shape, street, s, d, speed=speed, **_weaving(rng, 0.15, (8.0, 20.0)))
            done = crowd.add(rider)
        if done:
            return
