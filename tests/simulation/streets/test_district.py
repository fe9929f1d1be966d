"""Neighbourhoods: from open country to the centre of a town."""

from __future__ import annotations

import numpy as np

from strl_mmdet3d.simulation.streets.district import District


def test_districts_reach_from_empty_to_crowded():
    districts = [District.sample(np.random.default_rng(seed)) for seed in range(300)]
    for share in ('built', 'shops', 'clutter', 'green', 'closed'):
        values = np.array([getattr(district, share) for district in districts])
        assert values.min() >= 0
        assert values.max() <= 1
        assert values.min() < 0.05
        assert values.max() > 0.7
        assert len(np.unique(values)) > 100
    assert {district.storeys for district in districts} == set(range(1, 7))
