"""The order in which pairs are seen, and what each draws its randomness from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from mmdet3d.registry import DATA_SAMPLERS
from mmengine.dataset import DefaultSampler


@dataclass(frozen=True)
class PairKey:
    """All that a training pair depends on, beside the data and the config.

    Attributes:
        seed: The run's seed, at least 0.
        epoch: The epoch, counted from 0.
        index: The item of the :class:`TemporalPairDataset`.
    """

    seed: int
    epoch: int
    index: int


@DATA_SAMPLERS.register_module()
class PairSampler(DefaultSampler):
    """mmengine's default sampler, which tells the dataset the run's seed and the epoch with each index.

    A dataset otherwise cannot know either: the Runner gives the seed to the sampler alone, and a persistent worker
    holds a copy of the dataset from before the first epoch. With a :class:`PairKey` a pair is the same whichever worker
    makes it, and another one in every epoch.

    Each item is seen once an epoch over all ranks. Where their number does not divide, ``round_up=True`` repeats up to
    one less than ranks of them, so that every rank makes the same number of steps.

    Args:
        dataset (Sized): A :class:`TemporalPairDataset`.
        shuffle (bool): Whether the order is drawn anew every epoch. Defaults to True.
        seed (int, optional): The run's seed, the same on all ranks; the Runner fills it in. None draws one and shares
            it among the ranks. Defaults to None.
        round_up (bool): Whether to give all ranks the same number of items. Defaults to True.

    Attributes:
        start (int): How many of this rank's items the next epoch leaves out at its beginning, because a run that is
            resumed has seen them; `PretrainLoop` sets it. The length stays that of a whole epoch.
    """

    start = 0

    def __iter__(self) -> Iterator[PairKey]:
        """Iterate over this rank's keys for the current epoch, from `start` on."""
        for index in islice(super().__iter__(), self.start, None):
            yield PairKey(self.seed, self.epoch, index)
