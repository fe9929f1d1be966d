"""What every reader of a frame shares: its errors, and the largest values that a sensor gives."""

from __future__ import annotations

import os

import numpy as np
from numba import njit

from ...errors import StrlError

# Metres. No lidar or depth camera sees 100 km, and float32 could not tell points a centimetre apart there.
MAX_DISTANCE = 1e5


class UnusablePairError(StrlError, ValueError):
    """A pair that cannot be trained on because of its data. The data set draws another pair instead.

    Attributes:
        frame_path: The frame at fault, relative to the root; :class:`MultiView` fills it in.
    """

    frame_path: str = ''


class CorruptFrameError(UnusablePairError):
    """A frame's file is missing or damaged. The message names the file and the remedy."""


def require_regular_file(path: str) -> None:
    """Refuse pipes, devices and folders: reading them might never end.

    Args:
        path: Anything that mmengine's file backends take. They check paths that are not on a local disk.

    Raises:
        CorruptFrameError: If the path exists and is not a regular file.
    """
    if not os.path.isfile(path) and os.path.exists(path):  # noqa: PTH110, PTH113 - pathlib's take five times as long
        raise CorruptFrameError(
            f'{path} cannot be read (it is not a regular file). Restore it, or rebuild the sequence index without it'
        )


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
