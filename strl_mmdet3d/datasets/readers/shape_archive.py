"""Archives that hold thousands of shapes: the path of a shape in one, and decoding each once per process."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
from mmengine.fileio import get_local_path, join_path

from .frame_file import CorruptFrameError
from .shape_hdf5 import read_hdf5
from .shape_npz import read_npz
from .whole_file import require_regular

ARCHIVE_READERS = {'.npz': read_npz, '.h5': read_hdf5}


def shape_path(archive: str, row: int) -> str:
    """Return the path that names one shape of an archive in a sequence index: ``ARCHIVE.npz/000123``."""
    return f'{archive}/{row:06d}'


def split_shape_path(path: str) -> tuple[str, int] | None:
    """Split a shape's path into the archive's path and the row; None if the path names a plain file."""
    archive, _, row = path.rpartition('/')
    is_row = archive.endswith(tuple(ARCHIVE_READERS)) and row.isascii() and row.isdigit()
    return (archive, int(row)) if is_row else None


def read_archives(frames: Iterable[str], data_root: str) -> None:
    """Decode the archives that frames lie in, so that workers forked later share them.

    Args:
        frames: Frame paths of a sequence index, relative to the root. Frames that do not lie in an archive are skipped.
        data_root: The folder that the index was made for.

    Raises:
        CorruptFrameError: If an archive cannot be read, or holds no shapes.
    """
    shapes = map(split_shape_path, frames)
    for archive in dict.fromkeys(shape[0] for shape in shapes if shape):
        read_shapes(join_path(data_root, archive))


@cache  # without a limit: shapes are drawn from all archives at random, so an evicted one would soon be decoded again
def read_shapes(archive: str) -> np.ndarray:
    """Decode the shapes of an archive, once per process.

    Args:
        archive: The ``.npz`` or ``.h5`` file; a remote one is fetched by mmengine's file backend for its prefix.

    Returns:
        The shapes (N, P, 3), N > 0 and P > 0, read-only and in the floating-point type they are stored in.

    Raises:
        CorruptFrameError: If the archive cannot be read, or holds no shapes.
    """
    read = next(reader for suffix, reader in ARCHIVE_READERS.items() if archive.endswith(suffix))
    try:
        require_regular(archive)
        with get_local_path(archive) as local:
            shapes = read(str(local))
    except OSError as error:  # it is no file, or a remote archive is missing
        raise CorruptFrameError(f'{archive} cannot be read ({error}). Restore the file') from error
    shapes.setflags(write=False)  # the cache hands out the array itself
    return shapes


def read_row(archive: str, row: int) -> np.ndarray:
    """Return one shape (P, 3) of an archive, read-only.

    Raises:
        CorruptFrameError: If the archive cannot be read, holds no shapes, or does not have this row.
    """
    shapes = read_shapes(archive)
    if row >= len(shapes):
        raise CorruptFrameError(
            f'{archive} has no shape {row}: it holds {len(shapes)}. Restore the file, or rebuild the sequence index'
        )
    return shapes[row]
