"""Lorries, vans with a box, trailers, caravans and tractors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from strl_mmdet3d.simulation.actors.bodywork import FABRIC, Family, Range, body, paint
from strl_mmdet3d.simulation.actors.shape import (
    REFLECTOR,
    Limb,
    between,
    blocks,
    chance,
    loft,
    prism,
    tubes,
    wheel,
    xyz,
)
from strl_mmdet3d.simulation.actors.vehicle_families import BOX_VAN_CAB, LORRY_CAB
from strl_mmdet3d.simulation.surface import Surface, join


@dataclass(frozen=True)
class _Deck:
    """What is behind a cab, or on a trailer: from ``rear`` to ``front`` (x), ``floor`` and ``top`` (z), in metres.

    ``half`` is half its width, ``coat`` the albedo of its paint.
    """

    rear: float
    front: float
    half: float
    floor: float
    top: float
    coat: float

    @property
    def lamps(self) -> Surface:
        """Two rear lamps and a number plate on the bar beneath the floor's rear end."""
        x, z, out = (self.rear - 0.02, self.rear + 0.02), self.floor, 0.8 * self.half
        rows = [[x[0], y - 0.15, z - 0.25, x[1], y + 0.15, z - 0.12] for y in (-out, out)]
        return blocks([*rows, [x[0], -0.26, z - 0.3, x[1], 0.26, z - 0.18]], REFLECTOR)

    @property
    def bar(self) -> list[float]:
        """The block that carries the lamps."""
        return [self.rear, -0.9 * self.half, self.floor - 0.3, self.rear + 0.08, 0.9 * self.half, self.floor - 0.1]


def _box(rng: np.random.Generator, deck: _Deck) -> list[Surface]:
    """Draw a closed box."""
    return [blocks([[deck.rear, -deck.half, deck.floor, deck.front, deck.half, deck.top]], deck.coat)]


def _flat_bed(rng: np.random.Generator, deck: _Deck) -> list[Surface]:
    """Draw a flat bed with a wall behind the cab, and crates on it."""
    bed, half = deck.floor + 0.1, deck.half
    rows = [[deck.rear, -half, deck.floor, deck.front, half, bed]]
    rows.append([deck.front - 0.08, -half, bed, deck.front, half, bed + 0.8])
    parts = [blocks(rows, 0.12)]
    x = deck.rear + 0.1
    while x < deck.front - 1.0 and chance(rng, 0.8):
        deep, size = between(rng, (0.6, 1.6)), between(rng, (0.3, 1.0)) * half
        crate = [x, -size, bed, min(x + deep, deck.front - 0.1), size, bed + between(rng, (0.2, deck.top - bed - 0.2))]
        parts.append(blocks([crate], between(rng, (0.1, 0.7))))
        x += deep + between(rng, (0.1, 0.8))
    return parts


def _tipper(rng: np.random.Generator, deck: _Deck) -> list[Surface]:
    """Draw a tipper's tub, filled to its rim."""
    rim = deck.floor + between(rng, (0.7, 1.2))
    tub = [[deck.rear + 0.35, deck.floor], [deck.front, deck.floor], [deck.front, rim + 0.2], [deck.rear, rim + 0.1]]
    return [prism(np.array(tub), deck.half, deck.coat)]


def _tank(rng: np.random.Generator, deck: _Deck) -> list[Surface]:
    """Draw a tank with an elliptic cross-section."""
    angle = np.arange(10) * (np.pi / 5)
    tall = min(deck.half, (deck.top - deck.floor) / 2)
    outline = np.column_stack([np.zeros(10), deck.half * np.cos(angle), deck.floor + tall * (1 + np.sin(angle))])
    return [loft(np.stack([outline + xyz(x, 0.0, 0.0) for x in (deck.rear, deck.front)]), deck.coat)]


def box_van(rng: np.random.Generator) -> tuple[str, Surface]:
    """Draw a van with a box behind the cab."""
    return 'Van', _lorry_of(rng, BOX_VAN_CAB, (2.6, 4.2), (1.9, 2.25), (2.3, 3.1), (0.31, 0.38), _box)


def lorry(rng: np.random.Generator) -> tuple[str, Surface]:
    """Draw a lorry: a cab with a box, a flat bed with its load, a tipper or a tank behind it, on two or three axles."""
    cargo = (_box, _flat_bed, _tipper, _tank)[rng.integers(4)]
    return 'Truck', _lorry_of(rng, LORRY_CAB, (4.2, 7.4), (2.2, 2.55), (2.6, 3.8), (0.44, 0.52), cargo)


