"""Trees and bushes: crowns above the traffic, bushes as large as cars."""

from __future__ import annotations

import numpy as np

from strl_mmdet3d.simulation.streets import plants


def test_crowns_of_street_trees_are_above_the_traffic():
    for seed in range(50):
        part = plants.street_tree(np.random.default_rng(seed))
        out = part.vertices[np.hypot(*part.vertices[:, :2].T) > 0.5]
        assert out[:, 2].min() >= plants.STREET_CROWN


def test_garden_trees_may_branch_low():
    lowest = []
    for seed in range(40):
        part = plants.tree(np.random.default_rng(seed))
        lowest.append(part.vertices[np.hypot(*part.vertices[:, :2].T) > 0.8][:, 2].min())
    assert min(lowest) < 1.0
    assert max(lowest) > 2.0


def test_a_bush_can_be_as_large_as_a_car():
    size = np.ptp(plants.bush(np.random.default_rng(0), length=4.0, depth=1.8).bounds, axis=0)
    np.testing.assert_allclose(size[:2], [4.0, 1.8], atol=0.5)


def test_a_hedge_is_as_long_as_asked():
    for length in (2.0, 15.0):
        bounds = plants.hedge(np.random.default_rng(0), length).bounds
        np.testing.assert_allclose(bounds[:, 0], [-length / 2, length / 2], atol=0.6)
        assert bounds[0, 2] >= 0
