"""What lines a street: buildings and gardens, things on the pavements and in parking bays, and open country."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from strl_mmdet3d.simulation.streets.bulky_things import IN_FIELDS, IN_GARDENS, PARKED
from strl_mmdet3d.simulation.streets.crowd import Actor, Crowd
from strl_mmdet3d.simulation.streets.district import District
from strl_mmdet3d.simulation.streets.frontage import building, garage, garden_border
from strl_mmdet3d.simulation.streets.plants import bush, conifer, street_tree, tree
from strl_mmdet3d.simulation.streets.solids import fitted
from strl_mmdet3d.simulation.streets.street import GARDEN_DEPTH, Street
from strl_mmdet3d.simulation.streets.street_furniture import AT_WALLS, LOOSE, SLIM, Builder, lamp
from strl_mmdet3d.simulation.surface import Surface, quads

_Builder = TypeVar('_Builder')

_KERB_STRIP = 0.9
"""Metres of the pavement beside the kerb that hold most of the furniture."""

_NOTHING = quads(np.zeros((0, 4, 3)), 0.0)

_CLEARANCE = 0.1
"""Smallest distance of a thing from labelled objects, metres."""


class _Edge(NamedTuple):
    """A side of a street as it is filled. A place on it is s along the street and d > 0 from its middle, metres."""

    rng: np.random.Generator
    street: Street
    side: int
    """-1 or 1."""
    district: District
    crowd: Crowd
    parts: list[Surface]

    def put(self, part: Surface, s: float, d: float) -> None:
        """Add ``part``, whoever stands there."""
        self.parts.append(self.street.beside(part, s, self.side * d))

    def put_if_free(self, part: Surface, s: float, d: float) -> None:
        """Add ``part`` with the centre of its footprint at (s, d), unless somebody is in its way."""
        part = part.standing_at_origin()
        if self.is_free(s, d, np.ptp(part.bounds, axis=0)[:2] + 2 * _CLEARANCE):
            self.put(part, s, d)

    def is_free(self, s: float, d: float, footprint: np.ndarray) -> bool:
        """Reserve a place with ``(2,)`` metres along and across the street. Return whether it was free."""
        place = Actor('', lambda travelled: _NOTHING, self.street, s, self.side * d)
        return self.crowd.keep_clear(place, footprint)


def closed_bays(rng: np.random.Generator, street: Street, district: District, crowd: Crowd) -> list[Surface]:
    """Draw what takes the place of parked cars. It reserves its places in ``crowd``, so no car is parked there."""
    section = street.section
    parts: list[Surface] = []
    if not section.parking:
        return parts
    for side in (-1, 1):
        edge = _Edge(rng, street, side, district, crowd, parts)
        for low, high in street.stretches(side, of_buildings=False):
            s = low + 1.0 + rng.exponential(10.0)
            while s < high - 2:
                length = min(rng.uniform(1.2, 6.5), high - 0.5 - s)
                if rng.uniform() < district.closed:
                    depth = min(section.parking - 0.3, rng.uniform(1.6, 2.3))
                    part = fitted(_drawn(rng, PARKED)(rng, length, depth), length, depth)
                    slack = (section.parking - 0.2 - np.ptp(part.bounds[:, 1])) / 2
                    d = section.half_road - section.parking / 2 + rng.uniform(-1, 1) * slack
                    edge.put_if_free(part, s + length / 2, d)
                s += length + rng.uniform(0.3, 3.0)
    return parts


def roadside(rng: np.random.Generator, street: Street, district: District, crowd: Crowd) -> list[Surface]:
    """Draw everything beside a street's road. What would meet anybody in ``crowd`` is left out."""
    parts: list[Surface] = []
    for side in (-1, 1):
        edge = _Edge(rng, street, side, district, crowd, parts)
        for low, high in street.stretches(side, of_buildings=False):
            _kerb_row(edge, low, high)
            _midway(edge, low, high)
        for low, high in street.stretches(side, of_buildings=True):
            _lots(edge, low, high)
    return parts


