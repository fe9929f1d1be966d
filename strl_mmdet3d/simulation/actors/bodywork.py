"""The bodies of cars and vans: a hull up to the windows' lower edge, with arches for the wheels, and a cabin on it.

The cabin is made of pillars, panes and a roof. Every measure of both is drawn, so no two vehicles agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strl_mmdet3d.simulation.actors.shape import REFLECTOR, Limb, between, blocks, chance, limbs, loft, wheel, xyz
from strl_mmdet3d.simulation.surface import Surface, join, quads

Range = tuple[float, float]

FABRIC = 0.1
"""Albedo of seats and soft roofs."""


@dataclass(frozen=True)
class Family:
    """A family of bodies: limits between which each measure is drawn.

    Attributes:
        kind: The KITTI class.
        share: How often it is drawn, relative to the others of its list.
        length, width, height: Metres.
        belt: Height of the windows' lower edge, as a share of the height.
        bonnet: Length of the bonnet, as a share of the length.
        nose: Height of the bonnet's front end, as a share of the belt's.
        boot: Length of the boot's lid behind the cabin, as a share of the length.
        deck: Height of the boot's lid, as a share of the belt's.
        screen: Horizontal run of the windscreen, as a share of the length: its rake.
        rear: Horizontal run of the rear window, likewise.
        roof: ``pane`` (glass all around), ``panel`` (sheet metal behind the front seats), ``soft``, or ``open``.
        clearance: Height of the floor over the road, metres.
        radius: Of the wheels, metres.
        bed: Whether the boot is an open bed with side walls.
    """

    kind: str
    share: float
    length: Range
    width: Range
    height: Range
    belt: Range
    bonnet: Range
    nose: Range
    boot: Range
    deck: Range
    screen: Range
    rear: Range
    roof: str = 'pane'
    clearance: Range = (0.14, 0.22)
    radius: Range = (0.28, 0.34)
    bed: bool = False


@dataclass(frozen=True)
class Measures:
    """One body's measures, in metres. Heights are over the road, x runs from the rear bumper at -length / 2.

    Attributes:
        length, half, height: Of the body; ``half`` is half its width.
        belt: Height of the windows' lower edge.
        nose, deck: Heights of the bonnet's front end and of the boot's lid.
        sill: ``(2,)`` x of the cabin's rear and front end at the belt.
        eaves: ``(2,)`` x of the roof's rear and front end.
        shoulder: Half width of the cabin at the belt.
        top: Half width of the roof: the tumblehome.
        axles: ``(2,)`` x of the rear and the front axle.
        radius: Of the wheels.
        paint: Albedo of the body.
        glass, opacity: Albedo and opacity of the panes.
    """

    length: float
    half: float
    height: float
    belt: float
    nose: float
    deck: float
    sill: np.ndarray
    eaves: np.ndarray
    shoulder: float
    top: float
    axles: np.ndarray
    radius: float
    paint: float
    glass: float
    opacity: float


def paint(rng: np.random.Generator) -> float:
    """Draw the albedo of a paint: black, white, or metallic and in between."""
    limits = [(0.04, 0.1), (0.65, 0.85), (0.1, 0.65)][rng.choice(3, p=[0.25, 0.3, 0.45])]
    return between(rng, limits)


def _hull(m: Measures, tops: np.ndarray, clearance: float, taper: tuple[float, float]) -> Surface:
    """Return the body up to the belt, with arches over the wheels.

    Args:
        m: The body's measures.
        tops: ``(T, 2)`` x and height of its upper edge, from the rear to the front.
        clearance: Height of the floor, metres.
        taper: How much narrower the rear and the front end are than the middle, as shares.
    """
    arch = 1.16 * m.radius
    around = np.array([-1.0, -0.8, -0.4, 0.0, 0.4, 0.8, 1.0]) * arch
    arches = (m.axles[:, None] + around).ravel()
    x = np.unique(np.concatenate([tops[:, 0], arches[np.abs(arches) < m.length / 2 - 0.02], m.axles - arch - 0.01]))
    x = x[np.abs(x) <= m.length / 2]
    top = np.interp(x, tops[:, 0], tops[:, 1])
    # Bumpers rise towards both ends; the floor rises over the wheels.
    end = np.maximum(0.0, np.abs(x) / (m.length / 2) - 0.85) / 0.15
    floor = clearance + 0.12 * end**2
    to_axle = np.abs(x[:, None] - m.axles).min(1)
    floor = np.maximum(floor, np.where(to_axle < arch, m.radius + np.sqrt(np.maximum(arch**2 - to_axle**2, 0.0)), 0.0))
    floor = np.minimum(floor, top - 0.04)
    narrow = np.where(x < 0, taper[0], taper[1]) * np.maximum(0.0, np.abs(x) / (m.length / 2) - 0.6) ** 2 / 0.16
    half = m.half * (1.0 - narrow)

    up = np.array([0.0, 0.2, 0.55, 0.9, 1.0])
    out = np.array([0.93, 0.98, 1.0, m.shoulder / m.half + 0.02, m.shoulder / m.half - 0.06])
    side = np.stack(
        [
            np.broadcast_to(x[:, None], (len(x), 5)),
            half[:, None] * np.minimum(out, 1.0),
            floor[:, None] + up * (top - floor)[:, None],
        ],
        axis=-1,
    )
    return loft(np.concatenate([side, side[:, ::-1] * [1.0, -1.0, 1.0]], axis=1), m.paint)


def _cabin(m: Measures, roof: str, pillars: np.ndarray) -> list[Surface]:
    """Return what stands on the hull: pillars, panes and the roof.

    Args:
        m: The body's measures.
        roof: As in :class:`Family`; not ``open``.
        pillars: ``(n, 2)`` where the pillars of each side start and end, from 0 at the rear to 1 at the front, in
            order; a wide one is a panel. Between them are panes.
    """
    along = np.unique(np.concatenate([pillars.ravel(), [0.3, 0.7]]))
    drop = (m.height - m.belt) * 0.09 * (2 * along - 1) ** 2
    low_x, high_x = (ends[0] + along * (ends[1] - ends[0]) for ends in (m.sill, m.eaves))
    high_z = m.height - 0.03 - drop
    low = np.column_stack([low_x, np.full(len(along), m.shoulder), np.full(len(along), m.belt)])
    high = np.column_stack([high_x, np.full(len(along), m.top), high_z])
    crown = np.column_stack([high_x, np.full(len(along), 0.6 * m.top), high_z + 0.03])

    panels = np.stack([low[:-1], low[1:], high[1:], high[:-1]], axis=1)
    middle = (along[:-1] + along[1:]) / 2
    metal = ((middle[:, None] > pillars[:, 0]) & (middle[:, None] < pillars[:, 1])).any(1) | (roof == 'soft')
    mirror = np.array([1.0, -1.0, 1.0])
    eaves = np.stack([high[:-1], high[1:], crown[1:], crown[:-1]], axis=1)
    middle_roof = np.stack([crown[:-1], crown[1:], crown[1:] * mirror, crown[:-1] * mirror], axis=1)
    solid = [panels[metal], panels[metal] * mirror, eaves, eaves * mirror, middle_roof]
    panes = [panels[~metal], panels[~metal] * mirror]
    for end, is_glass in ((0, roof == 'pane'), (-1, True)):
        screen, frame = _framed(low[end], high[end], crown[end])
        solid.append(frame)
        (panes if is_glass else solid).append(screen)
    made = [quads(np.concatenate(solid), m.paint if roof != 'soft' else FABRIC)]
    made.append(quads(np.concatenate(panes), m.glass, m.opacity))
    return made


def _framed(low: np.ndarray, high: np.ndarray, crown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners ``(1, 4, 3)`` of an end window, and ``(3, 4, 3)`` of its frame.

    ``low``, ``high`` and ``crown`` ``(3,)`` are the left ends of its lower and upper edge, and of the roof's middle.
    """
    mirror, inset = np.array([1.0, -1.0, 1.0]), np.array([1.0, 0.9, 1.0])
    window = np.stack([low * inset, high * inset, high * inset * mirror, low * inset * mirror])
    left = np.stack([low, high, window[1], window[0]])
    head = np.stack([high, crown, crown * mirror, high * mirror])
    return window[None], np.stack([left, left * mirror, head])


