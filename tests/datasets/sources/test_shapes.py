"""Archives of shapes as sequences of one frame."""

from __future__ import annotations

import numpy as np
import pytest

from strl_mmdet3d.datasets.sequence_index import SequenceIndexError
from strl_mmdet3d.datasets.sources import ShapeLister, shape_sequences


def write(path, number, **arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, points=np.zeros((number, 2, 3), np.float32), **arrays)


def frames(root, split=None):
    sequences = list(shape_sequences(root, ShapeLister(split)))
    for sequence in sequences:
        sequence.check()
        assert sequence.frames == [sequence.sequence_id]
        assert sequence.poses is sequence.timestamps is sequence.intrinsics is None
    return [sequence.sequence_id for sequence in sequences]


def test_every_shape_is_a_sequence_archives_in_natural_order(tmp_path):
    write(tmp_path / 'part10.npz', 1)
    write(tmp_path / 'part9.npz', 2)
    write(tmp_path / 'more/deep/a.npz', 1)
    (tmp_path / '._part9.npz').write_bytes(b'x')  # macOS leaves such on foreign disks
    (tmp_path / 'notes.txt').write_bytes(b'x')
    (tmp_path / 'folder.npz').mkdir()
    assert frames(tmp_path) == ['more/deep/a.npz/000000', 'part9.npz/000000', 'part9.npz/000001', 'part10.npz/000000']


def test_a_split_keeps_its_rows(tmp_path):
    write(tmp_path / 'a.npz', 4, split=np.array(['train', 'test', 'train', 'val']))
    write(tmp_path / 'b.npz', 1, split=np.array(['test']))
    assert frames(tmp_path, 'train') == ['a.npz/000000', 'a.npz/000002']
    assert frames(tmp_path, 'test') == ['a.npz/000001', 'b.npz/000000']
    assert len(frames(tmp_path)) == 5
    with pytest.raises(SequenceIndexError, match=r"none of the shapes.*'tset'.*--split"):
        frames(tmp_path, 'tset')


@pytest.mark.parametrize(
    ('arrays', 'message'),
    [
        ({}, r"a\.npz has no array 'split'.*Leave --split out"),
        ({'split': np.array(['train'])}, r"a\.npz: its array 'split' is of shape \(1,\), and \(2,\) is expected"),
        ({'split': np.array(['train', None])}, r'a\.npz cannot be read'),
    ],
)
def test_a_split_that_cannot_be_used_is_named(tmp_path, arrays, message):
    write(tmp_path / 'a.npz', 2, **arrays)
    with pytest.raises(SequenceIndexError, match=message):
        frames(tmp_path, 'train')


def test_an_archive_of_something_else_and_a_missing_root_are_named(tmp_path):
    np.savez(tmp_path / 'a.npz', labels=np.zeros(3))
    with pytest.raises(SequenceIndexError, match=r'a\.npz holds no arrays that could be the shapes'):
        frames(tmp_path)
    with pytest.raises(SequenceIndexError, match='nowhere is not a folder'):
        frames(tmp_path / 'nowhere')
