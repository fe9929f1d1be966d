"""Pairs in mmengine's and torch's data set wrappers: pure functions of seed, epoch and the place in the whole."""

from __future__ import annotations

import copy
import itertools
import pickle

import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset
from mmengine.runner import Runner
from torch.utils.data import ConcatDataset as TorchConcatDataset
from torch.utils.data import Subset

from strl_mmdet3d.datasets import PairKey, PairSampler, TemporalPairDataset
from strl_mmdet3d.datasets.temporal_pair_dataset import pair_datasets

AUGMENT = [dict(type='GlobalRotScaleTrans', rot_range=[-0.5, 0.5], scale_ratio_range=[0.9, 1.1])]


def config(data, **changes):
    pipeline = dict(type='MultiView', load=[dict(type='LoadFrame')], augment=AUGMENT)
    settings = dict(type='TemporalPairDataset', data_root=str(data.root), ann_file=str(data.index), window=2)
    return settings | dict(pipeline=pipeline) | changes


@pytest.fixture
def one(make_sequences):
    """A data set of 9 key frames in two recordings."""
    return DATASETS.build(config(make_sequences(5, 4)))


@pytest.fixture
def other(make_sequences):
    """One of 6, of an index with other metainfo."""
    return DATASETS.build(config(make_sequences(6, folder='other', source='other')))


def content(pair):
    return [pair[view]['inputs']['points'] for view in ('view_1', 'view_2')]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(content(one), content(other), strict=True))


def frames(pair):
    return [pair[view]['data_samples'].frame_path for view in ('view_1', 'view_2')]


def sampled(dataset, seed=3, epoch=0):
    """What a training run sees of a data set: its pairs by their places."""
    sampler = PairSampler(dataset, shuffle=False, seed=seed)
    sampler.set_epoch(epoch)
    return [dataset[key] for key in sampler]


def test_it_is_an_mmengine_data_set(one):
    assert isinstance(one, BaseDataset)
    assert one.metainfo == {}
    assert one.get_data_info(5)['frame_index'] == 0, 'the first key frame of the second recording'
    assert one.get_data_info(-1) == one.get_data_info(8)


@pytest.mark.parametrize('kind', [ConcatDataset, TorchConcatDataset], ids=['mmengine', 'torch'])
def test_a_concatenation(one, other, kind):
    whole = kind([one, other])
    pairs = sampled(whole)
    assert len(pairs) == 15
    for place, pair in enumerate(pairs):
        part, index = (one, place) if place < 9 else (other, place - 9)
        assert same(pair, part[PairKey(3, 0, index, place)])
        assert frames(pair)[0].split('/')[0] == part.get_data_info(index)['frame_path'].split('/')[0]
    assert all(same(a, b) for a, b in zip(pairs, sampled(whole), strict=True)), 'a pure function'
    assert not any(same(a, b) for a, b in zip(pairs, sampled(whole, epoch=1), strict=True))
    assert not any(same(a, b) for a, b in zip(pairs, sampled(whole, seed=4), strict=True))
    # Alone, the first part has the same places.
    assert all(same(a, b) for a, b in zip(pairs[:9], sampled(one), strict=True))


def test_a_repeat_is_another_pair(one):
    pairs = sampled(RepeatDataset(one, times=3))
    assert len(pairs) == 27
    for index in range(9):
        again = [pairs[index + 9 * time] for time in range(3)]
        assert not any(same(a, b) for a, b in itertools.combinations(again, 2))
        assert all(pair['view_1']['data_samples'].sample_idx == index for pair in again)


def test_torchs_subset_keeps_seed_epoch_and_place(one):
    indices = [7, 2, 2, 0]
    pairs = sampled(Subset(one, indices))
    assert [pair['view_1']['data_samples'].sample_idx for pair in pairs] == indices
    assert all(same(pair, one[PairKey(3, 0, indices[place], place)]) for place, pair in enumerate(pairs))
    assert not same(pairs[1], pairs[2]), 'an item that is listed twice is two pairs'
    assert not any(same(a, b) for a, b in zip(pairs, sampled(Subset(one, indices), epoch=1), strict=True))


