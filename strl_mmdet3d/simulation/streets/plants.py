"""Trees, bushes and hedges. Every builder returns a surface that stands on z = 0 near the origin."""

from __future__ import annotations

import numpy as np

from strl_mmdet3d.simulation.streets.solids import boxes, raised, rods
from strl_mmdet3d.simulation.surface import Surface, join, surface

STREET_CROWN = 4.3
"""Height of the lowest leaves above a street, metres: trucks pass below."""

_BARK = (0.2, 0.4)
_LEAVES = (0.32, 0.55)


def leaves(rng: np.random.Generator, centres: np.ndarray, size: float) -> Surface:
    """Draw leaf clusters: a random triangle of about ``size`` metres around each of ``(N, 3)`` centres.

    Beams enter and return from various depths.
    """
    triangles = centres[:, None] + rng.normal(0.0, size / 2, (len(centres), 3, 3))
    triangles[..., 2] = np.maximum(triangles[..., 2], 0.0)
    faces = np.arange(3 * len(centres)).reshape(-1, 3)
    return surface(triangles.reshape(-1, 3), faces, float(rng.uniform(*_LEAVES)))


def _ball(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw ``(count, 3)`` points in the unit ball, denser near its surface."""
    directions = rng.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions * rng.uniform(0.2, 1.0, (count, 1)) ** (1 / 3)


def _crown(rng: np.random.Generator, low: float, high: float, spread: float, density: float) -> Surface:
    """Draw a crown of one to four balls of leaves between two heights."""
    balls = int(rng.integers(1, 5))
    half = (high - low) / 2
    count = int(np.clip(density * 4.2 * spread**2 * half, 30, 400))
    shift = rng.uniform(-0.5, 0.5, (balls, 3)) * [spread, spread, half] if balls > 1 else np.zeros((1, 3))
    scale = np.array([spread, spread, half]) * (0.65 if balls > 1 else 1.0)
    centres = shift[rng.integers(balls, size=count)] + _ball(rng, count) * scale
    centres[:, 2] = np.clip(centres[:, 2] + low + half, low + 0.2, high)
    crown = leaves(rng, centres, rng.uniform(0.35, 0.7))
    crown.vertices[:, 2] = np.maximum(crown.vertices[:, 2], low)
    return crown


def street_tree(rng: np.random.Generator) -> Surface:
    """Draw a tree at the kerb: a trunk, bare or with a crown that starts above the tallest truck."""
    radius, base = rng.uniform(0.2, 0.6) ** 2, rng.uniform(STREET_CROWN, STREET_CROWN + 1.2)
    spread, top = rng.uniform(1.0, 3.0), rng.uniform(1.5, 6.0)
    lean = rng.normal(0.0, 0.05, 2)
    trunk = rods([0, 0, -0.1], [*lean, base + top / 2], [[radius, 0.7 * radius]], rng.uniform(*_BARK), sides=10)
    return join([trunk, _crown(rng, base, base + top, spread, density=2.5)])


def tree(rng: np.random.Generator) -> Surface:
    """Draw a tree in a garden or a field, with low branches or none."""
    radius, base = rng.uniform(0.2, 0.6) ** 2, rng.uniform(0.4, 3.5)
    spread, top = rng.uniform(0.8, 3.5), rng.uniform(1.5, 8.0)
    stems = int(rng.choice([1, 1, 1, 2, 3]))
    feet = rng.normal(0.0, 0.15 * (stems > 1), (stems, 2))
    starts = np.column_stack([feet, np.full(stems, -0.1)])
    ends = np.column_stack([feet * 3 + rng.normal(0, 0.1, (stems, 2)), np.full(stems, base + top / 2)])
    trunks = rods(starts, ends, [[radius, 0.5 * radius]], rng.uniform(*_BARK))
    return join([trunks, _crown(rng, base, base + top, spread, density=rng.uniform(1.0, 4.0))])


def conifer(rng: np.random.Generator) -> Surface:
    """Draw a cone of needles, from a cypress as slim as a person to a spruce."""
    height = rng.uniform(1.2, 9.0)
    spread = height * rng.uniform(0.1, 0.3)
    count = int(np.clip(60 * spread * height, 50, 260))
    up = 1 - np.sqrt(rng.uniform(0.0, 1.0, count))
    angle, out = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.uniform(0.1, 1.0, count))
    reach = spread * (1 - up) * out
    centres = np.column_stack([reach * np.cos(angle), reach * np.sin(angle), 0.15 + up * (height - 0.2)])
    return join([rods([0, 0, -0.1], [0, 0, 0.7 * height], 0.03 + 0.01 * height, 0.28), leaves(rng, centres, 0.22)])


def sapling(rng: np.random.Generator) -> Surface:
    """Draw a young tree between stakes, with leaves from breast height: it passes for a person."""
    height, stakes = rng.uniform(1.8, 3.2), int(rng.integers(0, 4))
    angle = np.arange(stakes) * (2 * np.pi / max(stakes, 1))
    feet = 0.22 * np.column_stack([np.cos(angle), np.sin(angle), 0 * angle])
    parts = [rods([0, 0, 0], [0, 0, height], rng.uniform(0.02, 0.05), rng.uniform(*_BARK), sides=6)]
    if stakes:
        parts.append(rods(feet, raised(feet, rng.uniform(1.0, 1.7)), 0.035, 0.4, sides=6))
    half = rng.uniform(0.25, 0.7)
    centres = _ball(rng, int(rng.integers(15, 60))) * [0.28, 0.28, half] + [0, 0, height - half]
    parts.append(leaves(rng, centres, 0.12))
    if rng.uniform() < 0.3:
        ring = 0.3 * np.column_stack([np.cos(np.arange(8)), np.sin(np.arange(8)), np.zeros(8)])
        parts.append(rods(ring, raised(ring, rng.uniform(0.8, 1.6)), 0.015, 0.35, sides=4))
    return join(parts)


def shrub(rng: np.random.Generator) -> Surface:
    """Draw a slim shrub, from knee-high to taller than a person."""
    half, height = rng.uniform(0.15, 0.32), rng.uniform(0.4, 2.1)
    centres = _ball(rng, int(25 + 60 * height)) * [half, half, height / 2] + [0, 0, height / 2]
    return leaves(rng, centres, rng.uniform(0.06, 0.14))


def topiary(rng: np.random.Generator) -> Surface:
    """Draw a clipped plant on a stem, in a tub or not: about as large as a person."""
    height, ball, tub = rng.uniform(1.0, 1.9), rng.uniform(0.2, 0.33), rng.uniform(0.15, 0.3)
    parts = [rods([0, 0, 0], [0, 0, height - ball], 0.025, 0.3, sides=6)]
    parts.append(rods([0, 0, 0], [0, 0, rng.uniform(0.25, 0.5)], [[0.8 * tub, tub]], rng.uniform(0.1, 0.6), sides=10))
    parts.append(leaves(rng, _ball(rng, 70) * ball * [1, 1, rng.uniform(0.8, 1.6)] + [0, 0, height], 0.08))
    return join(parts)


def bush(rng: np.random.Generator, length: float | None = None, depth: float | None = None) -> Surface:
    """Draw a bush of any size up to a car's, or of a given ``length`` (x) and ``depth`` (y) in metres."""
    length = rng.uniform(0.6, 4.8) if length is None else length
    depth = min(length, rng.uniform(0.6, 2.0)) if depth is None else depth
    height = rng.uniform(0.5, 2.3)
    count = int(np.clip(22 * length * depth * height, 30, 260))
    centres = _ball(rng, count)
    if rng.uniform() < 0.4:
        # Clipped to a block.
        centres = rng.uniform(-1.0, 1.0, (count, 3))
    centres = np.clip(centres, -0.95, 0.95) * [length / 2 - 0.1, depth / 2 - 0.1, height / 2] + [0, 0, height / 2]
    return leaves(rng, centres, rng.uniform(0.12, 0.22))


def hedge(rng: np.random.Generator, length: float) -> Surface:
    """Draw a clipped hedge along x, from y = 0."""
    height, depth = rng.uniform(0.5, 2.2), rng.uniform(0.4, 0.9)
    count = int(np.clip(22 * length * depth * height, 30, 500))
    centres = rng.uniform([-length / 2, 0.1, 0.0], [length / 2, depth, height], (count, 3))
    return leaves(rng, centres, rng.uniform(0.15, 0.3))


def tree_pit(rng: np.random.Generator) -> Surface:
    """Draw a low curb with grass or flowers, as around trees."""
    half, height = rng.uniform(0.2, 0.34), rng.uniform(0.1, 0.5)
    centres = rng.uniform([-half, -half, 0.0], [half, half, height + rng.uniform(0.1, 0.6)], (50, 3))
    return join([boxes([[-half, half, -half, half, 0, height]], rng.uniform(0.2, 0.5)), leaves(rng, centres, 0.08)])
