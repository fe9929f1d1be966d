"""What every reader of a frame shares: its errors, and the largest values that a sensor gives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numba import njit

from ...errors import StrlError

# Metres. No lidar or depth camera sees 100 km, and float32 could not tell points a centimetre apart there.
MAX_DISTANCE = 1e5


class UnusablePairError(StrlError, ValueError):
    """A pair that cannot be trained on because of its data. The data set draws another pair instead.

    Attributes:
        frame_path: The frame at fault, relative to the root; :class:`MultiView` fills it in where it is empty.
    """

    frame_path: str = ''


class CorruptFrameError(UnusablePairError):
    """A frame's file is missing or damaged. The message names the file and the remedy."""


@contextmanager
def memory_for(path: str) -> Iterator[None]:
    """Turn a MemoryError in the block, which decodes a frame, into a CorruptFrameError that names the file.

    A file may be small and claim, or decompress to, more than the machine has.
    """
    try:
        yield
    except MemoryError as error:
        raise CorruptFrameError(
            f'{path} does not fit into the memory when it is decoded. Restore it, or rebuild the sequence index '
            'without it'
        ) from error


def check_distances(coords: np.ndarray, path: str, remedy: str) -> None:
    """Check points that were computed from a frame and its calibration.

    Args:
        coords: (N, 3) in metres, N > 0.
        path: The frame's file.
        remedy: A sentence: what else may be wrong, and what to do.

    Raises:
        CorruptFrameError: If a coordinate is NaN or beyond :data:`MAX_DISTANCE`.
    """
    farthest = largest_magnitude(coords)
    if not farthest <= MAX_DISTANCE:
        raise CorruptFrameError(
            f'{path} gives points at {farthest:g} m, beyond any sensor (farther than {MAX_DISTANCE:g} m). {remedy}'
        )


def largest_magnitude(values: np.ndarray) -> float:
    """Return the largest absolute value of a float32 array, in one pass; NaN if it holds a NaN."""
    return float(np.uint32(_largest_bits(values.reshape(-1).view(np.uint32))).view(np.float32))


@njit(nogil=True, cache=True)
def _largest_bits(bits: np.ndarray) -> np.uint32:
    """Return the largest of float32 bit patterns without their signs. NaN has the largest pattern of all."""
    largest = np.uint32(0)
    for n in range(bits.shape[0]):
        largest = max(largest, bits[n] & np.uint32(0x7FFFFFFF))
    return largest
