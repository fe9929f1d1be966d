"""Loading a synthetic shape: one row of an ``.npz`` archive that holds thousands."""

from __future__ import annotations

import zipfile
import zlib
from functools import cache

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures.points import get_points_type
from mmengine.fileio import get_local_path
from numpy.lib import format as npy_format

from .loading import CorruptFrameError

POINTS_ARRAY = 'points'  # the name that decides where an archive has several arrays that could be shapes

# What a missing or damaged archive may raise; RuntimeError and NotImplementedError for an encrypted or unknown zip.
_UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)


@TRANSFORMS.register_module()
class LoadShape(BaseTransform):
    """Load the points of one synthetic shape.

    The frame's path names an archive and a row of it, such as ``shapenet57448xyzonly.npz/000123``; archives are those
    that :func:`find_shapes` takes. Axes and unit are the archive's own: the recipes' ``shape_augmentation`` normalises
    to the unit sphere first.

    A member of an ``.npz`` cannot be memory-mapped, so each archive is decoded once in a process and kept there as it
    is stored: 1.4 GB for the 57,448 shapes of ShapeNet in float32. ``TemporalPairDataset`` reads its archives when it
    is built. Forked workers then share the one copy; spawned ones would decode their own.

    Required Keys:

    - lidar_points (dict)

        - lidar_path (str): ``ARCHIVE.npz/ROW``

    Added Keys:

    - points (:obj:`BasePoints`): float32 (P, 3) with P > 0, all of it finite; a copy of the row

    Args:
        coord_type (str): 'DEPTH', 'LIDAR' or 'CAMERA': how the detector's transforms will read the axes. Defaults to
            'DEPTH', as VoteNet's.

    Raises:
        CorruptFrameError: When loading, if the archive cannot be read or holds no shapes, or the row is not in it or
            holds NaN or Inf.
        ValueError: When loading, if the path names no row of an archive.
    """

    def __init__(self, coord_type: str = 'DEPTH') -> None:
        self.coord_type = coord_type
        self.points_type = get_points_type(coord_type)

    def transform(self, results: dict) -> dict:
        """Load the points.

        Args:
            results (dict): Result dict with ``lidar_points``.

        Returns:
            dict: The same dict, with ``points`` added.
        """
        path = results.get('lidar_points', {}).get('lidar_path', '')
        shape = split_shape_path(path)
        if shape is None:
            raise ValueError(
                f'LoadShape got the frame {path!r}, which names no row of an .npz. Make the sequence index with '
                '`create_sequence_index.py shapes`, or load scans with LoadFrame and depth images with LoadDepthFrame'
            )
        archive, row = shape
        shapes = read_shapes(archive)
        if row >= len(shapes):
            raise CorruptFrameError(
                f'{archive} has no shape {row}: it holds {len(shapes)}. '
                'Restore the file, or make the sequence index anew'
            )
        points = shapes[row].astype(np.float32)
        if not np.isfinite(points).all():
            num_bad = int((~np.isfinite(points)).any(axis=1).sum())
            raise CorruptFrameError(
                f'{archive}: shape {row} holds NaN or Inf in {num_bad} of {len(points)} points. Restore the file'
            )
        results['points'] = self.points_type(points, points_dim=3)
        return results

    def __repr__(self) -> str:
        """Describe the transform."""
        return f'{type(self).__name__}(coord_type={self.coord_type!r})'


def shape_path(archive: str, row: int) -> str:
    """Give the path by which a sequence index names one shape of an archive: ``ARCHIVE.npz/000123``."""
    return f'{archive}/{row:06d}'


def split_shape_path(path: str) -> tuple[str, int] | None:
    """Take a shape's path apart into the archive's path and the row; None if the path is that of a plain file."""
    archive, _, row = path.rpartition('/')
    return (archive, int(row)) if archive.endswith('.npz') and row.isascii() and row.isdigit() else None


def find_shapes(archive: str) -> tuple[str, int]:
    """Find the array of shapes in an archive, by the headers of its arrays alone.

    It is the array called 'points', or else the only one of shape (N, P, 3): of what ShapeNet's
    ``shapenet57448xyzonly.npz`` calls its array, nothing is documented.

    Args:
        archive: A local ``.npz`` file.

    Returns:
        The array's name, and the number N > 0 of shapes.

    Raises:
        CorruptFrameError: If the archive cannot be read, or holds no such array, or several.
    """
    try:
        headers = _read_headers(archive)
    except _UNREADABLE as error:
        raise _unreadable(archive, error) from error
    found = [
        name for name, (shape, dtype) in headers.items() if len(shape) == 3 and shape[2] == 3 and dtype.kind == 'f'
    ]
    if POINTS_ARRAY in found:
        found = [POINTS_ARRAY]
    if len(found) != 1:
        arrays = ', '.join(f'{name} {dtype} {shape}' for name, (shape, dtype) in headers.items())
        raise CorruptFrameError(
            f'{archive} holds {len(found) or "no"} arrays that could be the shapes. Expected is one floating-point '
            f"array (N, P, 3), or one called '{POINTS_ARRAY}'; the file holds: {arrays or 'nothing'}"
        )
    num_shapes, num_points, _ = headers[found[0]][0]
    if num_shapes == 0 or num_points == 0:
        raise CorruptFrameError(f'{archive} holds {num_shapes} shapes of {num_points} points. Restore the file')
    return found[0], num_shapes


@cache  # without a limit: all archives of a run are drawn from at random, and would be decoded over and over
def read_shapes(archive: str) -> np.ndarray:
    """Decode the shapes of an archive, once in a process.

    Args:
        archive: The ``.npz`` file; a remote one is fetched by mmengine's file backend for its prefix.

    Returns:
        The shapes (N, P, 3), N > 0 and P > 0, read-only and in the floating-point type they are stored in.

    Raises:
        CorruptFrameError: If the archive cannot be read, or holds no shapes.
    """
    try:
        with get_local_path(archive) as local:
            name, _ = find_shapes(str(local))
            shapes = read_array(str(local), name)
    except OSError as error:  # a remote one that is not there
        raise _unreadable(archive, error) from error
    shapes.setflags(write=False)  # the cache hands out the array itself
    return shapes


def read_array(archive: str, name: str) -> np.ndarray:
    """Decode one array of a local archive; nothing in it is ever unpickled.

    Raises:
        CorruptFrameError: If the archive cannot be read, or the array is damaged or one of Python objects.
        KeyError: If the archive has no array of this name.
    """
    try:
        with np.load(archive, allow_pickle=False) as arrays:
            return arrays[name]
    except _UNREADABLE as error:
        raise _unreadable(archive, error) from error


def _read_headers(archive: str) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Read the shape and type of each array of a local archive, without decoding the arrays."""
    headers = {}
    with zipfile.ZipFile(archive) as members:
        for member in members.namelist():
            with members.open(member) as file:
                version = npy_format.read_magic(file)
                read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
                shape, _, dtype = read(file)
            headers[member.removesuffix('.npy')] = (shape, dtype)
    return headers


def _unreadable(archive: str, error: Exception) -> CorruptFrameError:
    """Say that an archive cannot be read."""
    return CorruptFrameError(f'{archive} cannot be read as an .npz archive ({error}). Restore the file')
