"""Unlabelled things of a car's or a van's size, for parking strips, building sites, drives, gardens and fields.

Builders for parking strips take the length (x) and the depth (y) that they may fill, in metres, and return a surface
that stands on z = 0, centred on the origin. The others take only the generator.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from strl_mmdet3d.simulation.streets.plants import bush, shrub, tree
from strl_mmdet3d.simulation.streets.solids import boxes, fitted, mound, raised, rods, turned
from strl_mmdet3d.simulation.streets.street_furniture import (
    barrier,
    bicycles,
    bollards,
    cones,
    crates,
    figure,
    kiosk,
    pallets,
    rubbish,
    scooters,
    wheeled_bins,
)
from strl_mmdet3d.simulation.surface import Surface, convex_hull, join, quads

FittingBuilder = Callable[[np.random.Generator, float, float], Surface]


def _paint(rng: np.random.Generator) -> float:
    """Draw an albedo."""
    return float(rng.uniform(0.05, 0.75))


# --- by length and depth ---------------------------------------------------------------------------------------------


def skip(rng: np.random.Generator, length: float, depth: float) -> Surface:
    """Draw a skip: sloping ends, open or with a heap of rubble."""
    half_x, half_y, height = length / 2, depth / 2, rng.uniform(0.9, 1.7)
    foot = half_x * rng.uniform(0.55, 0.9)
    albedo = _paint(rng)
    side = [[-foot, 0.15], [foot, 0.15], [half_x, height], [-half_x, height]]
    walls = [[[x, y, z] for x, z in side] for y in (-half_y, half_y)]
    walls += [
        [
            [s * foot, -half_y, 0.15],
            [s * foot, half_y, 0.15],
            [s * half_x, half_y, height],
            [s * half_x, -half_y, height],
        ]
        for s in (-1, 1)
    ]
    parts = [quads(np.array(walls), albedo), boxes([[-foot, foot, -half_y, half_y, 0, 0.2]], albedo)]
    load = mound(rng, 0.9 * half_x, 0.9 * half_y, rng.uniform(0.2, 0.9), _paint(rng), boxy=3)
    return join([*parts, load.placed(0, 0, height - rng.uniform(0.2, 0.5))])


def container(rng: np.random.Generator, length: float, depth: float) -> Surface:
    """Draw a container, a site hut or a trailer-sized cabin, smooth or ribbed."""
    half_x, half_y, height, albedo = length / 2, depth / 2, rng.uniform(1.2, 2.7), _paint(rng)
    base = rng.choice([0.0, rng.uniform(0.1, 0.4)])
    spans = [[-half_x, half_x, -half_y + 0.04, half_y - 0.04, base, height]]
    if rng.uniform() < 0.6:
        x = np.arange(-half_x + 0.1, half_x - 0.1, rng.uniform(0.3, 0.8))
        spans += [[s, s + 0.12, -half_y, half_y, base, height] for s in x]
    spans += [[x - 0.1, x + 0.1, -half_y + 0.05, half_y - 0.05, 0, base + 0.01] for x in (-0.8 * half_x, 0.8 * half_x)]
    return boxes(spans, albedo)


def covered_heap(rng: np.random.Generator, length: float, depth: float) -> Surface:
    """Draw something of a car's size under a tarpaulin."""
    height, boxy = rng.uniform(0.8, 1.7), rng.uniform(2.2, 5.0)
    lower = mound(rng, length / 2.3, depth / 2.3, rng.uniform(0.5, 0.9) * height, _paint(rng), boxy=boxy)
    # A second lump on top, like a cabin, away from the middle.
    upper = mound(rng, length / 2.3 * rng.uniform(0.4, 0.7), depth / 2.5, height, lower.albedo[0], boxy=boxy)
    return join([lower, upper.placed(rng.uniform(-0.12, 0.12) * length, 0)])


