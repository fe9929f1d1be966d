"""The data of a run: the same items whatever the model draws, with and without workers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS
from mmengine.runner import Runner
from torch.utils.data import Dataset

from strl_mmdet3d.evaluation.detection import SeededDraws


@DATASETS.register_module()
class DrawingDataset(Dataset):
    """Each item is its index and what numpy and torch draw for it; the first draw is made when it is built."""

    metainfo = dict(classes=('Car',))

    def __init__(self):
        self.built = np.random.rand()

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return torch.tensor([index, self.built, np.random.rand(), torch.rand(()).item()], dtype=torch.float64)


def items(seed: int, workers: int, noise: int) -> torch.Tensor:
    loader = Runner.build_dataloader(
        dict(
            batch_size=2,
            num_workers=workers,
            sampler=dict(type='InfiniteSampler', shuffle=True, seed=seed),
            dataset=dict(type='SeededDraws', dataset=dict(type='DrawingDataset'), seed=seed),
            collate_fn=dict(type='default_collate'),
        ),
        seed=seed,
    )
    found = []
    for batch, _ in zip(loader, range(6), strict=False):
        torch.rand(noise)  # what a model draws
        np.random.rand(noise)
        found.append(batch)
    return torch.cat(found)


@pytest.mark.parametrize('workers', [0, 2])
def test_items_do_not_depend_on_what_else_is_drawn(workers):
    torch.manual_seed(1)
    np.random.seed(1)
    first = items(3, workers, noise=1)
    np.random.seed(2)
    assert torch.equal(items(3, workers, noise=17), first)
    assert not torch.equal(items(4, workers, noise=1), first)
    assert len(first[:, 2].unique()) == len(first[:, 3].unique()) == len(first)


def test_it_passes_for_its_data_set():
    dataset = SeededDraws(dict(type='DrawingDataset'), seed=0)
    dataset.full_init()
    assert len(dataset) == 5
    assert dataset.metainfo == dict(classes=('Car',))
