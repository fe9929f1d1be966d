"""What stands on pavements: posts, boxes, bins, seats, goods, parked bicycles, figures. None of it is labelled.

Many kinds have the size of a pedestrian or of a cyclist. Every builder returns a surface that stands on z = 0 near the
origin, x along the street and +y away from it. All sizes and albedos are drawn from ranges.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from strl_mmdet3d.simulation.actors.cyclists import parked_bicycle, parked_scooter
from strl_mmdet3d.simulation.streets.plants import sapling, shrub, topiary, tree_pit
from strl_mmdet3d.simulation.streets.solids import boxes, mound, raised, rods, turned
from strl_mmdet3d.simulation.surface import Surface, capsule, join, quads

Builder = Callable[[np.random.Generator], Surface]

_PLATE = 0.97
"""Albedo of retro-reflecting sheets."""


def _paint(rng: np.random.Generator) -> float:
    """Draw an albedo."""
    return float(rng.uniform(0.05, 0.75))


def _in_a_row(rng: np.random.Generator, parts: list[Surface], gap: float) -> Surface:
    """Put parts side by side along x with about ``gap`` metres between them."""
    placed, front = [], 0.0
    for part in parts:
        low, high = part.bounds[:, 0]
        placed.append(part.placed(front - low, rng.normal(0.0, 0.02)))
        front += high - low + gap * rng.uniform(0.5, 1.5)
    return join(placed)


# --- posts -----------------------------------------------------------------------------------------------------------


def lamp(rng: np.random.Generator) -> Surface:
    """Draw a street lamp, with an arm over the road or without."""
    height, radius = rng.uniform(4.6, 10.0), rng.uniform(0.04, 0.12)
    metal = rng.uniform(0.2, 0.6)
    parts = [rods([0, 0, -0.1], [0, 0, height], [[radius, 0.6 * radius]], metal)]
    if rng.uniform() < 0.7:
        reach = rng.uniform(0.5, 2.0)
        parts.append(boxes([[-0.1, 0.1, -reach, 0.1, height - 0.12, height]], metal))
    else:
        parts.append(capsule([0, 0, height], [0, 0, height + 0.2], 0.2, 0.5))
    if rng.uniform() < 0.3:
        half = rng.uniform(0.1, 0.25)
        parts.append(boxes([[-half, half, -half, half, 0, rng.uniform(0.3, 1.2)]], metal))
    return join(parts)


def sign(rng: np.random.Generator) -> Surface:
    """Draw one to three plates on one or two posts: traffic signs, parking signs, street names, house numbers."""
    radius, height = rng.uniform(0.02, 0.05), rng.uniform(1.2, 3.2)
    parts = [rods([0, 0, -0.1], [0, 0, height], radius, 0.35)]
    top = height + rng.uniform(0.0, 0.2)
    for _ in range(int(rng.integers(1, 4))):
        half_y, half_z = rng.uniform(0.12, 0.34), rng.uniform(0.1, 0.4)
        albedo = _PLATE if rng.uniform() < 0.7 else _paint(rng)
        if top - 2 * half_z < 0.3:
            break
        if rng.uniform() < 0.4:
            z = top - half_y
            parts.append(rods([-radius - 0.02, 0, z], [-radius, 0, z], half_y, albedo, sides=12))
            top -= 2 * half_y
        else:
            z = top - half_z
            parts.append(boxes([[-radius - 0.02, -radius, -half_y, half_y, z - half_z, z + half_z]], albedo))
            top -= 2 * half_z
    return join(parts)


def traffic_light(rng: np.random.Generator) -> Surface:
    """Draw a traffic light with one or two heads."""
    radius, height, metal = rng.uniform(0.05, 0.1), rng.uniform(2.6, 3.6), rng.uniform(0.1, 0.5)
    head, tall = rng.uniform(0.12, 0.18), rng.uniform(0.6, 1.0)
    spans = [[-head, head, -head, head, height - tall, height]]
    if rng.uniform() < 0.5:
        spans.append([-head, head, 0.05, 0.3, height - 1.4, height - 0.8])
    if rng.uniform() < 0.5:
        spans.append([-0.1, 0.1, -0.12, 0.12, 0.9, 1.15])
    return join([rods([0, 0, -0.1], [0, 0, height], radius, metal), boxes(spans, 0.1)])


def bollards(rng: np.random.Generator) -> Surface:
    """Draw a row of posts that keep cars off the pavement, round or square, some with a knob or a chain."""
    number, spacing = int(rng.integers(1, 7)), rng.uniform(0.7, 1.8)
    radius, height, albedo = rng.uniform(0.04, 0.18), rng.uniform(0.4, 1.2), _paint(rng)
    x = np.arange(number) * spacing
    feet = np.column_stack([x, 0 * x, 0 * x - 0.05])
    sides = int(rng.choice([4, 8, 12]))
    parts = [rods(feet, raised(feet, height), [[radius, radius * rng.uniform(0.6, 1)]], albedo, sides=sides)]
    if rng.uniform() < 0.4:
        parts += [capsule([s, 0, height], [s, 0, height], 1.2 * radius, albedo) for s in x]
    if number > 1 and rng.uniform() < 0.3:
        tops = raised(feet, 0.9 * height)
        parts.append(rods(tops[:-1], tops[1:], 0.02, 0.3, sides=4))
    return join(parts)


def parking_meter(rng: np.random.Generator) -> Surface:
    """Draw a parking meter, a ticket machine or a charging post."""
    height, half = rng.uniform(1.1, 1.9), rng.uniform(0.1, 0.25)
    head = rng.uniform(0.25, height)
    return join(
        [
            rods([0, 0, 0], [0, 0, height - head + 0.05], rng.uniform(0.03, 0.08), 0.35),
            boxes([[-half, half, -0.8 * half, 0.8 * half, height - head, height]], _paint(rng)),
        ]
    )


def hydrant(rng: np.random.Generator) -> Surface:
    """Draw a hydrant."""
    radius, height, albedo = rng.uniform(0.08, 0.16), rng.uniform(0.5, 1.0), _paint(rng)
    arm, z = radius + 0.1, 0.7 * height
    return join(
        [
            rods([[0.0, 0, 0], [-arm, 0, z]], [[0.0, 0, height], [arm, 0, z]], np.array([[radius], [0.06]]), albedo),
            capsule([0, 0, height], [0, 0, height], radius, albedo),
        ]
    )


def ladder(rng: np.random.Generator) -> Surface:
    """Draw a step ladder, or a ladder that leans against something."""
    height, half, albedo = rng.uniform(1.2, 2.6), rng.uniform(0.18, 0.3), rng.uniform(0.3, 0.7)
    lean = rng.uniform(0.15, 0.3) * height
    rungs = np.arange(0.3, height, 0.28)
    starts = [[-half, lean, 0], [half, lean, 0], *([-half, lean * (1 - z / height), z] for z in rungs)]
    ends = [[-half, 0, height], [half, 0, height], *([half, lean * (1 - z / height), z] for z in rungs)]
    if rng.uniform() < 0.6:
        starts += [[-half, -lean, 0], [half, -lean, 0]]
        ends += [[-half, 0, height], [half, 0, height]]
    return rods(starts, ends, 0.025, albedo, sides=4)


# --- boxes and bins --------------------------------------------------------------------------------------------------


def wheeled_bins(rng: np.random.Generator) -> Surface:
    """Draw one to four bins on wheels, some with the lid up on top of too much rubbish."""
    bins = []
    for _ in range(int(rng.choice([1, 2, 3, 4], p=[0.5, 0.25, 0.15, 0.1]))):
        if rng.uniform() < 0.2:
            half_x, half_y, height = rng.uniform([0.6, 0.45, 1.0], [0.7, 0.55, 1.3])
        else:
            half_x, half_y, height = rng.uniform([0.22, 0.24, 0.85], [0.3, 0.31, 1.12])
        albedo = _paint(rng)
        lift = rng.uniform(0, 0.5) if rng.uniform() < 0.3 else 0.03
        lid = quads(
            [
                [-half_x, half_y, height],
                [half_x, half_y, height],
                [half_x, -half_y, height + lift],
                [-half_x, -half_y, height + lift],
            ],
            albedo,
        )
        body = boxes([[-0.85 * half_x, 0.85 * half_x, -0.85 * half_y, 0.85 * half_y, 0.08, height]], albedo, taper=1.15)
        hubs = np.array([[-0.9 * half_x, half_y - 0.12, 0.1], [0.9 * half_x, half_y - 0.12, 0.1]])
        wheels = rods(hubs - [0.03, 0, 0], np.add(hubs, [0.03, 0, 0]), 0.1, 0.08)
        parts = [body, wheels, lid]
        if lift > 0.1:
            parts.append(capsule([0.5 * -half_x, 0, height], [0.5 * half_x, 0, height], 0.8 * half_y, _paint(rng)))
        bins.append(join(parts).placed(0, 0, 0, rng.normal(0, 0.1)))
    return _in_a_row(rng, bins, 0.08)


def litter_bin(rng: np.random.Generator) -> Surface:
    """Draw a litter bin, on the ground or on a post."""
    radius, height, base = rng.uniform(0.15, 0.32), rng.uniform(0.4, 1.0), rng.choice([0.0, rng.uniform(0.2, 0.7)])
    body = rods(
        [0, 0, base], [0, 0, base + height], [[0.85 * radius, radius]], _paint(rng), sides=int(rng.choice([4, 8, 12]))
    )
    return join([body, rods([0, 0, 0], [0, 0, base + height + rng.uniform(0, 0.5)], 0.04, 0.3)])


def rubbish(rng: np.random.Generator) -> Surface:
    """Draw a pile of bags, cartons and boards that wait for collection."""
    parts = []
    for _ in range(int(rng.integers(2, 9))):
        x, y = rng.uniform([-0.6, -0.12], [0.6, 0.12])
        size = rng.uniform(0.12, 0.3)
        if rng.uniform() < 0.6:
            z = size * rng.uniform(0.6, 2.0)
            parts.append(capsule([x - 0.1, y, z], [x + 0.1, y, z], size, _paint(rng)))
        else:
            half_y, z = size * rng.uniform(0.1, 1), size * rng.uniform(1, 4)
            parts.append(boxes([[x - size, x + size, y - half_y, y + half_y, 0, z]], _paint(rng)))
    return join(parts)


def mailbox(rng: np.random.Generator) -> Surface:
    """Draw a letter box on a post or on the ground, flat or with a round top."""
    half_x, half_y = rng.uniform([0.12, 0.12], [0.35, 0.3])
    top, tall, albedo = rng.uniform(1.0, 1.6), rng.uniform(0.3, 1.0), _paint(rng)
    parts = [
        boxes([[-half_x, half_x, -half_y, half_y, top - tall, top]], albedo),
        rods([0, 0, 0], [0, 0, top - tall + 0.02], rng.uniform(0.03, 0.12), 0.3),
    ]
    if rng.uniform() < 0.5:
        parts.append(rods([-half_x, 0, top], [half_x, 0, top], half_y, albedo, sides=12))
    return join(parts)


def junction_box(rng: np.random.Generator) -> Surface:
    """Draw one to three switch boxes, vending machines, refrigerators or lockers."""
    cabinets = []
    for _ in range(int(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1]))):
        half_x, half_y, height = rng.uniform([0.2, 0.12, 0.6], [0.7, 0.34, 1.95])
        spans = [[-half_x, half_x, -half_y, half_y, 0, height]]
        if rng.uniform() < 0.5:
            spans.append([-half_x - 0.03, half_x + 0.03, -half_y - 0.03, half_y + 0.03, height, height + 0.06])
        cabinets.append(boxes(spans, _paint(rng)))
    return _in_a_row(rng, cabinets, 0.1)


def a_board(rng: np.random.Generator) -> Surface:
    """Draw a shop's folding board, or a beach flag."""
    half, height, albedo = rng.uniform(0.22, 0.4), rng.uniform(0.7, 1.5), _paint(rng)
    if rng.uniform() < 0.25:
        height *= 1.7
        cloth = quads([[0, 0, 0.5], [0.9 * half, 0, 0.6], [0.9 * half, 0, height - 0.2], [0, 0, height]], albedo)
        return join([cloth, rods([0, 0, 0], [0, 0, height], 0.02, 0.3, sides=6)])
    leg = rng.uniform(0.15, 0.3)
    corners = [[[s * leg, -half, 0], [s * leg, half, 0], [0, half, height], [0, -half, height]] for s in (-1, 1)]
    return quads(np.array(corners), albedo)


