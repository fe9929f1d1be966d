from __future__ import annotations

import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from torch.utils.data import DataLoader, Dataset

from strl_mmdet3d.datasets.collate import CloudsToSend, collate_pairs


class Pairs(Dataset):
    """Pairs whose views have 5 + index and 1 + index points. Each cloud is the middle third of a larger tensor."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        def view(length):
            cloud = (torch.arange(12.0 * length) + index).reshape(3 * length, 4)[length : 2 * length]
            return {'inputs': {'points': cloud}, 'data_samples': f'sample {index}'}

        return {'view_1': view(5 + index), 'view_2': view(1 + index)}


@pytest.mark.parametrize('num_workers', [0, 1])
def test_a_batch_is_that_of_pseudo_collate(num_workers):
    collate = FUNCTIONS.get('collate_pairs')
    assert collate is collate_pairs
    batches = list(DataLoader(Pairs(), 3, num_workers=num_workers, collate_fn=collate))
    references = list(DataLoader(Pairs(), 3, collate_fn=pseudo_collate))
    assert len(batches) == len(references) == 2
    for batch, reference in zip(batches, references, strict=True):
        assert list(batch) == list(reference) == ['view_1', 'view_2']
        for name, view in batch.items():
            assert view['data_samples'] == reference[name]['data_samples']
            clouds = view['inputs']['points']
            assert isinstance(clouds, list)
            for cloud, expected in zip(clouds, reference[name]['inputs']['points'], strict=True):
                assert torch.equal(cloud, expected)


def test_a_worker_sends_the_clouds_of_a_view_in_one_piece_and_no_more_than_them():
    batch = next(iter(DataLoader(Pairs(), 3, num_workers=1, collate_fn=collate_pairs)))
    for view in batch.values():
        clouds = view['inputs']['points']
        assert len({cloud.untyped_storage().data_ptr() for cloud in clouds}) == 1
        assert clouds[0].untyped_storage().nbytes() == sum(cloud.nbytes for cloud in clouds)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.sampled_from([torch.float32, torch.float64]))
def test_clouds_of_any_sizes_arrive_as_they_were(sizes, dtype):
    clouds = [torch.randn(size, 3, dtype=dtype) for size in sizes]
    function, arguments = CloudsToSend(clouds).__reduce__()
    arrived = function(*arguments)
    assert all(torch.equal(a, b) and a.dtype == dtype for a, b in zip(arrived, clouds, strict=True))


def test_what_is_sent_can_be_pickled():
    clouds = [torch.randn(2, 3), torch.randn(4, 3)]
    arrived = pickle.loads(pickle.dumps(CloudsToSend(clouds)))
    assert all(torch.equal(a, b) for a, b in zip(arrived, clouds, strict=True))


def test_the_mark_that_mmengine_hands_on_changes_nothing():
    """``_base_ = 'strl_mmdet3d::...'`` puts it into the config."""
    pairs = [Pairs()[0], Pairs()[1]]
    marked = collate_pairs(pairs, _scope_='strl_mmdet3d')
    for view, expected in zip(marked.values(), collate_pairs(pairs).values(), strict=True):
        assert view['data_samples'] == expected['data_samples']
        assert all(map(torch.equal, view['inputs']['points'], expected['inputs']['points']))