def _inside(rng: np.random.Generator, m: Measures, *, driver: bool) -> Surface:
    """Draw the seats that beams meet behind the panes, and perhaps a driver."""
    deep, rise = m.sill[1] - m.sill[0], m.height - m.belt
    front = m.sill[0] + between(rng, (0.42, 0.52)) * deep
    back = m.belt + min(0.3, 0.5 * rise)
    rows = [
        [front - 0.12, y - 0.22, m.belt - 0.2, front, y + 0.22, back] for y in (-0.5 * m.shoulder, 0.5 * m.shoulder)
    ]
    if deep > 1.7:
        rows.append([front - 0.95, -0.8 * m.shoulder, m.belt - 0.2, front - 0.83, 0.8 * m.shoulder, m.belt + 0.2])
    seats = blocks(rows, FABRIC)
    if not driver:
        return seats
    y, head = 0.5 * m.shoulder, m.belt + min(0.38, 0.62 * rise)
    body = [
        Limb([front + 0.12, y, m.belt - 0.1], [front + 0.1, y, head - 0.3], 0.17, 0.14, between(rng, (0.05, 0.8))),
        Limb([front + 0.12, y, head - 0.03], [front + 0.12, y, head], 0.09, 0.1, between(rng, (0.3, 0.6))),
    ]
    return join([seats, limbs(body)])


