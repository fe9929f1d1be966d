"""A shape in a mesh file: points drawn from its surface."""

from __future__ import annotations

import io
import re
import zlib
from pathlib import Path

import numpy as np
from mmengine.fileio import get

from .frame_file import CorruptFrameError, require_regular_file

MESH_SUFFIXES = ('.off', '.obj', '.ply')


def is_mesh(path: str) -> bool:
    """Tell by its name whether a file is a mesh."""
    return path.lower().endswith(MESH_SUFFIXES)


def read_mesh(path: str, num_points: int) -> np.ndarray:
    """Draw points from a mesh, more where its surface is larger.

    The draw is a function of the file's bytes. So a shape is the same points in every epoch, on every machine and in
    the linear probe, as it is in the data sets that come as points; views still differ, since they take a random part.

    Args:
        path: An OFF, OBJ or PLY file; mmengine's file backend for its prefix reads it. ModelNet's OFF files whose
            counts follow ``OFF`` on the same line are read as well.
        num_points: How many points to draw.

    Returns:
        The points (num_points, 3) in float32, in the mesh's own axes and unit.

    Raises:
        CorruptFrameError: If the file cannot be read, is cut off (which an OBJ file does not always show), or has NaN,
            no faces or no area.
        ImportError: If trimesh is not installed.
    """
    try:
        import trimesh
    except ImportError as error:
        raise ImportError(
            f"{path} can only be read with trimesh. Install it, or the extra it comes with: pip install -e '.[probe]'"
        ) from error
    suffix = Path(path).suffix.lower()
    require_regular_file(path)
    try:
        content = get(path)
        _check_is_whole(content, suffix)
        # Without a resolver nothing else is opened, neither materials nor textures.
        mesh = trimesh.load_mesh(io.BytesIO(content), file_type=suffix[1:], process=False)
    except Exception as error:  # on damaged files trimesh's parsers raise whatever they stumble over
        raise CorruptFrameError(f'{path} cannot be read as a mesh ({error!r}). Restore the file') from error
    if not len(getattr(mesh, 'faces', ())):
        raise CorruptFrameError(f'{path} has no faces, so no surface to draw points from. Restore the file')
    if not np.isfinite(mesh.vertices).all():
        raise CorruptFrameError(f'{path} holds NaN or Inf in its vertices. Restore the file')
    if mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices):
        raise CorruptFrameError(f'{path} has faces of vertices that it does not have. Restore the file')
    if not 0 < mesh.area < np.inf:
        raise CorruptFrameError(f'{path} has a surface of area {mesh.area}. Restore the file')
    points, _ = trimesh.sample.sample_surface(mesh, num_points, seed=zlib.crc32(content))
    return points.astype(np.float32)


def _check_is_whole(content: bytes, suffix: str) -> None:
    """Raise a ValueError if a text file has fewer lines than its counts announce; trimesh would take what is there.

    Binary PLY files are checked by trimesh, and OBJ files announce nothing.
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
        raise ValueError(f'{announced} lines announced, {len(lines)} there')


def _filled(text: bytes) -> list[bytes]:
    """The lines that are not empty."""
    return [line for line in text.splitlines() if line.strip()]
