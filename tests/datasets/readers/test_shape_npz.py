"""Shapes in .npz archives: which array holds them."""

from __future__ import annotations

import numpy as np
import pytest

from strl_mmdet3d.datasets.readers.frame_file import CorruptFrameError
from strl_mmdet3d.datasets.readers.shape_archive import read_shapes
from strl_mmdet3d.datasets.readers.shape_npz import find_shapes


def shapes(number=3, points=5):
    return np.random.default_rng(0).standard_normal((number, points, 3)).astype(np.float32)


class TestFindShapes:
    def find(self, tmp_path, **arrays):
        np.savez_compressed(tmp_path / 'a.npz', **arrays)
        return find_shapes(str(tmp_path / 'a.npz'))

    def test_the_only_array_of_shapes_whatever_its_name(self, tmp_path):
        others = {'label': np.zeros(3), 'image': np.zeros((3, 4, 4)), 'faces': np.zeros((3, 4, 3), int)}
        assert self.find(tmp_path, anything=shapes(), **others) == ('anything', 3)

    def test_points_comes_before_others(self, tmp_path):
        assert self.find(tmp_path, normals=shapes(4), points=shapes(2)) == ('points', 2)

    def test_a_column_major_array(self, tmp_path):
        assert self.find(tmp_path, points=np.asfortranarray(shapes())) == ('points', 3)
        np.testing.assert_array_equal(read_shapes(str(tmp_path / 'a.npz')), shapes())

    def test_none_and_several_are_named(self, tmp_path):
        with pytest.raises(CorruptFrameError, match=r'a\.npz holds no arrays.*label int64 \(3,\)'):
            self.find(tmp_path, label=np.zeros(3, np.int64))
        with pytest.raises(CorruptFrameError, match=r'a\.npz holds 2 arrays.*one called .points.; .*left.*right'):
            self.find(tmp_path, left=shapes(), right=shapes())
        with pytest.raises(CorruptFrameError, match=r'a\.npz holds no arrays.*the file holds: nothing'):
            self.find(tmp_path)

    @pytest.mark.parametrize('empty', [np.zeros((0, 5, 3)), np.zeros((5, 0, 3))])
    def test_empty_ones_are_named(self, tmp_path, empty):
        with pytest.raises(CorruptFrameError, match=r'a\.npz holds . shapes of . points'):
            self.find(tmp_path, points=empty)