def crates(rng: np.random.Generator) -> Surface:
    """Draw stacks of crates, cartons or flower boxes in a row."""
    number = int(rng.integers(1, 6))
    half_x, half_y, step = rng.uniform([0.18, 0.15, 0.1], [0.4, 0.3, 0.35])
    x = np.arange(number) * 2.05 * half_x
    top = step * rng.integers(1, 7, number)
    shift = rng.normal(0, 0.02, number)
    spans = np.column_stack([x - half_x, x + half_x, shift - half_y, shift + half_y, 0 * x, np.minimum(top, 1.9)])
    return boxes(spans, rng.uniform(0.1, 0.7, number))


def pallets(rng: np.random.Generator) -> Surface:
    """Draw a stack of pallets, or a pallet with bricks, bags or a wrapped load."""
    layers = int(rng.integers(1, 11))
    z = np.arange(layers) * 0.145
    jitter = rng.normal(0, 0.02, (layers, 2))
    spans = np.column_stack(
        [jitter[:, 0] - 0.6, jitter[:, 0] + 0.6, jitter[:, 1] - 0.4, jitter[:, 1] + 0.4, z + 0.1, z + 0.14]
    )
    feet = np.column_stack([spans[:, :2], jitter[:, 1] - 0.05, jitter[:, 1] + 0.05, z, z + 0.1])
    parts = [boxes(np.concatenate([spans, feet]), rng.uniform(0.3, 0.5))]
    if layers < 5 and rng.uniform() < 0.7:
        base = layers * 0.145
        parts.append(boxes([[-0.56, 0.56, -0.37, 0.37, base, base + rng.uniform(0.2, 1.4)]], _paint(rng), taper=0.95))
    return join(parts)