def earth_heap(rng: np.random.Generator, length: float, depth: float) -> Surface:
    """Draw a heap of earth or gravel, with barriers in front or not."""
    heap = mound(rng, length / 2.3, depth / 2.3, rng.uniform(0.4, 1.6), rng.uniform(0.2, 0.5))
    return join([heap, fitted(barrier(rng), length, 0.5).placed(0, -depth / 2 + 0.3)]) if rng.uniform() < 0.5 else heap


def island(rng: np.random.Generator, length: float, depth: float) -> Surface:
    """Draw a planted island between parking bays."""
    height = rng.uniform(0.08, 0.4)
    bed = boxes([[-length / 2, length / 2, -depth / 2, depth / 2, 0, height]], rng.uniform(0.2, 0.5))
    plant = bush(rng, 0.85 * length, 0.85 * depth) if rng.uniform() < 0.7 else _scattered(rng, shrub, length, depth)
    return join([bed, plant.placed(0, 0, height - 0.05)])


def fenced_pit(rng: np.random.Generator, length: float, depth: float) -> Surface:
    """Draw a building site within mesh fences: heaps, cones, stacks, a mixer."""
    half_x, half_y, height = length / 2 - 0.05, depth / 2 - 0.05, rng.uniform(0.9, 2.1)
    corners = np.array([[-half_x, -half_y], [half_x, -half_y], [half_x, half_y], [-half_x, half_y]])
    mesh = [
        [[*corners[i], 0.1], [*corners[(i + 1) % 4], 0.1], [*corners[(i + 1) % 4], height], [*corners[i], height]]
        for i in range(4)
    ]
    feet = np.column_stack([corners, np.zeros(4)])
    posts = rods(feet, raised(feet, height), 0.03, 0.4, sides=6)
    rails = rods(raised(feet, height), raised(np.roll(feet, -1, axis=0), height), 0.02, 0.4, sides=4)
    inside = [builder(rng) for builder in (cones, pallets, rubbish, figure) if rng.uniform() < 0.4]
    parts = [quads(np.array(mesh), 0.4, rng.uniform(0.1, 0.6)), posts, rails]
    parts += [fitted(part, length - 0.3, depth - 0.3) for part in inside]
    if rng.uniform() < 0.6:
        parts.append(mound(rng, 0.3 * length, 0.35 * depth, rng.uniform(0.3, 1.3), 0.3))
    return join(parts)


def _scattered(
    rng: np.random.Generator, builder: Callable[[np.random.Generator], Surface], length: float, depth: float
) -> Surface:
    """Draw things of one kind on a rectangle."""
    parts = []
    for _ in range(max(1, round(length * rng.uniform(0.3, 1.0)))):
        part = fitted(builder(rng), length, depth)
        half_x, half_y = np.ptp(part.bounds, axis=0)[:2] / 2
        x, y = rng.uniform(-1, 1, 2) * [length / 2 - half_x, depth / 2 - half_y]
        parts.append(part.placed(x, y))
    return join(parts)


def collection(rng: np.random.Generator, length: float, depth: float) -> Surface:
    """Draw what collects in a parking bay: bins, bicycles, scooters, crates, bollards, a stall."""
    builders = (wheeled_bins, bicycles, bicycles, scooters, crates, rubbish, bollards, kiosk, pallets, cones, barrier)
    part = builders[rng.integers(len(builders))](rng)
    if np.all(np.ptp(part.bounds, axis=0)[:2] <= [length, depth]):
        return part.standing_at_origin()
    return _scattered(rng, wheeled_bins, length, depth)


def igloos(rng: np.random.Generator, length: float, depth: float) -> Surface:
    """Draw containers for old glass and paper: bells or boxes."""
    size = min(rng.uniform(1.0, 1.5), depth, length)
    number = max(1, int(length / (size + 0.15)))
    x = (np.arange(number) - (number - 1) / 2) * (size + 0.12)
    height, albedo = rng.uniform(1.2, 1.9), rng.uniform(0.1, 0.7, number)
    half = size / 2
    if rng.uniform() < 0.5:
        feet = np.column_stack([x, 0 * x, 0 * x])
        body = rods(feet, raised(feet, 0.6 * height), half, albedo, sides=12)
        domes = raised(feet, 0.6 * height)
        return join([body, rods(domes, raised(domes, 0.4 * height), [[half, 0.4 * half]], albedo, sides=12)])
    spans = np.column_stack([x - half, x + half, 0 * x - half, 0 * x + half, 0 * x, 0 * x + height])
    return boxes(spans, albedo, taper=rng.uniform(0.75, 1.0))


