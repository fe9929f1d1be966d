"""What all simulations share: settings that are checked, and a seed for each thing that is drawn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class Simulation(ABC):
    """What to simulate. The same values give the same bytes.

    That holds on one machine with one set of installed packages. Elsewhere Embree and numpy may use other vector
    instructions: a beam that grazes an edge, or a last digit that is rounded, can then differ.

    Whatever is drawn has a seed of its own, so one more of it does not change the others' contents. All settings are
    whole numbers, at least 0.

    Attributes:
        seed: Seed of everything random, 0 or more.
        AT_LEAST_1: Names of the settings that must not be 0.
        SPLITS: Names of the settings that count the samples of a split; they are all 0 or all at least 1.
        UNIT: What ``total`` counts, in the plural.
    """

    AT_LEAST_1: ClassVar[tuple[str, ...]] = ()
    SPLITS: ClassVar[tuple[str, ...]] = ()
    UNIT: ClassVar[str] = 'frames'

    seed: int

    def __post_init__(self) -> None:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in values.items():
            lowest = 1 if name in self.AT_LEAST_1 else 0
            if value < lowest:
                raise ValueError(f'{name} must be at least {lowest}, got {value}')
        splits = tuple(values[name] for name in self.SPLITS)
        if any(splits) and not all(splits):
            raise ValueError(f'{_listed(self.SPLITS)} must be all 0 or all at least 1, got {splits}')
        if not self.total:
            zeros = [name for name, value in values.items() if not value and name != 'seed']
            raise ValueError(f'nothing to simulate: {_listed(zeros)} are all 0')

    @property
    @abstractmethod
    def total(self) -> int:
        """How many frames, pictures or shapes there will be."""

    @abstractmethod
    def write(self, root: Path) -> Iterator[None]:
        """Write the data.

        Args:
            root: An existing, empty folder.

        Yields:
            Nothing, once after each of the ``total``.
        """

    def seed_of(self, *key: int) -> np.random.SeedSequence:
        """The seed of one thing that is drawn, which ``key`` tells from all others."""
        return np.random.SeedSequence(self.seed, spawn_key=key)


def _listed(names: tuple[str, ...] | list[str]) -> str:
    """Join names as in a sentence: 'a, b and c'."""
    return ' and '.join([', '.join(names[:-1]), names[-1]] if len(names) > 1 else names)
