"""Arrays, scalars and dtypes are read as NumPy writes them; forged ones are refused before NumPy sees them."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st

from strl_mmdet3d.safe_loading.numpy_stand_ins import (
    StoredDtype,
    array_from_buffer,
    array_of_bytes,
    array_of_state,
    scalar_of,
)
from strl_mmdet3d.safe_loading.pickles import PlainUnpickler, UnsafePickleError

PLAIN_DTYPES = st.one_of(
    np_st.boolean_dtypes(),
    np_st.integer_dtypes(endianness='?'),
    np_st.unsigned_integer_dtypes(endianness='?'),
    np_st.floating_dtypes(endianness='?', sizes=(16, 32, 64)),
    np_st.complex_number_dtypes(endianness='?', sizes=(64, 128)),
    np_st.unicode_string_dtypes(endianness='?', max_len=5),
    np_st.byte_string_dtypes(max_len=5),
    np_st.datetime64_dtypes(endianness='?'),
    np_st.timedelta64_dtypes(endianness='?'),
)
PROTOCOLS = st.integers(0, pickle.HIGHEST_PROTOCOL)


def read(data):
    return PlainUnpickler(io.BytesIO(data)).load()


def assert_same(read, written):
    """As pickle reads it: type, dtype, values with their NaN, and whether it may be written to."""
    assert type(read) is type(written)
    assert read.dtype == written.dtype
    assert read.shape == written.shape
    assert read.tobytes() == written.tobytes()
    assert read.flags.writeable == written.flags.writeable


@given(st.data(), PLAIN_DTYPES, PROTOCOLS, st.booleans())
def test_arrays_and_scalars_of_all_dtypes(data, dtype, protocol, fortran):
    array = data.draw(np_st.arrays(dtype, np_st.array_shapes(min_dims=0, min_side=0, max_side=3)))
    pickled = pickle.dumps(np.asfortranarray(array) if fortran and array.ndim else array, protocol)
    assert_same(read(pickled), pickle.loads(pickled))
    for pickled in (pickle.dumps(array.flat[0], protocol) if array.size else b'N.', pickle.dumps(dtype, protocol)):
        np.testing.assert_equal(read(pickled), pickle.loads(pickled))
        assert type(read(pickled)) is type(pickle.loads(pickled))


@pytest.mark.parametrize('core', [b'core', b'_core'])
def test_the_names_of_both_versions_of_numpy(core):
    ours = b'_core' if b'numpy._core' in pickle.dumps(np.zeros(2), 0) else b'core'
    for protocol in range(3):
        pickled = pickle.dumps([np.arange(3.0), np.float32(2)], protocol).replace(b'numpy.' + ours, b'numpy.' + core)
        np.testing.assert_equal(read(pickled), [np.arange(3.0), np.float32(2)])


def test_objects_in_an_array_are_as_pickle_reads_them():
    array = np.empty((2, 2), dtype=object)
    array[0, 0], array[0, 1], array[1, 0] = [1, 2], np.zeros(3), 'x'
    for written in (array, array.T, np.empty((0,), object), np.array(None, dtype=object)):
        again = read(pickle.dumps(written))
        assert again.shape == written.shape
        assert repr(again.tolist()) == repr(written.tolist())


@pytest.mark.parametrize(
    'value', [np.zeros(2, 'f8,i4'), np.zeros(2, 'V3'), np.longdouble(1), np.matrix([[1]]), np.ma.array([1])]
)
def test_what_is_not_plain_is_refused(value):
    with pytest.raises(UnsafePickleError, match=r'(not plain|asks for numpy\.).*create_data\.py'):
        read(pickle.dumps(value))


def dtype(name, *state):
    return StoredDtype(name, False, True).finished(state)


F8 = (3, '<', None, None, None, -1, -1, 0)


def test_a_plain_dtype():
    assert dtype('f8', *F8) == np.dtype('<f8')
    assert dtype('M8', *F8, ({}, (b'ms', 25, 1, 1))) == np.dtype('<M8[25ms]')
    assert dtype('M8', *F8, ({}, (b'generic', 1, 1, 1))) == np.dtype('M8')


@pytest.mark.parametrize(
    'forged',
    [
        ('f8', 3, '<', None, ('a',), {'a': (np.dtype('f8'), 2**40)}, -1, -1, 0),  # fields beyond the item
        ('f8', 3, '<', (np.dtype('f8'), (2**40,)), None, None, -1, -1, 0),
        ('f8', 3, '<', None, None, None, 1, -1, 0),
        ('f8', 3, '<', None, None, None, -1, -1, 63),  # a float that claims to hold objects
        ('O8', 3, '|', None, None, None, -1, -1, 0),  # objects that are not counted
        ('U3', 3, '<', None, None, None, 2**30, 4, 8),
        ('S3', 3, '|', None, None, None, -3, 1, 0),
        ('f8', 3, 'x', None, None, None, -1, -1, 0),
        ('f8', 3, '<', None, None, None, -1, -1, 0, {'a': 1}),
        ('f8', 3, '<'),
        ('M8', *F8),
        ('M8', *F8, ({}, (b'ns', 0, 1, 1))),
        ('M8', *F8, ({}, (b'ns', 2**31, 1, 1))),
        ('M8', *F8, ({}, (b'zs', 1, 1, 1))),
        ('M8', *F8, ({}, (b'ns', 1, 0, 1))),
    ],
)
def test_forged_dtypes_are_refused(forged):
    with pytest.raises(UnsafePickleError, match='NumPy does not write'):
        dtype(*forged)


@pytest.mark.parametrize('name', ['V8', 'f8,O', 'O', 'f16', '(2,)f8', 'S', b'f8', 3, None, '', 'U9999999999'])
def test_names_of_other_dtypes_are_refused(name):
    with pytest.raises(UnsafePickleError, match='not plain'):
        StoredDtype(name, False, True)


def test_a_dtype_takes_one_state():
    stored = StoredDtype('f8', False, True)
    stored.finished(F8)
    with pytest.raises(UnsafePickleError, match='a forged dtype'):
        stored.finished(F8)


@pytest.mark.parametrize(
    ('data', 'of', 'shape'),
    [
        (b'A' * 8, 'O', (1,)),  # a pointer
        (b'A' * 8, 'f8', (2,)),
        (b'A' * 8, 'f8', (-1,)),
        (b'', 'f8', (2**62,)),
        (b'', 'f8', (2**61, 8)),  # 2**64 elements: none, counted in 64 bits
        (b'', 'f8', (2**62, 0)),
        (b'', 'U', (10**12,)),
        (b'', 'f8', (True, 0)),
        (b'', 'f8', (0,) * 33),
        (b'', 'f8', [0]),
        (b'\x02', '?', (1,)),
        (b'\xff\xff\xff\xff', '<U1', (1,)),
        (b'\x00\x11\x00\x00', '>U1', (1,)),
        ('A' * 8, 'f8', (1,)),
        (b'A' * 8, None, (1,)),
        (b'A' * 8, 'as is', (1,)),
    ],
)
def test_data_that_does_not_fit_is_refused(data, of, shape):
    kind = StoredDtype('f8', False, True) if of == 'as is' else of and np.dtype(of)  # a dtype that waits for its state
    for build in (
        lambda: array_of_bytes(data, kind, shape, 'C'),
        lambda: array_of_state((1, shape, kind, False, data)),
        lambda: array_from_buffer(data, kind, shape, 'C'),
    ):
        with pytest.raises(UnsafePickleError, match='NumPy does not write'):
            build()
    if shape == (1,):
        with pytest.raises(UnsafePickleError, match='NumPy does not write'):
            scalar_of(kind, data)


def test_the_order_of_the_axes():
    """NumPy 2.3 writes it for arrays such as these."""
    array = np.arange(24).reshape(2, 3, 4)
    again = array_from_buffer(array.tobytes(), array.dtype, (2, 3, 4), 'K', (1, 0, 2))
    np.testing.assert_array_equal(again, array.transpose(1, 0, 2))
    for axes in ((1, 0), (0, 0, 1), (0, 1, 3), 'abc', None):
        with pytest.raises(UnsafePickleError, match='unknown order'):
            array_from_buffer(array.tobytes(), array.dtype, (2, 3, 4), 'K', axes)


@pytest.mark.parametrize('items', [[1], [1, 2, 3], (1, 2), b'A' * 16, None])
def test_an_array_of_objects_has_exactly_its_objects(items):
    with pytest.raises(UnsafePickleError, match='without its objects'):
        array_of_state((1, (2,), np.dtype('O'), False, items))


def test_arrays_of_objects_do_not_nest():
    """A long chain overflows the stack when it is freed."""
    inner = np.array([None, 1], dtype=object)
    with pytest.raises(UnsafePickleError, match='arrays of objects in an array of objects'):
        array_of_state((1, (1,), np.dtype('O'), False, [inner]))
