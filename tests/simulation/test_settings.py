"""The checks and seeds that all simulations share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from strl_mmdet3d.simulation import Simulation


@dataclass(frozen=True)
class Toy(Simulation):
    AT_LEAST_1 = ('size',)
    SPLITS = ('train', 'val', 'test')

    train: int = 1
    val: int = 2
    test: int = 3
    drives: int = 4
    size: int = 5

    @property
    def total(self) -> int:
        return self.train + self.val + self.test + self.drives

    def write(self, root: Path) -> Iterator[None]:
        yield from [None] * self.total


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'seed': -1}, 'seed must be at least 0, got -1'),
        ({'drives': -1}, 'drives must be at least 0'),
        ({'size': 0}, 'size must be at least 1'),
        ({'val': 0}, r'train, val and test must be all 0 or all at least 1, got \(1, 0, 3\)'),
        (dict.fromkeys(('train', 'val', 'test', 'drives'), 0), 'nothing to simulate: train, val, test and drives are'),
    ],
)
def test_settings_that_cannot_be_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        Toy(**{'seed': 0, **settings})


def test_the_limits_themselves_are_fine():
    assert Toy(seed=0, train=0, val=0, test=0, drives=1, size=1).total == 1


def test_every_key_has_its_own_seed_and_the_simulation_has_too():
    states = {tuple(Toy(seed).seed_of(*key).generate_state(2)) for seed in (0, 1) for key in np.ndindex(3, 3)}
    assert len(states) == 18
    np.testing.assert_array_equal(Toy(0).seed_of(1, 2).generate_state(4), Toy(0).seed_of(1, 2).generate_state(4))


def test_a_simulation_must_say_what_it_writes():
    with pytest.raises(TypeError, match='abstract'):
        Simulation(seed=0)
