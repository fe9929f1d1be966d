"""The buildings along a street: fronts with windows, doors, stairs, bays, awnings, balconies and scaffolds."""

from __future__ import annotations

import numpy as np

from strl_mmdet3d.simulation.streets.plants import hedge
from strl_mmdet3d.simulation.streets.solids import boxes, raised, rods
from strl_mmdet3d.simulation.surface import Surface, convex_hull, join, quads

FOUNDATION = 0.8
"""Depth of walls below the ground, metres: on a slope no gap opens beneath a long wall."""


def building(rng: np.random.Generator, width: float, storeys: int, room: float, *, shop: bool) -> Surface:
    """Draw a block with its front on y = 0, centred on x = 0.

    Args:
        rng: Source of all sizes.
        width: Metres along x.
        storeys: Number of storeys.
        room: Metres in front of it (-y) that stairs, bays and scaffolds may fill. Balconies and awnings, above all
            heads, may reach half a metre further.
        shop: Whether the ground floor has shop windows.
    """
    storey, depth, albedo = rng.uniform(2.6, 3.8), rng.uniform(6, 12), rng.uniform(0.15, 0.7)
    height = storeys * storey
    bays = max(2, round(width / rng.uniform(1.8, 4.5)))
    edges = np.linspace(-width / 2, width / 2, bays + 1)
    sill, lintel = rng.uniform(0.3, 1.1), storey - rng.uniform(0.3, 0.9)
    pier = rng.uniform(0.25, 0.7) * width / bays
    door = int(rng.integers(bays))

    levels, columns = (grid.ravel() for grid in np.meshgrid(np.arange(storeys), np.arange(bays), indexing='ij'))
    floor, left = levels * storey, edges[columns]
    bottom = np.where(levels == 0, floor - FOUNDATION, floor)
    low_sill = np.where(levels == 0, 0.35 if shop else sill, sill)
    low_sill = np.where((levels == 0) & (columns == door), 0.0, low_sill)
    ground_pier = np.where(levels == 0, 0.3 * pier if shop else pier, pier)
    right = edges[columns + 1]
    # Between the windows, below them, and above them.
    walls = np.concatenate(
        [
            _panels(left, left + ground_pier, bottom, floor + lintel),
            _panels(left + ground_pier, right, bottom, floor + low_sill),
            _panels(left, right, floor + lintel, floor + storey),
        ]
    )
    block = boxes([[-width / 2, width / 2, 0.25, depth, -FOUNDATION, height]], albedo)
    half, low, high = (np.array([value]) for value in (width / 2, 0.0, height))
    panes = quads(np.add(_panels(-half, half, low, high), [0, 0.24, 0]), 0.15, opacity=0.4)
    parts = [block, panes, quads(walls, albedo)]
    if rng.uniform() < 0.5:
        parts.append(_roof(rng, width, depth, height))
    centre = (edges[door] + pier + edges[door + 1]) / 2
    parts += _attachments(rng, width, storeys, storey, room, float(centre), albedo, shop=shop)
    return join(parts)


def _panels(x0: np.ndarray, x1: np.ndarray, z0: np.ndarray, z1: np.ndarray) -> np.ndarray:
    """Return the ``(N, 4, 3)`` corners of rectangles of the front wall."""
    y = np.zeros_like(x0)
    corners = [[x0, y, z0], [x1, y, z0], [x1, y, z1], [x0, y, z1]]
    return np.array(corners).transpose(2, 0, 1)


def _roof(rng: np.random.Generator, width: float, depth: float, height: float) -> Surface:
    """Draw a gable roof with its ridge along the street."""
    rise, over = rng.uniform(0.5, 4.0), rng.uniform(0.0, 0.4)
    half, ridge = width / 2, depth / 2
    eaves = [[x, y, height] for x in (-half, half) for y in (-over, depth)]
    return convex_hull(np.array([*eaves, [-half, ridge, height + rise], [half, ridge, height + rise]]), 0.3)


