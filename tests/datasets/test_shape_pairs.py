"""Pairs of views of one shape: their points, damaged shapes, and what forked workers share."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from torch.utils.data import DataLoader

from strl_mmdet3d.datasets import CorruptFrameError, FrameSequence, PairKey, SequenceIndexError, write_sequence_index
from strl_mmdet3d.datasets.sources import ShapeLister, shape_sequences

VIEWS = ('view_1', 'view_2')


@pytest.fixture
def shapes(tmp_path):
    """Two archives of 4 and 3 shapes, and their index; the coordinates of a shape are near its number."""
    stored = np.random.default_rng(0).uniform(0, 0.5, (7, 20, 3))
    stored = (stored + np.arange(7)[:, None, None]).astype(np.float32)
    np.savez(tmp_path / 'a.npz', stored[:4])
    np.savez_compressed(tmp_path / 'b.npz', stored[4:])
    write_sequence_index(tmp_path / 'index.json', {}, shape_sequences(tmp_path, ShapeLister()))
    return stored


def build(root, augment=(), **changes):
    view = {'type': 'MultiView', 'load': [{'type': 'LoadShape'}], 'augment': augment}
    config = {'data_root': str(root), 'ann_file': 'index.json', 'mode': 'spatial', 'pipeline': [view], **changes}
    return DATASETS.build({'type': 'TemporalPairDataset', **config})


def test_both_views_are_of_the_shape(tmp_path, shapes):
    dataset = build(tmp_path)
    assert len(dataset) == 7
    for index, shape in enumerate(shapes):
        pair = dataset[PairKey(0, 0, index)]
        for view in VIEWS:
            np.testing.assert_array_equal(pair[view]['inputs']['points'], shape)
            sample = pair[view]['data_samples']
            assert sample.frame_path == (f'a.npz/{index:06d}' if index < 4 else f'b.npz/{index - 4:06d}')
            assert (sample.frame_index, sample.num_redraws) == (0, 0)


def test_the_views_are_augmented_each_by_itself(tmp_path, shapes):
    pair = build(tmp_path, augment=[{'type': 'RandomUniformJitterPoints', 'max_offset': 0.1}])[PairKey(0, 0, 5)]
    offsets = [pair[view]['inputs']['points'].numpy() - shapes[5] for view in VIEWS]
    assert all(offset.min() >= -1e-6 and offset.max() <= 0.1 + 1e-6 for offset in offsets)
    assert not np.allclose(*offsets, atol=1e-3)


def test_a_damaged_shape_is_replaced(tmp_path, shapes):
    shapes[2, 0, 0] = np.nan
    np.savez(tmp_path / 'a.npz', shapes[:4])
    pair = build(tmp_path)[PairKey(0, 0, 2)]
    for view in VIEWS:
        assert pair[view]['data_samples'].num_redraws >= 1
        assert torch.isfinite(pair[view]['inputs']['points']).all()


def test_forked_workers_have_what_was_decoded_when_the_dataset_was_built(tmp_path, shapes):
    dataset = build(tmp_path)
    for name in ('a.npz', 'b.npz'):
        (tmp_path / name).unlink()
    keys = [PairKey(0, 0, index) for index in range(7)]
    loader = DataLoader(dataset, 1, sampler=keys, num_workers=1, collate_fn=list, multiprocessing_context='fork')
    for (pair,), shape in zip(loader, shapes, strict=True):
        np.testing.assert_array_equal(pair['view_1']['inputs']['points'], shape)


def test_missing_and_damaged_archives_are_named_when_the_dataset_is_built(tmp_path, shapes):
    (tmp_path / 'b.npz').write_bytes(b'x')
    with pytest.raises(CorruptFrameError, match=r'b\.npz cannot be read'):
        build(tmp_path)
    (tmp_path / 'b.npz').unlink()
    with pytest.raises(CorruptFrameError, match=r'b\.npz cannot be read'):
        build(tmp_path)
    (tmp_path / 'a.npz').unlink()
    with pytest.raises(SequenceIndexError, match=r'a\.npz does not exist, but .*index\.json lists it'):
        build(tmp_path)


def test_shapes_of_all_kinds_of_files_make_pairs(tmp_path):
    with h5py.File(tmp_path / 'a.h5', 'w') as file:
        file['data'] = np.ones((1, 5, 3), np.float32)
    (tmp_path / 'b.txt').write_text('2,2,2,0,0,1\n' * 5)
    (tmp_path / 'c.off').write_text('OFF\n3 1 0\n3 0 0\n3 1 0\n3 0 1\n3 0 1 2\n')
    paths = ['a.h5/000000', 'b.txt', 'c.off']
    sequences = [FrameSequence(path, [path], label=0) for path in paths]  # pre-training does not look at labels
    write_sequence_index(tmp_path / 'index.json', {'classes': ['a']}, sequences)
    dataset = build(tmp_path)
    for index, number in enumerate([5, 5, 2048]):
        pair = dataset[PairKey(0, 0, index)]
        for view in VIEWS:
            points = pair[view]['inputs']['points']
            assert points.shape == (number, 3)
            assert (points[:, 0] == index + 1).all()


def test_two_frames_of_a_shape_cannot_be_had(tmp_path, shapes):
    with pytest.raises(SequenceIndexError, match="or set mode='spatial'"):
        build(tmp_path, mode='both')


@pytest.mark.real
def test_real_shapes_as_the_config_has_them(real_data, tmp_path):
    (tmp_path / 'shapes').mkdir()
    archive = tmp_path / 'shapes/shapes69_2048.npz'
    archive.symlink_to(real_data / 'shapes69_2048.npz')
    write_sequence_index(
        tmp_path / 'index.json', {}, shape_sequences(archive.parent, ShapeLister('train', with_labels=False))
    )
    config = Config.fromfile('configs/strl/votenet_shapenet_pretrain.py').train_dataloader.dataset
    config.update(data_root=str(archive.parent), ann_file=str(tmp_path / 'index.json'))
    dataset = DATASETS.build(config)
    assert len(dataset) == 1264
    for index in range(0, 1264, 60):
        pair = dataset[PairKey(0, 0, index)]
        for view in VIEWS:
            points = pair[view]['inputs']['points']
            assert points.shape == (2048, 3)
            # Radius 1; moved by up to a tenth of an extent of at most 2, scaled by up to 1.25, jittered by up to 0.05.
            assert points.norm(dim=1).max() <= 1.25 * (1 + 0.2 * 3**0.5) + 0.05 * 3**0.5
            assert len(points.unique(dim=0)) > 0.3 * 1024 - 1  # the crop leaves 1024 points, and drop-out 30 % of them
            assert pair[view]['data_samples'].num_redraws == 0