def _lorry_of(
    rng: np.random.Generator,
    family: Family,
    long: Range,
    wide: Range,
    high: Range,
    radius: Range,
    cargo: Callable[[np.random.Generator, _Deck], list[Surface]],
) -> Surface:
    """Draw a cab and what is behind it on a frame.

    Args:
        rng: Draws everything.
        family: The cab's.
        long: Smallest and largest length behind the cab, metres.
        wide: Likewise its width.
        high: Likewise the height of its top; a box is at least as high as the cab.
        radius: Likewise that of its wheels.
        cargo: Draws what stands on the frame.
    """
    m, parts = body(rng, family)
    r, gap = between(rng, radius), between(rng, (0.04, 0.4))
    front = -m.length / 2 - gap
    deck = _Deck(
        rear=front - between(rng, long),
        front=front,
        half=between(rng, wide) / 2,
        floor=2 * r + between(rng, (0.02, 0.15)),
        top=max(between(rng, high), m.height),
        coat=paint(rng),
    )
    frame = [deck.rear, -0.45, r, front + gap + 0.5, 0.45, deck.floor]
    axles = [deck.rear + between(rng, (0.18, 0.3)) * (front - deck.rear)]
    if front - deck.rear > 5.5 and chance(rng, 0.5):
        axles.append(axles[0] + 2 * r + 0.2)
    rim = between(rng, (0.06, 0.6))
    wheels = [wheel(x, side * (deck.half - 0.02), r, 0.3, rim) for x in axles for side in (-1, 1)]
    # The cab's rear wheels are left out.
    return join([parts[0], *parts[3:], *cargo(rng, deck), blocks([frame, deck.bar], 0.12), *wheels, deck.lamps])


def _caravan(rng: np.random.Generator, deck: _Deck) -> list[Surface]:
    """Draw a caravan's body with slanted ends and two windows on each side."""
    rear, front, half, high = deck.rear, deck.front, deck.half, deck.top
    long = front - rear
    slope = between(rng, (0.05, 0.16)) * long
    side = [[rear + 0.1, deck.floor], [front - 0.25, deck.floor], [front, deck.floor + 0.7]]
    side += [[front - slope, high - 0.1], [0.2 * long, high], [-0.3 * long, high]]
    side += [[rear + 0.4 * slope, high - 0.15], [rear, 1.2]]
    panes = [[-0.3 * long, -half - 0.01, 1.3, -0.05 * long, half + 0.01, 1.9]]
    panes.append([0.12 * long, -half - 0.01, 1.35, 0.32 * long, half + 0.01, 1.85])
    return [prism(np.array(side), half, between(rng, (0.6, 0.85))), blocks(panes, 0.12)]


def _open_box(rng: np.random.Generator, deck: _Deck) -> list[Surface]:
    """Draw an open box of four low walls, and perhaps a load in it."""
    rear, front, half, floor = deck.rear, deck.front, deck.half, deck.floor
    rim = floor + between(rng, (0.25, 0.5))
    rows = [[rear, -half, floor, front, half, floor + 0.06]]
    rows += [[rear, y - 0.03, floor, front, y + 0.03, rim] for y in (-half, half)]
    rows += [[x - 0.03, -half, floor, x + 0.03, half, rim] for x in (rear, front)]
    if chance(rng, 0.6):
        rows.append([0.8 * rear, -0.8 * half, floor, 0.6 * front, 0.7 * half, floor + between(rng, (0.3, 1.1))])
    return [blocks(rows, deck.coat)]


def _boat(rng: np.random.Generator, deck: _Deck) -> list[Surface]:
    """Draw a boat's hull, with its bow in front."""
    x = np.linspace(deck.rear, deck.front, 6)
    wide = deck.half * np.array([0.85, 1.0, 1.0, 0.9, 0.6, 0.05])
    keel = deck.floor + np.array([0.05, 0.0, 0.0, 0.05, 0.25, 0.6])
    rim = deck.floor + between(rng, (0.75, 1.0)) + np.array([0.0, 0.0, 0.0, 0.03, 0.08, 0.15])
    bilge = keel + 0.3 * (rim - keel)
    outline = ((0 * x, keel), (0.8 * wide, bilge), (wide, rim), (-wide, rim), (-0.8 * wide, bilge))
    return [loft(np.stack([np.column_stack([x, y, z]) for y, z in outline], axis=1), deck.coat)]


