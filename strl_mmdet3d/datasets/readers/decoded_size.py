"""Limits of what an archive may claim to hold, checked before anything is decoded."""

from __future__ import annotations

import math
from collections.abc import Iterable

MAX_DECODED_BYTES = 2**32  # three times the 1.4 GB of the 57,448 shapes of ShapeNet
MAX_RATIO = 100  # the coordinates of real shapes compress to a half at best; deflate ends at 1032
HARMLESS_BYTES = 2**26  # below this size, no ratio matters


def check_decoded_size(shape: Iterable[int], itemsize: int, stored_bytes: int) -> None:
    """Check that an array is not too large, and that it is plausible for the bytes that it is stored in.

    Args:
        shape: The shape that the archive states.
        itemsize: The bytes of a value.
        stored_bytes: The size of the archive, or of the array within it.

    Raises:
        ValueError: If the array would have more than :data:`MAX_DECODED_BYTES`, or more than :data:`HARMLESS_BYTES` and
            more than :data:`MAX_RATIO` times the bytes stored.
    """
    num_bytes = math.prod(shape) * itemsize
    if num_bytes > MAX_DECODED_BYTES:
        raise ValueError(
            f'an array of {num_bytes / 2**30:.1f} GiB, above the limit of {MAX_DECODED_BYTES / 2**30:g} GiB; split it '
            'into several archives'
        )
    if num_bytes > max(HARMLESS_BYTES, MAX_RATIO * stored_bytes):
        raise ValueError(f'an array of {num_bytes / 2**20:.0f} MiB stored in only {stored_bytes} bytes')