# --- seats, tables, plants in tubs ------------------------------------------------------------------------------------


def bench(rng: np.random.Generator) -> Surface:
    """Draw a bench, with a back or without."""
    half, seat, deep, albedo = rng.uniform(0.6, 1.2), rng.uniform(0.38, 0.5), rng.uniform(0.35, 0.5), _paint(rng)
    spans = [[-half, half, 0, deep, seat - 0.06, seat]]
    spans += [[x - 0.05, x + 0.05, 0.03, deep - 0.03, 0, seat - 0.06] for x in (-0.8 * half, 0.8 * half)]
    if rng.uniform() < 0.6:
        spans.append([-half, half, deep - 0.05, deep, seat + 0.1, seat + rng.uniform(0.3, 0.5)])
    return boxes(spans, albedo)


def cafe_table(rng: np.random.Generator) -> Surface:
    """Draw a table with one to four chairs, under a parasol or not."""
    parts = [rods([0, 0, 0.7], [0, 0, 0.73], rng.uniform(0.25, 0.4), _paint(rng), sides=12)]
    parts.append(rods([0, 0, 0], [0, 0, 0.7], 0.04, 0.3, sides=6))
    chair = boxes([[-0.2, 0.2, -0.2, 0.2, 0.42, 0.46], [-0.2, 0.2, 0.17, 0.2, 0.46, rng.uniform(0.75, 0.95)]], 0.4)
    legs = np.array([[x, y, 0.0] for x in (-0.18, 0.18) for y in (-0.18, 0.18)])
    chair = join([chair, rods(legs, raised(legs, 0.43), 0.015, 0.3, sides=4)])
    for turn in rng.choice(4, int(rng.integers(1, 5)), replace=False) * (np.pi / 2) + rng.uniform(0, 6.28):
        parts.append(chair.placed(-np.sin(turn) * 0.6, np.cos(turn) * 0.6, 0, turn))
    if rng.uniform() < 0.3:
        wide, top = rng.uniform(0.8, 1.2), rng.uniform(2.2, 2.6)
        parts.append(rods([0, 0, top - 0.4], [0, 0, top], [[wide, 0.03]], _paint(rng)))
        parts.append(rods([0, 0, 0.7], [0, 0, top], 0.02, 0.3, sides=4))
    return join(parts)


