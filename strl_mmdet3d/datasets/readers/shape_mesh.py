"""A shape in a mesh file: points drawn from its surface."""

from __future__ import annotations

import io
import re
import zlib
from functools import cache
from pathlib import Path

import numpy as np
from mmengine.fileio import get

from ...extras import extra
from .frame_file import CorruptFrameError, require_regular_file

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
        CorruptFrameError: If the file cannot be read, is cut off (which an OBJ file does not always show), or has NaN,
            no faces or no area.
        MissingExtraError: If trimesh is not installed.
    """
    with extra('probe'):
        import trimesh
    suffix = Path(path).suffix.lower()
    require_regular_file(path)
    try:
        content = get(path)
        _check_is_whole(content, suffix)
        # Without a resolver, trimesh opens no other files such as materials and textures.
        mesh = trimesh.load_mesh(io.BytesIO(content), file_type=suffix[1:], process=False)
    except Exception as error:  # trimesh's parsers raise errors of many types on damaged files
        raise CorruptFrameError(f'{path} cannot be read as a mesh ({error!r}). Restore the file') from error
    if not len(getattr(mesh, 'faces', ())):
        raise CorruptFrameError(f'{path} has no faces, so no surface to draw points from. Restore the file')
    if not np.isfinite(mesh.vertices).all():
        raise CorruptFrameError(f'{path} holds NaN or Inf in its vertices. Restore the file')
    if mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices):
        raise CorruptFrameError(f'{path} has faces with vertices that it does not have. Restore the file')
    if not 0 < mesh.area < np.inf:
        raise CorruptFrameError(f'{path} has a surface of area {mesh.area}. Restore the file')
    points, _ = trimesh.sample.sample_surface(mesh, num_points, seed=zlib.crc32(content))
    return points.astype(np.float32)


@cache  # without a limit: meshes are drawn at random, so an evicted one would soon be parsed again
def read_mesh_once(path: str, num_points: int) -> np.ndarray:
    """Draw points (num_points, 3) from a mesh with :func:`read_mesh`, once per process. They are read-only."""
    points = read_mesh(path, num_points)
    points.setflags(write=False)  # the cache hands out the array itself
    return points


def _check_is_whole(content: bytes, suffix: str) -> None:
    """Raise a ValueError if a text file has fewer lines than its counts announce; trimesh would accept it.

    trimesh checks binary PLY files, and OBJ files announce no counts.
    """
    if suffix == '.off':
        text = b'\n'.join(line.partition(b'#')[0] for line in content.splitlines())
        counts, *lines = _filled(re.split(b'OFF', text, maxsplit=1)[1])
        announced = sum(int(count) for count in counts.split()[:2])  # vertices and faces
    elif suffix == '.ply':
        header, _, body = content.partition(b'end_header')
        if b'format ascii' not in header:
            return
        lines = _filled(body)
        announced = sum(int(count) for count in re.findall(rb'^\s*element\s+\w+\s+(\d+)', header, re.MULTILINE))
    else:
        return
    if len(lines) < announced:
        raise ValueError(f'{announced} lines announced, {len(lines)} found')


def _filled(text: bytes) -> list[bytes]:
    """Return the lines that are not empty."""
    return [line for line in text.splitlines() if line.strip()]
