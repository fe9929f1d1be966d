"""A scan as its file holds it, and the way from named fields of any type to float32 columns in metres."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from .column_names import AXES, COLOURS, canonical_names

# Metres. Beyond it, float32 is coarser than a millimetre, and the coordinates are those of a map, such as UTM.
FAR_FROM_SENSOR = 1e4
# A float32 of a larger time, such as seconds since 1970, is coarser than a millisecond.
LARGE_TIME = 1e4
PACKED_COLOURS = ('rgb', 'rgba')  # PCL's four bytes: blue, green, red, alpha


class ScanTable(NamedTuple):
    """The decoded content of a scan's file.

    Attributes:
        values: Float32, (N, C) with x, y, z first; or (S,), if the file does not say how many values a point has.
        columns: The C names; empty if the file does not name them.
        is_organised: Whether the points are a grid of the sensor's directions, in which NaN marks "no return".
        origin: What was subtracted from x, y and z, in metres.
    """

    values: np.ndarray
    columns: tuple[str, ...] = ()
    is_organised: bool = False
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)


def table_of_fields(fields: Mapping[str, np.ndarray], is_organised: bool = False) -> ScanTable:
    """Make a table of named fields: x, y and z first, then the others in their order, each as float32.

    Coordinates of a map are stored relative to whole metres near their median, and large times to whole seconds near
    theirs, before they become float32. Packed colours become three columns.

    Args:
        fields: Name -> (N,) numbers; fields of several values per point are left out.
        is_organised: As in `ScanTable`.

    Raises:
        ValueError: If there is no x, y or z, or the fields do not have one length.
    """
    flat = {name: np.asarray(field) for name, field in fields.items()}
    flat = {name: field for name, field in flat.items() if field.ndim == 1 and field.dtype.kind in 'fiub'}
    named = dict(zip(canonical_names(list(flat)), flat.values(), strict=True))
    for packed in set(PACKED_COLOURS) & set(named):
        if named[packed].dtype.itemsize == 4 and not set(COLOURS) & set(named):
            named |= _unpack_colours(named.pop(packed))
    if missing := [axis for axis in AXES if axis not in named]:
        raise ValueError(f'its points have no {", ".join(missing)}, but {", ".join(named) or "no numbers"}')
    columns = (*AXES, *(name for name in named if name not in AXES))
    lengths = {len(named[name]) for name in columns}
    if len(lengths) > 1:
        raise ValueError(f'its fields have different lengths, {sorted(lengths)}')
    values = np.empty((lengths.pop(), len(columns)), np.float32)
    origin = [0.0, 0.0, 0.0]
    for place, name in enumerate(columns):
        field = named[name]
        if field.dtype.itemsize > 4:  # float32 and smaller integers are what they are
            offset = _offset_of(field, FAR_FROM_SENSOR if name in AXES else LARGE_TIME if name == 'time' else np.inf)
            if name in AXES:
                origin[place] = offset
            field = field - offset
        with np.errstate(over='ignore', invalid='ignore'):
            values[:, place] = field
    return ScanTable(values, columns, is_organised, (origin[0], origin[1], origin[2]))


def table_of_array(array: np.ndarray) -> ScanTable:
    """Make a table of an array of numbers: (N, C), (H, W, C) of an organised scan, or (S,) of unknown width.

    Raises:
        ValueError: If it is not such an array.
    """
    if array.dtype.names:
        shape = array.shape
        fields = {name: array[name].reshape(-1) for name in array.dtype.names if array.dtype[name].shape == ()}
        return table_of_fields(fields, is_organised=len(shape) == 2 and min(shape) > 1)
    if array.dtype.kind not in 'fiu':
        raise ValueError(f'its array has the type {array.dtype}, where numbers are expected')
    if array.ndim == 1:
        return ScanTable(_as_float32(array))
    if array.ndim not in (2, 3) or array.shape[-1] < 3 or array.shape[-1] > max(64, array.shape[0]):
        raise ValueError(
            f'its array has the shape {array.shape}, where (points, values per point) is expected, x, y and z first; '
            'save its transpose, if each row holds one value of all points'
        )
    rows = array.reshape(-1, array.shape[-1])
    if array.dtype.itemsize <= 4:
        return ScanTable(_as_float32(rows), is_organised=array.ndim == 3)
    table = table_of_fields({axis: rows[:, place] for place, axis in enumerate(AXES)})
    others = _as_float32(rows[:, 3:])
    return ScanTable(np.concatenate([table.values, others], axis=1), (), array.ndim == 3, table.origin)


def _as_float32(array: np.ndarray) -> np.ndarray:
    """Return numbers as float32 in the machine's byte order, contiguous; too large ones become Inf."""
    with np.errstate(over='ignore', invalid='ignore'):
        return np.ascontiguousarray(array, np.float32)


def _offset_of(field: np.ndarray, limit: float) -> float:
    """Return the whole number near a field's median, if the median is beyond a limit; else 0.

    A stray value beyond the limit makes no map: it would shift all points of a scan in the sensor's axes.
    """
    numbers = field[np.isfinite(field)]
    middle = float(np.median(numbers)) if len(numbers) else 0.0
    return float(np.rint(middle)) if abs(middle) > limit else 0.0


def _unpack_colours(packed: np.ndarray) -> dict[str, np.ndarray]:
    """Return red, green and blue, 0 to 255, of numbers of four bytes."""
    bits = packed.astype(packed.dtype.newbyteorder('=')).view(np.uint32)
    return {name: ((bits >> shift) & 255).astype(np.uint8) for name, shift in zip(COLOURS, (16, 8, 0), strict=True)}
