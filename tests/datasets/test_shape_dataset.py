"""ShapeDataset: the labels of the index with the shapes they belong to."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS
from torch.utils.data import DataLoader

from strl_mmdet3d.datasets import CorruptFrameError, FrameSequence, SequenceIndexError, write_sequence_index
from strl_mmdet3d.datasets.sources import ShapeLister, shape_sequences

LABELS = [1, 0, 2, 1]
CLASSES = ['chair', 'lamp', 'sofa']
PACK = dict(type='Pack3DDetInputs', keys=['points', 'gt_labels_3d'])


@pytest.fixture
def shapes(tmp_path):
    """Four labelled shapes of 30 points, and their index."""
    points = np.random.default_rng(0).standard_normal((4, 30, 3)).astype(np.float32)
    np.savez(tmp_path / 'a.npz', points=points, label=np.array(LABELS), classes=np.array(CLASSES))
    lister = ShapeLister()
    sequences = list(shape_sequences(tmp_path, lister))
    write_sequence_index(tmp_path / 'train.json', dict(classes=lister.classes), sequences)
    return points


def build(root, ann_file='train.json', **changes):
    config = dict(data_root=str(root), ann_file=ann_file, pipeline=[dict(type='LoadShape'), PACK], **changes)
    return DATASETS.build(dict(type='ShapeDataset', **config))


def test_each_shape_comes_with_its_label(tmp_path, shapes):
    dataset = build(tmp_path)
    assert len(dataset) == 4
    assert tuple(dataset.metainfo['classes']) == tuple(CLASSES)
    for index, label in enumerate(LABELS):
        item = dataset[index]
        np.testing.assert_array_equal(item['inputs']['points'], shapes[index])
        labels = item['data_samples'].gt_instances_3d.labels_3d
        assert labels.dtype == torch.int64
        assert labels.tolist() == [label]
        assert item['data_samples'].sample_idx == index


def test_the_paths_are_below_the_root(tmp_path, shapes):
    info = build(tmp_path).get_data_info(2)
    assert info['lidar_points']['lidar_path'] == f'{tmp_path}/a.npz/000002'


def test_a_part_of_the_labels_is_a_shorter_index_of_the_same_classes(tmp_path, shapes):
    sequences = [FrameSequence('only', ['a.npz/000002'], label=2)]
    write_sequence_index(tmp_path / 'few.json', dict(classes=CLASSES), sequences)
    dataset = build(tmp_path, 'few.json')
    assert len(dataset) == 1
    assert tuple(dataset.metainfo['classes']) == tuple(CLASSES)
    np.testing.assert_array_equal(dataset[0]['inputs']['points'], shapes[2])


def test_mmengines_own_arguments_work(tmp_path, shapes):
    assert len(build(tmp_path, indices=2)) == 2
    lazy = build(tmp_path, lazy_init=True)
    lazy.full_init()
    assert len(lazy) == 4


def test_an_index_without_labels_is_refused_with_the_remedy(tmp_path, shapes):
    sequences = list(shape_sequences(tmp_path, ShapeLister(with_labels=False)))
    write_sequence_index(tmp_path / 'plain.json', {}, sequences)
    with pytest.raises(SequenceIndexError, match=r'plain\.json.*label.*create_sequence_index\.py shapes'):
        build(tmp_path, 'plain.json')


def test_a_missing_index_and_a_missing_archive_are_named(tmp_path, shapes):
    with pytest.raises(SequenceIndexError, match=r'no sequence index at .*other\.json'):
        build(tmp_path, 'other.json')
    (tmp_path / 'a.npz').unlink()
    with pytest.raises(CorruptFrameError, match=r'a\.npz'):
        build(tmp_path)


def test_forked_workers_have_what_was_decoded_when_the_dataset_was_built(tmp_path, shapes):
    dataset = build(tmp_path)
    (tmp_path / 'a.npz').unlink()
    loader = DataLoader(dataset, 1, num_workers=1, collate_fn=list, multiprocessing_context='fork')
    for (item,), shape in zip(loader, shapes, strict=True):
        np.testing.assert_array_equal(item['inputs']['points'], shape)


@pytest.mark.real
def test_the_real_shapes_have_labels_of_69_classes(real_data, tmp_path):
    (tmp_path / 'shapes69_2048.npz').symlink_to(real_data / 'shapes69_2048.npz')
    lister = ShapeLister('test')
    sequences = list(shape_sequences(tmp_path, lister))
    write_sequence_index(tmp_path / 'test.json', dict(classes=lister.classes), sequences)
    dataset = build(tmp_path, 'test.json')
    with np.load(real_data / 'shapes69_2048.npz', allow_pickle=False) as stored:
        rows = np.flatnonzero(stored['split'] == 'test')
        labels, names, first = stored['label'][rows], stored['classes'], stored['points'][rows[0]]
    assert tuple(dataset.metainfo['classes']) == tuple(names)
    assert len(names) == 69
    assert [int(dataset.get_data_info(index)['gt_labels_3d'][0]) for index in range(len(dataset))] == labels.tolist()
    np.testing.assert_array_equal(dataset[0]['inputs']['points'], first.astype(np.float32))


def test_a_sequence_of_several_shapes_is_no_labelled_shape(tmp_path, shapes):
    sequences = [FrameSequence('two', ['a.npz/000000', 'a.npz/000001'], label=2)]
    write_sequence_index(tmp_path / 'two.json', dict(classes=CLASSES), sequences)
    with pytest.raises(SequenceIndexError, match=r"two\.json: sequence 'two' has 2 frames"):
        build(tmp_path, 'two.json')
