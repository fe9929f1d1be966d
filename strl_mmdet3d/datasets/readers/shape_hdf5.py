"""Shapes in an HDF5 file of ``modelnet40_ply_hdf5_2048``: the rows of its array ``data``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...extras import extra
from .frame_file import CorruptFrameError


def read_hdf5_arrays(path: str, *names: str) -> list[np.ndarray]:
    """Decode arrays of a local HDF5 file.

    Raises:
        CorruptFrameError: If the file cannot be read, lacks one of the arrays, or keeps it in another file.
        MissingExtraError: If h5py is not installed.
    """
    with extra('probe'):
        import h5py
    try:
        with h5py.File(path, 'r') as file:
            return [_read_array(file, name) for name in names]
    except KeyError as error:
        raise CorruptFrameError(
            f'{path} is not a file of modelnet40_ply_hdf5_2048 ({error}). Restore the file'
        ) from error
    except Exception as error:  # h5py raises errors of many types on damaged files
        raise CorruptFrameError(f'{path} cannot be read as an HDF5 file ({error!r}). Restore the file') from error


def _read_array(file: Any, name: str) -> np.ndarray:
    """Decode an array at the top of an open ``h5py.File``. The name must exist, or a KeyError is raised.

    HDF5 lets a file refer to other files on the disk; they are not opened, but raise a ValueError.
    """
    import h5py

    if name not in file:
        raise KeyError(f'no array {name!r}')
    if isinstance(file.get(name, getlink=True), h5py.ExternalLink):
        raise ValueError(f'its array {name!r} is a link to another file')
    array = file[name]
    if array.external or array.is_virtual:
        raise ValueError(f'its array {name!r} is kept in another file')
    return array[()]


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
