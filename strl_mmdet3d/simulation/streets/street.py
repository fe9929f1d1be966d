"""Streets: their course, their cross-section, and the ground that they are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from strl_mmdet3d.simulation.surface import Surface, join, quads

_ASPHALT, _PAVING, _LAWN, _KERB, _MARKING = 0.29, 0.34, 0.42, 0.36, 0.65
"""Albedos in the near infra-red."""

GARDEN_DEPTH = 12.0
"""Metres that the raised ground extends behind the pavement."""

FACET = 2.0
"""Length of the ground's facets near a street, metres."""


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
            lane=rng.uniform(2.8, 3.8),
            cycle=rng.uniform(1.3, 1.9),
            parking=float(rng.choice([0.0, rng.uniform(2.1, 2.7), rng.uniform(5.0, 6.2)], p=[0.25, 0.5, 0.25])),
            pavement=rng.uniform(3.2, 6.5),
            kerb=rng.uniform(0.02, 0.18),
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

    def pavements(self) -> Surface:
        """Return the pavements, the ground behind them, the kerbs, and the markings on the road."""
        stretches = [(side, *ends) for side in (-1, 1) for ends in self.stretches(side, of_buildings=False)]
        return join([self._markings(), *(self._raised_ground(*stretch) for stretch in stretches)])

    def _ribbon(self, s: np.ndarray, inner: tuple[float, float], outer: tuple[float, float], albedo: float) -> Surface:
        """Return a strip along ``(n,)`` s between two rails, each a pair of d and z."""
        rails = [np.column_stack([*self.line.at(s, d)[:2], np.full(len(s), z)]) for d, z in (inner, outer)]
        return quads(np.stack([rails[0][:-1], rails[0][1:], rails[1][1:], rails[1][:-1]], axis=1), albedo)

    def _markings(self) -> Surface:
        """Return the centreline and the cyclists' lines: dashes of 3 m, 6 m apart, half a centimetre above the road."""
        starts = np.arange(self.start, self.end - 3, 9.0)
        lines = (0.0, *(side * self.section.lane for side in (-1, 1)))
        middle = [
            self._ribbon(np.array([s, s + 1.5, s + 3]), (d - 0.06, 0.005), (d + 0.06, 0.005), _MARKING)
            for d in lines
            for s in starts
        ]
        return join(middle)

    def _raised_ground(self, side: int, low: float, high: float) -> Surface:
        """Return the pavement and the garden with their kerb."""
        section = self.section
        s = np.linspace(low, high, max(2, int((high - low) / FACET) + 2))
        edge = section.half_road + section.pavement
        kerb, paved, far = side * section.half_road, side * edge, side * (edge + GARDEN_DEPTH)
        top = section.kerb
        parts = [self._ribbon(s, (kerb, 0.0), (kerb, top), _KERB)]
        for inner, outer, albedo in ((kerb, paved, _PAVING), (paved, far, _LAWN)):
            rails = np.linspace(inner, outer, int(abs(outer - inner) / FACET) + 2)
            for first, second in pairwise(rails):
                parts.append(self._ribbon(s, (first, top), (second, top), albedo))
        for end in (low, high):
            x, y, _ = self.line.at(end, np.linspace(kerb, far, int(abs(far - kerb) / FACET) + 2))
            bottom, edge_on_top = (np.column_stack([x, y, np.full(len(x), z)]) for z in (0.0, top))
            corners = [bottom[:-1], bottom[1:], edge_on_top[1:], edge_on_top[:-1]]
            parts.append(quads(np.stack(corners, axis=1), _KERB))
        return join(parts)


def ground(street: Street) -> Surface:
    """Return the road surface at z = 0, 120 m larger than the street on every side, in facets that follow hills.

    The facets are 2 m long and wide near the street and coarser far from it.
    """
    s = np.concatenate(
        [
            np.linspace(street.start - 120, street.start, 20, endpoint=False),
            np.linspace(street.start, street.end, int((street.end - street.start) / FACET) + 2),
            np.linspace(street.end, street.end + 120, 21)[1:],
        ]
    )
    near, far = np.arange(0, 40, FACET), np.linspace(40, 120, 12)
    d = np.concatenate([-far[::-1], -near[:0:-1], near, far])
    x, y, _ = street.line.at(s[:, None], d)
    grid = np.stack([x, y, np.zeros_like(x)], axis=-1)
    return quads(np.stack([grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]], axis=2), _ASPHALT)
