"""A data set whose random draws are the same in every arm, whatever the model draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmdet3d.registry import DATASETS
from torch.utils.data import Dataset, get_worker_info

from ...generators import seeded


@DATASETS.register_module()
class SeededDraws(Dataset):
    """Seed the generators for each item by the seed, the worker and the number of items that the worker has read.

    Without it, augmentations that run in the training process would share their generators with the model, and a
    frozen part, which drops out nothing, would change all later frames.

    Args:
        dataset: The config of the data set. It is built with the seed too.
        seed: An integer, 0 or more.
    """

    def __init__(self, dataset: dict, seed: int) -> None:
        self.seed, self.items_read = seed, 0
        with seeded(np.random.SeedSequence([seed])):
            self.dataset = DATASETS.build(dataset)

    @property
    def metainfo(self) -> dict[str, Any]:
        """The data set's classes and the like."""
        return self.dataset.metainfo

    def full_init(self) -> None:
        """Let a data set that is initialised lazily read its info file."""
        if hasattr(self.dataset, 'full_init'):
            self.dataset.full_init()

    def __len__(self) -> int:
        """Return the length of the data set."""
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        """Read an item."""
        worker = get_worker_info()
        place = [self.seed, worker.id if worker else 0, self.items_read]
        self.items_read += 1
        with seeded(np.random.SeedSequence(place)):
            return self.dataset[index]
