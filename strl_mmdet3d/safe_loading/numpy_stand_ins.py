"""Rebuild NumPy's arrays, scalars and dtypes from pickles, without calling what a pickle asks for.

NumPy's own constructors trust the pickle: a forged dtype or state makes them take bytes for pointers, or read beyond
the end of the data. The functions here have their arguments, and accept only what NumPy itself writes: plain dtypes
without fields, data of exactly the right length, and values that the dtype can hold.
"""

from __future__ import annotations

import math
import re
from typing import Any, Literal

import numpy as np

from .unsafe_pickle import UnsafePickleError

# Booleans, integers, floats up to 8 bytes, complex numbers, text, dates. A longdouble has bits that may not be set.
PLAIN_DTYPE = re.compile(r'b1|[iu][1248]|f[248]|c8|c16|[SU]\d{1,9}|[mM]8')
OBJECT_DTYPES = ('O8', 'O4')
DATE_UNIT = re.compile(r'generic|[YMWDhms]|ms|us|ns|ps|fs|as')
MAX_CODE_POINT = 0x10FFFF
MAX_DIMS = 32  # of NumPy 1
MAX_EMPTY_SIDE = 2**31
"""The longest side of an array without elements. With elements, the data limits it."""


def fits(condition: bool, what: str) -> None:
    """Refuse a part of a pickle that NumPy does not write.

    Raises:
        UnsafePickleError: Unless the condition holds; `what` says what NumPy does not write.
    """
    if not condition:
        raise UnsafePickleError(f'it holds {what}, which NumPy does not write. What it asks for was not run')


class Unfinished:
    """Stands in a pickle for a value whose state follows."""

    def finished(self, state: Any) -> Any:
        """Return the value.

        Args:
            state: Its state.

        Raises:
            UnsafePickleError: If the state is forged.
        """
        raise NotImplementedError


class StoredDtype(Unfinished):
    """Stands in for ``numpy.dtype``: the name comes first, and its state after it."""

    dtype: np.dtype | None = None

    def __init__(self, *args: Any) -> None:
        fits(len(args) == 3 and all(type(flag) in (bool, int) for flag in args[1:]), 'a dtype with other arguments')
        name = args[0]
        plain = isinstance(name, str) and (PLAIN_DTYPE.fullmatch(name) or name in OBJECT_DTYPES)
        fits(bool(plain), f'a dtype {name!r} that is not plain')
        self._name = name

    def __setstate__(self, state: Any) -> None:
        """Take the state, once.

        Args:
            state: Version, byte order, three None for subarray and fields, item size, alignment, flags; of dates also
                the unit.

        Raises:
            UnsafePickleError: If NumPy does not write it for a dtype of this name.
        """
        fits(self.dtype is None and type(state) is tuple and 8 <= len(state) <= 9, 'a forged dtype')
        dtype = np.dtype(self._name)
        _, order, *nested, size, _, flags = state[:8]
        fits(isinstance(order, str) and order in ('<', '>', '|', '='), 'a dtype without a byte order')
        fits(all(part is None for part in nested), 'a dtype with fields')
        fits(type(size) is int and size in ((dtype.itemsize,) if dtype.kind in 'SU' else (-1,)), 'a forged item size')
        fits(type(flags) is int and flags == dtype.flags, 'a dtype with forged flags')
        if dtype.kind in 'mM':
            dtype = np.dtype(f'{self._name}[{date_unit(state[8:])}]')
        else:
            fits(all(part is None for part in state[8:]), 'a dtype with metadata')
        self.dtype = dtype.newbyteorder(order)

    def finished(self, state: Any) -> np.dtype:
        """Take the state, and return the dtype."""
        self.__setstate__(state)
        assert self.dtype is not None
        return self.dtype


def date_unit(metadata: tuple) -> str:
    """Return the unit of a date as NumPy names it, such as '25s'.

    Args:
        metadata: What follows the plain state of the dtype: a dict, and (unit, its multiple, 1, 1).

    Raises:
        UnsafePickleError: If NumPy does not write it.
    """
    fits(len(metadata) == 1 and type(metadata[0]) is tuple and len(metadata[0]) == 2, 'a date without a unit')
    extra, unit = metadata[0]
    fits(
        (extra is None or (type(extra) is dict and not extra)) and type(unit) is tuple and len(unit) == 4,
        'a date without a unit',
    )
    name, count, *rest = unit
    name = name.decode('ascii', 'replace') if isinstance(name, bytes) else name
    fits(isinstance(name, str) and DATE_UNIT.fullmatch(name) is not None, 'a forged unit of dates')
    fits(all(type(number) is int and number == 1 for number in rest), 'a forged unit of dates')
    fits(type(count) is int and 1 <= count < 2**31 and (count == 1 or name != 'generic'), 'a forged unit of dates')
    return name if count == 1 else f'{count}{name}'


def as_dtype(value: Any) -> np.dtype:
    """Return a dtype that has been rebuilt.

    Raises:
        UnsafePickleError: If the value is none, or its state is still missing.
    """
    dtype = value.dtype if type(value) is StoredDtype else value
    if not isinstance(dtype, np.dtype):
        raise UnsafePickleError('it holds an array without a dtype, which NumPy does not write')
    return dtype


