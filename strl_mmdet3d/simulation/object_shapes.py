"""Single objects of twelve classes, for shape classification.

Sizes, parts and styles are random, so no two objects of a class are alike. Some resemble objects of another class: a
stool looks like a round table, and a vase like a bottle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from strl_mmdet3d.simulation.actors import vehicles
from strl_mmdet3d.simulation.rooms import furniture
from strl_mmdet3d.simulation.surface import Surface, capsule, convex_hull, cuboid, cylinder, join, lathe

_PLAIN = 0.5
"""Albedo of the parts that are built here. It does not matter: a shape is stored as points only."""


def _tube(path: np.ndarray, radius: float) -> Surface:
    """Return a bent rod through the points ``path`` (P, 3)."""
    return join([capsule(start, end, radius, _PLAIN) for start, end in pairwise(path)])


def _lying(part: Surface) -> Surface:
    """Return the surface with its z axis turned to x."""
    return replace(part, vertices=part.vertices[:, [2, 1, 0]])


def _blade(root: np.ndarray, tip: np.ndarray, chords: tuple[float, float], across: np.ndarray) -> Surface:
    """Return a flat wing or fin between the ``(3,)`` middles of its ends, with a chord along x at each end.

    ``across`` is half its thickness, as a vector ``(3,)``.
    """
    half_chords = np.array([[chord / 2, 0.0, 0.0] for chord in chords])
    corners = [
        end + along * half_chord + side * across
        for end, half_chord in zip((root, tip), half_chords, strict=True)
        for along in (-1, 1)
        for side in (-1, 1)
    ]
    return convex_hull(np.array(corners), _PLAIN)


def _blades(root: np.ndarray, tip: np.ndarray, chords: tuple[float, float]) -> list[Surface]:
    """Return a wing on the left (y > 0) and its mirror image on the right."""
    mirror = np.array([1.0, -1.0, 1.0])
    upwards = np.array([0.0, 0.0, 0.01])
    return [_blade(root * side, tip * side, chords, upwards) for side in (np.ones(3), mirror)]


def airplane(rng: np.random.Generator) -> Surface:
    """Draw an airliner, a glider or a small propeller plane of length 1, with its nose along +x."""
    radius, span, chord = rng.uniform(0.04, 0.11), rng.uniform(0.7, 1.4), rng.uniform(0.12, 0.3)
    sweep, taper, rise = rng.uniform(-0.02, 0.35), rng.uniform(0.3, 0.9), rng.uniform(0.0, 0.15)
    nose, stern = rng.uniform(0.05, 0.2), rng.uniform(0.15, 0.4)
    side_view = [(0.0, -0.5), (0.3 * radius, -0.5), (radius, stern - 0.5), (radius, 0.5 - nose)]
    parts = [_lying(lathe([*side_view, (0.6 * radius, 0.5 - 0.3 * nose), (0.0, 0.5)], _PLAIN))]

    place, level = rng.uniform(-0.05, 0.15), rng.choice([-0.7, 0.8]) * radius
    reach = np.array([-sweep, 1.0, rise]) * span / 2
    is_biplane = rng.uniform() < 0.15
    for height in (-0.7 * radius, 1.6 * radius) if is_biplane else (level,):
        root = np.array([place, 0.0, height])
        parts += _blades(root, root + reach, (chord, taper * chord))

    fin = rng.uniform(0.12, 0.25)
    chords = 0.6 * chord, 0.3 * chord
    parts.append(_blade(np.array([-0.42, 0, 0]), np.array([-0.48, 0, fin]), chords, np.array([0, 0.008, 0])))
    root = np.array([-0.43, 0.0, fin if rng.uniform() < 0.3 else 0.3 * radius])
    parts += _blades(root, root + 0.4 * reach * [1, 1, 0], chords)

    engines = int(rng.choice([0, 1, 2]))  # on each side
    for share in np.arange(1, engines + 1) / (engines + 1):
        for side in (-1, 1):
            back = np.array([place - 0.04, 0.0, level - 0.04]) + share * reach * [1, side, 1]
            front = back + np.array([0.14, 0.0, 0.0])
            parts.append(cylinder(back.tolist(), front.tolist(), 0.35 * radius + 0.01, _PLAIN))
    if not engines and rng.uniform() < 0.6:
        turn, hub = rng.uniform(0, np.pi), np.array([0.5, 0, 0])
        blade = rng.uniform(0.1, 0.2) * np.array([0, np.cos(turn), np.sin(turn)])
        parts.append(capsule(hub - blade, hub + blade, 0.012, _PLAIN))
    return join(parts)


def bottle(rng: np.random.Generator) -> Surface:
    """Draw a round or square bottle with a shoulder, a neck and often a cap."""
    radius, neck = rng.uniform(0.12, 0.26), rng.uniform(0.25, 0.6)
    shoulder = rng.uniform(0.45, 0.75)
    throat = rng.uniform(shoulder + 0.05, 0.92)
    top = [(neck * radius, throat), (neck * radius, 0.97), (0.0, 0.97)]
    if rng.uniform() < 0.3:
        depth = radius * rng.uniform(0.6, 1.0)
        body = [cuboid([-depth, -radius, 0.0], [depth, radius, shoulder], _PLAIN)]
        profile = [(0.9 * depth, shoulder), *top]
    else:
        waist = radius * rng.uniform(0.8, 1.05)
        body = []
        profile = [(0.0, 0.0), (0.93 * radius, 0.0), (radius, 0.03), (waist, shoulder / 2), (radius, shoulder), *top]
    if rng.uniform() < 0.6:
        body.append(cylinder([0, 0, 0.93], [0, 0, 1.0], 1.15 * neck * radius, _PLAIN))
    return join([*body, lathe(profile, _PLAIN)])


def box(rng: np.random.Generator) -> Surface:
    """Draw a carton: closed, with a lid, or open with or without flaps."""
    x, y, z = rng.uniform(0.25, 0.5), rng.uniform(0.25, 0.5), rng.uniform(0.2, 0.9)
    style = rng.choice(['closed', 'lid', 'open', 'flaps'])
    if style == 'closed':
        return cuboid([-x, -y, 0], [x, y, z], _PLAIN)
    if style == 'lid':
        rim = rng.uniform(0.6, 0.9) * z
        lid = cuboid([-x - 0.02, -y - 0.02, rim], [x + 0.02, y + 0.02, z], _PLAIN)
        return join([cuboid([-x, -y, 0], [x, y, z - 0.02], _PLAIN), lid])
    wall = 0.02
    parts = [cuboid([-x, -y, 0], [x, y, wall], _PLAIN)]
    for side in (-1, 1):
        parts.append(cuboid([side * (x - wall), -y, 0], [side * x, y, z], _PLAIN))
        parts.append(cuboid([-x, side * (y - wall), 0], [x, side * y, z], _PLAIN))
        if style == 'flaps':
            lean, flap = rng.uniform(-0.4, 1.2), rng.uniform(0.5, 0.9) * y
            tip = [side * (y + flap * np.cos(lean)), z + flap * np.sin(lean)]
            edges = [[px, py, pz] for px in (-x, x) for py, pz in ([side * y, z], tip, [side * y, z - 0.01])]
            parts.append(convex_hull(np.array(edges), _PLAIN))
    return join(parts)


def car(rng: np.random.Generator) -> Surface:
    """Draw a car or a van of the simulated streets, with its front along +x."""
    return vehicles.car(rng)[1](0.0)


def lamp(rng: np.random.Generator) -> Surface:
    """Draw a lamp with a shade or a globe on a pole, or a desk lamp with a bent arm."""
    foot = rng.uniform(0.1, 0.25)
    parts = [cylinder([0, 0, 0], [0, 0, rng.uniform(0.02, 0.06)], foot, _PLAIN)]
    if rng.uniform() < 0.35:
        elbow = np.array([-rng.uniform(0.05, 0.3), 0.0, rng.uniform(0.35, 0.6)])
        head = elbow + np.array([rng.uniform(0.3, 0.5), 0.0, rng.uniform(0.0, 0.35)])
        parts.append(_tube(np.array([[0, 0, 0.03], elbow, head]), 0.02))
        shade = lathe([(rng.uniform(0.1, 0.2), -0.15), (0.03, 0.0), (0.0, 0.0)], _PLAIN)
        return join([*parts, replace(shade, vertices=shade.vertices + head)])
    top, radius = 1.0, rng.uniform(0.12, 0.35)
    tall = rng.uniform(0.15, 0.45)
    if rng.uniform() < 0.3:
        profile = [(0.0, 0.0), (0.3 * foot, 0.02), (rng.uniform(0.3, 0.9) * foot, 0.3), (0.02, top - tall / 2)]
        parts.append(lathe(profile, _PLAIN))
    else:
        parts.append(cylinder([0, 0, 0], [0, 0, top - tall / 2], rng.uniform(0.012, 0.03), _PLAIN))
    if rng.uniform() < 0.25:
        parts.append(capsule([0, 0, top - tall / 2], [0, 0, top - tall / 2], tall / 2, _PLAIN))
    else:
        parts.append(lathe([(radius, top - tall), (radius * rng.uniform(0.3, 1.0), top)], _PLAIN))
    return join(parts)


def mug(rng: np.random.Generator) -> Surface:
    """Draw a cup or a mug with a handle at +y, or rarely a beaker without a handle."""
    height, foot = rng.uniform(0.6, 1.2), rng.uniform(0.3, 0.45)
    rim, middle = foot * rng.uniform(0.9, 1.4), foot * rng.uniform(0.95, 1.25)
    wall = 0.03
    outside = [(0.0, 0.0), (foot, 0.0), (middle, height / 2), (rim, height)]
    inside = [(rim - wall, height), (middle - wall, height / 2), (foot - wall, wall), (0.0, wall)]
    parts = [lathe([*outside, *inside], _PLAIN)]
    if rng.uniform() < 0.92:
        low, high = np.sort(rng.uniform([0.1, 0.65], [0.35, 0.92])) * height
        reach = rng.uniform(0.15, 0.35)
        turn = np.linspace(-np.pi / 2, np.pi / 2, int(rng.choice([4, 9])))  # angular or round
        y = middle - wall / 2 + reach * np.cos(turn)
        z = (low + high) / 2 + (high - low) / 2 * np.sin(turn)
        parts.append(_tube(np.column_stack([np.zeros_like(y), y, z]), rng.uniform(0.02, 0.05)))
    return join(parts)


def stool(rng: np.random.Generator) -> Surface:
    """Draw a seat without a back, on three or four legs or on a column."""
    height, radius, thick = rng.uniform(0.4, 0.85), rng.uniform(0.15, 0.24), rng.uniform(0.03, 0.1)
    under = height - thick
    if rng.uniform() < 0.6:
        parts = [cylinder([0, 0, under], [0, 0, height], radius, _PLAIN)]
    else:
        parts = [cuboid([-radius, -0.9 * radius, under], [radius, 0.9 * radius, height], _PLAIN)]
    if rng.uniform() < 0.2:
        parts.append(cylinder([0, 0, 0], [0, 0, under], 0.03, _PLAIN))
        parts.append(cylinder([0, 0, 0], [0, 0, 0.03], 0.8 * radius, _PLAIN))
        return join(parts)
    legs, splay, rod = int(rng.choice([3, 4])), rng.uniform(0.8, 1.3), rng.uniform(0.012, 0.025)
    angles = np.pi / 4 + 2 * np.pi * np.arange(legs) / legs
    around = np.column_stack([np.cos(angles), np.sin(angles)]) * radius
    for foot in around:
        parts.append(cylinder([*(splay * foot), 0.0], [*(0.8 * foot), under], rod, _PLAIN))
    if rng.uniform() < 0.6:
        share = rng.uniform(0.25, 0.5)  # height of the ring that joins the legs
        ring = around * (splay + (0.8 - splay) * share)
        corners = np.column_stack([ring, np.full(legs, share * under)])
        parts.append(_tube(np.concatenate([corners, corners[:1]]), 0.7 * rod))
    return join(parts)


def table(rng: np.random.Generator) -> Surface:
    """Draw a dining table or a coffee table."""
    return furniture.coffee_table(rng) if rng.uniform() < 0.3 else furniture.table(rng)


def vase(rng: np.random.Generator) -> Surface:
    """Draw an open vessel with a smoothly curved side."""
    heights = np.linspace(0.0, 1.0, 13)
    knots = rng.uniform([0.1, 0.16, 0.1, 0.08], [0.25, 0.42, 0.35, 0.4])  # foot, belly, neck, lip
    belly = rng.uniform(0.25, 0.5)
    radii = np.interp(heights, [0.0, belly, rng.uniform(0.65, 0.9), 1.0], knots)
    radii = np.convolve(np.pad(radii, 1, mode='edge'), [0.25, 0.5, 0.25], mode='valid')
    height = rng.uniform(0.6, 1.1)
    side = list(zip(radii.tolist(), (heights * height).tolist(), strict=True))
    return lathe([(0.0, 0.0), *side], _PLAIN)


BUILDERS: MappingProxyType[str, Callable[[np.random.Generator], Surface]] = MappingProxyType(
    {
        'airplane': airplane,
        'bed': furniture.bed,
        'bookshelf': furniture.bookshelf,
        'bottle': bottle,
        'box': box,
        'car': car,
        'chair': furniture.chair,
        'lamp': lamp,
        'mug': mug,
        'stool': stool,
        'table': table,
        'vase': vase,
    }
)
"""The builder of each class. A label is the position in this mapping."""
