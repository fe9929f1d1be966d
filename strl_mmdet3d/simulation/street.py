"""Streets: their course, their cross-section, and everything along them that does not move."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from strl_mmdet3d.simulation.surface import Surface, cuboid, cylinder, foliage, join, quads

_ASPHALT, _PAVING, _LAWN, _KERB, _MARKING = 0.29, 0.34, 0.42, 0.36, 0.65
"""Albedos in the near infra-red."""

GARDEN_DEPTH = 12.0
"""Metres that the raised ground extends behind the pavement."""


@dataclass(frozen=True)
class Centreline:
    """A line of constant curvature in the ground plane, with coordinates s along and d to the left of it.

    Attributes:
        x, y: The point s = 0, metres.
        heading: Its direction at s = 0, radians from +x to +y.
        curvature: 1 / metres; positive bends to the left.
    """

    x: float
    y: float
    heading: float
    curvature: float = 0.0

    def at(self, s: np.ndarray | float, d: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return world x, y and the line's heading at ``s`` and ``d``, which broadcast."""
        s, d = np.broadcast_arrays(np.asarray(s, dtype=np.float64), np.asarray(d, dtype=np.float64))
        turned = self.curvature * s
        # sin(t) / t and (1 - cos(t)) / t with their limits for a straight line.
        forward = s * np.sinc(turned / np.pi)
        left = s * np.sinc(turned / (2 * np.pi)) * np.sin(turned / 2) + d * np.cos(turned)
        forward = forward - d * np.sin(turned)
        cos, sin = np.cos(self.heading), np.sin(self.heading)
        return self.x + cos * forward - sin * left, self.y + sin * forward + cos * left, self.heading + turned


@dataclass(frozen=True)
class CrossSection:
    """The strips beside the centreline, in metres. Both sides are alike.

    Traffic keeps right. From the centre: a lane, a strip for cyclists, a strip for parking, the kerb, the pavement.

    Attributes:
        lane: Width of the driving lane.
        cycle: Width of the cyclists' strip.
        parking: Width of the parking strip: 0 for none. Cars park along the kerb up to 4 m, and across it above.
        pavement: Width of the pavement.
        kerb: Height of the pavement above the road.
    """

    lane: float
    cycle: float
    parking: float
    pavement: float
    kerb: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> CrossSection:
        """Draw a cross-section without parking, with parking along the kerb, or with parking across it."""
        return cls(
            lane=rng.uniform(2.9, 3.6),
            cycle=rng.uniform(1.3, 1.8),
            parking=float(rng.choice([0.0, 2.3, 5.6], p=[0.25, 0.55, 0.2])),
            pavement=rng.uniform(4.2, 5.5),
            kerb=rng.uniform(0.08, 0.15),
        )

    @property
    def half_road(self) -> float:
        """Distance of the kerb from the centreline."""
        return self.lane + self.cycle + self.parking

    @property
    def parks_across(self) -> bool:
        """Whether parked cars stand across the kerb."""
        return self.parking > 4.0


@dataclass(frozen=True)
class Mouth:
    """The place where a side street leaves.

    Attributes:
        s: Position along the street, metres.
        side: +1 on the left, -1 on the right.
        half_road: Half the width of the side street's road, metres.
        half_gap: Half the width of the gap between the buildings, metres.
    """

    s: float
    side: int
    half_road: float
    half_gap: float


