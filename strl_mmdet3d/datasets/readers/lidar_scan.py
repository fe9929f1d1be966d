"""Reading a lidar scan of float32 records, the layout of KITTI and nuScenes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

from .frame_file import MAX_DISTANCE, CorruptFrameError, largest_magnitude
from .whole_file import read_whole

# 67 million points of 4 values. A sweep of the densest lidar has half a million, a map of a block tens of millions.
MAX_SCAN_BYTES = 2**30

# Metres. A scan whose points are all nearer was not written as float32.
MIN_DISTANCE = 1e-6

# Limit of a point's other values, such as its reflectance. BatchNorm squares them, and float32 ends at 3e38.
MAX_FEATURE = 1e18


def read_scan(path: str, load_dim: int, used: Sequence[int], backend_args: dict | None = None) -> np.ndarray:
    """Read and check a scan, and drop the records at exactly (0, 0, 0), which are not returns.

    Args:
        path: The file: little-endian float32 records; x, y and z in metres come first.
        load_dim: Values per record.
        used: The columns that will be used; the others are not checked.
        backend_args: Arguments of mmengine's file backend.

    Returns:
        Float32 (N, load_dim), N > 0.

    Raises:
        CorruptFrameError: If the file cannot be read, is larger than :data:`MAX_SCAN_BYTES`, does not hold whole
            records, has no returns, has NaN, Inf or coordinates beyond :data:`MAX_DISTANCE`, or no coordinate beyond
            :data:`MIN_DISTANCE`.
    """
    try:
        values = np.frombuffer(read_whole(path, MAX_SCAN_BYTES, backend_args), dtype='<f4')
    except OSError as error:
        raise CorruptFrameError(
            f'{path} cannot be read ({error.strerror or error}). Restore it, or rebuild the sequence index without it'
        ) from error
    except ValueError as error:  # not even a whole number of float32
        raise _truncated(path, load_dim) from error
    if values.size % load_dim:
        raise _truncated(path, load_dim)
    records = values.reshape(-1, load_dim)
    is_return = np.empty(len(records), np.bool_)
    num_returns = _find_returns(records, is_return)
    if num_returns < len(records):
        records = records[is_return]
    if not num_returns:
        raise CorruptFrameError(f'{path} holds no returns. Restore it, or rebuild the sequence index without it')
    largest = largest_magnitude(records)
    if largest < MIN_DISTANCE:
        raise CorruptFrameError(
            f'{path} holds no point farther than {MIN_DISTANCE:g} m from the sensor. Restore it, and check that it '
            'was written as float32: integers read as float32 look like this'
        )
    if not largest <= MAX_DISTANCE:
        _check_values(records, sorted({0, 1, 2, *used}), path)
    return records


def _check_values(records: np.ndarray, columns: Sequence[int], path: str) -> None:
    """Raise a CorruptFrameError if the given columns of records (N, load_dim) hold values that no sensor gives."""
    limits = [MAX_DISTANCE if column < 3 else MAX_FEATURE for column in columns]
    is_bad = ~(np.abs(records[:, columns]) <= limits).all(axis=1)  # NaN is not below the limit either
    if is_bad.any():
        is_finite = np.isfinite(records[:, columns]).all()
        what = f'values beyond any sensor (coordinates above {MAX_DISTANCE:g} m)' if is_finite else 'NaN or Inf'
        raise CorruptFrameError(
            f'{path} holds {what} in {int(is_bad.sum())} of {len(records)} points. '
            f'Restore it, and check that load_dim={records.shape[1]} is what the file was written with'
        )


def _truncated(path: str, load_dim: int) -> CorruptFrameError:
    """Make the error for a file that does not hold whole records."""
    return CorruptFrameError(
        f'{path} is truncated: it does not hold whole points of {load_dim} float32 values. '
        'Restore it, or rebuild the sequence index with --skip-truncated; or set the right load_dim'
    )


@njit(nogil=True, cache=True)
def _find_returns(records: np.ndarray, is_return: np.ndarray) -> int:
    """Mark the records (N, 3 + C) that are not at (0, 0, 0), and count them."""
    number = 0
    for n in range(records.shape[0]):
        is_return[n] = (records[n, 0] != 0) | (records[n, 1] != 0) | (records[n, 2] != 0)
        number += is_return[n]
    return number