def planter(rng: np.random.Generator) -> Surface:
    """Draw one to three tubs or troughs with plants."""
    tubs = []
    for _ in range(int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15]))):
        half_x, half_y, height = rng.uniform([0.2, 0.15, 0.25], [0.6, 0.3, 0.8])
        tub = boxes([[-half_x, half_x, -half_y, half_y, 0, height]], _paint(rng), taper=rng.uniform(0.9, 1.1))
        tubs.append(join([tub, shrub(rng).placed(0, 0, 0.8 * height)]))
    return _in_a_row(rng, tubs, 0.3)


# --- railings and works ----------------------------------------------------------------------------------------------


def railing(rng: np.random.Generator) -> Surface:
    """Draw a railing of posts and bars, or a panel of wire mesh."""
    length, height, albedo = rng.uniform(1.2, 5.0), rng.uniform(0.7, 2.0), rng.uniform(0.15, 0.6)
    x = np.linspace(0, length, max(2, round(length / rng.uniform(1.0, 2.0)) + 1))
    feet = np.column_stack([x, 0 * x, 0 * x])
    rails = np.linspace(height, 0.2, int(rng.integers(1, 5)))
    starts = [*feet, *([0, 0, z] for z in rails)]
    ends = [*(raised(feet, height)), *([length, 0, z] for z in rails)]
    parts = [rods(starts, ends, rng.uniform(0.015, 0.04), albedo, sides=6)]
    if rng.uniform() < 0.4:
        parts.append(quads([[0, 0, 0.1], [length, 0, 0.1], [length, 0, height], [0, 0, height]], albedo, 0.3))
    elif rng.uniform() < 0.5:
        bars = np.arange(0.12, length, 0.13)
        low = np.column_stack([bars, 0 * bars, 0 * bars + 0.15])
        parts.append(rods(low, raised(low, height - 0.15), 0.01, albedo, sides=3))
    return join(parts)


