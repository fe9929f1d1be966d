"""People on foot: walking, standing, bending, crouching and sitting, with what they wear, carry and push.

What a person carries, pushes or sits on is part of the shape, and so of the labelled box.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from strl_mmdet3d.simulation.actors.cyclists import bicycle
from strl_mmdet3d.simulation.actors.figure import SHIN, THIGH, Build, Pose, figure
from strl_mmdet3d.simulation.actors.shape import (
    Limb,
    Shape,
    between,
    blocks,
    chance,
    limbs,
    loft,
    prism,
    tubes,
    turned_solid,
    wheel,
    xyz,
)
from strl_mmdet3d.simulation.surface import Surface, join

_LEG = THIGH + SHIN
_ANKLE = 0.04
"""Height of the ankle over the sole, as a share of the person's height."""

_SIDES = np.array([-1.0, 1.0])
"""Right and left: the order of a pose's ankles and hands."""


@dataclass(frozen=True)
class _Outfit:
    """What a person wears and carries on the body. Albedos are None for what is left out.

    Attributes:
        skirt: Albedo of a skirt, or of a coat that hangs over the hips.
        hem: Height of its lower edge, as a share of the hips' height.
        flare: Its width at the hem relative to the hips.
        hat: Albedo of a hat's brim and crown.
        brim: Radius of the brim relative to the head.
        backpack: Albedo of a backpack.
        depth: Of the backpack, metres.
        bag: Albedo of a bag that hangs from a shoulder at the hip.
        bag_size: Length and height of the bag, metres.
        bag_side: -1 right, +1 left.
    """

    skirt: float | None
    hem: float
    flare: float
    hat: float | None
    brim: float
    backpack: float | None
    depth: float
    bag: float | None
    bag_size: tuple[float, float]
    bag_side: float

    @classmethod
    def sample(cls, rng: np.random.Generator, build: Build) -> _Outfit:
        """Draw an outfit."""
        fabric, hat, pack, bag = rng.uniform(0.05, 0.8, 4)
        worn = rng.uniform(size=4) < [0.25, 0.15, 0.22, 0.18]
        return cls(
            skirt=(build.top if chance(rng, 0.6) else float(fabric)) if worn[0] else None,
            hem=between(rng, (0.15, 0.75)),
            flare=between(rng, (1.0, 1.7)),
            hat=float(hat) if worn[1] else None,
            brim=between(rng, (1.05, 1.9)),
            backpack=float(pack) if worn[2] else None,
            depth=between(rng, (0.07, 0.16)) * build.height / 1.7,
            bag=float(bag) if worn[3] else None,
            bag_size=(build.height * between(rng, (0.12, 0.26)), build.height * between(rng, (0.1, 0.23))),
            bag_side=float(rng.choice(_SIDES)),
        )

    def parts(self, build: Build, pose: Pose) -> list[Surface]:
        """Return the surfaces of the outfit on a person in a pose. A skirt reaches around both knees."""
        tall, girth = build.height, build.girth
        made: list[Surface] = []
        if self.skirt is not None:
            angle = np.arange(10) * (np.pi / 5)
            outline = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(10)])
            stride = 0.5 * float(np.ptp(pose.ankles[:, 0])) * (1.0 - 0.7 * self.hem)
            hem = np.array([np.hypot(0.075 * tall * girth * self.flare, stride), 0.105 * tall * girth * self.flare, 1])
            waist = np.array([0.072, 0.1, 0.0]) * tall * girth
            foot = np.array([pose.ankles[:, 0].mean(), 0.0, pose.ankles[:, 2].min()])
            bottom = pose.hips + (1.0 - self.hem) * (foot - pose.hips)
            upper = pose.hips + xyz(0.0, 0.0, 0.07 * tall)
            made.append(loft(np.stack([outline * hem + bottom, outline * waist + upper]), self.skirt))
        if self.hat is not None:
            crown = pose.head(build) + 0.55 * build.head * pose.upright
            profile = build.head * np.array([[self.brim, 0.0], [self.brim, 0.1], [1.02, 0.15], [0.8, 0.75]])
            made.append(turned_solid(crown, profile, self.hat, sides=8))
        if self.backpack is not None:
            behind = 0.055 * tall * girth + 0.8 * self.depth
            low, high = pose.back(build, behind, 0.3), pose.back(build, behind, 0.85)
            made.append(limbs([Limb(low, high, self.depth, 0.85 * self.depth, self.backpack)]))
        if self.bag is not None:
            middle = pose.hips + xyz(0.0, self.bag_side * (0.1 * tall * girth + 0.07), -0.02)
            half = np.array([self.bag_size[0] / 2, 0.06, self.bag_size[1] / 2])
            made.append(blocks([[*(middle - half), *(middle + half)]], self.bag))
        return made


