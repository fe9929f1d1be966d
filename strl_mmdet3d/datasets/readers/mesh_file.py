"""The vertices and triangles of OFF, OBJ and PLY files, taken exactly as the file says, or refused.

trimesh's parsers are lenient: they take rows that are missing, cut off or too many, corners numbered 0, and the size
of a PLY file's first polygon for all of them. Then another shape is trained on than the file holds.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .ply_file import parse_ply
from .text_lines import filled_lines

# What else a line of an OBJ file may begin with: other data of vertices, other elements, free-form curves and surfaces,
# groups, and how to draw them. A line that begins otherwise is a damaged one, perhaps of a face.
OBJ_IGNORED = frozenset(
    b' vt vn vp p l curv curv2 surf cstype deg bmat step parm trim hole scrv sp end con g s mg o bevel c_interp '
    b'd_interp lod usemtl mtllib usemap maplib shadow_obj trace_obj ctech stech call csh bzp bsp cdc cdp res'.split(
        b' '
    )
)


class Mesh(NamedTuple):
    """A surface.

    Attributes:
        vertices: (V, 3), float64.
        triangles: (F, 3), int64, numbers of vertices. A polygon of n corners is a fan of n - 2 triangles.
    """

    vertices: np.ndarray
    triangles: np.ndarray


def parse_mesh(content: bytes, suffix: str) -> Mesh:
    """Parse a mesh file.

    Args:
        content: The file's bytes.
        suffix: '.off', '.obj' or '.ply'.

    Returns:
        The mesh; its vertices may hold NaN, and it may have no triangles.

    Raises:
        ValueError: If the file is not of this format, or not whole, or names a vertex that it does not have.
    """
    parse = {'.off': _parse_off, '.obj': _parse_obj, '.ply': parse_ply}[suffix]
    vertices, polygons = parse(content)
    mesh = Mesh(np.array(vertices, np.float64).reshape(-1, 3), _triangles(polygons))
    if mesh.triangles.size and not 0 <= mesh.triangles.min() <= mesh.triangles.max() < len(mesh.vertices):
        raise ValueError(f'it has faces with vertices that it does not have, it has {len(mesh.vertices)}')
    return mesh


def _triangles(polygons: list[list[int]]) -> np.ndarray:
    """Cut polygons into triangles (F, 3), each as a fan around its first corner."""
    if any(len(corners) < 3 for corners in polygons):
        raise ValueError('it has a face of fewer than three corners')
    pairs = ((corners[0], pair) for corners in polygons for pair in pairwise(corners[1:]))
    return np.array([(first, *pair) for first, pair in pairs], np.int64).reshape(-1, 3)


def _parse_off(content: bytes) -> tuple[np.ndarray, list[list[int]]]:
    """Parse an OFF file. The counts may follow the mark on the same line, as in some of ModelNet's files."""
    lines = filled_lines(re.sub(rb'#[^\r\n]*', b'', content))
    mark = re.match(r'\s*((?:ST)?C?N?)OFF(.*)', lines[0]) if lines else None
    if mark is None:
        raise ValueError("it does not begin with 'OFF'")
    counts, *rows = [mark[2], *lines[1:]] if mark[2].strip() else lines[1:] or ['']
    numbers = [int(word) for word in counts.split()]
    if not 2 <= len(numbers) <= 3 or min(numbers) < 0:
        raise ValueError(f'its counts are {counts[:60]!r}')
    num_vertices, num_faces = numbers[:2]
    if len(rows) != num_vertices + num_faces:
        raise ValueError(f'{num_vertices + num_faces} lines announced, {len(rows)} found')
    points = [row.split() for row in rows[:num_vertices]]
    # Behind the three coordinates, STOFF, COFF and NOFF have texture coordinates, colours and normals.
    if not mark[1] and any(len(words) != 3 for words in points):
        raise ValueError('a vertex does not have three coordinates')
    vertices = np.array([words[:3] for words in points], np.float64).reshape(num_vertices, 3)
    faces = []
    for row in rows[num_vertices:]:
        number, *corners = row.split()
        if len(corners) < int(number):
            raise ValueError(f'a face announces {number} corners and has {len(corners)}')
        faces.append([int(corner) for corner in corners[: max(int(number), 0)]])
    return vertices, faces


def _parse_obj(content: bytes) -> tuple[list[list[float]], list[list[int]]]:
    """Parse the vertices and faces of an OBJ file; groups, materials, lines and curves are ignored."""
    if b'\0' in content:
        raise ValueError('it holds bytes that are not text')
    vertices: list[list[float]] = []
    faces = []
    for line in re.sub(rb'\\\r?\n', b' ', content).splitlines():
        kind, *fields = line.partition(b'#')[0].split() or [b'']
        if kind == b'v':
            vertices.append([float(field) for field in fields[:3]])
            if len(fields) < 3:
                raise ValueError(f'vertex {len(vertices)} has {len(fields)} coordinates')
        elif kind == b'f':
            corners = [int(field.partition(b'/')[0]) for field in fields]
            if 0 in corners or min(corners, default=0) < -len(vertices):
                raise ValueError(f'a face has the corners {corners[:9]}, which are counted from 1, or back from -1')
            faces.append([corner - 1 if corner > 0 else len(vertices) + corner for corner in corners])
        elif kind not in OBJ_IGNORED:
            raise ValueError(f'its line {line[:60]!r} is not one of an OBJ file')
    return vertices, faces
