"""Triangle surfaces with their LiDAR properties, and the primitive solids that the scenes are built from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import trimesh
from numpy.typing import ArrayLike
from scipy.spatial import ConvexHull


@dataclass(frozen=True)
class Surface:
    """A triangle mesh whose faces carry LiDAR properties.

    Attributes:
        vertices: ``(V, 3)`` float64, metres.
        faces: ``(F, 3)`` int64 indices into ``vertices``.
        albedo: ``(F,)`` float64 in [0, 1], the diffuse reflectance in the near infra-red.
        opacity: ``(F,)`` float64 in [0, 1], the probability that the face returns a beam. It is below 1 for glass and
            spokes, which mostly let the beam through or mirror it away.
    """

    vertices: np.ndarray
    faces: np.ndarray
    albedo: np.ndarray
    opacity: np.ndarray

    @property
    def bounds(self) -> np.ndarray:
        """``(2, 3)`` float64: the smallest and the largest coordinates."""
        return np.stack([self.vertices.min(0), self.vertices.max(0)])

    def placed(self, x: float, y: float, z: float = 0.0, yaw: float = 0.0) -> Surface:
        """Return the surface, turned by ``yaw`` radians about +z (x to y) and then moved by ``(x, y, z)`` metres."""
        return replace(self, vertices=self.vertices @ turn_about_z(yaw).T + np.array([x, y, z]))

    def standing_at_origin(self) -> Surface:
        """Return the surface, moved so that its extents are centred on x = y = 0 and start at z = 0."""
        low, high = self.bounds
        return replace(self, vertices=self.vertices - [*((low + high) / 2)[:2], low[2]])


def turn_about_z(yaw: float) -> np.ndarray:
    """Return the ``(3, 3)`` rotation by ``yaw`` radians about +z, from +x to +y."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def surface(vertices: np.ndarray, faces: np.ndarray, albedo: float, opacity: float = 1.0) -> Surface:
    """Return a :class:`Surface` of one material: one albedo and one opacity for all faces."""
    faces = np.asarray(faces, dtype=np.int64)
    return Surface(
        np.asarray(vertices, dtype=np.float64), faces, np.full(len(faces), albedo), np.full(len(faces), opacity)
    )


def join(parts: Sequence[Surface]) -> Surface:
    """Return one surface with the faces of all ``parts`` (at least one), in their order."""
    offsets = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
    return Surface(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + offset for part, offset in zip(parts, offsets, strict=True)]),
        np.concatenate([part.albedo for part in parts]),
        np.concatenate([part.opacity for part in parts]),
    )


def cuboid(corner: Sequence[float], opposite: Sequence[float], albedo: float) -> Surface:
    """Return an axis-aligned box between two opposite corners (x, y, z)."""
    box = trimesh.creation.box(bounds=np.sort([corner, opposite], axis=0))
    return surface(box.vertices, box.faces, albedo)


def convex_hull(points: np.ndarray, albedo: float, opacity: float = 1.0) -> Surface:
    """Return the convex hull of ``(N, 3)`` points."""
    return surface(points, ConvexHull(points).simplices, albedo, opacity)


def cylinder(start: Sequence[float], end: Sequence[float], radius: float, albedo: float) -> Surface:
    """Return a closed cylinder (12 sides) around a segment. A horizontal one has an edge at its lowest point."""
    axis = np.subtract(end, start) / np.linalg.norm(np.subtract(end, start))
    across = np.cross(axis, [0.0, 0.0, 1.0] if abs(axis[2]) < 0.9 else [1.0, 0.0, 0.0])
    across /= np.linalg.norm(across)
    angle = np.arange(12)[:, None] * (np.pi / 6)
    ring = radius * (np.cos(angle) * across + np.sin(angle) * np.cross(across, axis))
    return convex_hull(np.concatenate([ring + start, ring + end]), albedo)


@cache
def _unit_sphere() -> tuple[np.ndarray, np.ndarray]:
    """Return vertices ``(42, 3)`` and faces of an icosphere of radius 1."""
    sphere = trimesh.creation.icosphere(subdivisions=1)
    return np.asarray(sphere.vertices), np.asarray(sphere.faces)


def capsule(start: Sequence[float], end: Sequence[float], radius: float, albedo: float) -> Surface:
    """Return a segment thickened by ``radius``, such as a limb. Equal end points give a ball."""
    vertices, faces = _unit_sphere()
    # A sphere is cut at the equator and its halves are moved apart. The faces across the cut become the tube.
    towards_end = vertices @ np.subtract(end, start) > 0
    return surface(vertices * radius + np.where(towards_end[:, None], end, start), faces, albedo)


def lathe(profile: Sequence[tuple[float, float]], albedo: float) -> Surface:
    """Return the surface that a line sweeps when it turns about the z axis, with 24 sides.

    ``profile`` holds the line's points (radius, z) in metres, radii >= 0. The surface is closed where it ends on the
    axis.
    """
    mesh = trimesh.creation.revolve(np.asarray(profile, dtype=np.float64), sections=24)
    return surface(mesh.vertices, mesh.faces, albedo)


def within(part: Surface, x: float, y: float, radius: float) -> Surface:
    """Return the faces with a corner that is at most ``radius`` metres from (x, y) in the ground plane."""
    near = np.hypot(part.vertices[:, 0] - x, part.vertices[:, 1] - y) <= radius
    kept = near[part.faces].any(1)
    return replace(part, faces=part.faces[kept], albedo=part.albedo[kept], opacity=part.opacity[kept])


def quads(corners: ArrayLike, albedo: float, opacity: float = 1.0) -> Surface:
    """Return planar quadrilaterals as triangles, from ``(Q, 4, 3)`` corners in order around each of them."""
    corners = np.asarray(corners, dtype=np.float64).reshape(-1, 4, 3)
    faces = (4 * np.arange(len(corners))[:, None, None] + np.array([[0, 1, 2], [0, 2, 3]])).reshape(-1, 3)
    return surface(corners.reshape(-1, 3), faces, albedo, opacity)