def barrier(rng: np.random.Generator) -> Surface:
    """Draw a building site's barriers: striped boards on feet, or plastic blocks."""
    fences = []
    for _ in range(int(rng.integers(1, 4))):
        half, top, albedo = rng.uniform(0.5, 1.2), rng.uniform(0.8, 1.15), rng.uniform(0.4, 0.97)
        if rng.uniform() < 0.4:
            fences.append(boxes([[-half, half, -0.2, 0.2, 0, top]], albedo, taper=0.6))
            continue
        spans = [[-half, half, -0.03, 0.03, top - 0.25, top], [-half, half, -0.03, 0.03, 0.35, 0.5]]
        for x in (-0.9 * half, 0.9 * half):
            spans += [[x - 0.03, x + 0.03, -0.03, 0.03, 0, top], [x - 0.1, x + 0.1, -0.3, 0.3, 0, 0.1]]
        fences.append(boxes(spans, albedo))
    return _in_a_row(rng, fences, 0.1)


def cones(rng: np.random.Generator) -> Surface:
    """Draw traffic cones or marker posts."""
    number, height = int(rng.integers(1, 6)), rng.uniform(0.35, 1.1)
    radius, albedo = rng.uniform(0.08, 0.2), rng.uniform(0.4, 0.9)
    feet = np.column_stack([np.arange(number) * rng.uniform(0.5, 1.5), rng.normal(0, 0.05, number), np.zeros(number)])
    low, high = feet - radius - 0.03, feet + radius + 0.03
    plates = np.column_stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1], feet[:, 2], feet[:, 2] + 0.04])
    return join([rods(feet, raised(feet, height), [[radius, 0.03]], albedo), boxes(plates, 0.15)])


# --- bicycles, scooters, carts ---------------------------------------------------------------------------------------


def _leaning(rng: np.random.Generator, part: Surface) -> Surface:
    """Lean a two-wheeler on its stand or against something."""
    return turned(part, rng.normal(0.0, 0.12)).standing_at_origin()