def as_shape(value: Any) -> tuple[int, ...]:
    """Return a shape.

    Raises:
        UnsafePickleError: If it is none.
    """
    fits(type(value) is tuple and len(value) <= MAX_DIMS, 'a forged shape')
    fits(all(type(side) is int and side >= 0 for side in value), 'a forged shape')
    fits(0 not in value or max(value) <= MAX_EMPTY_SIDE, 'a forged shape')
    return value


def checked_values(array: np.ndarray) -> np.ndarray:
    """Return the array, if its bytes are values that its dtype can hold. NumPy's functions rely on that.

    Raises:
        UnsafePickleError: If a boolean is neither 0 nor 1, or a character is no Unicode character.
    """
    if array.dtype.kind == 'b':
        fits(not array.size or array.view(np.uint8).max() <= 1, 'booleans that are neither true nor false')
    if array.dtype.kind == 'U':
        codes = array.view(np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
        fits(not codes.size or codes.max() <= MAX_CODE_POINT, 'text of no characters')
    return array


def array_of_bytes(data: Any, dtype: Any, shape: Any, order: Literal['C', 'F']) -> np.ndarray:
    """View bytes as an array.

    Args:
        data: Bytes or bytearray.
        dtype: As `as_dtype` takes it.
        shape: As `as_shape` takes it.
        order: 'C' or 'F'.

    Raises:
        UnsafePickleError: If the dtype holds objects, or the bytes are not exactly as many as the array has.
    """
    dtype, shape = as_dtype(dtype), as_shape(shape)
    fits(type(data) in (bytes, bytearray), 'an array without bytes')
    fits(not dtype.hasobject, 'objects made of bytes')
    fits(len(data) == math.prod(shape) * dtype.itemsize, f'{len(data)} bytes for an array of shape {shape}')
    fits(type(order) is str and order in ('C', 'F'), 'an array of unknown order')
    if not data:
        fits(0 in shape, 'an array of empty items')
        return np.empty(shape, dtype)
    return checked_values(np.frombuffer(data, dtype)).reshape(shape, order=order)


def array_of_state(state: Any) -> np.ndarray:
    """Rebuild an array from the state that ``ndarray.__reduce__`` writes.

    Args:
        state: 1, shape, dtype, whether it is in Fortran's order, and its data: bytes, or of objects a list.

    Returns:
        A writable array.

    Raises:
        UnsafePickleError: If NumPy does not write it.
    """
    fits(type(state) is tuple and len(state) == 5 and type(state[0]) is int, 'an array with a forged state')
    _, shape, dtype, fortran, data = state
    fits(type(fortran) in (bool, int), 'an array of unknown order')
    order: Literal['C', 'F'] = 'F' if fortran else 'C'
    if not as_dtype(dtype).hasobject:
        # As NumPy does, into the byte order of this machine.
        return array_of_bytes(data, dtype, shape, order).astype(as_dtype(dtype).newbyteorder('='), order)
    shape = as_shape(shape)
    fits(type(data) is list and len(data) == math.prod(shape), 'an array of objects without its objects')
    array = np.empty(shape, dtype=object, order=order)
    for index, item in zip(np.ndindex(shape), data, strict=True):
        # The interpreter's stack would overflow as it frees a long chain of arrays in arrays.
        fits(not (isinstance(item, np.ndarray) and item.dtype.hasobject), 'arrays of objects in an array of objects')
        array[index] = item
    return array


def scalar_of(*args: Any) -> np.generic:
    """Rebuild a scalar: stands in for ``numpy.core.multiarray.scalar``.

    Args:
        args: Its dtype and its bytes.

    Raises:
        UnsafePickleError: If NumPy does not write it.
    """
    fits(len(args) == 2 and isinstance(args[1], bytes), 'a scalar with other arguments')
    dtype = as_dtype(args[0])
    if dtype.itemsize == 0 and dtype.kind in 'SU' and not args[1]:
        return dtype.type()  # the empty text
    return array_of_bytes(args[1], dtype, (1,), 'C')[0]


def array_from_buffer(*args: Any) -> np.ndarray:
    """Rebuild an array of pickle's protocol 5: stands in for ``numpy.core.numeric._frombuffer``.

    Args:
        args: Bytes or bytearray, dtype, shape, 'C', 'F' or 'K'; with 'K' the order of the axes (NumPy 2.3).

    Raises:
        UnsafePickleError: If NumPy does not write it.
    """
    fits(4 <= len(args) <= 5, 'an array with other arguments')
    data, dtype, shape, order, *axes = args
    fits(type(order) is str, 'an array of unknown order')
    if order != 'K':
        fits(all(axis is None for axis in axes), 'an array of unknown order')
        return array_of_bytes(data, dtype, shape, order)
    fits(len(axes) == 1 and type(axes[0]) is tuple, 'an array of unknown order')
    fits(all(type(axis) is int for axis in axes[0]), 'an array of unknown order')
    fits(sorted(axes[0]) == list(range(len(as_shape(shape)))), 'an array of unknown order')
    return array_of_bytes(data, dtype, shape, 'C').transpose(axes[0])


def check_reconstruct(args: tuple) -> None:
    """Check the arguments of ``numpy.core.multiarray._reconstruct``, which stand for an array that a state will fill.

    Args:
        args: The class, which the caller checks, a shape and a dtype's name.

    Raises:
        UnsafePickleError: If NumPy does not write them.
    """
    fits(len(args) == 3 and as_shape(args[1]) == (0,), 'a forged array')
    fits(type(args[2]) in (str, bytes) and args[2] in ('b', b'b'), 'a forged array')
