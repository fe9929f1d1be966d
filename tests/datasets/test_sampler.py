from __future__ import annotations

import pickle
from collections import Counter
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet3d.registry import DATA_SAMPLERS

from strl_mmdet3d.datasets.sampler import PairKey, PairSampler


def ranks(num_items, world_size, **kwargs):
    """The samplers of all ranks."""
    samplers = []
    for rank in range(world_size):
        with mock.patch('mmengine.dataset.sampler.get_dist_info', return_value=(rank, world_size)):
            samplers.append(PairSampler(range(num_items), seed=3, **kwargs))
    return samplers


@given(st.integers(1, 50), st.integers(1, 9), st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_item_is_seen_once_an_epoch_over_all_ranks(num_items, world_size, shuffle):
    seen = Counter(key for sampler in ranks(num_items, world_size, shuffle=shuffle, round_up=False) for key in sampler)
    assert seen == Counter(PairKey(3, 0, index) for index in range(num_items))


@given(st.integers(1, 50), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_round_up_repeats_fewer_than_ranks(num_items, world_size):
    keys = [list(sampler) for sampler in ranks(num_items, world_size, round_up=True)]
    assert len({len(of_rank) for of_rank in keys}) == 1
    indices = [key.index for of_rank in keys for key in of_rank]
    assert set(indices) == set(range(num_items))
    assert len(indices) - num_items < world_size


def test_the_epoch_changes_order_and_keys():
    sampler = PairSampler(range(30), seed=3)
    first = list(sampler)
    assert list(sampler) == first
    sampler.set_epoch(1)
    second = list(sampler)
    assert {key.epoch for key in second} == {1}
    assert [key.index for key in second] != [key.index for key in first]
    assert len(sampler) == 30


def test_without_a_seed_one_is_drawn():
    sampler = PairSampler(range(3))
    assert {key.seed for key in sampler} == {sampler.seed}


def test_a_key_goes_to_a_worker_as_it_is():
    key = PairKey(1, 2, 3)
    assert pickle.loads(pickle.dumps(key)) == key


def test_is_registered():
    sampler = DATA_SAMPLERS.build(
        {'type': 'PairSampler', 'shuffle': False}, default_args={'dataset': [0, 1], 'seed': 7}
    )
    assert list(sampler) == [PairKey(7, 0, 0), PairKey(7, 0, 1)]


@pytest.mark.parametrize('field', ['seed', 'epoch', 'index'])
def test_a_key_cannot_be_changed(field):
    with pytest.raises(AttributeError, match=field):
        setattr(PairKey(0, 0, 0), field, 1)
