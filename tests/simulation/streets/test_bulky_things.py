"""Things of a car's size: they fill a parking bay and do not leave it."""

from __future__ import annotations

import numpy as np
import pytest

from strl_mmdet3d.simulation.streets import bulky_things
from strl_mmdet3d.simulation.streets.solids import fitted


@pytest.mark.parametrize('builder', dict.fromkeys(bulky_things.PARKED), ids=lambda builder: builder.__name__)
def test_things_in_bays_are_as_long_as_the_bay_allows(builder):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        length, depth = rng.uniform(1.2, 6.5), rng.uniform(1.6, 2.3)
        size = np.ptp(builder(rng, length, depth).bounds, axis=0)
        assert np.all(size[:2] < np.array([length, depth]) + 0.15)
        part = fitted(builder(rng, length, depth), length, depth)
        assert np.all(np.ptp(part.bounds, axis=0)[:2] <= np.array([length, depth]) + 1e-9)
        np.testing.assert_allclose(part.bounds.mean(0)[:2], 0, atol=1e-9)


def test_most_are_about_as_large_as_a_car():
    large = 0
    for builder in bulky_things.PARKED:
        for seed in range(10):
            x, y, z = np.ptp(builder(np.random.default_rng(seed), 4.2, 1.8).bounds, axis=0)
            large += x > 2.5 and y > 1.2 and 0.8 < z < 2.2
    assert large > 0.4 * 10 * len(bulky_things.PARKED)
