"""First hits of rays on a surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh
from trimesh.ray.ray_pyembree import RayMeshIntersector

from strl_mmdet3d.simulation.surface import Surface


@dataclass(frozen=True)
class Hits:
    """The first hits of ``N`` rays.

    Attributes:
        face: ``(N,)`` int64 index of the face, -1 without a hit.
        distance: ``(N,)`` float64 metres from the origin, ``inf`` without a hit.
        cos_incidence: ``(N,)`` float64 in [0, 1], |cosine| between the ray and the face's normal; 0 without a hit.
    """

    face: np.ndarray
    distance: np.ndarray
    cos_incidence: np.ndarray


class RayCaster:
    """Casts rays at a surface with Embree.

    Embree works in float32, so it only finds the first face. The distance to that face's plane is computed in float64:
    points lie on the surface to far below a millimetre.

    Args:
        surface: The surface. Faces without area are never hit.
    """

    def __init__(self, surface: Surface) -> None:
        mesh = trimesh.Trimesh(surface.vertices, surface.faces, process=False)
        self._intersector = RayMeshIntersector(mesh)
        corners = surface.vertices[surface.faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        self.normals = normals / np.where(length > 0, length, 1.0)
        self._plane_points = corners[:, 0]

    def first_hits(self, origin: np.ndarray, directions: np.ndarray) -> Hits:
        """Cast rays from one point ``(3,)`` in metres along ``(N, 3)`` unit vectors. The hits are in their order."""
        origins = np.broadcast_to(origin, directions.shape)
        face = self._intersector.intersects_first(origins, directions).astype(np.int64)
        distance = np.full(len(directions), np.inf)
        cosine = np.zeros(len(directions))
        hit = np.flatnonzero(face >= 0)
        normals = self.normals[face[hit]]
        along = np.einsum('nc,nc->n', normals, directions[hit])
        to_plane = np.einsum('nc,nc->n', normals, self._plane_points[face[hit]] - origin)
        # A ray within the plane of its face has no defined distance: it counts as a miss.
        usable = np.abs(along) > 1e-9
        face[hit[~usable]] = -1
        hit = hit[usable]
        distance[hit] = to_plane[usable] / along[usable]
        cosine[hit] = np.abs(along[usable])
        return Hits(face, distance, cosine)