def trailer(rng: np.random.Generator) -> tuple[str, Surface]:
    """Draw a caravan, a box trailer, an open trailer with its load, or a boat on a trailer, with a drawbar in front."""
    # Builder, length, half width, height of the floor and of the top in metres.
    kinds = (
        (_caravan, (3.8, 6.0), (1.0, 1.22), (0.4, 0.5), (2.4, 2.75)),
        (_box, (2.2, 3.6), (0.65, 0.95), (0.45, 0.6), (1.4, 2.4)),
        (_open_box, (1.8, 3.4), (0.65, 0.95), (0.45, 0.6), (1.0, 1.0)),
        (_boat, (3.2, 5.5), (0.65, 0.95), (0.45, 0.6), (1.0, 1.0)),
    )
    build, *limits = kinds[rng.choice(4, p=[0.35, 0.25, 0.25, 0.15])]
    long, half, floor, top = (between(rng, limit) for limit in limits)
    deck = _Deck(-long / 2, long / 2, half, floor, top, paint(rng))
    radius, rim = between(rng, (0.24, 0.34)), between(rng, (0.1, 0.6))
    hitch = long / 2 + between(rng, (0.7, 1.3))
    sticks = [Limb([long / 2 - 0.3, y, floor - 0.05], [hitch, 0.0, 0.42], 0.04, 0.04, 0.3) for y in (-0.4, 0.4)]
    sticks += [
        Limb([-long / 2, y, floor - 0.05], [long / 2 - 0.3, y, floor - 0.05], 0.04, 0.04, 0.3) for y in (-0.4, 0.4)
    ]
    # The jockey wheel's post stands on the ground.
    sticks.append(Limb([hitch - 0.15, 0.0, 0.0], [hitch - 0.15, 0.0, 0.55], 0.04, 0.04, 0.3))
    axles = [-0.05 * long] if long < 4.8 else [-0.05 * long - radius - 0.03, -0.05 * long + radius + 0.03]
    # A broad trailer hides its wheels; a narrow one has them beside it.
    beside = half + 0.2 if half < 0.98 else half - 0.02
    wheels = [wheel(x, side * beside, radius, 0.16, rim) for x in axles for side in (-1, 1)]
    return 'Misc', join([*build(rng, deck), *wheels, tubes(sticks), blocks([deck.bar], 0.12), deck.lamps])


def tractor(rng: np.random.Generator) -> tuple[str, Surface]:
    """Draw a tractor, in one of two cases with a shovel in front."""
    big, small, half = between(rng, (0.6, 0.9)), between(rng, (0.35, 0.55)), between(rng, (0.75, 1.05))
    base, top, coat = between(rng, (1.9, 2.5)), between(rng, (2.3, 2.85)), between(rng, (0.1, 0.6))
    floor = big + 0.1
    cab = np.array([[-0.55, floor], [0.75, floor], [0.7, top - 0.1], [-0.45, top - 0.1]])
    rows = [
        [0.5, -0.35, small, base + 0.35, 0.35, floor + 0.45],
        [-0.6, -0.5, 0.45, 0.7, 0.5, floor],
        [-0.6, -0.7 * half - 0.1, top - 0.12, 0.8, 0.7 * half + 0.1, top],
        *([x, y - 0.05, floor, x + 0.1, y + 0.05, top] for x in (-0.5, 0.6) for y in (-0.68 * half, 0.68 * half)),
    ]
    if chance(rng, 0.5):
        rows.append([base + 0.9, -half, 0.2, base + 1.4, half, between(rng, (0.7, 1.1))])
        rows += [[0.6, y - 0.06, floor, base + 1.0, y + 0.06, floor + 0.14] for y in (-0.5, 0.5)]
    parts = [blocks(rows, coat), prism(cab, 0.7 * half, 0.12, opacity=0.3)]
    parts.append(blocks([[-0.4, -0.25, floor, -0.25, 0.25, floor + 0.8]], FABRIC))
    parts += [wheel(0.0, side * half, big, 0.4, 0.4) for side in (-1, 1)]
    parts += [wheel(base, side * (half - 0.05), small, 0.28, 0.4) for side in (-1, 1)]
    return 'Misc', join(parts)
