"""The order in which pairs are seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from mmdet3d.registry import DATA_SAMPLERS
from mmengine.dataset import DefaultSampler
from torch.utils.data import Dataset

from ..errors import ConfigError
from ..mmengine_internals import whole_dataset
from .pair_key import PairKey, keep_keys_in_subsets, wrapped_datasets


@DATA_SAMPLERS.register_module()
class PairSampler(DefaultSampler):
    """mmengine's default sampler, which tells the data set the run's seed and the epoch with each index.

    The data set cannot know either by itself: the Runner gives the seed to the sampler alone, and a persistent worker
    holds a copy of the data set from before the first epoch. With a `PairKey` a pair is the same whichever worker makes
    it, and another one in every epoch.

    Each item is seen once an epoch over all ranks. If their number does not divide, ``round_up=True`` repeats as few of
    them as needed, so that every rank makes the same number of steps.

    With ``weights`` each place of an epoch draws one of the parts of a ``ConcatDataset``, and takes the next item of
    this part's own random order, which begins again, shuffled, when all its items have been seen. An epoch keeps its
    length, so a part is seen more or less than once; an item that comes again is another pair. The draws are the same
    on all ranks, which share them out as they do items.

    Args:
        dataset (Dataset): A :class:`TemporalPairDataset`, or mmengine's or torch's ``ConcatDataset``,
            ``RepeatDataset`` or ``Subset`` of some.
        shuffle (bool): Whether the order is drawn again every epoch. Defaults to True.
        seed (int, optional): The run's seed, the same on all ranks; the Runner fills it in. None draws one and shares
            it among the ranks. Defaults to None.
        round_up (bool): Whether to give all ranks the same number of items. Defaults to True.
        weights (Sequence[float], optional): How often each part of a ``ConcatDataset`` is seen, relative to the others.
            Defaults to None: in proportion to the parts' lengths.

    Attributes:
        start (int): How many of this rank's items the next epoch skips, because the run that is resumed has seen them;
            `PretrainLoop` sets it. The length stays that of a whole epoch.

    Raises:
        ConfigError: If the weights are not one number above 0 for each part, a part is empty, or nothing is shuffled.
    """

    start = 0

    def __init__(
        self,
        dataset: Dataset,
        shuffle: bool = True,
        seed: int | None = None,
        round_up: bool = True,
        weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__(dataset, shuffle, seed, round_up)
        keep_keys_in_subsets(dataset)
        self.weights = None if weights is None else list(weights)
        self._lengths: list[int] = []
        if self.weights is not None:
            if not hasattr(dataset, 'datasets'):
                raise ConfigError(
                    f'PairSampler(weights={self.weights}) needs a ConcatDataset, whose parts they are for, but got a '
                    f'{type(dataset).__name__}'
                )
            self._lengths = [len(part) for part in wrapped_datasets(whole_dataset(dataset))]  # type: ignore[arg-type]
            numbers = all(
                isinstance(weight, (int, float)) and not isinstance(weight, bool) and 0 < weight < math.inf
                for weight in self.weights
            )
            if not numbers or len(self.weights) != len(self._lengths):
                raise ConfigError(
                    f'PairSampler(weights={self.weights}) needs a number above 0 for each of the '
                    f'{len(self._lengths)} parts of the ConcatDataset. Leave out a part that is not to be seen'
                )
            if not all(self._lengths):
                raise ConfigError(f'part {self._lengths.index(0)} of the ConcatDataset has no pairs to draw')
            if not shuffle:
                raise ConfigError('PairSampler(weights=...) draws the parts, so it needs shuffle=True')

    def __iter__(self) -> Iterator[PairKey]:
        """Iterate over this rank's keys for the current epoch, from `start` on."""
        keys = self._plain_keys() if self.weights is None else self._weighted_keys()
        return islice(keys, self.start, None)

    def _plain_keys(self) -> Iterator[PairKey]:
        """Go through this rank's items, each once."""
        for index in super().__iter__():
            yield PairKey(self.seed, self.epoch, index)

    def _weighted_keys(self) -> Iterator[PairKey]:
        """Go through this rank's share of the epoch's draws."""
        generator = torch.Generator().manual_seed(self.seed + self.epoch)  # as mmengine's sampler seeds its order
        total = len(self.dataset)
        shares = torch.tensor(self.weights, dtype=torch.float64)
        # torch.multinomial takes few categories only; so does a mixture.
        parts = torch.multinomial(shares / shares.sum(), self.total_size, replacement=True, generator=generator)
        indices, rounds = torch.empty(self.total_size, dtype=torch.int64), torch.empty_like(parts)
        first = 0
        for part, length in enumerate(self._lengths):
            places = (parts == part).nonzero().flatten()
            times = -(-len(places) // length)
            orders = [torch.randperm(length, generator=generator) for _ in range(times)]
            if times:
                indices[places] = first + torch.cat(orders)[: len(places)]
                rounds[places] = torch.arange(len(places)) // length
            first += length
        mine = slice(self.rank, self.total_size, self.world_size)
        for index, turn in zip(indices[mine].tolist(), rounds[mine].tolist(), strict=True):
            yield PairKey(self.seed, self.epoch, index, place=index + turn * total)