def _build(rng: np.random.Generator) -> Build:
    """Draw a person: one of seven is a child."""
    return Build.child(rng) if chance(rng, 0.14) else Build.adult(rng)


def _hanging(rng: np.random.Generator, build: Build, hips: np.ndarray, lean: float) -> np.ndarray:
    """Draw ``(2, 3)`` hands that hang beside the body."""
    neck = Pose(hips, lean, np.zeros((2, 3)), np.zeros((2, 3))).neck(build)
    down = build.height * np.column_stack([rng.uniform(-0.02, 0.09, 2), np.zeros(2), rng.uniform(-0.35, -0.31, 2)])
    outwards = _SIDES * (build.shoulders + build.height * rng.uniform(0.0, 0.07, 2))
    down[:, 1] = outwards
    return neck + down


# --- things that people hold or push -------------------------------------------------------------------------------


def _umbrella(rng: np.random.Generator, build: Build, hand: np.ndarray) -> Surface:
    """Draw an open umbrella over the head, whose stick is in a hand."""
    radius, rise = between(rng, (0.4, 0.6)), between(rng, (0.15, 0.28))
    top = max(0.98 * build.height, hand[2] + 0.45) + between(rng, (0.02, 0.2))
    over = np.array([0.5 * hand[0], 0.5 * hand[1], top])
    canopy = np.array([[radius, 0.0], [0.7 * radius, 0.6 * rise], [0.02, rise]])
    stick = tubes([Limb(hand, over + xyz(0.0, 0.0, rise), 0.015, 0.012, 0.3)])
    return join([turned_solid(over, canopy, between(rng, (0.05, 0.7))), stick])


def _suitcase(rng: np.random.Generator, build: Build) -> tuple[Surface, np.ndarray]:
    """Draw a wheeled suitcase that is pulled behind, and return it with the ``(3,)`` place of its handle."""
    long, wide, deep = between(rng, (0.45, 0.75)), between(rng, (0.32, 0.5)), between(rng, (0.2, 0.32))
    hand = np.array([-0.12 * build.height, 0.24 * build.height / 1.7, 0.42 * build.height])
    slope = between(rng, (0.65, 0.95))
    along = np.array([np.cos(slope), np.sin(slope)])
    up = np.array([-along[1], along[0]])
    foot = hand[[0, 2]] - along * max((hand[2] - 0.06) / along[1], long + 0.1)
    corners = foot + np.array([0 * along, long * along, long * along + deep * up, deep * up])
    case = prism(corners, wide / 2, between(rng, (0.05, 0.8)))
    rod = tubes([Limb([foot[0], 0.0, foot[1]], [hand[0], 0.0, hand[2]], 0.02, 0.02, 0.3)])
    return join([case, rod]).placed(0.0, hand[1]), hand


def _wheels(radius: float, xs: tuple[float, float], half: float, width: float) -> list[Surface]:
    """Return four small wheels."""
    return [wheel(x, side * half, radius, width, 0.3) for x in xs for side in (-1, 1)]


def _pushchair(rng: np.random.Generator, grip: np.ndarray) -> Surface:
    """Draw a pram or a pushchair with a hood, whose handle is at ``grip`` (right hand, metres)."""
    radius, half = between(rng, (0.08, 0.16)), between(rng, (0.2, 0.28))
    start, long = grip[0] + 0.12, between(rng, (0.7, 0.95))
    low, rim = between(rng, (0.35, 0.5)), between(rng, (0.65, 0.85))
    fabric = between(rng, (0.05, 0.7))
    if chance(rng, 0.5):
        tub = [[start + 0.05, low], [start + long - 0.05, low], [start + long, rim], [start, rim]]
    else:
        tub = [[start + 0.1, low], [start + 0.5, low - 0.1], [start + 0.55, low], [start + 0.1, rim + 0.15]]
    hood_end = start + between(rng, (0.25, 0.5))
    hood = [[start, rim - 0.05], [hood_end, rim], [hood_end - 0.03, rim + 0.3], [start + 0.08, rim + 0.32]]
    axles = (start + 0.08, start + long - radius)
    bars = [
        Limb([grip[0], side * half, grip[2]], [axles[1], side * half, radius], 0.018, 0.018, 0.3) for side in _SIDES
    ]
    bars += [
        Limb([start + 0.3, side * half, low], [axles[0], side * half, radius], 0.018, 0.018, 0.3) for side in _SIDES
    ]
    bars.append(Limb([grip[0], -half, grip[2]], [grip[0], half, grip[2]], 0.02, 0.02, 0.1))
    shells = [prism(np.array(tub), half, fabric), prism(np.array(hood), half, fabric)]
    return join([*shells, tubes(bars), *_wheels(radius, axles, half + 0.03, 0.05)])


