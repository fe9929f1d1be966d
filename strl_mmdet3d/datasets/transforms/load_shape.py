"""Loading a shape: a row of an archive that holds thousands, a text file, or points on a mesh."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures.points import get_points_type
from mmengine.fileio import get_local_path, join_path

from .loading import CorruptFrameError, require_regular_file
from .shape_hdf5 import read_hdf5
from .shape_mesh import is_mesh, read_mesh
from .shape_npz import read_npz
from .shape_text import read_text

# In any unit: in micrometres, a kilometre. The normalisation squares coordinates, which float32 holds up to 3e38.
MAX_COORDINATE = 1e9

ARCHIVE_READERS = {'.npz': read_npz, '.h5': read_hdf5}


@TRANSFORMS.register_module()
class LoadShape(BaseTransform):
    """Load the points of one shape.

    What the frame's path names decides how it is read:

    =====================================================  ========================================================
    path                                                   points
    =====================================================  ========================================================
    ``shapenet57448xyzonly.npz/000123``                    row 123 of the archive, see :func:`find_shapes`
    ``ply_data_train0.h5/000123``                          row 123 of the array ``data``
    ``airplane/airplane_0001.txt``                         the first three numbers of each line
    ``chair/train/chair_0001.off``, ``*.obj``, ``*.ply``   ``mesh_points`` of the surface, see :func:`read_mesh`
    =====================================================  ========================================================

    Axes and unit are the file's own: the recipes' ``shape_augmentation`` normalises to the unit sphere first.

    A member of an archive cannot be memory-mapped, so each archive is decoded once in a process and kept there as it
    is stored: 1.4 GB for the 57,448 shapes of ShapeNet in float32. ``TemporalPairDataset`` reads its archives when it
    is built. Forked workers then share the one copy; spawned ones would decode their own. The points of meshes are kept
    too, as 24 kB each, since parsing a mesh takes up to seconds; text files are read anew each time.

    Required Keys:

    - lidar_points (dict)

        - lidar_path (str): As above

    Added Keys:

    - points (:obj:`BasePoints`): float32 (P, 3) with P > 0, none of it beyond :data:`MAX_COORDINATE`; a copy of what is
      kept

    Args:
        coord_type (str): 'DEPTH', 'LIDAR' or 'CAMERA': how the detector's transforms will read the axes. Defaults to
            'DEPTH', as VoteNet's.
        mesh_points (int): How many points are drawn from a mesh, at least 1. Defaults to 2048.

    Raises:
        CorruptFrameError: When loading, if the file cannot be read or holds no shapes, or the row is not in it or
            holds NaN, Inf or coordinates beyond :data:`MAX_COORDINATE`.
        ValueError: When loading, if the path is none of these; or if ``mesh_points`` is below 1.
    """

    def __init__(self, coord_type: str = 'DEPTH', mesh_points: int = 2048) -> None:
        if mesh_points < 1:
            raise ValueError(f'mesh_points must be at least 1, got {mesh_points}')
        self.coord_type = coord_type
        self.points_type = get_points_type(coord_type)
        self.mesh_points = mesh_points

    def transform(self, results: dict) -> dict:
        """Load the points.

        Args:
            results (dict): Result dict with ``lidar_points``.

        Returns:
            dict: The same dict, with ``points`` added.
        """
        path = results.get('lidar_points', {}).get('lidar_path', '')
        with np.errstate(over='ignore'):  # what float32 cannot hold becomes Inf
            points = self._read(path).astype(np.float32)
        if not np.abs(points).max() <= MAX_COORDINATE:  # NaN is not below it either
            is_bad = ~(np.abs(points) <= MAX_COORDINATE).all(axis=1)
            archive, row = split_shape_path(path) or (path, None)
            name = archive if row is None else f'{archive}: shape {row}'
            what = f'coordinates beyond {MAX_COORDINATE:g}' if np.isfinite(points).all() else 'NaN or Inf'
            raise CorruptFrameError(
                f'{name} holds {what} in {int(is_bad.sum())} of {len(points)} points. Restore the file'
            )
        results['points'] = self.points_type(points, points_dim=3)
        return results

    def _read(self, path: str) -> np.ndarray:
        """Read the points (P, 3) that a path names, by what it ends with."""
        shape = split_shape_path(path)
        if shape is not None:
            return _read_row(*shape)
        if is_mesh(path):
            return read_mesh_once(path, self.mesh_points)
        if path.endswith('.txt'):
            return read_text(path)
        raise ValueError(
            f'LoadShape got the frame {path!r}, which names no row of an .npz or .h5, no text file and no mesh. Make '
            'the sequence index with `create_sequence_index.py shapes`, or load scans with LoadFrame and depth images '
            'with LoadDepthFrame'
        )

    def __repr__(self) -> str:
        """Describe the transform."""
        return f'{type(self).__name__}(coord_type={self.coord_type!r}, mesh_points={self.mesh_points})'


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


def _read_row(archive: str, row: int) -> np.ndarray:
    """Give one shape (P, 3) of an archive."""
    shapes = read_shapes(archive)
    if row >= len(shapes):
        raise CorruptFrameError(
            f'{archive} has no shape {row}: it holds {len(shapes)}. Restore the file, or make the sequence index anew'
        )
    return shapes[row]
