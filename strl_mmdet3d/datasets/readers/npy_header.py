"""What an array in a ``.npy`` file or a member of an ``.npz`` archive is, without decoding it."""

from __future__ import annotations

from typing import IO

import numpy as np
from numpy.lib import format as npy_format


def read_npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Read the header of an array, and leave the file where its data begin.

    Args:
        file: A file at the beginning of the array.

    Returns:
        The shape, whether the data are column by column, and the type.

    Raises:
        ValueError: If there is no such header.
    """
    version = npy_format.read_magic(file)
    read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    return read(file)