def _attachments(
    rng: np.random.Generator,
    width: float,
    storeys: int,
    storey: float,
    room: float,
    door: float,
    albedo: float,
    *,
    shop: bool,
) -> list[Surface]:
    """Draw what projects from the front: stairs before the door, bays, awnings, balconies, a scaffold, pipes."""
    parts = []
    if room > 0.6 and rng.uniform() < 0.4:
        number, deep = int(rng.integers(1, 6)), min(0.28, (room - 0.2) / 5)
        half = rng.uniform(0.5, 0.9)
        steps = [[door - half, door + half, (i - number) * deep, 0, -0.3, 0.16 * (i + 1)] for i in range(number)]
        parts.append(boxes(steps, rng.uniform(0.25, 0.5)))
    if room > 0.9 and not shop and rng.uniform() < 0.3:
        out, half = rng.uniform(0.3, min(1.2, room - 0.3)), rng.uniform(0.7, 1.5)
        x = rng.uniform(-width / 2 + half, width / 2 - half) if width > 2 * half else 0.0
        top = storey * rng.integers(1, storeys + 1) - 0.3
        parts.append(boxes([[x - half, x + half, -out, 0, -FOUNDATION, top]], albedo))
    if shop and rng.uniform() < 0.6:
        out, high, low = rng.uniform(0.3, min(1.8, room + 0.5)), rng.uniform(2.9, 3.3), rng.uniform(2.5, 2.9)
        half = 0.5 * width * rng.uniform(0.4, 0.95)
        parts.append(
            quads([[-half, 0, high], [half, 0, high], [half, -out, low], [-half, -out, low]], rng.uniform(0.1, 0.7))
        )
    if rng.uniform() < 0.3:
        half, out = rng.uniform(0.5, 1.5), min(rng.uniform(0.4, 1.3), room + 0.5)
        x = rng.uniform(-width / 2 + half, width / 2 - half)
        spans = []
        for level in range(1, storeys):
            z = level * storey
            spans.append([x - half, x + half, -out, 0, z, z + 0.15])
            spans.append([x - half, x + half, -out, 0.05 - out, z + 0.15, z + 1.0])
        if spans:
            parts.append(boxes(spans, rng.uniform(0.2, 0.6)))
    if room > 1.3 and rng.uniform() < 0.15:
        parts.append(_scaffold(rng, width, storeys * storey))
    if rng.uniform() < 0.5:
        x = rng.choice([-1, 1]) * (width / 2 - 0.2)
        parts.append(rods([x, -0.08, -0.3], [x, -0.08, storeys * storey], rng.uniform(0.04, 0.07), 0.35, sides=6))
    return parts


def _scaffold(rng: np.random.Generator, width: float, height: float) -> Surface:
    """Draw poles and planks in front of a wall."""
    x = np.linspace(-width / 2, width / 2, max(2, round(width / 2.5) + 1))
    out = rng.uniform(0.9, 1.1)
    feet = np.array([[s, y, -0.3] for s in x for y in (-out, -0.2)])
    decks = np.arange(2.0, height, 2.0)
    planks = boxes([[x[0], x[-1], -out, -0.2, z, z + 0.06] for z in decks], 0.4)
    rails = [[x[0], -out, z + 1.0] for z in decks]
    starts, ends = (
        np.concatenate([feet, rails]),
        np.concatenate([raised(feet, height + 1), np.add(rails, [width, 0, 0])]),
    )
    return join([rods(starts, ends, 0.025, 0.4, sides=5), planks])


def garden_border(rng: np.random.Generator, width: float) -> Surface:
    """Draw a hedge, a wall or a fence along x from y = 0, ``width`` metres long."""
    height = rng.uniform(0.3, 2.0)
    kind = rng.choice(4)
    if kind == 0:
        return hedge(rng, width)
    if kind == 1:
        return boxes([[-width / 2, width / 2, 0, 0.25, -FOUNDATION, height]], rng.uniform(0.25, 0.5))
    slat, step = rng.uniform(0.06, 0.12), rng.uniform(0.14, 0.4)
    x = np.arange(-width / 2, width / 2 - slat, max(step, width / 60))
    pales = quads(_panels(x, x + slat, 0 * x - 0.1, 0 * x + height), rng.uniform(0.2, 0.6))
    if kind == 2:
        return pales
    base = boxes([[-width / 2, width / 2, 0, 0.25, -FOUNDATION, 0.4 * height]], rng.uniform(0.25, 0.5))
    return join([base, pales])


def garage(rng: np.random.Generator, width: float) -> Surface:
    """Draw a garage or a low shop with its front on y = 0, one to three gates wide."""
    half, deep, height, albedo = (
        min(width, rng.uniform(2.8, 8)) / 2,
        rng.uniform(4, 6),
        rng.uniform(2.2, 3),
        rng.uniform(0.2, 0.6),
    )
    gates = max(1, int(2 * half / 2.8))
    x = np.linspace(-half, half, gates + 1)
    spans = [[-half, half, 0.15, deep, -FOUNDATION, height], [-half, half, 0, 0.15, height - 0.3, height]]
    spans += [[s - 0.15, s + 0.15, 0, 0.15, -FOUNDATION, height] for s in x]
    return boxes(spans, albedo)
