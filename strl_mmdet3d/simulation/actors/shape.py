"""The shape of an actor, and the solids and materials that vehicles, people and cyclists share.

The solids are built by array arithmetic, without a convex hull: a street holds over a hundred actors, and those on foot
or on a bicycle are rebuilt for every scan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from strl_mmdet3d.simulation.surface import Surface, surface

Shape = Callable[[float], Surface]
"""Maps the metres travelled so far, which move legs and pedals, to the actor's surface in the actor's frame."""

Point = Sequence[float] | np.ndarray
"""x, y, z in metres."""

RUBBER = 0.06
"""Albedo of tyres and soles: nearly black."""

REFLECTOR = 0.97
"""Albedo of retro-reflecting number plates, lamps and bands."""

_CAP = np.array([[-0.9, 0.44], [-0.3, 0.95]])
"""Two points of a quarter circle: offset along the axis and radius, as shares of a limb's radius."""


class Limb(NamedTuple):
    """A rounded stick: an arm, a leg, a head, or a tube of a frame.

    Attributes:
        start, end: x, y, z of its ends in metres. Equal points give a ball.
        radius: Metres at the start.
        end_radius: Metres at the end.
        albedo: Its albedo.
    """

    start: Point
    end: Point
    radius: float
    end_radius: float
    albedo: float


@cache
def _loft_faces(rings: int, around: int) -> np.ndarray:
    """Return ``(F, 3)`` faces that join ``rings`` rings of ``around`` points, and close the first and the last."""
    first = np.arange(around)
    second = (first + 1) % around
    band = np.concatenate(
        [
            np.column_stack([first, second, second + around]),
            np.column_stack([first, second + around, first + around]),
        ]
    )
    fan = np.column_stack([np.zeros(around - 2, dtype=np.int64), first[1:-1], first[2:]])
    bands = [band + step * around for step in range(rings - 1)]
    return np.concatenate([*bands, fan, fan + (rings - 1) * around])


def loft(rings: np.ndarray, albedo: float, opacity: float = 1.0) -> Surface:
    """Return the closed solid through ``(R, P, 3)`` rings of points: R >= 2 outlines of P >= 3 points each, in metres.

    Its faces are the bands between the rings, ring by ring, then the ``P - 2`` faces of the first ring's end, and then
    as many of the last one's. The two end rings must be convex.
    """
    count, around = rings.shape[:2]
    return surface(rings.reshape(-1, 3), _loft_faces(count, around), albedo, opacity)


def prism(profile: np.ndarray, half_widths: np.ndarray | float, albedo: float, opacity: float = 1.0) -> Surface:
    """Return a solid, symmetric in y, from ``(P, 2)`` points x, z of its convex side view and its half widths.

    ``half_widths`` is ``(P,)``, or one number for all points, in metres.
    """
    left = np.column_stack([profile[:, 0], np.broadcast_to(half_widths, len(profile)), profile[:, 1]])
    return loft(np.stack([left, left * [1.0, -1.0, 1.0]]), albedo, opacity)


def turned_solid(centre: Point, profile: np.ndarray, albedo: float, sides: int = 10, squash: float = 1.0) -> Surface:
    """Return a solid of revolution about the vertical through ``centre``: an umbrella, a hat, a skirt.

    ``profile`` ``(R, 2)`` holds radius and height over the centre in metres; ``squash`` scales the extent in x.
    """
    angle = np.arange(sides) * (2 * np.pi / sides)
    outline = np.column_stack([squash * np.cos(angle), np.sin(angle), np.zeros(sides)])
    rings = profile[:, :1, None] * outline + profile[:, 1, None, None] * np.array([0.0, 0.0, 1.0])
    return loft(rings + np.asarray(centre), albedo)


@cache
def _block_faces() -> np.ndarray:
    """Return the ``(12, 3)`` faces of a block whose 8 corners count up in binary x, y, z."""
    sides = np.array([[0, 1, 3, 2], [4, 5, 7, 6], [0, 1, 5, 4], [2, 3, 7, 6], [0, 2, 6, 4], [1, 3, 7, 5]])
    return sides[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)


def blocks(
    corners: Sequence[Sequence[float]] | np.ndarray, albedo: float | np.ndarray, opacity: float = 1.0
) -> Surface:
    """Return axis-aligned blocks from ``(N, 6)`` rows of smallest x, y, z and largest x, y, z in metres.

    ``albedo`` is one number, or ``(N,)``.
    """
    pairs = np.asarray(corners, dtype=np.float64).reshape(-1, 2, 3)
    choice = np.array([[number >> 2 & 1, number >> 1 & 1, number & 1] for number in range(8)])
    vertices = pairs[:, choice, [0, 1, 2]].reshape(-1, 3)
    faces = (8 * np.arange(len(pairs))[:, None, None] + _block_faces()).reshape(-1, 3)
    each = np.repeat(np.broadcast_to(np.asarray(albedo, dtype=np.float64), len(pairs)), 12)
    return Surface(vertices, faces, each, np.full(len(faces), opacity))


