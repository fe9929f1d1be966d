"""Shapes in archives: the path of a shape, and an archive that is decoded once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strl_mmdet3d.datasets.readers.shape_archive import read_shapes, shape_path, split_shape_path


def shapes(number=3, points=5):
    return np.random.default_rng(0).standard_normal((number, points, 3)).astype(np.float32)


def test_an_archive_is_decoded_once(tmp_path):
    np.savez(tmp_path / 'a.npz', shapes())
    np.savez(tmp_path / 'b.npz', shapes(1))
    first = [read_shapes(str(tmp_path / name)) for name in ('a.npz', 'b.npz')]
    (tmp_path / 'a.npz').unlink()
    assert read_shapes(str(tmp_path / 'a.npz')) is first[0]
    assert read_shapes(str(tmp_path / 'b.npz')) is first[1]
    assert [len(array) for array in first] == [3, 1]


@given(st.from_regex(r'[a-z/.]{0,8}[a-z]\.(npz|h5)', fullmatch=True), st.integers(0, 10**8))
def test_paths_come_apart_as_they_were_put_together(archive, row):
    assert split_shape_path(shape_path(archive, row)) == (archive, row)


@pytest.mark.parametrize(
    'path',
    ['', 'a.npz', 'drive/000001.bin', 'a.npz/', 'a.npz/1.bin', 'a.npz/-1', 'a/1', 'a.npz/²', 'a.txt/1', 'a.off/1'],
)
def test_other_paths_are_those_of_plain_files(path):
    assert split_shape_path(path) is None