def _lights(rng: np.random.Generator, m: Measures) -> Surface:
    """Draw number plates and lamps. They reflect strongly, and stand a centimetre out of the body's ends."""
    front, rear, nose, tail = m.length / 2, -m.length / 2, m.nose, min(m.deck, m.belt, 1.1)
    wide, high = between(rng, (0.1, 0.22)), between(rng, (0.08, 0.2))
    rows = [
        [front - 0.03, -0.26, 0.4 * nose, front + 0.01, 0.26, 0.4 * nose + 0.11],
        [rear - 0.01, -0.26, 0.6 * tail, rear + 0.03, 0.26, 0.6 * tail + 0.11],
    ]
    for side in (-1, 1):
        y = side * 0.66 * m.half
        rows.append([front - 0.12, y - wide / 2, nose - high - 0.06, front - 0.005, y + wide / 2, nose - 0.06])
        rows.append([rear, y - wide / 2, tail - 2 * high, rear + 0.1, y + wide / 2, tail - 0.06])
    lamp, tail_lamp = rng.uniform(0.4, REFLECTOR, 2)
    return blocks(rows, np.array([REFLECTOR, REFLECTOR, lamp, tail_lamp, lamp, tail_lamp]))


def _wheels(rng: np.random.Generator, m: Measures) -> list[Surface]:
    """Draw four wheels a little within the body."""
    width, rim, inset = between(rng, (0.15, 0.26)), between(rng, (0.06, 0.7)), between(rng, (0.01, 0.05))
    return [wheel(x, side * (m.half - inset), m.radius, width, rim) for x in m.axles for side in (-1, 1)]


def _pillars(rng: np.random.Generator, doors: int) -> np.ndarray:
    """Draw the pillars of a side with ``doors`` panes, ``(doors + 1, 2)`` from rear to front; the rear one is broad."""
    inner = (np.arange(1, doors) + rng.uniform(-0.15, 0.15, doors - 1)) / doors
    broad = between(rng, (0.04, 0.25 / doors + 0.08))
    return np.array([[0.0, broad], *([x - 0.02, x + 0.025] for x in inner), [0.955, 1.0]])


def _measures(rng: np.random.Generator, family: Family) -> Measures:
    """Draw the measures of a body of a family."""
    length, width, height = (between(rng, size) for size in (family.length, family.width, family.height))
    belt = between(rng, family.belt) * height
    bonnet, boot, screen, rear = (
        length * between(rng, share) for share in (family.bonnet, family.boot, family.screen, family.rear)
    )
    nose = between(rng, family.nose) * belt
    # The bonnet reaches over the wheels.
    radius = min(between(rng, family.radius), 0.46 * nose)
    shoulder = width / 2 * between(rng, (0.88, 0.98))
    tumblehome = between(rng, (0.86, 0.97) if family.kind == 'Van' else (0.74, 0.9))
    overhangs = length * between(rng, (0.13, 0.22)), length * between(rng, (0.14, 0.21))
    sill = np.array([-length / 2 + boot + 0.01, length / 2 - bonnet])
    return Measures(
        length=length,
        half=width / 2,
        height=height,
        belt=belt,
        nose=nose,
        deck=between(rng, family.deck) * belt,
        sill=sill,
        eaves=np.array([sill[0] + rear, sill[1] - screen]),
        shoulder=shoulder,
        top=shoulder * tumblehome,
        axles=np.array([max(overhangs[0], 1.2 * radius) - length / 2, length / 2 - max(overhangs[1], 1.2 * radius)]),
        radius=radius,
        paint=paint(rng),
        glass=between(rng, (0.06, 0.2)),
        opacity=between(rng, (0.1, 0.6)),
    )


