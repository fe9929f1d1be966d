"""Shapes in an HDF5 file of ``modelnet40_ply_hdf5_2048``: the rows of its array ``data``."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ...extras import extra
from .decoded_size import check_decoded_size
from .frame_file import CorruptFrameError
from .whole_file import require_regular

# Deflate, shuffle, Fletcher-32, SZIP, n-bit and scale-offset are part of HDF5, and LZF (32000) of h5py. For any other
# one, HDF5 would load a shared library.
KNOWN_FILTERS = (1, 2, 3, 4, 5, 6, 32000)


def read_hdf5_arrays(path: str, *names: str) -> list[np.ndarray]:
    """Decode arrays of numbers of a local HDF5 file.

    Raises:
        CorruptFrameError: If the file cannot be read, lacks one of the arrays, keeps it in another file, or claims an
            array that is too large or holds something other than numbers.
        MissingExtraError: If h5py is not installed.
    """
    with extra('probe'):
        import h5py
    try:
        require_regular(path)
        with h5py.File(path, 'r') as file:
            return [_read_array(file, name, os.stat(path).st_size) for name in names]  # noqa: PTH116
    except KeyError as error:
        raise CorruptFrameError(
            f'{path} is not a file of modelnet40_ply_hdf5_2048 ({error}). Restore the file'
        ) from error
    except Exception as error:  # h5py raises errors of many types on damaged files, and MemoryError
        raise CorruptFrameError(f'{path} cannot be read as an HDF5 file ({error!r}). Restore the file') from error


def _read_array(file: Any, name: str, num_bytes: int) -> np.ndarray:
    """Decode an array at the top of an open ``h5py.File`` of a size in bytes.

    HDF5 lets a file refer to other files by external links, by soft links to these, by virtual arrays and by external
    storage. None of them is followed: the order of the checks matters, since looking up a link opens its file.

    Raises:
        KeyError: If there is no array of this name.
        ValueError: If it lies in another file or is not a plausible array of numbers.
    """
    import h5py

    links = file.id.links
    if not links.exists(name.encode()):
        raise KeyError(f'no array {name!r}')
    if links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
        raise ValueError(f'its array {name!r} is a link, which may lead to another file')
    array = file[name]
    if not isinstance(array, h5py.Dataset):
        raise ValueError(f'its {name!r} is a {type(array).__name__.lower()}, not an array')
    settings = array.id.get_create_plist()
    if settings.get_layout() == h5py.h5d.VIRTUAL or settings.get_external_count():
        raise ValueError(f'its array {name!r} is kept in another file')
    filters = [settings.get_filter(number)[0] for number in range(settings.get_nfilters())]
    if not set(filters) <= set(KNOWN_FILTERS):
        raise ValueError(f'its array {name!r} needs the filters {filters}, which are not all part of HDF5')
    if array.shape is None or array.dtype.kind not in 'iuf':
        raise ValueError(f'its array {name!r} is {array.dtype} {array.shape}, not numbers')
    check_decoded_size(array.shape, array.dtype.itemsize, num_bytes)
    check_decoded_size(array.chunks or (), array.dtype.itemsize, num_bytes)
    return np.asarray(array[()])


def read_hdf5(path: str) -> np.ndarray:
    """Decode the shapes of a local HDF5 file.

    Returns:
        The shapes (N, P, 3), N > 0 and P > 0, in the floating-point type they are stored in.

    Raises:
        CorruptFrameError: If the file cannot be read, or its array ``data`` holds no shapes.
        MissingExtraError: If h5py is not installed.
    """
    (shapes,) = read_hdf5_arrays(path, 'data')
    if shapes.ndim != 3 or shapes.shape[2] != 3 or shapes.dtype.kind != 'f' or not shapes.size:
        raise CorruptFrameError(
            f"{path}: its array 'data' is {shapes.dtype} {shapes.shape}, but a floating-point array (N, P, 3) is "
            'expected. Restore the file'
        )
    return shapes
