"""Archives that hold thousands of shapes, each decoded once in a process."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
from mmengine.fileio import get_local_path, join_path

from .frame_file import CorruptFrameError, require_regular_file
from .shape_hdf5 import read_hdf5
from .shape_mesh import read_mesh
from .shape_npz import read_npz

ARCHIVE_READERS = {'.npz': read_npz, '.h5': read_hdf5}


def shape_path(archive: str, row: int) -> str:
    """Give the path by which a sequence index names one shape of an archive: ``ARCHIVE.npz/000123``."""
    return f'{archive}/{row:06d}'


def split_shape_path(path: str) -> tuple[str, int] | None:
    """Take a shape's path apart into the archive's path and the row; None if the path is that of a plain file."""
    archive, _, row = path.rpartition('/')
    is_row = archive.endswith(tuple(ARCHIVE_READERS)) and row.isascii() and row.isdigit()
    return (archive, int(row)) if is_row else None


def read_archives(frames: Iterable[str], data_root: str) -> None:
    """Decode the archives that frames name, so that the workers forked later share them.

    Args:
        frames: Frames of a sequence index, relative to the root; those of no archive are passed over.
        data_root: The folder that the index was made for.

    Raises:
        CorruptFrameError: If an archive cannot be read, or holds no shapes.
    """
    shapes = map(split_shape_path, frames)
    for archive in dict.fromkeys(shape[0] for shape in shapes if shape):
        read_shapes(join_path(data_root, archive))


@cache  # without a limit: all archives of a run are drawn from at random, and would be decoded over and over
def read_shapes(archive: str) -> np.ndarray:
    """Decode the shapes of an archive, once in a process.

    Args:
        archive: The ``.npz`` or ``.h5`` file; a remote one is fetched by mmengine's file backend for its prefix.

    Returns:
        The shapes (N, P, 3), N > 0 and P > 0, read-only and in the floating-point type they are stored in.

    Raises:
        CorruptFrameError: If the archive cannot be read, or holds no shapes.
    """
    read = next(reader for suffix, reader in ARCHIVE_READERS.items() if archive.endswith(suffix))
    require_regular_file(archive)
    try:
        with get_local_path(archive) as local:
            shapes = read(str(local))
    except OSError as error:  # a remote one that is not there
        raise CorruptFrameError(f'{archive} cannot be read ({error}). Restore the file') from error
    shapes.setflags(write=False)  # the cache hands out the array itself
    return shapes


@cache  # as above
def read_mesh_once(path: str, num_points: int) -> np.ndarray:
    """Draw points (num_points, 3) from a mesh, once in a process; they are read-only."""
    points = read_mesh(path, num_points)
    points.setflags(write=False)
    return points


def read_row(archive: str, row: int) -> np.ndarray:
    """Give one shape (P, 3) of an archive."""
    shapes = read_shapes(archive)
    if row >= len(shapes):
        raise CorruptFrameError(
            f'{archive} has no shape {row}: it holds {len(shapes)}. Restore the file, or make the sequence index anew'
        )
    return shapes[row]
