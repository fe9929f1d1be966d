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
    (tmp_path / '._part9.npz').write_bytes(b'x')  # macOS leaves such files on foreign disks
    (tmp_path / 'notes.txt').write_bytes(b'x')
    (tmp_path / 'folder.npz').mkdir()
    assert frames(tmp_path) == ['more/deep/a.npz/000000', 'part9.npz/000000', 'part9.npz/000001', 'part10.npz/000000']


def test_a_split_keeps_its_rows(tmp_path):
    write(tmp_path / 'a.npz', 4, split=np.array(['train', 'test', 'train', 'val']))
    write(tmp_path / 'b.npz', 1, split=np.array(['test']))
    assert frames(tmp_path, 'train') == ['a.npz/000000', 'a.npz/000002']
    assert frames(tmp_path, 'test') == ['a.npz/000001', 'b.npz/000000']
    assert len(frames(tmp_path)) == 5
    with pytest.raises(
        SequenceIndexError, match=r"none of the shapes.*'tset'; the splits are \['test', 'train', 'val'\].*--split"
    ):
        frames(tmp_path, 'tset')


@pytest.mark.parametrize(
    ('arrays', 'message'),
    [
        ({}, r'a\.npz has no split, but --split train.*Leave --split out'),
        ({'split': np.array(['train'])}, r"a\.npz: its array 'split' is of shape \(1,\), but \(2,\) is expected"),
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


def labels_of(root, **choice):
    lister = ShapeLister(**choice)
    return [sequence.label for sequence in shape_sequences(root, lister)], lister.classes


def test_labels_and_classes_of_an_archive(tmp_path):
    words = {'classes': np.array(['chair', 'table', 'bed']), 'split': np.array(['train', 'test', 'train'])}
    write(tmp_path / 'a.npz', 3, label=np.array([2, 0, 1], np.int16), **words)
    assert labels_of(tmp_path) == ([2, 0, 1], ['chair', 'table', 'bed'])
    assert labels_of(tmp_path, split='test') == ([0], ['chair', 'table', 'bed'])
    assert labels_of(tmp_path, with_labels=False) == ([None] * 3, None)


def test_without_names_the_classes_are_numbers_the_same_in_every_split(tmp_path):
    write(tmp_path / 'a.npz', 2, label=np.array([0, 2]), split=np.array(['train', 'test']))
    write(tmp_path / 'b.npz', 1, label=np.array([3]), split=np.array(['test']))
    assert labels_of(tmp_path, split='train') == ([0], ['0', '1', '2', '3'])
    assert labels_of(tmp_path, split='test') == ([2, 3], ['0', '1', '2', '3'])


def test_words_may_be_bytes_and_nothing_else(tmp_path):
    write(tmp_path / 'a.npz', 1, label=np.array([0]), classes=np.array([b'chair']), split=np.array([b'train']))
    assert labels_of(tmp_path, split='train') == ([0], ['chair'])
    write(tmp_path / 'a.npz', 1, label=np.array([0]), classes=np.array([1.5]))
    with pytest.raises(SequenceIndexError, match=r"a\.npz: its array 'classes' is not a list of words"):
        labels_of(tmp_path)
    write(tmp_path / 'a.npz', 1, split=np.array([3]))
    with pytest.raises(SequenceIndexError, match=r"a\.npz: its array 'split' is not a list of words"):
        labels_of(tmp_path, split='train')


def test_one_class_is_a_list_of_one(tmp_path):
    write(tmp_path / 'a.npz', 1, label=np.array([0]), classes=np.array('chair'))
    assert labels_of(tmp_path) == ([0], ['chair'])


@pytest.mark.parametrize(
    ('label', 'message'),
    [
        (np.array([0, 3]), r'a\.npz: 1 labels are out of range.*a\.npz/000001 has the label 3, .*0 to 1.*--no-labels'),
        (np.array([-1, -1]), r'2 labels are out of range.*a\.npz/000000 has the label -1'),
        (np.array([0]), r'a\.npz: its labels are of type int64 and shape \(1,\), but integers of shape \(2,\)'),
        (np.zeros((2, 2), int), r'shape \(2, 2\).*--no-labels'),  # one per point: labels of parts
        (np.array([0.0, 1.0]), 'of type float64'),
        (np.array(['chair', 'bed']), 'of type <U5'),
        (np.array([0, None]), r'a\.npz cannot be read'),
    ],
)
def test_labels_that_cannot_be_used_are_named_and_can_be_left_out(tmp_path, label, message):
    write(tmp_path / 'a.npz', 2, label=label, classes=np.array(['chair', 'bed']))
    with pytest.raises(SequenceIndexError, match=message):
        labels_of(tmp_path)
    assert labels_of(tmp_path, with_labels=False) == ([None, None], None)


def test_labels_without_names_are_not_many(tmp_path):
    write(tmp_path / 'a.npz', 2, label=np.array([0, 10**12]))
    with pytest.raises(SequenceIndexError, match=r'a\.npz has labels up to 1000000000000 without names'):
        labels_of(tmp_path)


def test_archives_that_do_not_go_together_are_named(tmp_path):
    write(tmp_path / 'a.npz', 1, label=np.array([0]), classes=np.array(['chair']))
    write(tmp_path / 'b.npz', 1)
    with pytest.raises(SequenceIndexError, match=r'a\.npz has labels and .*b\.npz has none'):
        labels_of(tmp_path)
    write(tmp_path / 'b.npz', 1, label=np.array([0]), classes=np.array(['bed']))
    with pytest.raises(SequenceIndexError, match=r'a\.npz and .*b\.npz have different classes'):
        labels_of(tmp_path)
    assert labels_of(tmp_path, with_labels=False) == ([None, None], None)
