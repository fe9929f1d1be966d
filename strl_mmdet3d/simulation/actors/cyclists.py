"""Cyclists, riders of mopeds, and the same bicycles and scooters without a rider."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from strl_mmdet3d.simulation.actors.figure import FOREARM, SHIN, THIGH, UPPER_ARM, Build, Pose, figure
from strl_mmdet3d.simulation.actors.shape import (
    REFLECTOR,
    RUBBER,
    Limb,
    Shape,
    between,
    bicycle_wheel,
    blocks,
    chance,
    limbs,
    prism,
    tubes,
    turned_solid,
    wheel,
    xyz,
)
from strl_mmdet3d.simulation.surface import Surface, join

Range = tuple[float, float]


@dataclass(frozen=True)
class _Style:
    """A kind of bicycle. All sizes are limits in metres, for a rider of 1.75 m.

    Attributes:
        share: Probability that it is drawn.
        radius: Of the rear wheel.
        front_radius: Of the front wheel, relative to the rear one's.
        base: Distance of the axles.
        reach: From the saddle forward to the grips.
        bars: Height of the grips over the saddle.
        grip: Half the width of the handlebar.
        tyre: Thickness of the tyres.
        lean: Of the rider's trunk from upright, radians.
        low_frame: Whether one stepped-through tube replaces the top tube.
    """

    share: float
    radius: Range
    front_radius: Range
    base: Range
    reach: Range
    bars: Range
    grip: Range
    tyre: Range
    lean: Range
    low_frame: bool = False


_STYLES = {
    'city': _Style(
        0.33, (0.33, 0.36), (1.0, 1.0), (1.04, 1.18), (0.45, 0.6), (0.02, 0.22), (0.24, 0.34), (0.035, 0.05), (0.0, 0.3)
    ),
    'step-through': _Style(
        0.22,
        (0.32, 0.36),
        (1.0, 1.0),
        (1.05, 1.2),
        (0.4, 0.55),
        (0.08, 0.28),
        (0.24, 0.33),
        (0.035, 0.05),
        (0.0, 0.22),
        True,
    ),
    'racing': _Style(
        0.13,
        (0.33, 0.345),
        (1.0, 1.0),
        (0.96, 1.04),
        (0.6, 0.75),
        (-0.14, -0.02),
        (0.19, 0.23),
        (0.02, 0.032),
        (0.7, 1.1),
    ),
    'mountain': _Style(
        0.15,
        (0.33, 0.37),
        (1.0, 1.0),
        (1.06, 1.2),
        (0.55, 0.7),
        (-0.04, 0.1),
        (0.32, 0.4),
        (0.05, 0.07),
        (0.35, 0.75),
    ),
    'folding': _Style(
        0.09,
        (0.19, 0.26),
        (1.0, 1.0),
        (0.95, 1.08),
        (0.45, 0.6),
        (0.0, 0.15),
        (0.22, 0.29),
        (0.035, 0.05),
        (0.0, 0.35),
        True,
    ),
    'cargo': _Style(
        0.08,
        (0.25, 0.34),
        (0.7, 1.0),
        (1.55, 2.0),
        (0.42, 0.55),
        (0.05, 0.25),
        (0.26, 0.34),
        (0.04, 0.06),
        (0.0, 0.25),
        True,
    ),
}


@dataclass(frozen=True)
class Bicycle:
    """A bicycle with its rear axle on x < 0, its front axle on x > 0 and its wheels on z = 0.

    Attributes:
        surface: Its surface without pedals.
        saddle, crank: ``(3,)`` points in metres.
        crank_length: Metres.
        grips: ``(2, 3)`` right and left end of the handlebar.
        rack: ``(3,)`` the point over the rear axle where luggage stands.
        lean: Of its rider's trunk, radians.
    """

    surface: Surface
    saddle: np.ndarray
    crank: np.ndarray
    crank_length: float
    grips: np.ndarray
    rack: np.ndarray
    lean: float

    def pedal(self, side: int, turn: float) -> np.ndarray:
        """Return the ``(3,)`` right (-1) or left (+1) pedal when the crank is turned by ``turn`` radians."""
        # Pedals are opposite; a positive turn drives forward.
        along = side * self.crank_length * np.array([np.cos(turn), 0.0, -np.sin(turn)])
        return self.crank + along + xyz(0.0, 0.1 * side, 0.0)


def bicycle(rng: np.random.Generator, rider: Build, *, style: str | None = None) -> Bicycle:
    """Draw a bicycle that fits a rider, with its racks, baskets and bags.

    Args:
        rng: Draws everything.
        rider: Who rides it: a child's bicycle is smaller.
        style: One of the kinds of bicycle; drawn if not given.
    """
    names = list(_STYLES)
    if style is None:
        style = names[rng.choice(len(names), p=[one.share for one in _STYLES.values()])]
    kind = _STYLES[style]
    size = float(np.clip(rider.height / 1.75, 0.5, 1.06))
    # Children sit on smaller wheels, but all adults on the same ones.
    small = min(1.0, 1.15 * size)
    radius = small * between(rng, kind.radius)
    front_radius = radius * between(rng, kind.front_radius)
    base, tyre, paint = size * between(rng, kind.base), between(rng, kind.tyre), between(rng, (0.05, 0.75))
    rear_x = -0.42 * min(base, 1.15 * size)
    front_x = rear_x + base
    crank_length = 0.17 * size
    crank = np.array([-0.02, 0.0, max(0.27 * small, crank_length + 0.08)])
    # The leg is nearly straight when the pedal is down.
    leg = rider.height * (between(rng, (0.90, 0.97)) * (THIGH + SHIN) + 0.03)
    saddle = np.array([-0.2 * size, 0.0, crank[2] - crank_length + leg - 0.06])
    grip_x = saddle[0] + size * between(rng, kind.reach)
    grip_z = saddle[2] + size * between(rng, kind.bars)
    half = between(rng, kind.grip) * (0.6 + 0.4 * size)
    head = np.array([min(grip_x + 0.03, front_x - 0.2 * size), 0.0, min(grip_z - 0.06, 0.86 * grip_z)])
    rear, front = np.array([rear_x, 0.0, radius]), np.array([front_x, 0.0, front_radius])
    stem = np.array([grip_x + 0.02, 0.0, grip_z])
    seat_tube = crank + 0.7 * (saddle - crank)
    tube = between(rng, (0.016, 0.03))
    spans = [(crank, saddle), (crank, rear), (seat_tube, rear), (head, front), (head, stem)]
    spans += [(crank, head - [0.0, 0.0, 0.1])] if kind.low_frame else [(crank, head - [0, 0, 0.12]), (seat_tube, head)]
    frame = [Limb(start, end, tube, tube, paint) for start, end in spans]
    grips = np.array([[grip_x - 0.04, side * half, grip_z] for side in (-1.0, 1.0)])
    frame += [Limb(stem, grip, 0.016, 0.018, 0.2) for grip in grips]
    frame.append(Limb(saddle - [0.11, 0.0, 0.0], saddle + xyz(0.13, 0.0, 0.02), 0.07 * size, 0.025, 0.08))
    parts = [bicycle_wheel(rear_x, radius, tyre), bicycle_wheel(front_x, front_radius, tyre)]
    rack = np.array([rear_x, 0.0, 2 * radius + 0.06])
    boxes = [[rear_x - radius - 0.02, -0.03, radius, rear_x - radius, 0.03, radius + 0.1, REFLECTOR]]
    if chance(rng, 0.5):
        frame.append(Limb(rack - [0.2, 0.0, 0.0], rack + xyz(0.18, 0.0, 0.0), 0.02, 0.02, 0.3))
    if chance(rng, 0.15):
        deep, wide = between(rng, (0.1, 0.18)), between(rng, (0.26, 0.36))
        shade = between(rng, (0.05, 0.6))
        for low, high in ((-0.06 - deep, -0.06), (0.06, 0.06 + deep)):
            boxes.append([rear_x - wide / 2, low, rack[2] - wide, rear_x + wide / 2, high, rack[2], shade])
    if style == 'cargo':
        floor, rim = front_radius * 0.7 + 0.06, between(rng, (0.55, 0.8))
        ends = np.array([[grip_x + 0.12, floor], [front_x - 0.05, floor], [front_x + 0.08, rim], [grip_x + 0.06, rim]])
        parts.append(prism(ends, between(rng, (0.22, 0.36)), between(rng, (0.08, 0.6))))
    elif chance(rng, 0.25):
        corner = np.array([stem[0] + 0.04, -0.17, stem[2] - 0.22])
        parts.append(blocks([[*corner, *(corner + xyz(0.28, 0.34, 0.24))]], between(rng, (0.1, 0.5)), opacity=0.5))
    rows = np.array(boxes)
    parts += [tubes(frame), blocks(rows[:, :6], rows[:, 6])]
    return Bicycle(join(parts), saddle, crank, crank_length, grips, rack, between(rng, kind.lean))


def _cranks(bike: Bicycle, turn: float) -> Surface:
    """Return the cranks and pedals."""
    sticks = []
    for side in (-1, 1):
        pedal = bike.pedal(side, turn)
        sticks += [
            Limb(bike.crank + xyz(0.0, 0.05 * side, 0.0), pedal - [0.0, 0.03 * side, 0.0], 0.014, 0.014, 0.3),
            Limb(pedal - [0.04, 0.0, 0.0], pedal + xyz(0.04, 0.0, 0.0), 0.022, 0.022, 0.2),
        ]
    return tubes(sticks)


def _reaching(build: Build, hips: np.ndarray, grips: np.ndarray, lean: float) -> float:
    """Return the smallest lean of at least ``lean`` radians at which the hands reach the grips."""
    arm = (UPPER_ARM + FOREARM) * build.height * 0.98
    for more in np.arange(lean, 1.45, 0.06):
        pose = Pose(hips, float(more), grips, grips)
        shoulders = pose.neck(build) + np.array([[0.0, -build.shoulders, 0.0], [0.0, build.shoulders, 0.0]])
        if np.linalg.norm(grips - shoulders, axis=1).max() < arm:
            return float(more)
    return 1.45


def _rider(rng: np.random.Generator, *, adult: bool = False) -> Build:
    """Draw a rider; two of three wear a helmet, which makes the head larger and smoother to the sensor."""
    build = Build.adult(rng) if adult or chance(rng, 0.88) else Build.sample(rng, (1.05, 1.5))
    return replace(build, head=build.head + 0.014, hair=between(rng, (0.05, 0.9))) if chance(rng, 0.6) else build


def _luggage(rng: np.random.Generator, build: Build, pose: Pose, rack: np.ndarray) -> list[Surface]:
    """Draw a backpack, a child in a seat on the rack, or nothing."""
    if chance(rng, 0.25):
        deep, albedo = between(rng, (0.08, 0.15)), between(rng, (0.05, 0.8))
        behind = 0.075 * build.height * build.girth + 0.5 * deep
        low, high = pose.back(build, behind, 0.35), pose.back(build, behind, 0.9)
        return [limbs([Limb(low, high, deep, 0.8 * deep, albedo)])]
    if chance(rng, 0.09):
        child, seat = between(rng, (0.85, 1.1)), rack + xyz(-0.04, 0.0, 0.06)
        top, skin = between(rng, (0.05, 0.8)), between(rng, (0.3, 0.6))
        shell = blocks(
            [[*(seat + xyz(-0.2, -0.17, -0.06)), *(seat + xyz(-0.14, 0.17, 0.5))]], between(rng, (0.05, 0.6))
        )
        chest, face = seat + xyz(0.0, 0.0, 0.3 * child), seat + xyz(0.03, 0.0, 0.3 * child + 0.2)
        body = [
            Limb(seat + xyz(0.0, 0.0, 0.05), chest, 0.12, 0.11, top),
            Limb(face, face + xyz(0, 0, 0.03), 0.08, 0.09, skin),
        ]
        for side in (-1, 1):
            hip, foot = seat + xyz(0.0, 0.08 * side, 0.05), seat + xyz(0.2, 0.16 * side, -0.25)
            body.append(Limb(hip, foot, 0.06, 0.05, top))
        return [shell, limbs(body)]
    return []


def cyclist(rng: np.random.Generator) -> tuple[str, Shape]:
    """Draw somebody who rides a bicycle, or in one of ten cases a scooter or a moped.

    Returns:
        ``Cyclist`` and the shape of the rider, the bicycle and what is carried on it together, as in KITTI's labels.
        KITTI has no class for motorcyclists: scooters and mopeds with their riders count as cyclists here.
    """
    if chance(rng, 0.1):
        return _scooter_rider(rng)
    build = _rider(rng)
    bike = bicycle(rng, build)
    standing_up = chance(rng, 0.08)
    raised = between(rng, (0.10, 0.2)) * build.height / 1.75 if standing_up else 0.0
    hips = bike.saddle + xyz(0.9 * raised, between(rng, (-0.03, 0.03)), 0.06 + raised)
    lean = _reaching(build, hips, bike.grips, bike.lean + (0.3 if standing_up else 0.0))
    hands = bike.grips + xyz(0.0, 0.0, 0.02)
    hands[:, 1] *= 0.9
    hand_off = chance(rng, 0.08)
    if hand_off:
        side = int(rng.integers(2))
        hands[side] += [between(rng, (-0.5, 0.1)), (2 * side - 1) * between(rng, (0.0, 0.4)), between(rng, (-0.2, 0.3))]
    phase, tilt = between(rng, (0, 2 * np.pi)), between(rng, (-0.06, 0.06))
    coasts = chance(rng, 0.25)
    development = between(rng, (3.0, 6.5))
    knees = (1.0, 0.0, 0.25)

    def pose_at(turn: float) -> Pose:
        """Return the pose when the crank is turned by ``turn`` radians."""
        soles = np.array([bike.pedal(side, turn) for side in (-1, 1)])
        return Pose(hips, lean, soles + xyz(-0.06, 0.0, 0.045 * build.height), hands, tilt, knees)

    fixed = [bike.surface, *_luggage(rng, build, pose_at(phase), bike.rack)]

    def shape(travelled: float) -> Surface:
        turn = phase + (0.0 if coasts else travelled * 2 * np.pi / development)
        return join([*fixed, _cranks(bike, turn), figure(build, pose_at(turn))]).standing_at_origin()

    return 'Cyclist', shape


def parked_bicycle(rng: np.random.Generator) -> Surface:
    """Draw a bicycle without a rider that leans on its stand, or in one of twenty cases lies on the ground."""
    bike = bicycle(rng, _rider(rng))
    roll = between(rng, (-0.2, 0.2)) if chance(rng, 0.95) else between(rng, (1.35, 1.5))
    whole = join([bike.surface, _cranks(bike, between(rng, (0, 2 * np.pi)))])
    cos, sin = np.cos(roll), np.sin(roll)
    rolled = whole.vertices @ np.array([[1.0, 0.0, 0.0], [0.0, cos, sin], [0.0, -sin, cos]])
    return replace(whole, vertices=rolled).standing_at_origin()


@dataclass(frozen=True)
class _Scooter:
    """A scooter or moped: its surface, and where its rider sits, ``(3,)`` metres each, and ``(2, 3)`` grips, feet."""

    surface: Surface
    seat: np.ndarray
    grips: np.ndarray
    feet: np.ndarray


def _scooter(rng: np.random.Generator) -> _Scooter:
    """Draw a scooter with a shield for the legs, or a moped with a tank and an engine."""
    radius, width = between(rng, (0.2, 0.31)), between(rng, (0.08, 0.13))
    base, paint = between(rng, (1.2, 1.42)), between(rng, (0.05, 0.8))
    rear, front = -0.45 * base, 0.55 * base
    seat = np.array([-0.25, 0.0, between(rng, (0.72, 0.84))])
    half, grip_x, grip_z = between(rng, (0.3, 0.38)), front - between(rng, (0.22, 0.34)), between(rng, (0.95, 1.1))
    grips = np.array([[grip_x, side * half, grip_z] for side in (-1.0, 1.0)])
    tyres = [wheel(x, width / 2, radius, width, 0.4) for x in (rear, front)]
    body = between(rng, (0.13, 0.2))
    stem = np.array([grip_x + 0.06, 0.0, grip_z - 0.03])
    sticks = [Limb([front, 0.0, radius], stem, 0.045, 0.03, 0.2)]
    sticks += [Limb(stem, grip, 0.02, 0.02, 0.1) for grip in grips]
    if chance(rng, 0.65):
        rear_part = np.array([[rear - 0.25, 0.6], [rear - 0.05, 0.3], [0.12, 0.28], [0.18, seat[2] - 0.08]])
        rear_part = np.concatenate([rear_part, [[-0.05, seat[2]], [rear - 0.2, seat[2] + 0.02]]])
        shield = [[grip_x + 0.02, 0.25], [front - 0.25, 0.25], [front - 0.12, 0.7], [grip_x + 0.06, grip_z - 0.06]]
        parts = [
            prism(rear_part, body, paint),
            prism(np.array(shield), body + between(rng, (0.02, 0.08)), paint),
            blocks([[0.0, -body, 0.22, front - 0.25, body, 0.29]], 0.1),
        ]
        feet = np.array([[0.28, side * 0.12, 0.29] for side in (-1.0, 1.0)])
    else:
        tank = np.array([[-0.1, seat[2] - 0.1], [0.25, seat[2] - 0.2], [grip_x, seat[2]], [0.1, seat[2] + 0.12]])
        parts = [
            prism(tank, 0.13, paint),
            blocks([[-0.2, -0.15, 0.22, 0.3, 0.15, 0.6], [rear - 0.25, -0.1, seat[2] - 0.12, 0.0, 0.1, seat[2]]], 0.12),
        ]
        feet = np.array([[0.02, side * 0.2, 0.27] for side in (-1.0, 1.0)])
    lamps = [[front - 0.02, -0.08, 0.75, front + 0.04, 0.08, 0.9], [rear - 0.3, -0.1, 0.5, rear - 0.26, 0.1, 0.66]]
    parts.append(blocks(lamps, np.array([0.7, REFLECTOR])))
    if chance(rng, 0.35):
        size = between(rng, (0.16, 0.25))
        box = [rear - 0.3, -size, seat[2] + 0.06, rear + 0.05, size, seat[2] + 0.06 + 1.6 * size]
        parts.append(blocks([box], between(rng, (0.05, 0.9))))
    if chance(rng, 0.25):
        screen = [[grip_x + 0.08, grip_z - 0.1], [grip_x + 0.12, grip_z - 0.1], [grip_x + 0.02, grip_z + 0.4]]
        parts.append(prism(np.array(screen), 0.2, 0.12, opacity=0.3))
    return _Scooter(join([*tyres, *parts, tubes(sticks, sides=6)]), seat, grips, feet)


def _scooter_rider(rng: np.random.Generator) -> tuple[str, Shape]:
    """Draw a scooter or a moped with its rider, and sometimes a passenger. The shape is rigid."""
    machine = _scooter(rng)
    build = _rider(rng, adult=True)
    build = replace(build, head=0.13, hair=between(rng, (0.05, 0.9)))
    hips = machine.seat + xyz(0.02, 0.0, 0.08)
    lean = _reaching(build, hips, machine.grips, between(rng, (0.0, 0.3)))
    feet = machine.feet + xyz(-0.05, 0.0, 0.04 * build.height)
    parts = [machine.surface, figure(build, Pose(hips, lean, feet, machine.grips, knees=(1.0, 0.0, 0.6)))]
    if chance(rng, 0.12):
        second = replace(Build.adult(rng), head=0.13)
        behind = hips - [0.3, 0.0, -0.05]
        hands = np.array([hips + xyz(0.05, side * 0.18, 0.2) for side in (-1.0, 1.0)])
        parts.append(figure(second, Pose(behind, 0.15, feet - [0.25, 0.0, -0.05], hands, knees=(1.0, 0.0, 0.6))))
    whole = join(parts).standing_at_origin()
    return 'Cyclist', lambda travelled: whole


def parked_scooter(rng: np.random.Generator) -> Surface:
    """Draw a scooter, a moped or a kick scooter without a rider."""
    if chance(rng, 0.6):
        return _scooter(rng).surface.standing_at_origin()
    length, height, paint = between(rng, (0.85, 1.15)), between(rng, (0.95, 1.25)), between(rng, (0.05, 0.8))
    stem_x, lean = 0.5 * length, between(rng, (0.05, 0.14))
    sticks = [Limb([stem_x, 0.0, 0.1], [stem_x - lean, 0.0, height], 0.025, 0.02, paint)]
    sticks.append(Limb([stem_x - lean, -0.24, height], [stem_x - lean, 0.24, height], 0.018, 0.018, RUBBER))
    deck = blocks([[-0.5 * length, -0.08, 0.1, stem_x - 0.05, 0.08, 0.15]], paint)
    tyres = [bicycle_wheel(x, 0.11, 0.04) for x in (-0.5 * length, stem_x + 0.02)]
    mudguard = turned_solid([-0.5 * length, 0.0, 0.2], np.array([[0.08, 0.0], [0.05, 0.05]]), RUBBER, sides=6)
    return join([deck, *tyres, tubes(sticks), mudguard]).standing_at_origin()
