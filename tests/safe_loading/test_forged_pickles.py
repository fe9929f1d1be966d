"""Forged pickles end in a refusal: no code, no crash, no memory beyond what the file has, no other error."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from forged_pickles import as_checkpoint, forged_pickle

from strl_mmdet3d.safe_loading.checkpoints import load_from_local
from strl_mmdet3d.safe_loading.pickles import PlainUnpickler, UnsafePickleError

NUMBER = int(os.environ.get('STRL_FORGED_PICKLES', '1000'))
POINTER = (
    b'cbuiltins\nset\n(cnumpy\nndarray\n((I1\ntcnumpy\ndtype\n(VO8\nI00\nI01\ntR'
    b'c_codecs\nencode\n(VAAAAAAAA\nVlatin1\ntRtRtR.'
)
"""``set(np.ndarray((1,), np.dtype('O'), b'A' * 8))``: NumPy takes the bytes for a pointer."""


def read(data: bytes):
    return PlainUnpickler(io.BytesIO(data)).load()


def test_a_grammar_of_forgeries_crashes_nothing():
    """In a process of its own. STRL_FORGED_PICKLES sets how many; what is read is read in full."""
    program, kinds = Path(__file__).with_name('forged_pickles.py'), ('info', 'checkpoint', 'file')
    done = subprocess.run(
        [sys.executable, str(program), str(NUMBER), '0', *kinds], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for kind, line in zip(kinds, done.stdout.splitlines()[-len(kinds) :], strict=True):
        counts = json.loads(line)
        assert sum(counts.values()) == NUMBER
        assert min(counts['read'], counts['refused']) > NUMBER / 20
        if kind != 'checkpoint':  # there torch's own unpickler raises what it likes
            assert set(counts) == {'read', 'refused'}, counts


@pytest.mark.parametrize('kind', ['info', 'checkpoint'])
def test_the_grammar_writes_what_is_forged_and_what_is_not(kind):
    pickles = [forged_pickle(seed, old=kind == 'checkpoint') for seed in range(1000)]
    assert len(set(pickles)) > 900
    names = b''.join(pickles)
    assert all(name in names for name in (b'_reconstruct', b'scalar', b'HistoryBuffer', b'eval', b'_rebuild_tensor_v2'))


def test_bytes_are_not_taken_for_pointers(tmp_path):
    with pytest.raises(UnsafePickleError, match='a call of a value'):
        read(POINTER)
    path = tmp_path / 'forged.pth'
    path.write_bytes(as_checkpoint(b'\x80\x02' + POINTER).getvalue())
    with pytest.raises(UnsafePickleError, match=r'forged\.pth cannot be read as a checkpoint'):
        load_from_local(str(path), 'cpu')


def test_torch_alone_does_not_take_bytes_for_pointers():
    """Other code reads without the look before."""
    pointer = (
        b'\x80\x02cbuiltins\nset\ncnumpy\nndarray\nK\x01\x85cnumpy\ndtype\nX\x02\x00\x00\x00O8\x89\x88\x87R'
        b'c_codecs\nencode\nX\x08\x00\x00\x00AAAAAAAAX\x06\x00\x00\x00latin1\x86R\x87R\x85R.'
    )
    with pytest.raises(pickle.UnpicklingError, match='an array made of arguments'):
        torch.load(as_checkpoint(pointer), weights_only=True)


def deep(count: int) -> bytes:
    return b'\x80\x02' + b')' + b'\x85' * count


@pytest.mark.parametrize(
    'forged',
    [
        pytest.param(b'\x80\x02}' + deep(10**5)[2:] + b'K\x01s.', id='a deep tuple as a key'),
        pytest.param(deep(10**5) + b'.', id='a deep tuple'),
        pytest.param(b'\x80\x04\x8f(' + deep(10**5)[2:] + b'\x90.', id='a deep tuple in a set'),
        pytest.param(b'\x80\x02' + b']' * 5000 + b'a' * 4999 + b'.', id='deep lists'),
        pytest.param(b']q\x00h\x00a.', id='a list in itself'),
        pytest.param(b'\x80\x02cbuiltins\nbytearray\n\x8a\x06\x00\x10\xa5\xd4\xe8\x00\x85R.', id='bytearray(10**12)'),
        pytest.param(b'\x80\x02cbuiltins\nbytes\n\x8a\x06\x00\x10\xa5\xd4\xe8\x00\x85R.', id='bytes(10**12)'),
        pytest.param(b'\x80\x05\x96' + struct.pack('<Q', 10**12) + b'x.', id='bytes that are not there'),
        pytest.param(b'\x80\x04\x8e' + struct.pack('<Q', 10**12) + b'x.', id='bytes that end early'),
        pytest.param(b'\x80\x04\x94.', id='a reference to nothing kept'),
        pytest.param(b'\x80\x02j\xff\xff\xff\x7f.', id='a reference to nothing'),
        pytest.param(b'c_codecs\nencode\n(Vx\nVrot13\ntR.', id='another codec'),
        pytest.param(b'c_codecs\nencode\n(Vx\nVzip\ntR.', id='an unpacking codec'),
        pytest.param(b'\x80\x05\x97.', id='a buffer outside of the file'),
        pytest.param(b'\x80\x02\x82\x01.', id='an extension'),
        pytest.param(b'(i__main__\nx\n.', id='an instance'),
        pytest.param(b'Pstorage\n.', id='a persistent name'),
        pytest.param(b'cnumpy\nndarray\n.', id='a name in place of a value'),
        pytest.param(b'\x80\x02]cnumpy\ndtype\na.', id='a name in a list'),
        pytest.param(b'cnumpy\ndtype\n(Vf8\nI00\nI01\ntR.', id='a dtype without a state'),
        pytest.param(b'\x80\x02ccollections\nOrderedDict\n)R}X\x05\x00\x00\x00itemsK\x01sb.', id='attributes'),
        pytest.param(b'I' + b'9' * 5000 + b'\n.', id='a number of 5000 digits'),
        pytest.param(b'', id='nothing'),
        pytest.param(b'.', id='an end'),
        pytest.param(b'\x80\xff.', id='a later protocol'),
        pytest.param(b'\x00', id='no opcode'),
        pytest.param(b'\x80\x04\x8c\x01\xff.', id='text that is none'),
        pytest.param(b'\x80\x02}K\x01u.', id='items without a mark'),
        pytest.param(b'\x80\x02}(]K\x01u.', id='a list as a key'),
    ],
)
def test_forgeries_of_each_kind(forged):
    """In a process that has not crashed, and by one error that says what to do."""
    with pytest.raises(UnsafePickleError, match=r'the pickle is (refused|damaged).*create_data\.py$'):
        read(forged)


def test_no_reference_takes_memory():
    """pickle's own unpickler would make room for all 2**31 references up to this one."""
    tracemalloc.start()
    assert read(b'\x80\x02]r\xff\xff\xff\x7f.') == []
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()


def test_shared_bytes_do_not_become_many_arrays():
    data = bytes(100_000)
    state = (1, (len(data),), np.dtype('u1'), False, data)

    class Array:
        def __reduce__(self):
            return np.zeros(0).__reduce__()[0], (np.ndarray, (0,), b'b'), state

    assert len(read(pickle.dumps([Array()]))[0]) == len(data)
    with pytest.raises(UnsafePickleError, match='more arrays than the file has data'):
        read(pickle.dumps([Array() for _ in range(1000)]))


def test_an_array_is_finished_once():
    pickled = pickle.dumps(np.arange(3), 3)
    with pytest.raises(UnsafePickleError, match='a state of a value that has none'):
        read(pickled[:-1] + b'N' + b'b.')
    with pytest.raises(UnsafePickleError, match='an array without its state'):
        read(b'\x80\x02]' + pickled[2 : pickled.index(b'Rq') + 1] + b'a.')
    array = np.array([None], dtype=object)
    array[0] = array
    with pytest.raises(UnsafePickleError, match='an array within itself'):
        read(pickle.dumps(array))


def test_shared_values_stay_shared():
    array = np.arange(3)
    first, second = read(pickle.dumps([array, array]))
    assert first is second
    assert type(first) is np.ndarray
