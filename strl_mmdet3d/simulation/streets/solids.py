"""Many simple solids at once: the parts of street furniture, plants and buildings."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from strl_mmdet3d.simulation.surface import Surface

_CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
_BOX_FACES = np.array(
    [
        *([0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5]),
        *([0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6]),
        *([0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]),
    ]
)


def _surface(vertices: np.ndarray, faces: np.ndarray, albedo: ArrayLike, opacity: float) -> Surface:
    """Return N solids of equal topology from ``(N, V, 3)`` vertices, ``(F, 3)`` faces and N albedos or one."""
    number, corners = vertices.shape[:2]
    all_faces = corners * np.arange(number)[:, None, None] + faces
    albedos = np.repeat(np.broadcast_to(np.asarray(albedo, dtype=np.float64), number), len(faces))
    return Surface(vertices.reshape(-1, 3), all_faces.reshape(-1, 3), albedos, np.full(number * len(faces), opacity))


def boxes(spans: ArrayLike, albedo: ArrayLike, *, taper: float = 1.0, opacity: float = 1.0) -> Surface:
    """Return N upright boxes.

    Args:
        spans: ``(N, 6)`` metres: each box from x0 to x1, y0 to y1, z0 to z1, in this order.
        albedo: One for all boxes, or ``(N,)``.
        taper: Size of the top relative to the bottom.
        opacity: Of all faces.
    """
    spans = np.asarray(spans, dtype=np.float64).reshape(-1, 3, 2)
    vertices = spans[:, np.arange(3), _CORNERS]
    middle = spans[:, None, :2].mean(axis=3)
    scale = np.where(_CORNERS[:, 2:] == 1, taper, 1.0)
    vertices[..., :2] = middle + (vertices[..., :2] - middle) * scale
    return _surface(vertices, _BOX_FACES, albedo, opacity)


def rods(
    starts: ArrayLike, ends: ArrayLike, radii: ArrayLike, albedo: ArrayLike, *, sides: int = 8, opacity: float = 1.0
) -> Surface:
    """Return N closed cylinders or cones around segments.

    Args:
        starts: ``(N, 3)`` first ends of the axes, metres. One serves many rods.
        ends: ``(N, 3)`` other ends. One serves many rods.
        radii: One for all, ``(N, 1)`` for cylinders, or ``(N, 2)`` or ``(1, 2)`` at start and end, metres.
        albedo: One for all, or ``(N,)``.
        sides: Of each.
        opacity: Of all faces.
    """
    starts, ends = (
        np.atleast_2d(np.asarray(starts, dtype=np.float64)),
        np.atleast_2d(np.asarray(ends, dtype=np.float64)),
    )
    starts, ends = np.broadcast_arrays(starts, ends)
    axis = (ends - starts) / np.linalg.norm(ends - starts, axis=1, keepdims=True)
    x, y, z = axis.T
    steep, none = np.abs(z) > 0.9, np.zeros_like(z)
    # The cross product with +z, or for a steep axis with +x.
    across = np.where(steep[:, None], np.stack([none, z, -y], 1), np.stack([y, -x, none], 1))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    angle = np.arange(sides)[:, None] * (2 * np.pi / sides)
    ring = np.cos(angle) * across[:, None] + np.sin(angle) * np.cross(across, axis)[:, None]
    radii = np.broadcast_to(np.asarray(radii, dtype=np.float64), (len(starts), 2))
    lower, upper = (
        centre[:, None] + ring * radius[:, None, None]
        for centre, radius in ((starts, radii[:, 0]), (ends, radii[:, 1]))
    )
    here = np.arange(sides)
    following = (here + 1) % sides
    fan = np.column_stack([np.zeros(sides - 2, dtype=np.int64), here[1:-1], here[2:]])
    faces = np.concatenate(
        [
            np.column_stack([here, following, following + sides]),
            np.column_stack([here, following + sides, here + sides]),
            fan,
            fan + sides,
        ]
    )
    return _surface(np.concatenate([lower, upper], axis=1), faces, albedo, opacity)


def raised(points: np.ndarray, height: float) -> np.ndarray:
    """Return ``(N, 3)`` points, moved upwards by ``height`` metres."""
    return points + np.array([0.0, 0.0, height])


def mound(
    rng: np.random.Generator, half_x: float, half_y: float, height: float, albedo: float, *, boxy: float = 2.0
) -> Surface:
    """Draw a lump on the ground: a heap of earth, a stone, or something under a tarpaulin.

    ``boxy`` is the exponent of its outline: 2 for an ellipse, larger for a rounded rectangle.
    """
    around = np.arange(14) * (2 * np.pi / 14)
    rise = np.linspace(0.0, 0.5 * np.pi, 6)[:-1, None]
    cos, sin = np.cos(around), np.sin(around)
    outline = (np.abs(cos) ** boxy + np.abs(sin) ** boxy) ** (-1 / boxy)
    profile = (np.cos(rise) ** boxy + np.sin(rise) ** boxy) ** (-1 / boxy)
    lumps = 1.0 + rng.normal(0.0, 0.05, (5, 14))
    flat = outline * np.cos(rise) * profile * lumps
    up = np.sin(rise) * profile * lumps
    rings = np.stack([half_x * flat * cos, half_y * flat * sin, height * up], axis=-1).reshape(-1, 3)
    here = np.arange(14)
    following = (here + 1) % 14
    faces = [
        np.concatenate(
            [
                np.column_stack([here + low, following + low, following + low + 14]),
                np.column_stack([here + low, following + low + 14, here + low + 14]),
            ]
        )
        for low in range(0, 56, 14)
    ]
    top = np.column_stack([here + 56, following + 56, np.full(14, 70)])
    vertices = np.concatenate([rings, [[0.0, 0.0, height * rng.uniform(0.95, 1.05)]]])
    return _surface(vertices[None], np.concatenate([*faces, top]), albedo, 1.0)


def turned(part: Surface, roll: float, pitch: float = 0.0) -> Surface:
    """Return ``part`` leaning: turned about the x axis by ``roll`` and then about y by ``pitch``, radians."""
    cos, sin = np.cos(roll), np.sin(roll)
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]])
    cos, sin = np.cos(pitch), np.sin(pitch)
    about_y = np.array([[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]])
    return Surface(part.vertices @ (about_y @ about_x).T, part.faces, part.albedo, part.opacity)


def fitted(part: Surface, length: float, depth: float) -> Surface:
    """Return ``part``, centred on the origin, and shrunk along x and y where it is longer than the given metres."""
    part = part.standing_at_origin()
    size = np.maximum(np.ptp(part.bounds, axis=0), 1e-6)
    scale = np.array([min(1.0, length / size[0]), min(1.0, depth / size[1]), 1.0])
    return Surface(part.vertices * scale, part.faces, part.albedo, part.opacity)