def _upper_edge(rng: np.random.Generator, m: Measures, bed: float | None) -> np.ndarray:
    """Draw the upper edge of the hull: ``(T, 2)`` x and height from the rear to the front bumper.

    ``bed`` is the height of a pick-up's open bed in metres.
    """
    rear, front = -m.length / 2, m.length / 2
    bonnet = front - m.sill[1]
    if bed is None:
        tail = m.deck if m.sill[0] - rear > 0.2 else m.belt
        behind = [[rear, 0.8 * tail], [rear + 0.03, 0.97 * tail]]
    else:
        behind = [[rear, bed], [m.sill[0] - 0.04, bed]]
    bulge = between(rng, (0.0, 0.06)) * bonnet
    edge = np.array(
        [
            *behind,
            [m.sill[0], m.belt],
            [m.sill[1], m.belt],
            [front - 0.45 * bonnet, m.nose + 0.55 * (m.belt - m.nose) + bulge],
            [front - 0.12 * bonnet, m.nose],
            [front, between(rng, (0.72, 0.9)) * m.nose],
        ]
    )
    # Without a boot the cabin starts at the bumper: that point comes too early and is left out.
    return edge[np.concatenate([[True], np.diff(edge[:, 0]) > 1e-3])]


def _bed(rng: np.random.Generator, m: Measures, floor: float) -> list[Surface]:
    """Draw the side walls and the tailgate of a pick-up's bed, and perhaps its load."""
    rear, front, half, wall = -m.length / 2, m.sill[0], 0.9 * m.half, 0.06
    rows = [[rear, y - wall, floor, front, y + wall, m.deck] for y in (-half, half)]
    parts = [blocks([*rows, [rear, -half, floor, rear + wall, half, m.deck]], m.paint)]
    if chance(rng, 0.4):
        load = [rear + 0.2, -0.75 * half, floor, front - 0.2, 0.65 * half, floor + between(rng, (0.3, 0.9))]
        parts.append(blocks([load], 0.35))
    return parts


def body(rng: np.random.Generator, family: Family) -> tuple[Measures, list[Surface]]:
    """Draw a vehicle of a family: its hull, its rear and front wheels (two each), and everything else."""
    m = _measures(rng, family)
    bed = max(m.deck - between(rng, (0.35, 0.5)), 2 * m.radius + 0.07) if family.bed else None
    taper = (between(rng, (0.03, 0.12)), between(rng, (0.06, 0.2)))
    parts = [_hull(m, _upper_edge(rng, m, bed), between(rng, family.clearance), taper), *_wheels(rng, m)]
    parts += [] if bed is None else _bed(rng, m, bed)
    parts.append(_lights(rng, m))
    if family.roof == 'open':
        top = xyz(m.eaves[1], 0.9 * m.top, m.height)
        window, frame = _framed(xyz(m.sill[1], m.shoulder, m.belt), top, top + xyz(-0.04, -0.1, 0.0))
        parts += [quads(window, m.glass, m.opacity), quads(frame, m.paint)]
    elif family.roof == 'panel':
        behind = between(rng, (0.55, 0.72))
        parts += _cabin(m, family.roof, np.array([[0.0, behind], [0.955, 1.0]]))
    else:
        doors = int(rng.integers(3, 6)) if family.kind == 'Van' else int(rng.integers(2, 4))
        parts += _cabin(m, family.roof, _pillars(rng, doors))
    if family.roof != 'panel':
        parts.append(_inside(rng, m, driver=chance(rng, 0.5)))
    return m, parts