def countryside(rng: np.random.Generator, street: Street, district: District) -> list[Surface]:
    """Draw plants and farm things on the open ground behind a street, away from its side streets."""
    inner = street.section.half_road + street.section.pavement + GARDEN_DEPTH + 3
    density = 0.004 * (1 - district.built) * (0.2 + district.green)
    parts = []
    for _ in range(rng.poisson(density * (street.end - street.start) * 2 * 45)):
        side, s, d = int(rng.choice([-1, 1])), rng.uniform(street.start, street.end), inner + rng.uniform(0, 45)
        if all(abs(s - mouth.s) > mouth.half_gap + 16 for mouth in street.mouths):
            builders: Sequence[Builder] = (tree, conifer, bush) if rng.uniform() < district.green else IN_FIELDS
            part = _drawn(rng, builders)(rng).placed(0, 0, 0, rng.uniform(0, 2 * np.pi))
            parts.append(street.beside(part, s, side * d))
    return parts


def _drawn(rng: np.random.Generator, builders: Sequence[_Builder]) -> _Builder:
    """Draw one of the builders."""
    return builders[int(rng.integers(len(builders)))]


def _kerb_row(edge: _Edge, low: float, high: float) -> None:
    """Draw lamps and trees in rows along the kerb, and slim things between them."""
    rng, street, district = edge.rng, edge.street, edge.district
    kerb = street.section.half_road
    for builder, spacing, offset in (
        (lamp, rng.uniform(15, 50), rng.uniform(0.25, 0.7)),
        (street_tree, rng.uniform(5, 20) / max(district.green, 0.02), rng.uniform(0.4, 0.75)),
    ):
        s = low + rng.uniform(0, spacing)
        while s < high - 0.5:
            # Arms and crowns hang above everybody: only the foot needs a place.
            if edge.is_free(s, kerb + offset, np.full(2, 0.7)):
                edge.put(builder(rng), s, kerb + offset)
            s += spacing * rng.uniform(0.8, 1.2)
    spacing = 1.3 / max(district.clutter, 0.02)
    s = low + rng.exponential(spacing)
    favourites = [_drawn(rng, SLIM) for _ in range(5)]
    while s < high - 0.5:
        part = _drawn(rng, SLIM if rng.uniform() < 0.6 else favourites)(rng).standing_at_origin()
        length, depth = np.ptp(part.bounds, axis=0)[:2]
        if depth < _KERB_STRIP - 0.1 and s + length < high:
            if rng.uniform() < 0.3:
                part = part.placed(0, 0, 0, np.pi)
            d = kerb + 0.05 + depth / 2 + rng.uniform(0, _KERB_STRIP - 0.05 - depth)
            edge.put_if_free(part, s + length / 2, d)
            s += length
        s += 0.2 + rng.exponential(spacing)


def _midway(edge: _Edge, low: float, high: float) -> None:
    """Draw things that stand anywhere on the pavement or at the edge of the road, in any direction."""
    rng, street, district = edge.rng, edge.street, edge.district
    section = street.section
    behind = section.half_road + section.pavement
    builders: Sequence[Builder]
    for builders, inner, outer, number in (
        (AT_WALLS, section.half_road + 0.1, behind, rng.poisson(0.1 * (high - low))),
        (LOOSE, section.lane + 0.3, section.half_road - 0.05, rng.poisson(0.06 * (high - low))),
        ((_misplaced,), section.lane + 0.3, behind, rng.poisson(0.04 * (high - low))),
    ):
        for _ in range(rng.binomial(number, district.clutter)):
            part = _drawn(rng, builders)(rng).placed(0, 0, 0, rng.uniform(0, 2 * np.pi)).standing_at_origin()
            half_s, half_d = np.ptp(part.bounds, axis=0)[:2] / 2
            if 2 * half_d < outer - inner and 2 * half_s < high - low:
                s, d = rng.uniform(low + half_s, high - half_s), rng.uniform(inner + half_d, outer - half_d)
                edge.put_if_free(part, s, d)


