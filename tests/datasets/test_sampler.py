from __future__ import annotations

import pickle
from collections import Counter
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet3d.registry import DATA_SAMPLERS
from torch.utils.data import ConcatDataset

from strl_mmdet3d.datasets.sampler import PairKey, PairSampler
from strl_mmdet3d.errors import ConfigError


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


def weighted(lengths, weights, world_size=1, **kwargs):
    """The samplers of all ranks for a mixture."""
    samplers = []
    for rank in range(world_size):
        with mock.patch('mmengine.dataset.sampler.get_dist_info', return_value=(rank, world_size)):
            mixture = ConcatDataset([range(length) for length in lengths])
            samplers.append(PairSampler(mixture, seed=3, weights=weights, **kwargs))
    return samplers


@given(
    st.lists(st.tuples(st.integers(1, 30), st.floats(0.1, 9)), min_size=1, max_size=4),
    st.integers(1, 5),
    st.booleans(),
    st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_a_mixture_keeps_the_guarantees(parts, world_size, round_up, epoch):
    lengths, weights = zip(*parts, strict=True)
    (alone,), samplers = weighted(lengths, weights), weighted(lengths, weights, world_size, round_up=round_up)
    for sampler in (alone, *samplers):
        sampler.set_epoch(epoch)
    keys = [list(sampler) for sampler in samplers]
    assert [len(of_rank) for of_rank in keys] == [len(sampler) for sampler in samplers]
    assert len({len(of_rank) for of_rank in keys}) == 1 or not round_up
    together = [key for of_rank in keys for key in of_rank]
    assert len(together) - sum(lengths) < world_size
    assert len({(key.place, key.epoch) for key in together}) == len(together), (
        'an item that comes again is another pair'
    )
    assert all(0 <= key < sum(lengths) and key.place % sum(lengths) == key for key in together)
    if world_size == 1 or not round_up:  # the ranks share out one epoch
        assert {key.place for key in together} == {key.place for key in alone}
    # Within a part, no item is seen again before all have been.
    for start, length in zip([sum(lengths[:i]) for i in range(len(lengths))], lengths, strict=True):
        seen = Counter(key.index for key in together if start <= key < start + length)
        assert not seen or max(seen.values()) - min(seen[start + i] for i in range(length)) <= 1
    # A resumed run goes on where it was.
    samplers[0].start = len(keys[0]) // 2
    assert list(samplers[0]) == keys[0][len(keys[0]) // 2 :]


def test_parts_are_seen_as_often_as_their_weights_say():
    (sampler,) = weighted([3000, 1000], [1, 3])
    keys = list(sampler)
    assert len(keys) == len(sampler) == 4000
    assert sum(key >= 3000 for key in keys) == pytest.approx(3000, abs=4 * (4000 * 0.75 * 0.25) ** 0.5)
    sampler.set_epoch(1)
    assert [key.index for key in sampler] != [key.index for key in keys]


@pytest.mark.parametrize(
    ('lengths', 'kwargs', 'said'),
    [
        ([3, 4], dict(weights=[1]), 'a number above 0 for each of the 2 parts'),
        ([3, 4], dict(weights=[1, 0]), 'Leave out a part'),
        ([3, 4], dict(weights=[1, True]), 'a number above 0'),
        ([3, 4], dict(weights=[1, float('nan')]), 'a number above 0'),
        ([3, 4], dict(weights=[1, 1], shuffle=False), 'needs shuffle=True'),
        ([3, 0], dict(weights=[1, 1]), 'part 1 of the ConcatDataset has no pairs'),
    ],
)
def test_weights_are_checked(lengths, kwargs, said):
    with pytest.raises(ConfigError, match=said):
        weighted(lengths, **kwargs)


def test_weights_need_a_mixture():
    with pytest.raises(ConfigError, match='needs a ConcatDataset, whose parts they are for, but got a range'):
        PairSampler(range(4), seed=3, weights=[1])
