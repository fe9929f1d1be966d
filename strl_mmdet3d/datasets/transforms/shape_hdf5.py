"""Shapes in an HDF5 file of ``modelnet40_ply_hdf5_2048``: the rows of its array ``data``."""

from __future__ import annotations

import numpy as np

from .loading import CorruptFrameError


def read_hdf5_arrays(path: str, *names: str) -> list[np.ndarray]:
    """Decode arrays of a local HDF5 file.

    Raises:
        CorruptFrameError: If the file cannot be read, or has no array of a name.
        ImportError: If h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            f"{path} can only be read with h5py. Install it, or the extra it comes with: pip install -e '.[probe]'"
        ) from error
    try:
        with h5py.File(path, 'r') as file:
            return [file[name][()] for name in names]
    except KeyError as error:
        raise CorruptFrameError(f'{path} is no file of modelnet40_ply_hdf5_2048 ({error}). Restore the file') from error
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise CorruptFrameError(f'{path} cannot be read as an HDF5 file ({error}). Restore the file') from error


def read_hdf5(path: str) -> np.ndarray:
    """Decode the shapes of a local HDF5 file.

    Returns:
        The shapes (N, P, 3), N > 0 and P > 0, in the floating-point type they are stored in.

    Raises:
        CorruptFrameError: If the file cannot be read, or its array ``data`` holds no shapes.
        ImportError: If h5py is not installed.
    """
    (shapes,) = read_hdf5_arrays(path, 'data')
    if shapes.ndim != 3 or shapes.shape[2] != 3 or shapes.dtype.kind != 'f' or not shapes.size:
        raise CorruptFrameError(
            f"{path}: its array 'data' is {shapes.dtype} {shapes.shape}, and a floating-point array (N, P, 3) is "
            'expected. Restore the file'
        )
    return shapes