def wedge(rng: np.random.Generator, length: float, depth: float) -> Surface:
    """Draw a solid with a car's rough outline: stacked goods under a sheet, a shed's roof, a concrete block."""
    half_x, half_y, height = length / 2, depth / 2, rng.uniform(0.9, 2.0)
    ends = rng.uniform(-1, 1, 2) * half_x
    low, high = min(ends), max(ends) + 0.2
    points = [
        [x, y, z] for x in (-half_x, half_x) for y in (-half_y, half_y) for z in (0, rng.uniform(0.3, 0.6) * height)
    ]
    points += [[np.clip(x, -half_x, half_x), 0.85 * y, height] for x in (low, high) for y in (-half_y, half_y)]
    return convex_hull(np.array(points), _paint(rng))


PARKED: tuple[FittingBuilder, ...] = (
    *(skip, container, covered_heap, covered_heap, earth_heap, island, island, fenced_pit, collection, collection),
    *(collection, igloos, wedge),
)
"""What takes the place of parked cars."""

# --- gardens and fields ----------------------------------------------------------------------------------------------


def shed(rng: np.random.Generator) -> Surface:
    """Draw a garden shed or a greenhouse with a gable roof."""
    half_x, half_y, eaves = rng.uniform([0.6, 0.6, 1.2], [2.2, 1.5, 2.2])
    ridge, glass = eaves + rng.uniform(0.1, 0.9), rng.uniform() < 0.2
    points = np.array([[x, y, z] for x in (-half_x, half_x) for y in (-half_y, half_y) for z in (0, eaves)])
    points = np.concatenate([points, [[-half_x, 0, ridge], [half_x, 0, ridge]]])
    return convex_hull(points, 0.12 if glass else _paint(rng), 0.35 if glass else 1.0)


def toilet_cabin(rng: np.random.Generator) -> Surface:
    """Draw a portable toilet or a narrow hut."""
    half, height, albedo = rng.uniform(0.4, 0.65), rng.uniform(1.8, 2.4), _paint(rng)
    return boxes(
        [[-half, half, -half, half, 0, height], [-half - 0.03, half + 0.03, -half, half, height, height + 0.1]], albedo
    )


def wood_pile(rng: np.random.Generator) -> Surface:
    """Draw stacked logs, pipes or rolls of straw."""
    radius, long, wide = rng.uniform(0.1, 0.35), rng.uniform(0.3, 3.0), int(rng.integers(2, 9))
    rows = int(rng.integers(1, 5))
    x = np.concatenate([np.arange(max(1, wide - row)) * 2 * radius + row * radius for row in range(rows)])
    z = np.concatenate([np.full(max(1, wide - row), radius + row * 1.73 * radius) for row in range(rows)])
    centres = np.column_stack([x, 0 * x, z])
    return rods(centres, np.add(centres, [0, long, 0]), radius, rng.uniform(0.25, 0.6))


def hay_bale(rng: np.random.Generator) -> Surface:
    """Draw a round or a square bale, or a cable drum."""
    size, long = rng.uniform(0.5, 0.85), rng.uniform(0.6, 1.5)
    if rng.uniform() < 0.6:
        return rods([0, -long / 2, size], [0, long / 2, size], size, rng.uniform(0.3, 0.6), sides=14)
    return boxes([[-long, long, -size / 2, size / 2, 0, size * rng.uniform(1, 3)]], rng.uniform(0.3, 0.6))