def _trolley(rng: np.random.Generator, grip: np.ndarray) -> Surface:
    """Draw a shopping trolley of wire, or a hand cart with boxes, whose handle is at ``grip`` (metres)."""
    start, long, half = grip[0] + 0.08, between(rng, (0.65, 0.95)), between(rng, (0.24, 0.32))
    low, rim = between(rng, (0.35, 0.55)), grip[2] - between(rng, (0.02, 0.12))
    axles = (start + 0.12, start + long - 0.1)
    bars = [Limb([start, side * half, rim], [axles[1], side * half, 0.15], 0.02, 0.02, 0.4) for side in _SIDES]
    bars.append(Limb([grip[0], -half, grip[2]], [grip[0], half, grip[2]], 0.02, 0.02, 0.3))
    bars += [Limb([grip[0], side * half, grip[2]], [start, side * half, low], 0.018, 0.018, 0.4) for side in _SIDES]
    parts = [tubes(bars), *_wheels(0.07, axles, half, 0.04)]
    if chance(rng, 0.6):
        cage = np.array([[start, low + 0.1], [start + long, low + 0.18], [start + long, rim], [start, rim]])
        parts.append(prism(cage, half, 0.4, opacity=between(rng, (0.25, 0.6))))
        filled = between(rng, (0.1, 0.9))
        goods = [start + 0.05, -half + 0.04, low + 0.12, start + long - 0.1, half - 0.04, low + 0.15 + filled * 0.3]
        parts.append(blocks([goods], between(rng, (0.1, 0.7))))
    else:
        top = between(rng, (0.4, 1.3))
        floor = [start, -half, 0.16, start + long, half, 0.22]
        box = [start + 0.05, -half + 0.03, 0.22, start + long - 0.05, half - 0.03, 0.22 + top]
        parts.append(blocks([floor, box], np.array([0.3, between(rng, (0.1, 0.6))])))
    return join(parts)


def _pushed(rng: np.random.Generator, build: Build) -> tuple[Surface, np.ndarray]:
    """Draw what is pushed in front, or a bicycle led beside, and return it with the ``(2, 3)`` hands on it."""
    ahead, high = 0.28 * build.height, between(rng, (0.53, 0.6)) * build.height
    hands = np.array([[ahead, side * between(rng, (0.14, 0.24)), high] for side in _SIDES])
    kind = rng.choice(3, p=[0.5, 0.25, 0.25])
    if kind == 0:
        return _pushchair(rng, hands[0]), hands
    if kind == 1:
        return _trolley(rng, hands[0]), hands
    led = bicycle(rng, build)
    beside = np.array([ahead - led.grips[0, 0], 0.34 + 0.1 * build.girth, 0.0])
    return led.surface.placed(*beside), led.grips + beside


# --- walking -------------------------------------------------------------------------------------------------------