def bicycles(rng: np.random.Generator) -> Surface:
    """Draw bicycles without riders: one along the kerb, or a row across it between the hoops of a rack."""
    if rng.uniform() < 0.55:
        return _in_a_row(rng, [_leaning(rng, parked_bicycle(rng)) for _ in range(int(rng.choice([1, 1, 2])))], 0.3)
    number = int(rng.integers(1, 6))
    parts = [_leaning(rng, parked_bicycle(rng)).placed(0, 0, 0, rng.normal(np.pi / 2, 0.15)) for _ in range(number)]
    x = np.arange(int(rng.integers(0, 6))) * 0.8
    if len(x):
        feet = np.column_stack([x, 0 * x, 0 * x])
        starts = np.concatenate([feet - [0, 0.35, 0], np.add(feet, [0, 0.35, 0]), np.add(feet, [0, -0.35, 0.8])])
        ends = np.concatenate(
            [np.add(feet, [0, -0.35, 0.8]), np.add(feet, [0, 0.35, 0.8]), np.add(feet, [0, 0.35, 0.8])]
        )
        parts.append(rods(starts, ends, 0.025, 0.4, sides=6))
    return _in_a_row(rng, parts, 0.1) if rng.uniform() < 0.9 else turned(parts[0], 1.45).standing_at_origin()


def scooters(rng: np.random.Generator) -> Surface:
    """Draw scooters and motorbikes without riders, along the kerb or across it."""
    across = rng.uniform() < 0.4
    parts = []
    for _ in range(int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15]))):
        part = _leaning(rng, parked_scooter(rng))
        parts.append(part.placed(0, 0, 0, rng.normal(np.pi / 2, 0.1)) if across else part)
    return _in_a_row(rng, parts, 0.25)


def kick_scooters(rng: np.random.Generator) -> Surface:
    """Draw electric kick scooters: a deck and a steering column."""
    parts = []
    for _ in range(int(rng.integers(1, 4))):
        top, half, albedo = rng.uniform(0.9, 1.2), rng.uniform(0.45, 0.6), _paint(rng)
        deck = boxes([[-half, half, -0.08, 0.08, 0.1, 0.16]], albedo)
        bars = rods(
            [[half, 0, 0.1], [half - 0.1, -0.22, top]], [[half - 0.1, 0, top], [half - 0.1, 0.22, top]], 0.03, albedo
        )
        wheels = rods(
            [[-half, -0.03, 0.11], [half, -0.03, 0.11]], [[-half, 0.03, 0.11], [half, 0.03, 0.11]], 0.11, 0.08
        )
        turn = rng.normal(0.0, 0.15) + rng.choice([0.0, np.pi / 2])
        parts.append(join([deck, bars, wheels]).placed(0, 0, 0, turn))
    return _in_a_row(rng, parts, 0.2)


def cart(rng: np.random.Generator) -> Surface:
    """Draw a hand cart, or a row of shopping trolleys."""
    long, half, top, albedo = (
        rng.uniform(0.35, 0.7),
        rng.uniform(0.2, 0.32),
        rng.uniform(0.8, 1.1),
        rng.uniform(0.3, 0.7),
    )
    base = rng.uniform(0.25, 0.6)
    low = [[-0.8 * long, -half], [long, -half], [long, half], [-0.8 * long, half]]
    sides = [[[*low[i], base], [*low[(i + 1) % 4], base], [*low[(i + 1) % 4], top], [*low[i], top]] for i in range(4)]
    sides.append([[*corner, base] for corner in low])
    mesh = quads(np.array(sides), albedo, float(rng.choice([0.35, 1.0])))
    handle = rods([[-long, -half, top + 0.05]], [[-long, half, top + 0.05]], 0.02, albedo, sides=6)
    wheel = rng.uniform(0.06, 0.2)
    hubs = np.array([[x * long, y * half, wheel] for x in (-0.75, 0.75) for y in (-1, 1)])
    wheels = rods(hubs - [0, 0.02, 0], np.add(hubs, [0, 0.02, 0]), wheel, 0.08)
    tops = [[x, y, base] for x, y in low]
    legs = rods(
        [[s * 0.75 * long, y, wheel] for s, y in ((-1, -half), (1, -half), (1, half), (-1, half))],
        tops,
        0.02,
        albedo,
        sides=4,
    )
    one = join([mesh, handle, wheels, legs])
    number = int(rng.choice([1, 1, 1, 3, 6]))
    return join([one.placed(i * rng.uniform(0.2, 0.3), 0) for i in range(number)])