def test_wrappers_within_wrappers(one, other):
    inner = Subset(RepeatDataset(one, times=2), [0, 9, 1])
    pairs = sampled(TorchConcatDataset([other, inner]))
    assert len(pairs) == 9
    assert not same(pairs[6], pairs[7]), 'items 0 and 9 are the same key frame, repeated'
    for place, index in zip(range(6, 9), (0, 0, 1), strict=True):
        assert same(pairs[place], one[PairKey(3, 0, index, place)])
    assert list(pair_datasets(TorchConcatDataset([other, inner]))) == [other, one]


@pytest.mark.parametrize(
    ('indices', 'items'),
    [(3, [0, 1, 2]), (-2, [7, 8]), ([4, 0], [4, 0]), (np.array([8]), [8])],
    ids=['first', 'last', 'list', 'array'],
)
def test_mmengines_subsets(one, indices, items):
    part = one.get_subset(indices)
    assert len(part) == len(items)
    assert len(one) == 9
    assert [part.get_data_info(place) for place in range(len(part))] == [
        dict(one.get_data_info(item), sample_idx=place) for place, item in enumerate(items)
    ]
    assert len(part.get_subset(1)) == 1
    assert part.get_subset([-1]).get_data_info(0)['frame_path'] == one.get_data_info(items[-1])['frame_path']
    in_place = copy.copy(one)
    in_place.get_subset_(indices)
    assert all(same(in_place[PairKey(0, 0, place)], part[PairKey(0, 0, place)]) for place in range(len(part)))
    with pytest.raises(IndexError):
        part[len(part)]


def test_indices_and_lazy_init_are_those_of_mmengine(make_sequences):
    data = make_sequences(5, 4)
    assert len(DATASETS.build(config(data, indices=4))) == 4
    lazy = DATASETS.build(config(data, lazy_init=True))
    data.index.rename(data.index.with_suffix('.away'))
    data.index.with_suffix('.away').rename(data.index)
    assert len(lazy) == 9
    lazy.full_init()
    assert len(lazy) == 9


@pytest.mark.parametrize('num_workers', [0, 2])
def test_a_runner_trains_on_several_sources(make_sequences, num_workers):
    parts = [config(make_sequences(5)), config(make_sequences(4, folder='other', source='other'))]
    loader = Runner.build_dataloader(
        dict(
            dataset=dict(type='RepeatDataset', times=2, dataset=dict(type='ConcatDataset', datasets=parts)),
            sampler=dict(type='PairSampler', shuffle=True),
            batch_size=3,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            collate_fn=dict(type='collate_pairs'),
        ),
        seed=5,
    )
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)
        clouds = [cloud for batch in loader for cloud in batch['view_1']['inputs']['points']]
        expected = [loader.dataset[key]['view_1']['inputs']['points'] for key in loader.sampler]
        assert len(clouds) == 18
        assert all(torch.equal(got, wanted) for got, wanted in zip(clouds, expected, strict=True))


def test_a_key_is_an_index_that_remembers():
    key = PairKey(seed=1, epoch=2, index=13)
    assert key == 13
    assert (key.seed, key.epoch, key.index, key.place) == (1, 2, 13, 13)
    assert key - 10 == PairKey(1, 2, 3, place=13)
    assert key % 5 == PairKey(1, 2, 3, place=13)
    assert key != PairKey(1, 2, 13, place=14)
    assert pickle.loads(pickle.dumps(key - 1)) == PairKey(1, 2, 12, place=13)
    assert [10, 11, 12][key - 12] == 11


def test_a_subclass_of_the_data_set_is_found_too(one):
    class Mine(TemporalPairDataset):
        pass

    one.__class__ = Mine
    assert list(pair_datasets(RepeatDataset(one, times=2))) == [one]