def pedestrian(rng: np.random.Generator) -> tuple[str, Shape]:
    """Draw somebody who walks: an adult, an old person or a child, with or without things to carry, pull or push.

    Returns:
        ``Pedestrian`` and the shape. A pair of steps is 0.55 to 0.95 of the height.
    """
    build = _build(rng)
    grown = build.height > 1.48
    old = grown and chance(rng, 0.14)
    tall = build.height
    outfit = _Outfit.sample(rng, build)
    lean = between(rng, (0.2, 0.7)) if old else between(rng, (-0.03, 0.16))
    cycle = tall * (between(rng, (0.35, 0.6)) if old else between(rng, (0.55, 0.95)))
    phase, spread = between(rng, (0, 2 * np.pi)), between(rng, (0.03, 0.075)) * tall
    lift, swing = between(rng, (0.02, 0.08)) * tall, between(rng, (0.03, 0.22)) * tall
    raised = between(rng, (0.0, 0.12)) * tall
    hip_height = (_ANKLE + _LEG * between(rng, (0.93, 0.985))) * tall
    hanging = _hanging(rng, build, np.array([0.0, 0.0, hip_height]), lean)

    held: list[Surface] = []
    fixed_hands: dict[int, np.ndarray] = {}
    doing = rng.choice(6, p=[0.68, 0.05, 0.06, 0.07, 0.08, 0.06]) if grown else 0
    if old and chance(rng, 0.6):
        grip = np.array([0.16 * tall, -0.15 * tall, 0.45 * tall])
        held, fixed_hands = [tubes([Limb([0.24 * tall, grip[1], 0.0], grip, 0.015, 0.015, 0.3)])], {0: grip}
    elif doing == 1:
        hand = np.array([0.1 * tall, 0.1 * tall, 0.68 * tall])
        held, fixed_hands = [_umbrella(rng, build, hand)], {1: hand}
    elif doing == 2:
        case, hand = _suitcase(rng, build)
        held, fixed_hands = [case], {1: hand}
    elif doing == 3:
        thing, hands = _pushed(rng, build)
        held, fixed_hands = [thing], {0: hands[0], 1: hands[1]}
    elif doing == 4:
        held, fixed_hands = _shopping(rng, build, hanging)
    elif doing == 5:
        ear = np.array([0.06 * tall, build.head + 0.03, 0.92 * tall])
        fixed_hands = {1: ear if chance(rng, 0.5) else np.array([0.2 * tall, 0.05 * tall, 0.72 * tall])}

    def shape(travelled: float) -> Surface:
        turn = phase + travelled * 2 * np.pi / cycle
        steps = np.array([turn, turn + np.pi])
        ankles = np.column_stack(
            [
                0.25 * cycle * np.sin(steps),
                _SIDES * spread,
                _ANKLE * tall + lift * np.maximum(0.0, np.cos(steps)),
            ]
        )
        # Hips sink when the legs are apart, as far as the legs are long.
        sunk = hip_height - (0.25 * cycle * np.sin(turn)) ** 2 / (2 * _LEG * tall)
        hands = hanging + np.column_stack([-swing * np.sin(steps), np.zeros(2), raised + 0.3 * swing * -np.sin(steps)])
        for side, place in fixed_hands.items():
            hands[side] = place
        pose = Pose(np.array([0.0, 0.0, sunk]), lean, ankles, hands)
        return join([figure(build, pose), *outfit.parts(build, pose), *held]).standing_at_origin()

    return 'Pedestrian', shape


def _shopping(
    rng: np.random.Generator, build: Build, hanging: np.ndarray
) -> tuple[list[Surface], dict[int, np.ndarray]]:
    """Draw a bag, a basket or a case in one hand or in both, and return them with the place of the hands."""
    sides = [[0], [1], [0, 1]][int(rng.integers(3))]
    places = {side: hanging[side] + xyz(0.0, _SIDES[side] * 0.08, 0.0) for side in sides}
    bags = []
    for place in places.values():
        half = build.height * np.array([between(rng, (0.06, 0.14)), between(rng, (0.025, 0.07)), 0.0])
        depth = min(build.height * between(rng, (0.12, 0.26)), place[2] - 0.05)
        bags.append([*(place - half - [0.0, 0.0, depth]), *(place + half - [0.0, 0.0, 0.02])])
    return [blocks(bags, between(rng, (0.05, 0.8)))], places


# --- staying in place ----------------------------------------------------------------------------------------------


def _standing_hands(rng: np.random.Generator, build: Build, pose: Pose) -> np.ndarray:
    """Draw ``(2, 3)`` hands of somebody who stands: hanging, folded, on the hips, at the ear, pointing or behind."""
    tall, neck = build.height, pose.neck(build)
    hands = _hanging(rng, build, pose.hips, pose.lean)
    waist, front = pose.hips[2] + 0.04 * tall, pose.hips[0] + 0.13 * tall * build.girth
    kind = rng.choice(8, p=[0.3, 0.12, 0.1, 0.12, 0.12, 0.08, 0.08, 0.08])
    if kind == 1:
        hands = np.array([[front, 0.06 * tall, neck[2] - 0.13 * tall], [front, -0.06 * tall, neck[2] - 0.11 * tall]])
    elif kind == 2:
        hands = np.array([[0.0, side * 0.115 * tall * build.girth, waist] for side in _SIDES])
    elif kind == 3:
        side = int(rng.integers(2))
        hands[side] = neck + xyz(0.03 * tall, _SIDES[side] * (build.head + 0.02), 0.13 * tall)
    elif kind == 4:
        hands = neck + tall * np.array([[0.2, -0.03, -0.08], [0.2, 0.03, -0.1]])
    elif kind == 5:
        side, bearing = int(rng.integers(2)), between(rng, (-0.4, 1.4))
        out = np.array([np.cos(bearing), _SIDES[side] * np.sin(bearing), between(rng, (-0.3, 0.6))])
        hands[side] = neck + 0.36 * tall * out
    elif kind == 6:
        hands = np.array([[-0.1 * tall * build.girth, side * 0.03 * tall, pose.hips[2]] for side in _SIDES])
    elif kind == 7:
        hands = np.array([[front, side * 0.03 * tall, waist] for side in _SIDES])
    return hands


