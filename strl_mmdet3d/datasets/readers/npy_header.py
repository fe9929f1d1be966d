"""The shape and type of an array in an ``.npy`` file or an ``.npz`` archive, without decoding the array."""

from __future__ import annotations

from typing import IO

import numpy as np
from numpy.lib import format as npy_format


def read_npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Read the header of the array that begins at a file's position, and leave the file at the array's data.

    Returns:
        The shape, whether the data is stored column by column, and the type.

    Raises:
        ValueError: If the file has no such header, or it states a negative size or a type of no bytes.
    """
    version = npy_format.read_magic(file)
    read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    try:
        shape, fortran_order, dtype = read(file)
    except (MemoryError, RecursionError, TypeError) as error:  # brackets or signs a thousand levels deep
        raise ValueError('its header cannot be parsed') from error
    if any(isinstance(size, bool) or size < 0 for size in shape) or not dtype.itemsize:
        raise ValueError(f'its header states an array of {dtype} {shape}')
    return shape, fortran_order, dtype