# --- figures ---------------------------------------------------------------------------------------------------------


def figure(rng: np.random.Generator) -> Surface:
    """Draw a shop dummy, a scarecrow or a statue: a body on a foot or a plinth, with head and arms or without."""
    height, albedo = rng.uniform(1.2, 1.9), _paint(rng)
    base = rng.choice([0.0, rng.uniform(0.05, 1.2)])
    half = rng.uniform(0.22, 0.35)
    girth = rng.uniform(0.13, 0.22)
    hip, neck = base + rng.uniform(0.35, 0.55) * height, base + 0.8 * height
    parts = [capsule([0, 0, hip], [rng.normal(0, 0.05), 0, neck - girth], girth, albedo)]
    if base:
        parts.append(boxes([[-half, half, -half, half, 0, base]], rng.uniform(0.3, 0.6), taper=rng.uniform(0.7, 1.0)))
    if rng.uniform() < 0.6:
        parts.append(rods([0, 0, 0], [0, 0, hip], 0.03, 0.35, sides=6))
        parts.append(rods([0, 0, base], [0, 0, base + 0.03], 0.2, 0.35))
    else:
        # A skirt, a robe or the lower half of a statue.
        parts.append(rods([0, 0, base], [0, 0, hip], [[rng.uniform(0.15, 0.3), girth]], albedo))
    if rng.uniform() < 0.7:
        parts.append(capsule([0, 0, neck + 0.12], [0, 0, neck + 0.17], rng.uniform(0.08, 0.11), albedo))
    for side in (-1, 1):
        if rng.uniform() < 0.6:
            hand = [rng.uniform(-0.3, 0.3), side * rng.uniform(0.2, 0.45), neck - rng.uniform(-0.2, 0.6)]
            parts.append(capsule([0, side * girth, neck - 0.08], hand, rng.uniform(0.03, 0.06), albedo))
    return join(parts).placed(0, 0, 0, rng.uniform(0, 2 * np.pi))


def clothes_rail(rng: np.random.Generator) -> Surface:
    """Draw clothes or sacks that hang from a rail."""
    half, top = rng.uniform(0.3, 0.9), rng.uniform(1.3, 1.8)
    number = int(rng.integers(3, 12))
    x, deep, low = rng.uniform(-half, half, number), rng.uniform(0.12, 0.3, number), rng.uniform(0.3, 1.0, number)
    cloth = np.column_stack([x - 0.03, x + 0.03, -deep, deep, low, np.full(number, top - 0.05)])
    frame = rods(
        [[-half, 0, 0], [half, 0, 0], [-half, 0, top]], [[-half, 0, top], [half, 0, top], [half, 0, top]], 0.02, 0.4
    )
    return join([frame, boxes(cloth, rng.uniform(0.05, 0.7, number))])


# --- large things ----------------------------------------------------------------------------------------------------


def column(rng: np.random.Generator) -> Surface:
    """Draw an advertising column, a clock, a thick post or a stump."""
    radius, height = rng.uniform(0.15, 0.75), rng.uniform(0.5, 3.6)
    return join(
        [
            rods([0, 0, 0], [0, 0, height], radius, _paint(rng), sides=16),
            rods([0, 0, height], [0, 0, height + 0.3], [[1.15 * radius, rng.uniform(0.1, 1) * radius]], 0.3, sides=16),
        ]
    )


def phone_box(rng: np.random.Generator) -> Surface:
    """Draw a phone box or a photo booth: glass between posts."""
    half, height, albedo = rng.uniform(0.4, 0.6), rng.uniform(2.0, 2.5), _paint(rng)
    spans = [[-half, half, -half, half, height - 0.15, height], [-half, half, half - 0.04, half, 0, height]]
    spans += [[x - 0.04, x + 0.04, y - 0.04, y + 0.04, 0, height] for x in (-half, half) for y in (-half, half)]
    glass = boxes([[-half, half, -half, half, 0.2, height]], 0.12, opacity=0.3)
    return join([boxes(spans, albedo), glass, boxes([[-0.15, 0.15, half - 0.3, half, 1.0, 1.7]], 0.2)])