def _standing(rng: np.random.Generator, build: Build) -> tuple[str, Pose, list[Surface]]:
    """Draw somebody who stands upright, with the weight on one leg, or leans back or against something."""
    tall = build.height
    apart, step = between(rng, (0.04, 0.13)) * tall, between(rng, (-0.07, 0.07)) * tall
    shift, lean = between(rng, (-0.03, 0.03)) * tall, between(rng, (-0.05, 0.12))
    if chance(rng, 0.1):
        lean, step = between(rng, (-0.25, 0.3)), between(rng, (-0.2, 0.2)) * tall
    hips = np.array([0.0, shift, (_ANKLE + between(rng, (0.95, 0.99)) * _LEG) * tall])
    ankles = np.array([[side * step, side * apart + shift / 2, _ANKLE * tall] for side in _SIDES])
    tilt = between(rng, (-0.08, 0.08))
    pose = Pose(hips, lean, ankles, ankles, tilt)
    pose = replace(pose, hands=_standing_hands(rng, build, pose))
    held: list[Surface] = []
    if build.height > 1.48 and chance(rng, 0.12):
        thing, hands = _pushed(rng, build)
        held, pose = [thing], replace(pose, hands=hands)
    elif build.height > 1.48 and chance(rng, 0.06):
        hand = np.array([0.1 * tall, 0.1 * tall, 0.68 * tall])
        held, pose = [_umbrella(rng, build, hand)], replace(pose, hands=np.stack([pose.hands[0], hand]))
    elif chance(rng, 0.06):
        held, places = _shopping(rng, build, _hanging(rng, build, hips, lean))
        pose = replace(pose, hands=np.stack([places.get(side, pose.hands[side]) for side in (0, 1)]))
    return 'Pedestrian', pose, held


def _bending(rng: np.random.Generator, build: Build) -> tuple[str, Pose, list[Surface]]:
    """Draw somebody who bends over something: a boot, a pram, a flower bed."""
    tall, lean = build.height, between(rng, (0.6, 1.5))
    bent = between(rng, (0.75, 0.97))
    hips = np.array([-0.09 * tall * lean, 0.0, (_ANKLE + bent * _LEG) * tall])
    ankles = np.array([[side * 0.03 * tall, side * between(rng, (0.05, 0.1)) * tall, _ANKLE * tall] for side in _SIDES])
    neck = Pose(hips, lean, ankles, ankles).neck(build)
    reach = between(rng, (0.2, 0.35)) * tall
    drop = np.array([[between(rng, (0.0, 0.6)) * reach, side * 0.09 * tall, -reach] for side in _SIDES])
    return 'Pedestrian', Pose(hips, lean, ankles, neck + drop), []


def _crouching(rng: np.random.Generator, build: Build) -> tuple[str, Pose, list[Surface]]:
    """Draw somebody who squats, or kneels on one knee or on both."""
    tall, lean = build.height, between(rng, (0.05, 0.7))
    kind = rng.choice(3)
    if kind == 0:
        hips = np.array([-0.12 * tall, 0.0, between(rng, (0.14, 0.24)) * tall])
        ankles = np.array([[0.0, side * between(rng, (0.05, 0.11)) * tall, _ANKLE * tall] for side in _SIDES])
    else:
        hips = np.array([0.0, 0.0, between(rng, (0.27, 0.32)) * tall])
        behind = np.array([-0.24 * tall, 0.0, _ANKLE * tall])
        ankles = behind + np.array([[0.0, side * 0.06 * tall, 0.0] for side in _SIDES])
        if kind == 1:
            ankles[int(rng.integers(2))] += [0.44 * tall, 0.0, 0.0]
    neck = Pose(hips, lean, ankles, ankles).neck(build)
    drop = np.array([[between(rng, (0.08, 0.26)) * tall, side * 0.06 * tall, -0.2 * tall] for side in _SIDES])
    return 'Pedestrian', Pose(hips, lean, ankles, neck + drop), []


