"""A shape in a mesh file: points drawn from its surface."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path

import numpy as np

from ...extras import extra
from .frame_file import CorruptFrameError
from .mesh_file import parse_mesh
from .whole_file import read_whole

MESH_SUFFIXES = ('.off', '.obj', '.ply')


def is_mesh(path: str) -> bool:
    """Return whether a path ends like a mesh file."""
    return path.lower().endswith(MESH_SUFFIXES)


def read_mesh(path: str, num_points: int) -> np.ndarray:
    """Draw points from the surface of a mesh, uniformly by area.

    The draw depends only on the file's bytes. So a shape has the same points in every epoch, on every machine and in
    the linear probe, as in the data sets that are published as points. Views still differ, since they take a random
    part of the points.

    Args:
        path: An OFF, OBJ or PLY file; mmengine's file backend for its prefix reads it. The counts of an OFF file may
            follow ``OFF`` on the same line, as in some of ModelNet's files.
        num_points: How many points to draw.

    Returns:
        The points (num_points, 3) in float32, in the mesh's own axes and unit.

    Raises:
        CorruptFrameError: If the file cannot be read, is not whole (which an OBJ file does not always show), names
            vertices that it does not have, or has NaN, no faces or no area.
        MissingExtraError: If trimesh is not installed.
    """
    with extra('probe'):
        import trimesh
    try:
        content = read_whole(path)
        mesh = parse_mesh(content, Path(path).suffix.lower())
        if not len(mesh.triangles):
            raise CorruptFrameError(f'{path} has no faces, so no surface to draw points from. Restore the file')
        if not np.isfinite(mesh.vertices).all():
            raise CorruptFrameError(f'{path} holds NaN or Inf in its vertices. Restore the file')
        surface = trimesh.Trimesh(mesh.vertices, mesh.triangles, process=False)
        with np.errstate(all='ignore'):
            area = surface.area
        if not 0 < area < np.inf:
            raise CorruptFrameError(f'{path} has a surface of area {area}. Restore the file')
        points, _ = trimesh.sample.sample_surface(surface, num_points, seed=zlib.crc32(content))
    except CorruptFrameError:
        raise
    except (OSError, ValueError, ArithmeticError, LookupError, MemoryError) as error:
        reason = getattr(error, 'strerror', None) or str(error) or type(error).__name__
        raise CorruptFrameError(f'{path} cannot be read as a mesh ({reason}). Restore the file') from error
    return points.astype(np.float32)


@cache  # without a limit: meshes are drawn at random, so an evicted one would soon be parsed again
def read_mesh_once(path: str, num_points: int) -> np.ndarray:
    """Draw points (num_points, 3) from a mesh with :func:`read_mesh`, once per process. They are read-only."""
    points = read_mesh(path, num_points)
    points.setflags(write=False)  # the cache hands out the array itself
    return points