@dataclass(frozen=True)
class Street:
    """A street from ``start`` to ``end`` (s, metres).

    Attributes:
        line: Its course.
        section: Its cross-section.
        start, end: Range of s that has pavements and buildings.
        mouths: The side streets that leave it.
        setback: Largest distance of the buildings from the pavement, metres.
    """

    line: Centreline
    section: CrossSection
    start: float
    end: float
    setback: float
    mouths: tuple[Mouth, ...] = field(default=())

    def stretches(self, side: int, *, of_buildings: bool) -> list[tuple[float, float]]:
        """Return the ranges of s on one side (+1 left, -1 right) between the side streets."""
        cuts = [
            (mouth.s - gap, mouth.s + gap)
            for mouth in self.mouths
            if mouth.side == side
            for gap in [mouth.half_gap if of_buildings else mouth.half_road]
        ]
        edges = [self.start, *(edge for cut in sorted(cuts) for edge in cut), self.end]
        return [(low, high) for low, high in zip(edges[::2], edges[1::2], strict=True) if high > low]

    def ground_height(self, s: float, d: float, reach: float = 0.0) -> float:
        """Return the height of the highest ground within ``reach`` metres along s: 0 on the road, or the pavement's."""
        if abs(d) < self.section.half_road:
            return 0.0
        stretches = self.stretches(int(np.sign(d)), of_buildings=False)
        return self.section.kerb if any(low - reach <= s <= high + reach for low, high in stretches) else 0.0

    def beside(self, part: Surface, s: float, d: float) -> Surface:
        """Return ``part`` moved to (s, d), standing on the ground there, with its +y away from the centreline."""
        x, y, heading = self.line.at(s, d)
        yaw = heading if d > 0 else heading + np.pi
        return part.placed(float(x), float(y), self.ground_height(s, d), float(yaw))

    def surroundings(self, rng: np.random.Generator) -> Surface:
        """Draw pavements, markings, buildings, gardens, trees, poles, signs and bins."""
        parts = [self._markings()]
        for side in (-1, 1):
            for low, high in self.stretches(side, of_buildings=False):
                parts += [self._raised_ground(side, low, high), *self._furniture(rng, side, low, high)]
            for low, high in self.stretches(side, of_buildings=True):
                parts += self._frontage(rng, side, low, high)
        return join(parts)

    def _ribbon(self, s: np.ndarray, inner: tuple[float, float], outer: tuple[float, float], albedo: float) -> Surface:
        """Return a strip along ``(n,)`` s between two rails, each a pair of d and z."""
        rails = [np.column_stack([*self.line.at(s, d)[:2], np.full(len(s), z)]) for d, z in (inner, outer)]
        return quads(np.stack([rails[0][:-1], rails[0][1:], rails[1][1:], rails[1][:-1]], axis=1), albedo)

    def _markings(self) -> Surface:
        """Return the dashes of the centreline: 3 m long and 6 m apart, half a centimetre above the road."""
        starts = np.arange(self.start, self.end - 3, 9.0)
        return join([self._ribbon(np.array([s, s + 3]), (-0.06, 0.005), (0.06, 0.005), _MARKING) for s in starts])

    def _raised_ground(self, side: int, low: float, high: float) -> Surface:
        """Return the pavement and the garden with their kerb."""
        section = self.section
        s = np.linspace(low, high, max(2, int((high - low) / 4) + 1))
        edge = section.half_road + section.pavement
        kerb, paved, far = side * section.half_road, side * edge, side * (edge + GARDEN_DEPTH)
        top = section.kerb
        parts = [
            self._ribbon(s, (kerb, 0.0), (kerb, top), _KERB),
            self._ribbon(s, (kerb, top), (paved, top), _PAVING),
            self._ribbon(s, (paved, top), (far, top), _LAWN),
        ]
        for end in (low, high):
            x, y, _ = self.line.at(end, np.array([kerb, far]))
            corners = [[x[0], y[0], 0.0], [x[1], y[1], 0.0], [x[1], y[1], top], [x[0], y[0], top]]
            parts.append(quads(np.array(corners), _KERB))
        return join(parts)

    def _frontage(self, rng: np.random.Generator, side: int, low: float, high: float) -> list[Surface]:
        """Draw buildings side by side, with hedges, walls or nothing in the gaps."""
        edge = self.section.half_road + self.section.pavement
        parts = []
        s = low
        while s < high - 5:
            width = min(rng.uniform(7, 20), high - s)
            # A straight front may cut the pavement of a bent street by up to 0.4 m: the pavement has room for that.
            setback = rng.uniform(0.0, self.setback)
            parts.append(self.beside(_building(rng, width), s + width / 2, side * (edge + setback)))
            if setback > 1.5 and rng.uniform() < 0.6:
                parts.append(self.beside(_garden_border(rng, width), s + width / 2, side * (edge + 0.3)))
            if setback > 3 and rng.uniform() < 0.6:
                plant = _tree(rng) if rng.uniform() < 0.6 else _bush(rng)
                parts.append(self.beside(plant, s + rng.uniform(1, width - 1), side * (edge + setback / 2)))
            s += width
            if rng.uniform() < 0.4:
                gap = rng.uniform(2, 9)
                if rng.uniform() < 0.7 and s + gap < high:
                    parts.append(self.beside(_garden_border(rng, gap), s + gap / 2, side * (edge + 0.3)))
                s += gap
        return parts

    def _furniture(self, rng: np.random.Generator, side: int, low: float, high: float) -> list[Surface]:
        """Draw trees, poles, signs and bins in a row along the kerb."""
        d = side * (self.section.half_road + 0.5)
        tree_spacing = rng.choice([8.0, 12.0, 20.0, 60.0])
        parts = []
        s = low + rng.uniform(2, 6)
        while s < high - 1:
            kind = rng.choice(4, p=[0.5, 0.2, 0.2, 0.1])
            parts.append(self.beside((_tree, _lamp, _sign, _bin)[kind](rng), s, d))
            s += rng.uniform(0.4, 1.2) * tree_spacing
        return parts


def ground(street: Street) -> Surface:
    """Return a flat rectangle of road surface at z = 0, 120 m larger than the street on every side."""
    x, y, _ = street.line.at(np.linspace(street.start, street.end, 20))
    low, high = np.array([x.min(), y.min()]) - 120, np.array([x.max(), y.max()]) + 120
    corners = [[low[0], low[1], 0], [high[0], low[1], 0], [high[0], high[1], 0], [low[0], high[1], 0]]
    return quads(np.array(corners), _ASPHALT)