def _sitting(rng: np.random.Generator, build: Build) -> tuple[str, Pose, list[Surface]]:
    """Draw somebody who sits on a kerb, a low wall, a chair, a bench or in a wheelchair, which belongs to the shape."""
    tall, lean = build.height, between(rng, (-0.25, 0.55))
    kind = rng.choice(4, p=[0.2, 0.25, 0.35, 0.2])
    high = between(rng, [(0.12, 0.2), (0.35, 0.6), (0.4, 0.5), (0.46, 0.54)][kind]) * min(1.0, 0.35 + tall / 2.6)
    half, deep, material = between(rng, (0.2, 0.4)), between(rng, (0.3, 0.45)), between(rng, (0.1, 0.6))
    hips = np.array([0.0, 0.0, high + 0.05 * tall])
    # The feet stand on the ground where the legs are long enough, and dangle before the seat where not.
    sole = max(0.0, high - 0.23 * tall)
    ahead = [between(rng, (0.15, 0.42)) * tall for _ in _SIDES]
    ankles = np.array(
        [
            [step, side * between(rng, (0.04, 0.12)) * tall, _ANKLE * tall + sole]
            for step, side in zip(ahead, _SIDES, strict=True)
        ]
    )
    seat: list[Surface] = []
    if kind < 2:
        seat.append(blocks([[-deep, -half, 0.0, 0.1 * tall, half, high]], material))
    elif kind == 2:
        top = high + between(rng, (0.25, 0.5))
        rows = [[-0.24, -half, high - 0.05, 0.2, half, high], [-0.28, -half, high - 0.05, -0.23, half, top]]
        rows += [[x, y, 0.0, x + 0.05, y + 0.05, high - 0.05] for x in (-0.25, 0.14) for y in (-half, half - 0.05)]
        seat.append(blocks(rows, material))
    else:
        rows = [[-0.24, -0.22, high - 0.04, 0.2, 0.22, high], [-0.27, -0.22, high, -0.23, 0.22, high + 0.42]]
        rows.append([ahead[0] - 0.1, -0.2, 0.05, ahead[0] + 0.12, 0.2, 0.09])
        bars = [Limb([-0.25, s * 0.22, high + 0.42], [-0.4, s * 0.22, high + 0.45], 0.02, 0.02, 0.1) for s in _SIDES]
        seat += [blocks(rows, 0.15), tubes(bars)]
        seat += [wheel(-0.15, s * 0.3, 0.3, 0.04, 0.3) for s in _SIDES]
        seat += [wheel(0.3, s * 0.25, 0.09, 0.04, 0.3) for s in _SIDES]
        ankles[:, 2] = _ANKLE * tall + max(0.09, sole)
    pose = Pose(hips, lean, ankles, ankles, knees=(1.0, 0.0, 0.6))
    laps = np.array(
        [[between(rng, (0.1, 0.25)) * tall, s * between(rng, (0.0, 0.09)) * tall, 0.08 * tall] for s in _SIDES]
    )
    hands = hips + laps
    if chance(rng, 0.2):
        hands[0] = pose.neck(build) + xyz(0.12 * tall, -0.02, -0.02 * tall)
    return 'Person_sitting', replace(pose, hands=hands), seat


_STAYING: tuple[tuple[float, Callable[[np.random.Generator, Build], tuple[str, Pose, list[Surface]]]], ...] = (
    (0.62, _standing),
    (0.08, _bending),
    (0.12, _crouching),
    (0.18, _sitting),
)


def bystander(rng: np.random.Generator) -> tuple[str, Shape]:
    """Draw somebody who stays in place: who stands, bends over, crouches, kneels or sits.

    Returns:
        ``Person_sitting`` for those on a seat or in a wheelchair, otherwise ``Pedestrian``; and the shape, which is
        rigid.
    """
    build = _build(rng)
    outfit = _Outfit.sample(rng, build)
    pose_of = _STAYING[rng.choice(len(_STAYING), p=[share for share, _ in _STAYING])][1]
    kind, pose, held = pose_of(rng, build)
    if pose_of is not _standing:
        outfit = replace(outfit, skirt=None)
    whole = join([figure(build, pose), *outfit.parts(build, pose), *held]).standing_at_origin()
    return kind, lambda travelled: whole
