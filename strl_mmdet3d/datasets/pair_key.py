"""What a training pair draws its randomness from."""

from __future__ import annotations

from torch.utils.data import Dataset, Subset

from ..mmengine_internals import whole_dataset


class PairKey(int):
    """An item's number that carries all that a training pair depends on, beside the data and the config.

    To a data set that wraps others it is an ordinary index: ``ConcatDataset`` subtracts from it, ``RepeatDataset``
    takes it modulo a length. What they compute is a key of the same seed, epoch and place, so that a repeat of an item
    is another pair.

    Args:
        seed: The run's seed, at least 0.
        epoch: The epoch, counted from 0.
        index: The item of the data set that is asked.
        place: The item of the outermost data set; by default the same.
    """

    seed: int
    epoch: int
    place: int

    def __new__(cls, seed: int, epoch: int, index: int, place: int | None = None) -> PairKey:
        """Make a key; see the class."""
        key = super().__new__(cls, index)
        vars(key).update(seed=seed, epoch=epoch, place=int(index if place is None else place))
        return key

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f'a PairKey does not change: make another one for {name}={value}')

    @property
    def index(self) -> int:
        """The item of the data set that is asked, as a plain number."""
        return int(self)

    def at(self, index: int) -> PairKey:
        """Return the key of the same pair for an inner data set, whose item has another number."""
        return PairKey(self.seed, self.epoch, index, self.place)

    def __sub__(self, other: int) -> PairKey:
        return self.at(int(self) - int(other))

    def __mod__(self, other: int) -> PairKey:
        return self.at(int(self) % int(other))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, PairKey):
            return self.__reduce__() == other.__reduce__()
        return int(self) == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(int(self))

    def __reduce__(self) -> tuple:
        return PairKey, (self.seed, self.epoch, int(self), self.place)

    def __repr__(self) -> str:
        return f'PairKey(seed={self.seed}, epoch={self.epoch}, index={int(self)}, place={self.place})'


class KeyedIndices(list):
    """The indices of torch's ``Subset``: looked up by a `PairKey`, they give a key, too."""

    def __getitem__(self, place):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        index = super().__getitem__(place)
        return place.at(index) if isinstance(place, PairKey) else index


def keep_keys_in_subsets(dataset: Dataset) -> None:
    """Exchange the indices of every ``Subset`` in a data set for `KeyedIndices`; a plain list would lose the key."""
    if isinstance(dataset, Subset):
        dataset.indices = KeyedIndices(dataset.indices)
    for inner in wrapped_datasets(dataset):
        keep_keys_in_subsets(inner)


def wrapped_datasets(dataset: Dataset) -> list[Dataset]:
    """List the data sets that mmengine's or torch's ConcatDataset, RepeatDataset or Subset wraps; else nothing.

    The first part of a data set, which mmengine takes for ``num_batch_per_epoch``, wraps the whole.
    """
    if (whole := whole_dataset(dataset)) is not dataset:
        return [whole]
    inner = getattr(dataset, 'datasets', None)
    if inner is None:
        inner = [dataset.dataset] if hasattr(dataset, 'dataset') else []
    return list(inner)