def _misplaced(rng: np.random.Generator) -> Surface:
    """Draw something of a car's size that usually stands in a parking bay."""
    length, depth = rng.uniform([1.2, 1.0], [5.0, 2.0])
    return fitted(_drawn(rng, PARKED)(rng, length, depth), length, depth)


def _lots(edge: _Edge, low: float, high: float) -> None:
    """Draw lots side by side: a building, a garage or none, the garden, its border, and what stands at the wall."""
    rng, street, district = edge.rng, edge.street, edge.district
    front = street.section.half_road + street.section.pavement
    s = low
    while s < high - 3:
        width = min(rng.uniform(5, 24), high - s)
        middle = s + width / 2
        built, setback = rng.uniform() < district.built, rng.uniform(0.0, street.setback)
        shop = rng.uniform() < district.shops
        if shop:
            setback *= 0.3
        # A straight front may cut the pavement of a bent street by up to 0.5 m: there nobody walks.
        if built and width > 5 and rng.uniform() < 0.9:
            storeys = int(rng.integers(1, district.storeys + 1))
            house = building(rng, width - rng.choice([0.0, rng.uniform(0, 0.5)]), storeys, setback, shop=shop)
            edge.put(house, middle, front + setback)
        elif built:
            edge.put(garage(rng, width), middle, front + setback)
        depth = setback if built else GARDEN_DEPTH - 1
        bordered = depth > 1.2 and not shop and rng.uniform() < 0.3 + 0.4 * district.green
        if bordered:
            edge.put(garden_border(rng, width - 1.0), middle, front + rng.uniform(0.0, 0.4))
        if depth > 1.5:
            _garden(edge, s, width, front + 0.5, depth - 0.6)
        _at_wall(edge, s, width, 0.2 if bordered else setback)
        s += width
        if rng.uniform() < 0.3:
            s += rng.uniform(1, 9)


def _garden(edge: _Edge, low: float, width: float, inner: float, depth: float) -> None:
    """Draw plants and things in a garden, which starts at d = ``inner``. They may touch each other."""
    rng, district = edge.rng, edge.district
    area = width * depth
    for builders, number in (
        ((tree, conifer, bush, bush), rng.poisson(0.04 * district.green * area)),
        (IN_GARDENS, rng.poisson(min(3.0, area * (0.01 + 0.04 * district.clutter)))),
    ):
        for _ in range(number):
            part = _drawn(rng, builders)(rng).placed(0, 0, 0, rng.normal(0.0, 0.3) + rng.integers(4) * np.pi / 2)
            part = part.standing_at_origin()
            half_s, half_d = np.ptp(part.bounds, axis=0)[:2] / 2
            if 2 * half_s < width and 2 * half_d < depth:
                s = rng.uniform(low + half_s, low + width - half_s)
                edge.put(part, s, inner + rng.uniform(half_d, depth - half_d))


def _at_wall(edge: _Edge, low: float, width: float, free: float) -> None:
    """Draw things that stand at the building or at the garden's border, up to ``free`` metres behind the pavement."""
    rng, street, district = edge.rng, edge.street, edge.district
    outer = street.section.half_road + street.section.pavement + free
    for _ in range(rng.poisson(0.3 * district.clutter * width)):
        part = _drawn(rng, AT_WALLS)(rng).standing_at_origin()
        if rng.uniform() < 0.3:
            part = part.placed(0, 0, 0, rng.normal(0.0, 0.3)).standing_at_origin()
        length, depth = np.ptp(part.bounds, axis=0)[:2]
        if length < width and depth < free + 0.45 * street.section.pavement:
            d = outer - 0.05 - depth / 2 - rng.uniform() ** 3 * max(0.0, free + 0.5 - depth)
            edge.put_if_free(part, rng.uniform(low + length / 2, low + width - length / 2), d)
