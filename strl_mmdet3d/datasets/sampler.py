"""The order in which pairs are seen."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from mmdet3d.registry import DATA_SAMPLERS
from mmengine.dataset import DefaultSampler
from torch.utils.data import Dataset

from .pair_key import PairKey, keep_keys_in_subsets


@DATA_SAMPLERS.register_module()
class PairSampler(DefaultSampler):
    """mmengine's default sampler, which tells the data set the run's seed and the epoch with each index.

    The data set cannot know either by itself: the Runner gives the seed to the sampler alone, and a persistent worker
    holds a copy of the data set from before the first epoch. With a `PairKey` a pair is the same whichever worker makes
    it, and another one in every epoch.

    Each item is seen once an epoch over all ranks. If their number does not divide, ``round_up=True`` repeats as few of
    them as needed, so that every rank makes the same number of steps.

    Args:
        dataset (Dataset): A :class:`TemporalPairDataset`, or mmengine's or torch's ``ConcatDataset``,
            ``RepeatDataset`` or ``Subset`` of some.
        shuffle (bool): Whether the order is drawn again every epoch. Defaults to True.
        seed (int, optional): The run's seed, the same on all ranks; the Runner fills it in. None draws one and shares
            it among the ranks. Defaults to None.
        round_up (bool): Whether to give all ranks the same number of items. Defaults to True.

    Attributes:
        start (int): How many of this rank's items the next epoch skips, because the run that is resumed has seen them;
            `PretrainLoop` sets it. The length stays that of a whole epoch.
    """

    start = 0

    def __init__(self, dataset: Dataset, shuffle: bool = True, seed: int | None = None, round_up: bool = True) -> None:
        super().__init__(dataset, shuffle, seed, round_up)
        keep_keys_in_subsets(dataset)

    def __iter__(self) -> Iterator[PairKey]:
        """Iterate over this rank's keys for the current epoch, from `start` on."""
        for index in islice(super().__iter__(), self.start, None):
            yield PairKey(self.seed, self.epoch, index)
