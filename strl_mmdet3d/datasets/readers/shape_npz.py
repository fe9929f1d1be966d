"""Shapes in an ``.npz`` archive: the rows of one array (N, P, 3)."""

from __future__ import annotations

import os
import zipfile

import numpy as np
from numpy.lib import format as npy_format

from .decoded_size import check_decoded_size
from .frame_file import CorruptFrameError
from .npy_header import read_npy_header
from .whole_file import require_regular

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
        with _opened(archive) as members:
            info = _arrays(members).get(name)
            array = None if info is None else _decode(members, info, os.stat(archive).st_size)  # noqa: PTH116
    except Exception as error:  # as above, and MemoryError
        raise _unreadable(archive, error) from error
    if array is None:
        raise KeyError(f'{archive} has no array {name!r}')
    return array


def _opened(archive: str) -> zipfile.ZipFile:
    """Open a local archive; a pipe in its place raises an OSError."""
    require_regular(archive)
    return zipfile.ZipFile(archive)


def _arrays(members: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the members of an archive by the names of their arrays, or raise a ValueError if NumPy did not write it.

    NumPy stores or deflates its members. The other methods that zipfile knows can shrink a bomb a thousand times more.
    """
    arrays: dict[str, zipfile.ZipInfo] = {}
    for info in members.infolist():
        name = info.filename.removesuffix('.npy')
        if name in arrays:
            raise ValueError(f'two arrays have the name {name!r}')
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f'the array {name!r} is compressed by method {info.compress_type}')
        arrays[name] = info
    return arrays


def _decode(members: zipfile.ZipFile, info: zipfile.ZipInfo, archive_bytes: int) -> np.ndarray:
    """Decode an array of an archive of a size in bytes, or raise a ValueError if it is damaged or implausibly large."""
    with members.open(info) as file:
        shape, _, dtype = read_npy_header(file)
    check_decoded_size(shape, dtype.itemsize, archive_bytes)
    with members.open(info) as file:
        array = npy_format.read_array(file, allow_pickle=False)
        if file.read(1):  # at the end, zipfile compares the checksum
            raise ValueError(f'the array {info.filename!r} has more bytes than its shape {shape} needs')
    return array


def _read_headers(archive: str) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Read the shape and type of each array of a local archive, without decoding the arrays."""
    headers = {}
    with _opened(archive) as members:
        for name, info in _arrays(members).items():
            with members.open(info) as file:
                shape, _, dtype = read_npy_header(file)
            headers[name] = (shape, dtype)
    return headers


def _unreadable(archive: str, error: Exception) -> CorruptFrameError:
    """Make the error for an archive that cannot be read."""
    return CorruptFrameError(f'{archive} cannot be read as an .npz archive ({error!r}). Restore the file')