def trampoline(rng: np.random.Generator) -> Surface:
    """Draw a trampoline with its net, or a round pool."""
    radius, mat, top = rng.uniform(1.0, 2.2), rng.uniform(0.3, 0.9), rng.uniform(1.6, 2.7)
    angle = np.arange(7) * (2 * np.pi / 6)
    ring = radius * np.column_stack([np.cos(angle), np.sin(angle), 0 * angle])
    net = np.stack([raised(ring[:-1], mat), raised(ring[1:], mat), raised(ring[1:], top), raised(ring[:-1], top)], 1)
    posts = rods(ring[:-1], raised(ring[:-1], top), 0.03, 0.4, sides=6)
    return join([rods([0, 0, mat - 0.05], [0, 0, mat], radius, 0.1, sides=12), posts, quads(net, 0.2, 0.25)])


def swing(rng: np.random.Generator) -> Surface:
    """Draw a frame on sloping legs: a swing, a goal, a clothes horse."""
    half, top, spread = rng.uniform(0.6, 1.8), rng.uniform(1.5, 2.4), rng.uniform(0.4, 0.8)
    starts = [[x, y, 0] for x in (-half, half) for y in (-spread, spread)] + [[-half, 0, top]]
    ends = [[x, 0, top] for x in (-half, -half, half, half)] + [[half, 0, top]]
    parts = [rods(starts, ends, rng.uniform(0.02, 0.06), _paint(rng), sides=6)]
    for x in rng.uniform(-half + 0.2, half - 0.2, int(rng.integers(0, 4))):
        parts.append(boxes([[x - 0.2, x + 0.2, -0.02, 0.02, rng.uniform(0.4, 1.0), top]], _paint(rng)))
    return join(parts)


def table(rng: np.random.Generator) -> Surface:
    """Draw a picnic table or a workbench."""
    half, top, albedo = rng.uniform(0.6, 1.1), rng.uniform(0.65, 0.95), _paint(rng)
    spans = [[-half, half, -0.4, 0.4, top - 0.05, top]]
    spans += [[-half, half, y - 0.13, y + 0.13, 0.42, 0.46] for y in (-0.7, 0.7)]
    spans += [[x - 0.05, x + 0.05, -0.6, 0.6, 0, top - 0.05] for x in (-0.7 * half, 0.7 * half)]
    return boxes(spans, albedo)


def boulder(rng: np.random.Generator) -> Surface:
    """Draw a boulder or a heap of compost."""
    half = rng.uniform(0.2, 1.8)
    return mound(rng, half, half * rng.uniform(0.5, 1.0), half * rng.uniform(0.4, 1.2), rng.uniform(0.2, 0.6))


def stored(rng: np.random.Generator) -> Surface:
    """Draw one of the car-sized things of a parking bay."""
    builders = (skip, container, covered_heap, covered_heap, covered_heap, wedge, earth_heap)
    return builders[rng.integers(len(builders))](rng, rng.uniform(2.5, 5.0), rng.uniform(1.4, 2.1))


def lean_to(rng: np.random.Generator) -> Surface:
    """Draw boards, doors, panels or a mattress that lean."""
    half, height = rng.uniform(0.3, 1.2), rng.uniform(0.8, 2.2)
    boards = boxes([[-half, half, y, y + 0.04, 0, height] for y in np.arange(rng.integers(1, 5)) * 0.08], _paint(rng))
    return turned(boards, -rng.uniform(0.1, 0.5)).standing_at_origin()


def bush_or_tree(rng: np.random.Generator) -> Surface:
    """Draw a bush or a low tree."""
    return bush(rng) if rng.uniform() < 0.6 else tree(rng)


IN_GARDENS: tuple[Callable[[np.random.Generator], Surface], ...] = (
    *(shed, toilet_cabin, wood_pile, hay_bale, trampoline, swing, table, boulder, stored, stored, lean_to),
    *(bush_or_tree, bush_or_tree, figure, wheeled_bins, pallets, bicycles, rubbish),
)
"""What stands in gardens and yards, beside plants."""

IN_FIELDS: tuple[Callable[[np.random.Generator], Surface], ...] = (
    *(bush_or_tree, bush_or_tree, bush_or_tree, bush_or_tree, hay_bale, boulder, shed, wood_pile, stored),
)
"""What stands in open country."""