def shelter(rng: np.random.Generator) -> Surface:
    """Draw a bus shelter: a glass back and side, a roof and a bench."""
    half, deep, height = rng.uniform(1.2, 2.4), rng.uniform(0.9, 1.5), rng.uniform(2.2, 2.7)
    spans = [
        [-half, half, 0, deep, height, height + 0.12],
        [-0.6 * half, 0.6 * half, deep - 0.4, deep - 0.1, 0.4, 0.45],
    ]
    spans += [[x - 0.04, x + 0.04, deep - 0.08, deep, 0, height] for x in np.linspace(-half, half, 4)]
    spans.append([half - 0.08, half, 0.1, deep, 0.3, 2.0])
    glass = quads([[-half, deep, 0.2], [half, deep, 0.2], [half, deep, height], [-half, deep, height]], 0.12, 0.35)
    return join([boxes(spans, rng.uniform(0.2, 0.6)), glass])


def kiosk(rng: np.random.Generator) -> Surface:
    """Draw a kiosk or a market stall: a counter under a roof on posts, with goods."""
    half, deep, height, albedo = rng.uniform(0.8, 2.2), rng.uniform(0.9, 1.9), rng.uniform(2.1, 2.8), _paint(rng)
    counter = rng.uniform(0.7, 1.1)
    spans = [[-half, half, 0.1, rng.uniform(0.4, 0.8) * deep, rng.choice([0.0, counter - 0.1]), counter]]
    spans += [[x - 0.03, x + 0.03, y - 0.03, y + 0.03, 0, height] for x in (-half, half) for y in (0.05, deep - 0.05)]
    number = int(rng.integers(0, 7))
    x, size = rng.uniform(-half + 0.3, half - 0.3, number), rng.uniform(0.1, 0.25, number)
    goods = np.column_stack([x - size, x + size, 0.15 + 0 * x, 0.15 + size, counter + 0 * x, counter + size])
    ridge = height + rng.uniform(0.1, 0.5)
    roof = [
        [[-half, edge, height], [half, edge, height], [half, deep / 2, ridge], [-half, deep / 2, ridge]]
        for edge in (0.0, deep)
    ]
    parts = [boxes(np.concatenate([spans, goods]), albedo), quads(np.array(roof), _paint(rng))]
    if rng.uniform() < 0.5:
        parts.append(quads([[-half, deep, 0], [half, deep, 0], [half, deep, height], [-half, deep, height]], albedo))
    return join(parts)


def stone(rng: np.random.Generator) -> Surface:
    """Draw a boulder, a heap of sand or leaves, or something low under a sheet."""
    half_x, half_y = rng.uniform(0.2, 0.7), rng.uniform(0.15, 0.32)
    return mound(rng, half_x, half_y, rng.uniform(0.2, 1.3), _paint(rng), boxy=rng.uniform(2, 5))


SLIM: tuple[Builder, ...] = (
    *(sign, sign, traffic_light, bollards, parking_meter, hydrant, wheeled_bins, litter_bin, rubbish, mailbox),
    *(junction_box, a_board, crates, planter, railing, barrier, cones, bicycles, scooters, kick_scooters, cart),
    *(figure, column, stone, sapling, shrub, topiary, tree_pit, bench, clothes_rail, ladder),
)
"""What stands at the kerb."""

AT_WALLS: tuple[Builder, ...] = (
    *(wheeled_bins, wheeled_bins, rubbish, mailbox, junction_box, a_board, crates, pallets, bench, cafe_table, planter),
    *(bicycles, bicycles, scooters, kick_scooters, cart, figure, figure, clothes_rail, column, phone_box, shelter),
    *(kiosk, stone, topiary, shrub, ladder, railing, litter_bin, sapling),
)
"""What stands between the walkers and the buildings."""

LOOSE: tuple[Builder, ...] = (
    *(wheeled_bins, rubbish, bollards, barrier, cones, bicycles, scooters, kick_scooters, cart, crates, planter),
    *(a_board, figure, stone, sapling, topiary, clothes_rail, ladder, sign),
)
"""What somebody may have put on the edge of the road."""
