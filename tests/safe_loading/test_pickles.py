"""Info files are read as they are; a pickle that would run code is refused."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict

import mmengine
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmengine.dataset import BaseDataset

from strl_mmdet3d.safe_loading.pickles import PlainUnpickler, UnsafePickleError

INFOS = dict(
    metainfo=dict(categories=OrderedDict(Car=0), info_version='1.1'),
    data_list=[
        dict(
            sample_idx=3,
            lidar_points=dict(lidar_path='000003.bin', Tr_velo_to_cam=np.eye(4), raw=b'\x00\xff'),
            instances=[dict(bbox_3d=[1.0, 2.0], difficulty=np.int32(2), group_ids={1, 2})],
            annos=dict(name=np.array(['Car', 'Van']), objects=np.array([None, 'x'], dtype=object)),
            order=np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        )
    ],
)


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_info_file_is_read_as_pickle_reads_it(tmp_path, protocol):
    path = tmp_path / 'infos.pkl'
    path.write_bytes(pickle.dumps(INFOS, protocol=protocol))
    by_pickle = pickle.loads(path.read_bytes())
    for read in (mmengine.load(str(path)), mmengine.load(path.open('rb'), file_format='pkl')):
        np.testing.assert_equal(read, by_pickle)
        np.testing.assert_equal(read, INFOS)


def test_what_mmengine_writes_it_reads(tmp_path):
    mmengine.dump(INFOS, str(tmp_path / 'infos.pkl'))
    np.testing.assert_equal(mmengine.load(str(tmp_path / 'infos.pkl')), INFOS)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
)


@given(PLAIN, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_values_of_all_kinds(value, protocol):
    assert PlainUnpickler(io.BytesIO(pickle.dumps(value, protocol))).load() == value


class Bomb:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return exec, (f'open({str(self.marker)!r}, "w").close()',)


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize('wrap', [lambda bomb: bomb, lambda bomb: dict(INFOS, x=np.array([bomb], dtype=object))])
def test_code_is_refused_and_not_run(tmp_path, protocol, wrap):
    marker, path = tmp_path / 'marker', tmp_path / 'infos.pkl'
    path.write_bytes(pickle.dumps(wrap(Bomb(marker)), protocol))
    with pytest.raises(UnsafePickleError, match=r'asks for \w+\.exec,.*create_data\.py'):
        mmengine.load(str(path))
    with pytest.raises(UnsafePickleError, match=r'asks for \w+\.exec'):
        BaseDataset(ann_file=str(path))
    assert not marker.exists()
    pickle.loads(path.read_bytes())
    assert marker.exists()  # it would have


@pytest.mark.parametrize(
    'named',
    [
        *(b'cos\nsystem\n.', b'cbuiltins\neval\n.', b'c__builtin__\ngetattr\n.', b'cnumpy\nload\n.'),
        *(b'cnumpy\nndarray.tofile\n.', b'\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.'),
    ],
)
def test_no_other_name_is_even_looked_up(named):
    with pytest.raises(UnsafePickleError, match='asks for'):
        PlainUnpickler(io.BytesIO(named)).load()
