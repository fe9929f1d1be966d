"""A shape in a text file of ``modelnet40_normal_resampled``: one point per line, ``x,y,z,nx,ny,nz``."""

from __future__ import annotations

import io
import warnings

import numpy as np

from .frame_file import CorruptFrameError
from .whole_file import read_whole


def read_text(path: str) -> np.ndarray:
    """Read the coordinates of a text file, without the normals.

    A file that was cut off between two lines looks like a whole one and is not refused.

    Args:
        path: The file; mmengine's file backend for its prefix reads it.

    Returns:
        The points (P, 3) in float32, P > 0.

    Raises:
        CorruptFrameError: If the file cannot be read or holds no points, or if a line is cut off or holds something
            other than numbers.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', message='loadtxt: input contained no data')
            values = np.loadtxt(io.BytesIO(read_whole(path)), dtype=np.float32, delimiter=',', ndmin=2)
    except (OSError, ValueError) as error:
        raise CorruptFrameError(f'{path} cannot be read as lines of x,y,z,... ({error}). Restore the file') from error
    if not values.size or values.shape[1] < 3:
        raise CorruptFrameError(f'{path} holds no points: it has {values.shape[1]} numbers per line. Restore the file')
    return np.ascontiguousarray(values[:, :3])
