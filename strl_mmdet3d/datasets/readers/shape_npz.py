"""Shapes in an ``.npz`` archive: the rows of one array (N, P, 3)."""

from __future__ import annotations

import zipfile

import numpy as np

from .frame_file import CorruptFrameError
from .npy_header import read_npy_header

POINTS_ARRAY = 'points'  # decides if several arrays of an archive could be the shapes


def find_shapes(archive: str) -> tuple[str, int]:
    """Find the array of shapes in an archive, from the headers of its arrays alone.

    It is the array called 'points', or else the only one of shape (N, P, 3): the name of the array in ShapeNet's
    ``shapenet57448xyzonly.npz`` is not documented.

    Args:
        archive: A local ``.npz`` file.

    Returns:
        The array's name, and the number N > 0 of shapes.

    Raises:
        CorruptFrameError: If the archive cannot be read, or does not hold exactly one such array.
    """
    try:
        headers = _read_headers(archive)
    except Exception as error:  # zipfile and NumPy raise errors of many types on damaged archives
        raise _unreadable(archive, error) from error
    found = [
        name for name, (shape, dtype) in headers.items() if len(shape) == 3 and shape[2] == 3 and dtype.kind == 'f'
    ]
    if POINTS_ARRAY in found:
        found = [POINTS_ARRAY]
    if len(found) != 1:
        arrays = ', '.join(f'{name} {dtype} {shape}' for name, (shape, dtype) in headers.items())
        raise CorruptFrameError(
            f'{archive} holds {len(found) or "no"} arrays that could be the shapes. Expected one floating-point '
            f"array (N, P, 3), or one called '{POINTS_ARRAY}'; the file holds: {arrays or 'nothing'}"
        )
    num_shapes, num_points, _ = headers[found[0]][0]
    if num_shapes == 0 or num_points == 0:
        raise CorruptFrameError(f'{archive} holds {num_shapes} shapes of {num_points} points. Restore the file')
    return found[0], num_shapes


def read_npz(archive: str) -> np.ndarray:
    """Decode the shapes of a local archive.

    Returns:
        The shapes (N, P, 3), N > 0 and P > 0, in the floating-point type they are stored in.

    Raises:
        CorruptFrameError: If the archive cannot be read, or holds no shapes.
    """
    name, _ = find_shapes(archive)
    return read_array(archive, name)


def read_array(archive: str, name: str) -> np.ndarray:
    """Decode one array of a local archive. Nothing is ever unpickled.

    Raises:
        CorruptFrameError: If the archive cannot be read, or the array is damaged or holds Python objects.
        KeyError: If the archive has no array of this name.
    """
    try:
        with np.load(archive, allow_pickle=False) as arrays:
            if name in arrays:
                return arrays[name]
    except Exception as error:  # as above, and MemoryError if an array announces a huge shape
        raise _unreadable(archive, error) from error
    raise KeyError(f'{archive} has no array {name!r}')


def _read_headers(archive: str) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Read the shape and type of each array of a local archive, without decoding the arrays."""
    headers = {}
    with zipfile.ZipFile(archive) as members:
        for member in members.namelist():
            with members.open(member) as file:
                shape, _, dtype = read_npy_header(file)
            headers[member.removesuffix('.npy')] = (shape, dtype)
    return headers


def _unreadable(archive: str, error: Exception) -> CorruptFrameError:
    """Make the error for an archive that cannot be read."""
    return CorruptFrameError(f'{archive} cannot be read as an .npz archive ({error!r}). Restore the file')