def _building(rng: np.random.Generator, width: float) -> Surface:
    """Draw a block with its front on y = 0: a wall with windows and a door, and the panes 0.24 m behind it."""
    storeys = int(rng.integers(2, 6))
    storey, depth, albedo = rng.uniform(2.8, 3.6), rng.uniform(8, 12), rng.uniform(0.25, 0.6)
    height = storeys * storey
    bays = max(2, round(width / rng.uniform(2.2, 4.0)))
    sill, lintel = rng.uniform(0.3, 1.1), storey - rng.uniform(0.4, 0.9)
    pier = rng.uniform(0.3, 0.6) * width / bays
    door = int(rng.integers(bays))

    def panel(x0: float, x1: float, z0: float, z1: float) -> np.ndarray:
        """Return a rectangle of the front wall."""
        return np.array([[x0, 0, z0], [x1, 0, z0], [x1, 0, z1], [x0, 0, z1]])

    edges = np.linspace(-width / 2, width / 2, bays + 1)
    walls = []
    for level in range(storeys):
        z = level * storey
        walls.append(panel(-width / 2, width / 2, z + lintel, z + storey))
        for bay in range(bays):
            walls.append(panel(edges[bay], edges[bay] + pier, z, z + lintel))
            if level > 0 or bay != door:
                walls.append(panel(edges[bay] + pier, edges[bay + 1], z, z + sill))
    block = cuboid([-width / 2, 0.25, 0.0], [width / 2, depth, height], albedo)
    panes = quads(panel(-width / 2, width / 2, 0, height) + np.array([0, 0.24, 0]), albedo=0.15, opacity=0.4)
    return join([block, panes, quads(np.array(walls), albedo)])


def _garden_border(rng: np.random.Generator, width: float) -> Surface:
    """Draw a hedge, a wall or a fence along x, ``width`` metres long."""
    height = rng.uniform(0.6, 1.9)
    kind = rng.choice(3)
    if kind == 0:
        return foliage(rng, [-width / 2, 0.1, 0.0], [width / 2, 0.8, height], density=22, rounded=False)
    if kind == 1:
        return cuboid([-width / 2, 0.0, 0.0], [width / 2, 0.25, height], rng.uniform(0.25, 0.5))
    x = np.arange(-width / 2, width / 2 - 0.1, 0.25)
    corners = [[x, 0 * x, 0 * x], [x + 0.1, 0 * x, 0 * x], [x + 0.1, 0 * x, 0 * x + height], [x, 0 * x, 0 * x + height]]
    return quads(np.transpose(corners, (2, 0, 1)), rng.uniform(0.3, 0.5))


def _tree(rng: np.random.Generator) -> Surface:
    """Draw a trunk, and a crown that starts above the tallest van."""
    radius, crown_base = rng.uniform(0.08, 0.28), rng.uniform(3.1, 3.9)
    spread, top = rng.uniform(1.2, 3.0), rng.uniform(2.0, 6.0)
    crown = foliage(rng, [-spread, -spread, crown_base], [spread, spread, crown_base + top], density=1.5, rounded=True)
    return join([cylinder([0, 0, 0], [0, 0, crown_base + top / 2], radius, 0.28), crown])


def _bush(rng: np.random.Generator) -> Surface:
    """Draw a round bush."""
    spread, height = rng.uniform([0.5, 0.8], [1.1, 2.2])
    return foliage(rng, [-spread, -spread, 0.0], [spread, spread, height], density=20, rounded=True)


def _lamp(rng: np.random.Generator) -> Surface:
    """Draw a street lamp on a pole."""
    height = rng.uniform(4.5, 8)
    pole = cylinder([0, 0, 0], [0, 0, height], rng.uniform(0.05, 0.1), 0.35)
    return join([pole, cuboid([-0.1, -1.2, height - 0.1], [0.1, 0.1, height], 0.4)])


def _sign(rng: np.random.Generator) -> Surface:
    """Draw a traffic sign: a retro-reflecting plate on a thin pole, facing along the street."""
    height, half = rng.uniform(2.1, 2.7), rng.uniform(0.2, 0.35)
    pole = cylinder([0, 0, 0], [0, 0, height + half], 0.035, 0.35)
    return join([pole, cuboid([-0.06, -half, height - half], [-0.04, half, height + half], 0.97)])


def _bin(rng: np.random.Generator) -> Surface:
    """Draw a waste bin or a switch box."""
    x, y, z = rng.uniform([0.2, 0.2, 0.8], [0.6, 0.35, 1.4])
    return cuboid([-x, -y, 0.0], [x, y, z], rng.uniform(0.1, 0.5))
