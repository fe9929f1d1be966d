"""Furniture of SUN RGB-D's ten classes, in usual sizes.

Every builder returns a surface that stands on z = 0 and is centred on x = y = 0, with its front along +x (SUN RGB-D's
orientation). Its extents are exactly the labelled box: depth (front to back), width and height.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from strl_mmdet3d.simulation.surface import Surface, convex_hull, cuboid, cylinder, join

_WHITE = 0.75
"""Albedo of sanitary ware and of linen."""


def _legs(depth: float, width: float, height: float, thickness: float, albedo: float) -> list[Surface]:
    """Return four square legs at the corners of a footprint, from the floor up to ``height``."""
    x, y = depth / 2, width / 2
    return [
        cuboid([sx * x, sy * y, 0.0], [sx * (x - thickness), sy * (y - thickness), height], albedo)
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]


def _drawers(x: float, y: tuple[float, float], z: tuple[float, float], rows: int, albedo: float) -> list[Surface]:
    """Return drawer fronts, one above the other, that stick out 2 cm from the face at ``x``, each with a knob."""
    edges = np.linspace(*z, rows + 1)
    middle = sum(y) / 2
    parts = []
    for low, high in zip(edges[:-1] + 0.012, edges[1:] - 0.012, strict=True):
        parts.append(cuboid([x, y[0] + 0.015, low], [x + 0.02, y[1] - 0.015, high], albedo))
        knob = (low + high) / 2
        parts.append(cuboid([x + 0.02, middle - 0.04, knob - 0.01], [x + 0.04, middle + 0.04, knob + 0.01], 0.2))
    return parts


def bed(rng: np.random.Generator) -> Surface:
    """Draw a bed for one or two, with its foot in front, and with headboard, mattress and pillows."""
    length, width = rng.uniform(2.0, 2.25), rng.choice([rng.uniform(0.95, 1.2), rng.uniform(1.45, 1.95)])
    frame, top, head = rng.uniform(0.22, 0.32), rng.uniform(0.45, 0.62), rng.uniform(0.85, 1.15)
    wood, linen = rng.uniform(0.2, 0.5), rng.uniform(0.35, _WHITE)
    x, y = length / 2, width / 2
    parts = [
        cuboid([-x, -y, 0.0], [-x + 0.06, y, head], wood),
        cuboid([-x + 0.06, -y, 0.08], [x, y, frame], wood),
        cuboid([-x + 0.06, -y + 0.03, frame], [x - 0.03, y - 0.03, top], linen),
        *_legs(length, width, 0.08, 0.08, wood),
    ]
    pillows = 1 if width < 1.3 else 2
    for centre in (np.arange(pillows) + 0.5) / pillows * width - y:
        half = min(0.33, 0.42 * width / pillows)
        parts.append(
            cuboid([-x + 0.1, centre - half, top], [-x + 0.5, centre + half, top + rng.uniform(0.08, 0.14)], _WHITE)
        )
    return join(parts)


def table(rng: np.random.Generator) -> Surface:
    """Draw a dining table: a top on four legs, or a round top on a column."""
    height, albedo = rng.uniform(0.70, 0.78), rng.uniform(0.2, 0.6)
    if rng.uniform() < 0.25:
        radius = rng.uniform(0.4, 0.6)
        return join(
            [
                cylinder([0, 0, height - 0.04], [0, 0, height], radius, albedo),
                cylinder([0, 0, 0.03], [0, 0, height - 0.04], 0.06, albedo),
                cylinder([0, 0, 0.0], [0, 0, 0.03], 0.5 * radius, albedo),
            ]
        )
    return _top_on_legs(rng.uniform(0.7, 1.0), rng.uniform(1.1, 1.9), height, 0.07, albedo)


def coffee_table(rng: np.random.Generator) -> Surface:
    """Draw a low table. SUN RGB-D labels it as a table too."""
    return _top_on_legs(
        rng.uniform(0.5, 0.7), rng.uniform(0.8, 1.2), rng.uniform(0.38, 0.48), 0.05, rng.uniform(0.2, 0.6)
    )


def _top_on_legs(depth: float, width: float, height: float, leg: float, albedo: float) -> Surface:
    """Return a rectangular top of 4 cm on four legs of thickness ``leg``."""
    x, y = depth / 2, width / 2
    top = cuboid([-x, -y, height - 0.04], [x, y, height], albedo)
    return join([top, *_legs(depth - 0.06, width - 0.06, height - 0.04, leg, albedo)])


def sofa(rng: np.random.Generator) -> Surface:
    """Draw an armchair or a sofa with seat, back, arms and cushions."""
    depth, width = rng.uniform(0.8, 1.0), rng.choice([rng.uniform(0.85, 1.05), rng.uniform(1.5, 2.3)], p=[0.25, 0.75])
    seat, arm, back = rng.uniform(0.40, 0.46), rng.uniform(0.55, 0.65), rng.uniform(0.75, 0.95)
    albedo, thick = rng.uniform(0.15, 0.6), rng.uniform(0.14, 0.22)
    x, y = depth / 2, width / 2
    cushions = max(1, round((width - 2 * thick) / 0.65))
    edges = np.linspace(-y + thick, y - thick, cushions + 1)
    slant = np.array([[-x, 0.05], [-x + 0.28, 0.05], [-x + 0.18, back], [-x, back]])
    corners = [[px, py, pz] for px, pz in slant for py in (-y, y)]
    return join(
        [
            convex_hull(np.array(corners), albedo),
            cuboid([-x + 0.18, -y, 0.05], [x - 0.03, y, seat - 0.12], albedo),
            *(cuboid([-x + 0.2, a + 0.005, seat - 0.12], [x, b - 0.005, seat], albedo) for a, b in pairwise(edges)),
            cuboid([-x + 0.1, -y, 0.05], [x - 0.02, -y + thick, arm], albedo),
            cuboid([-x + 0.1, y - thick, 0.05], [x - 0.02, y, arm], albedo),
            *_legs(depth - 0.06, width - 0.06, 0.05, 0.06, 0.2),
        ]
    )


def chair(rng: np.random.Generator) -> Surface:
    """Draw a chair with four legs and a slatted or closed back, or an office chair on a column."""
    width, depth = rng.uniform(0.42, 0.55), rng.uniform(0.45, 0.56)
    seat, height, albedo = rng.uniform(0.43, 0.48), rng.uniform(0.82, 1.0), rng.uniform(0.15, 0.6)
    x, y = depth / 2, width / 2
    parts = [cuboid([-x + 0.03, -y, seat - 0.05], [x, y, seat], albedo)]
    if rng.uniform() < 0.35:
        parts += [
            cuboid([-x, -y + 0.03, seat + 0.12], [-x + 0.06, y - 0.03, height], albedo),
            cuboid([-x, -0.03, seat - 0.05], [-x + 0.03, 0.03, seat + 0.12], 0.15),
            cylinder([0, 0, 0.08], [0, 0, seat - 0.05], 0.035, 0.15),
            cuboid([-x, -0.03, 0.0], [x, 0.03, 0.08], 0.15),
            cuboid([-0.03, -y, 0.0], [0.03, y, 0.08], 0.15),
        ]
        return join(parts)
    parts += _legs(depth, width, seat - 0.05, 0.04, albedo)
    parts += [
        cuboid([-x, side - 0.02, seat - 0.05], [-x + 0.03, side + 0.02, height], albedo)
        for side in (0.02 - y, y - 0.02)
    ]
    low = seat + (0.05 if rng.uniform() < 0.5 else 0.22)
    parts.append(cuboid([-x, -y + 0.04, low], [-x + 0.025, y - 0.04, height], albedo))
    return join(parts)


def toilet(rng: np.random.Generator) -> Surface:
    """Draw a toilet with its tank at the back."""
    depth, width, height = rng.uniform(0.62, 0.75), rng.uniform(0.38, 0.46), rng.uniform(0.70, 0.82)
    seat, tank, x = rng.uniform(0.38, 0.43), 0.2, depth / 2
    angle = np.linspace(-np.pi / 2, np.pi / 2, 9)
    bowl = np.column_stack([0.12 + (x - 0.12) * np.cos(angle), 0.42 * width * np.sin(angle)])
    rim = np.concatenate([bowl, [[-x + tank, 0.42 * width], [-x + tank, -0.42 * width]]])
    foot = rim * [0.6, 0.6]
    solid = np.concatenate(
        [np.column_stack([rim, np.full(len(rim), seat)]), np.column_stack([foot, np.zeros(len(foot))])]
    )
    return join(
        [
            convex_hull(solid, _WHITE),
            cuboid([-x, -width / 2, 0.8 * seat], [-x + tank, width / 2, height], _WHITE),
            cuboid([-x, -0.12, 0.0], [-x + tank, 0.12, 0.8 * seat], _WHITE),
        ]
    )


def desk(rng: np.random.Generator) -> Surface:
    """Draw a desk, open towards the front, with a back panel and drawers on one side."""
    depth, width, height = rng.uniform(0.55, 0.8), rng.uniform(1.1, 1.7), rng.uniform(0.72, 0.78)
    albedo, side = rng.uniform(0.2, 0.6), rng.choice([-1, 1])
    x, y, under = depth / 2, width / 2, height - 0.03
    chest = (y - 0.42, y - 0.02) if side > 0 else (-y + 0.02, -y + 0.42)
    return join(
        [
            cuboid([-x, -y, under], [x, y, height], albedo),
            cuboid([-x, -y, 0.0], [x - 0.03, -y + 0.02, under], albedo),
            cuboid([-x, y - 0.02, 0.0], [x - 0.03, y, under], albedo),
            cuboid([-x, -y + 0.02, 0.25], [-x + 0.02, y - 0.02, under], albedo),
            cuboid([-x + 0.02, chest[0], 0.05], [x - 0.06, chest[1], under], albedo),
            *_drawers(x - 0.06, chest, (0.05, under), 3, albedo),
        ]
    )


def _chest(depth: float, width: float, height: float, rows: int, albedo: float) -> Surface:
    """Return a closed chest on a low plinth with ``rows`` drawers."""
    x, y = depth / 2, width / 2
    return join(
        [
            cuboid([-x, -y, 0.06], [x - 0.04, y, height], albedo),
            cuboid([-x + 0.03, -y + 0.03, 0.0], [x - 0.07, y - 0.03, 0.06], albedo),
            *_drawers(x - 0.04, (-y, y), (0.06, height), rows, albedo),
        ]
    )


def dresser(rng: np.random.Generator) -> Surface:
    """Draw a chest of drawers."""
    height = rng.uniform(0.75, 1.15)
    rows = round(height / 0.24)
    return _chest(rng.uniform(0.44, 0.56), rng.uniform(0.8, 1.6), height, rows, rng.uniform(0.2, 0.6))


def night_stand(rng: np.random.Generator) -> Surface:
    """Draw a small chest, as it stands beside a bed."""
    return _chest(rng.uniform(0.36, 0.46), rng.uniform(0.4, 0.58), rng.uniform(0.45, 0.66), 2, rng.uniform(0.2, 0.6))


def bookshelf(rng: np.random.Generator) -> Surface:
    """Draw open shelves between two sides and a back, partly filled with books."""
    depth, width, height = rng.uniform(0.26, 0.38), rng.uniform(0.7, 1.3), rng.uniform(1.5, 2.1)
    albedo, board = rng.uniform(0.25, 0.6), 0.025
    x, y = depth / 2, width / 2
    levels = np.linspace(0.06, height - board, round(height / 0.36) + 1)
    parts = [
        cuboid([-x, -y, 0.0], [x, -y + board, height], albedo),
        cuboid([-x, y - board, 0.0], [x, y, height], albedo),
        cuboid([-x, -y + board, 0.0], [-x + 0.01, y - board, height], albedo),
        *(cuboid([-x + 0.01, -y + board, level], [x, y - board, level + board], albedo) for level in levels),
    ]
    for low, high in zip(levels[:-1] + board, levels[1:], strict=True):
        left = -y + board + 0.01
        end = left + rng.uniform(0.3, 1.0) * (2 * y - 2 * board - 0.02)
        while left < end - 0.08:
            # A block stands for several books of the same height.
            right = min(end, left + rng.uniform(0.06, 0.3))
            top = low + rng.uniform(0.6, 0.9) * (high - low)
            parts.append(
                cuboid([-x + 0.02, left, low], [x - rng.uniform(0.02, 0.1), right, top], rng.uniform(0.1, 0.7))
            )
            left = right + 0.004
    return join(parts)


def bathtub(rng: np.random.Generator) -> Surface:
    """Draw a hollow tub with its long sides at the back and in front."""
    depth, width, height = rng.uniform(0.7, 0.85), rng.uniform(1.5, 1.75), rng.uniform(0.48, 0.6)
    rim, x, y = rng.uniform(0.06, 0.1), depth / 2, width / 2
    return join(
        [
            cuboid([-x, -y, 0.0], [-x + rim, y, height], _WHITE),
            cuboid([x - rim, -y, 0.0], [x, y, height], _WHITE),
            cuboid([-x + rim, -y, 0.0], [x - rim, -y + rim, height], _WHITE),
            cuboid([-x + rim, y - rim, 0.0], [x - rim, y, height], _WHITE),
            cuboid([-x + rim, -y + rim, 0.0], [x - rim, y - rim, 0.12], _WHITE),
        ]
    )


CLASSES = ('bed', 'table', 'sofa', 'chair', 'toilet', 'desk', 'dresser', 'night_stand', 'bookshelf', 'bathtub')
"""SUN RGB-D's ten classes in mmdet3d's order. A label is the index in this tuple."""

BUILDERS: MappingProxyType[str, Callable[[np.random.Generator], Surface]] = MappingProxyType(
    {
        builder.__name__: builder
        for builder in (bed, table, coffee_table, sofa, chair, toilet, desk, dresser, night_stand, bookshelf, bathtub)
    }
)
"""The kinds that a room's plan can name. Each is a class, except ``coffee_table``, whose class is ``table``."""


def build(rng: np.random.Generator, kind: str) -> tuple[str, Surface]:
    """Draw a piece of a kind, a key of :data:`BUILDERS`, and return its class and its surface."""
    return 'table' if kind == 'coffee_table' else kind, BUILDERS[kind](rng).standing_at_origin()