def limbs(sticks: Sequence[Limb], sides: int = 6) -> Surface:
    """Return all ``sticks`` as one surface, each with ``sides`` sides and rounded ends."""
    return _sticks(sticks, sides, _CAP)


def tubes(sticks: Sequence[Limb], sides: int = 4) -> Surface:
    """Return all ``sticks`` as one surface, each with ``sides`` sides and flat ends: cheaper, for thin ones."""
    return _sticks(sticks, sides, np.array([[0.0, 1.0]]))


def _sticks(sticks: Sequence[Limb], sides: int, cap: np.ndarray) -> Surface:
    """Return all ``sticks`` as one surface. ``cap`` ``(C, 2)`` is the shape of an end, as in ``_CAP``."""
    start = np.array([stick.start for stick in sticks], dtype=np.float64)
    end = np.array([stick.end for stick in sticks], dtype=np.float64)
    radius = np.array([[stick.radius, stick.end_radius] for stick in sticks])
    axis = end - start
    length = np.linalg.norm(axis, axis=1, keepdims=True)
    axis = np.where(length > 1e-9, axis / np.maximum(length, 1e-9), [0.0, 0.0, 1.0])
    # Any direction that is not along the axis gives the ring's plane.
    aside = np.where(np.abs(axis[:, 1:2]) < 0.8, [0.0, 1.0, 0.0], [1.0, 0.0, 0.0])
    across = np.cross(axis, aside)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    upright = np.cross(axis, across)

    angle = np.arange(sides) * (2 * np.pi / sides)
    outline = np.cos(angle)[:, None] * across[:, None] + np.sin(angle)[:, None] * upright[:, None]
    rings = [
        end_point[:, None] + size[:, None, None] * (turn * offset * axis[:, None] + share * outline)
        for end_point, size, turn, points in ((start, radius[:, 0], 1, cap), (end, radius[:, 1], -1, cap[::-1]))
        for offset, share in points
    ]
    vertices = np.stack(rings, axis=1).reshape(-1, 3)
    pattern = _loft_faces(2 * len(cap), sides)
    faces = (2 * len(cap) * sides * np.arange(len(sticks))[:, None, None] + pattern).reshape(-1, 3)
    albedo = np.repeat([stick.albedo for stick in sticks], len(pattern))
    return Surface(vertices, faces, albedo, np.ones(len(faces)))


def wheel(x: float, y: float, radius: float, width: float, rim: float) -> Surface:
    """Return a vehicle's wheel on z = 0, with its outer side at ``y`` and its axle at ``x``.

    Args:
        x: Metres.
        y: Metres, not 0. The wheel reaches ``width`` metres from there towards y = 0.
        radius: Metres.
        width: Metres.
        rim: Albedo of the disc in the tyre's outer side.
    """
    angle = np.arange(12) * (np.pi / 6)
    outline = radius * np.column_stack([np.cos(angle), np.zeros(12), np.sin(angle)])
    inner = y - np.sign(y) * width
    recess = y - 0.15 * (y - inner)
    rings = np.stack([share * outline + xyz(x, at, radius) for share, at in ((1.0, inner), (1.0, y), (0.64, recess))])
    tyre = loft(rings, RUBBER)
    tyre.albedo[-10:] = rim
    return tyre


def bicycle_wheel(x: float, radius: float, thickness: float) -> Surface:
    """Return a bicycle's wheel in the x-z plane on z = 0: a tyre around a disc of spokes, which is mostly open.

    Args:
        x: Its axle, metres.
        radius: Metres.
        thickness: Of the tyre, metres.
    """
    angle = np.arange(16) * (np.pi / 8)
    radial = np.column_stack([np.cos(angle), np.zeros(16), np.sin(angle)])
    section = ((radius, 0.0), (radius - thickness, thickness / 2), (radius - thickness, -thickness / 2), (radius, 0.0))
    rings = np.stack([radial * size + xyz(0.0, y, 0.0) for size, y in section])
    vertices = np.concatenate([rings.reshape(-1, 3), np.zeros((1, 3))]) + xyz(x, 0.0, radius)
    tyre = _loft_faces(4, 16)[: 3 * 32]
    rim = 16 + np.arange(16)
    spokes = np.column_stack([rim, np.roll(rim, -1), np.full(16, 4 * 16)])
    return Surface(
        vertices,
        np.concatenate([tyre, spokes]),
        np.repeat([RUBBER, 0.3], [len(tyre), len(spokes)]),
        np.repeat([1.0, 0.15], [len(tyre), len(spokes)]),
    )


def xyz(x: float, y: float, z: float) -> np.ndarray:
    """Return the point ``(3,)`` float64, or the offset to one."""
    return np.array([x, y, z], dtype=np.float64)


def between(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """Return a number drawn evenly between two limits."""
    return float(rng.uniform(*limits))


def chance(rng: np.random.Generator, probability: float) -> bool:
    """Return whether an event of this probability happens."""
    return bool(rng.uniform() < probability)
