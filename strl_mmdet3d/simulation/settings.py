"""The base class of the simulations: it checks the settings and gives every drawn thing its own seed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

import numpy as np

from strl_mmdet3d.errors import ConfigError


@dataclass(frozen=True)
class Simulation(ABC):
    """The settings of a simulation, and the writer of its data. The same settings give the same bytes.

    This holds for one kind of CPU and one set of installed packages. Embree has code of its own for SSE2, AVX2 and
    AVX-512, which decides otherwise where a beam grazes an edge: with AVX2 instead of AVX-512, 0 to a few of some
    115,000 points a scan were others, with SSE2 up to 19 (measured on 5 scans). Vector instructions of NumPy, OpenBLAS
    and the C library changed no byte there.

    Every drive, walk, frame, view and shape has its own seed, so one more does not change the contents of the others.
    All settings are whole numbers, at least 0.

    Attributes:
        seed: Seed of everything random.
        AT_LEAST_1: Names of the settings that must not be 0.
        SPLITS: Names of the settings that count the samples of a split. They must be all 0 or all at least 1.
        UNIT: Plural name of the things that ``total`` counts.
        VERSION: Of the data: it is raised whenever the same settings give other data than before.
    """

    AT_LEAST_1: ClassVar[tuple[str, ...]] = ()
    SPLITS: ClassVar[tuple[str, ...]] = ()
    UNIT: ClassVar[str] = 'frames'
    VERSION: ClassVar[int] = 1

    seed: int

    def __post_init__(self) -> None:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in values.items():
            lowest = 1 if name in self.AT_LEAST_1 else 0
            if value < lowest:
                raise ConfigError(f'{name} must be at least {lowest}, got {value}')
        splits = tuple(values[name] for name in self.SPLITS)
        if any(splits) and not all(splits):
            raise ConfigError(f'{_listed(self.SPLITS)} must be all 0 or all at least 1, got {splits}')
        if not self.total:
            zeros = [name for name, value in values.items() if not value and name != 'seed']
            raise ConfigError(f'nothing to simulate: {_listed(zeros)} are all 0')

    @property
    @abstractmethod
    def total(self) -> int:
        """Number of frames, pictures or shapes that ``write`` makes."""

    @abstractmethod
    def write(self, root: Path, jobs: int = 1) -> Iterator[int]:
        """Write the data to ``root``, an existing, empty folder.

        Args:
            root: The folder.
            jobs: Number of processes, at least 1. The bytes do not depend on it.

        Yields:
            How many of the ``total`` frames, pictures or shapes have been written since the last time.
        """

    def seed_of(self, *key: int) -> np.random.SeedSequence:
        """Return the seed of one drawn thing. Each thing has a different ``key``."""
        return np.random.SeedSequence(self.seed, spawn_key=key)


def _listed(names: tuple[str, ...] | list[str]) -> str:
    """Join names as in a sentence: 'a, b and c'."""
    return ' and '.join([', '.join(names[:-1]), names[-1]] if len(names) > 1 else names)
