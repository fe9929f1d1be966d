"""Reading a lidar scan of any format, and keeping the returns that a sensor can have given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from .column_names import name_columns
from .frame_file import MAX_DISTANCE, CorruptFrameError, largest_magnitude
from .point_width import find_width, width_in_place_of
from .scan_content import ForeignFormatError, decode_scan
from .scan_table import ScanTable
from .whole_file import read_whole

# 67 million points of 4 values. A sweep of the densest lidar has half a million, a map of a block tens of millions.
MAX_SCAN_BYTES = 2**30

# Metres. A scan whose points are all nearer was not written as float32.
MIN_DISTANCE = 1e-6

# Limit of a point's other values, such as its reflectance. BatchNorm squares them, and float32 ends at 3e38.
MAX_FEATURE = 1e18

# A scan with a larger share of NaN and Inf is damaged, or was not written as float32.
MAX_BROKEN = 0.5

# How else a file of plain numbers may have been written, as (NumPy's type, how to say it).
OTHER_TYPES = (('<f8', 'float64'), ('>f4', 'big-endian float32'), ('>f8', 'big-endian float64'))
FEW_ORDINARY, MOST_ORDINARY = 0.8, 0.99  # shares of values that a sensor can give, in the wrong type and the right one


class PointWidthError(CorruptFrameError):
    """A scan has another number of values per point than expected, or does not tell it. The message says which."""


class LidarScan(NamedTuple):
    """The returns of a scan.

    Attributes:
        records: Float32 (N, C), N > 0: x, y and z in metres, then the other values.
        columns: The C names: of the file, or found by :func:`name_columns` and then 'column 4' where it is not known.
        num_empty: Records left out that are no returns: (0, 0, 0), or NaN in an organised scan.
        num_broken: Records left out with NaN or Inf in a column that is used.
        origin: What was subtracted from x, y and z, in metres: not 0 for the coordinates of a map.
        is_named: Whether the file names its columns.
    """

    records: np.ndarray
    columns: tuple[str, ...]
    num_empty: int
    num_broken: int
    origin: tuple[float, float, float]
    is_named: bool


def read_scan(path: str, load_dim: int, used: Sequence[int], backend_args: dict | None = None) -> np.ndarray:
    """Read and check a scan of known width, and drop the records that are not returns.

    Args:
        path: The file, of any format of :func:`decode_scan`.
        load_dim: Values per point.
        used: The columns that will be used; the others are not checked.
        backend_args: Arguments of mmengine's file backend.

    Returns:
        Float32 (N, load_dim), N > 0; x, y and z in metres come first.

    Raises:
        CorruptFrameError: If the file cannot be read, is larger than :data:`MAX_SCAN_BYTES`, does not hold whole points
            of ``load_dim`` values, has no returns, has NaN or Inf in more than half of them, coordinates beyond
            :data:`MAX_DISTANCE`, or no coordinate beyond :data:`MIN_DISTANCE`.
    """
    table = read_table(path, backend_args)
    return usable_returns(reshaped(table, load_dim, path), table.is_organised, used, path)[0]


def load_scan(path: str, load_dim: int | None = None, backend_args: dict | None = None) -> LidarScan:
    """Read and check a scan, and find out what its columns are.

    Args:
        path: As for :func:`read_scan`.
        load_dim: Values per point of a file that does not say so; None: found from the values.
        backend_args: Arguments of mmengine's file backend.

    Raises:
        CorruptFrameError: As for :func:`read_scan`; a PointWidthError if the width is in doubt, or another one than
            ``load_dim``.
    """
    table = read_table(path, backend_args)
    if table.values.ndim == 1:
        if load_dim is None:
            load_dim = find_width(table.values)
            if not table.values.any():
                raise CorruptFrameError(f'{path} holds no returns')
            if load_dim is None:
                raise PointWidthError(f'{path} does not tell how many values a point has. Set load_dim')
        else:
            check_width(table, load_dim, path)
    elif load_dim is None:
        load_dim = table.values.shape[1]
    records = reshaped(table, load_dim, path)
    records, num_empty, num_broken = usable_returns(records, table.is_organised, [0, 1, 2], path)
    columns = table.columns or name_columns(records)
    return LidarScan(records, columns, num_empty, num_broken, table.origin, bool(table.columns))


def read_table(path: str, backend_args: dict | None = None) -> ScanTable:
    """Read and decode a scan's file.

    Raises:
        CorruptFrameError: If it cannot be read, is too large, is damaged, or has a format that is not read here.
    """
    try:
        return decode_scan(read_whole(path, MAX_SCAN_BYTES, backend_args), MAX_SCAN_BYTES)
    except OSError as error:
        raise CorruptFrameError(
            f'{path} cannot be read ({error.strerror or error}). Restore it, or rebuild the sequence index without it'
        ) from error
    except ForeignFormatError as error:
        raise CorruptFrameError(f'{path} is no scan: {error}') from error
    except ValueError as error:
        raise CorruptFrameError(
            f'{path} is truncated or damaged: {error}. Restore it, or rebuild the sequence index with --skip-truncated'
        ) from error


def reshaped(table: ScanTable, load_dim: int, path: str) -> np.ndarray:
    """Return the values of a table as points (N, load_dim).

    Raises:
        CorruptFrameError: If the file does not hold whole points; a PointWidthError if it states another number of
            values per point.
    """
    if table.values.ndim == 2:
        if table.values.shape[1] != load_dim:
            names = f' ({", ".join(table.columns)})' if table.columns else ''
            raise PointWidthError(
                f'{path} has {table.values.shape[1]} values per point{names}, not load_dim={load_dim}. '
                f'Set load_dim={table.values.shape[1]}'
            )
        return table.values
    if table.values.size % load_dim:
        raise CorruptFrameError(
            f'{path} is truncated: it does not hold whole points of {load_dim} float32 values. '
            'Restore it, or rebuild the sequence index with --skip-truncated; or set the right load_dim'
        )
    return table.values.reshape(-1, load_dim)


def check_width(table: ScanTable, load_dim: int, path: str) -> None:
    """Compare ``load_dim`` with the width that the values of a table (S,) show.

    Raises:
        PointWidthError: If they show another width without doubt. The message names it.
    """
    width = width_in_place_of(table.values, load_dim)
    if width is not None and not _other_type(table.values):
        raise PointWidthError(
            f'{path} has {width} values per point, not load_dim={load_dim}: the columns of its points only make sense '
            f'at that width. Set load_dim={width}'
        )


def usable_returns(
    records: np.ndarray, is_organised: bool, used: Sequence[int], path: str
) -> tuple[np.ndarray, int, int]:
    """Keep the returns among records, and check them.

    Args:
        records: Float32 (N, C), x, y and z first.
        is_organised: Whether NaN as x, y and z marks "no return", as (0, 0, 0) does everywhere.
        used: The columns that will be used; x, y and z always are.
        path: The file, for messages.

    Returns:
        The returns (M, C), M > 0; how many records are no returns; and how many have NaN or Inf.

    Raises:
        CorruptFrameError: As described for :func:`read_scan`.
    """
    is_return = np.empty(len(records), np.bool_)
    num_returns = _find_returns(records, is_return)
    num_empty, num_broken = len(records) - num_returns, 0
    if num_empty:
        records = records[is_return]
    largest = largest_magnitude(records) if num_returns else np.inf
    if num_returns and not largest <= MAX_DISTANCE:
        columns = sorted({0, 1, 2, *used})
        is_finite = np.isfinite(records[:, columns]).all(axis=1)
        if is_organised:
            is_seen = ~np.isnan(records[:, :3]).all(axis=1)
            num_empty += int((~is_seen).sum())
            records, is_finite = records[is_seen], is_finite[is_seen]
        num_broken = int((~is_finite).sum())
        if num_broken > MAX_BROKEN * len(records) or _other_type(records):
            _refuse(records, f'NaN or Inf in {num_broken} of {len(records)} points', path)
        records = records[is_finite] if num_broken else records
        _check_values(records, columns, path)
        largest = largest_magnitude(np.ascontiguousarray(records[:, :3])) if len(records) else np.inf
    if not len(records):
        raise CorruptFrameError(f'{path} holds no returns. Restore it, or rebuild the sequence index without it')
    if largest < MIN_DISTANCE:
        raise CorruptFrameError(
            f'{path} holds no point farther than {MIN_DISTANCE:g} m from the sensor. Restore it, and check that it '
            'was written as float32: integers read as float32 look like this'
        )
    return records, num_empty, num_broken


def _check_values(records: np.ndarray, columns: Sequence[int], path: str) -> None:
    """Raise a CorruptFrameError if the given columns of records (N, C) hold values that no sensor gives."""
    limits = [MAX_DISTANCE if column < 3 else MAX_FEATURE for column in columns]
    is_bad = ~(np.abs(records[:, columns]) <= limits).all(axis=1)
    if is_bad.any():
        what = f'values beyond any sensor (coordinates above {MAX_DISTANCE:g} m)'
        _refuse(records, f'{what} in {int(is_bad.sum())} of {len(records)} points', path)


def _refuse(records: np.ndarray, what: str, path: str) -> None:
    """Raise the error for a scan with values that no sensor gives."""
    other = _other_type(records)
    remedy = (
        f'It was written as {other}: write it as float32'
        if other
        else f'Restore it, and check that load_dim={records.shape[1]} is what the file was written with'
    )
    raise CorruptFrameError(f'{path} holds {what}. {remedy}')


def _other_type(values: np.ndarray) -> str:
    """Return the type that values, read as float32, were written as, if they make sense in it alone; else ''."""
    content = values[: 2**12].tobytes()
    if not content or _share_ordinary(np.frombuffer(content, '<f4')) > FEW_ORDINARY:
        return ''
    for kind, name in OTHER_TYPES:
        whole = len(content) // np.dtype(kind).itemsize * np.dtype(kind).itemsize
        if _share_ordinary(np.frombuffer(content[:whole], kind)) > MOST_ORDINARY:
            return name
    return ''


def _share_ordinary(values: np.ndarray) -> float:
    """Return the share of values that are 0, or of a size that sensors give."""
    with np.errstate(invalid='ignore', over='ignore'):
        size = np.abs(values.astype(np.float64))
        return float(((size == 0) | ((size > 1e-6) & (size < 1e6))).mean()) if len(values) else 0.0


@njit(nogil=True, cache=True)
def _find_returns(records: np.ndarray, is_return: np.ndarray) -> int:
    """Mark the records (N, 3 + C) that are not at (0, 0, 0), and count them."""
    number = 0
    for n in range(records.shape[0]):
        is_return[n] = (records[n, 0] != 0) | (records[n, 1] != 0) | (records[n, 2] != 0)
        number += is_return[n]
    return number
