"""Shapes in the text and HDF5 files of ModelNet40, and damaged ones."""

from __future__ import annotations

import sys

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strl_mmdet3d.datasets.readers.frame_file import CorruptFrameError
from strl_mmdet3d.datasets.readers.shape_hdf5 import read_hdf5, read_hdf5_arrays
from strl_mmdet3d.datasets.readers.shape_text import read_text
from strl_mmdet3d.extras import MissingExtraError


def write_hdf5(path, **content):
    with h5py.File(path, 'w') as file:
        for name, array in content.items():
            file[name] = array
    return str(path)


class TestText:
    @given(arrays(np.float32, st.tuples(st.integers(1, 5), st.just(6)), elements=st.floats(-1, 1, width=32)))
    def test_the_first_three_numbers_of_each_line(self, tmp_path_factory, values):
        path = tmp_path_factory.mktemp('text') / 'a.txt'
        np.savetxt(path, values, delimiter=',', fmt='%.9g')
        points = read_text(str(path))
        assert points.dtype == np.float32
        np.testing.assert_array_equal(points, values[:, :3])

    @pytest.mark.parametrize(
        ('content', 'message'),
        [
            (b'', 'holds no points'),
            (b'\n\n', 'holds no points'),
            (b'1,2\n', 'holds no points: it has 2 numbers per line'),
            (b'1,2,3,4,5,6\n1,2,3,4', 'cannot be read as lines'),  # cut off
            (b'1,2,3\n1,x,3\n', 'cannot be read as lines'),
            (b'1 2 3\n', 'cannot be read as lines'),
            (b'\xff\xfe\x00', 'cannot be read as lines'),
        ],
    )
    def test_damaged_files_are_named(self, tmp_path, content, message):
        (tmp_path / 'a.txt').write_bytes(content)
        with pytest.raises(CorruptFrameError, match=rf'a\.txt {message}.*Restore'):
            read_text(str(tmp_path / 'a.txt'))

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(CorruptFrameError, match=r'nowhere\.txt cannot be read'):
            read_text(str(tmp_path / 'nowhere.txt'))


class TestHdf5:
    def test_arrays_are_those_of_the_file(self, tmp_path):
        data = np.random.default_rng(0).standard_normal((3, 5, 3)).astype(np.float32)
        path = write_hdf5(tmp_path / 'a.h5', data=data, label=np.array([[1], [0], [2]], np.uint8))
        np.testing.assert_array_equal(read_hdf5(path), data)
        assert read_hdf5_arrays(path, 'label')[0].tolist() == [[1], [0], [2]]

    @pytest.mark.parametrize(
        'data',
        [np.zeros((0, 5, 3)), np.zeros((5, 0, 3)), np.zeros((2, 5, 4)), np.zeros((5, 3)), np.zeros((2, 5, 3), int)],
    )
    def test_other_arrays_are_named(self, tmp_path, data):
        with pytest.raises(CorruptFrameError, match=r"a\.h5: its array 'data' is .*expected\. Restore"):
            read_hdf5(write_hdf5(tmp_path / 'a.h5', data=data))

    def test_a_file_without_the_array_is_named(self, tmp_path):
        with pytest.raises(CorruptFrameError, match=r'a\.h5 is not a file of modelnet40_ply_hdf5_2048'):
            read_hdf5(write_hdf5(tmp_path / 'a.h5', label=np.zeros(3)))

    def test_damaged_and_missing_files_are_named(self, tmp_path):
        write_hdf5(tmp_path / 'whole.h5', data=np.zeros((10, 50, 3), np.float32))
        content = (tmp_path / 'whole.h5').read_bytes()
        for size in (0, 10, len(content) // 2):
            (tmp_path / 'a.h5').write_bytes(content[:size])
            with pytest.raises(CorruptFrameError, match=r'a\.h5 cannot be read as an HDF5 file'):
                read_hdf5(str(tmp_path / 'a.h5'))
        with pytest.raises(CorruptFrameError, match=r'nowhere\.h5 cannot be read'):
            read_hdf5(str(tmp_path / 'nowhere.h5'))

    def test_without_h5py_the_remedy_is_named(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, 'h5py', None)
        with pytest.raises(MissingExtraError, match=r"h5py is not installed.*pip install 'strl_mmdet3d\[probe\]'"):
            read_hdf5(str(tmp_path / 'a.h5'))
