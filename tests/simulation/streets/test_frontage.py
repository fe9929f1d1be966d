"""Buildings: they keep within their room, stand in the ground, and have windows."""

from __future__ import annotations

import numpy as np

from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.streets.frontage import FOUNDATION, building, garage, garden_border


def test_a_front_keeps_within_its_room():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        room = rng.uniform(0, 4)
        house = building(rng, rng.uniform(6, 20), int(rng.integers(1, 6)), room, shop=bool(rng.integers(2)))
        low = house.vertices[house.vertices[:, 2] < 2.4]
        assert low[:, 1].min() >= -max(room, 0.15)
        assert house.vertices[:, 1].min() >= -room - 0.55


def test_fronts_have_openings_and_walls():
    """Beams that enter a window meet the pane behind it; the others meet the wall."""
    house = building(np.random.default_rng(0), 12.0, 3, 0.0, shop=False)
    x, z = (grid.ravel() for grid in np.meshgrid(np.linspace(-5.9, 5.9, 60), np.linspace(0.2, 7.0, 40)))
    caster = RayCaster(house)
    depth = np.array(
        [
            caster.first_hits(np.array([a, -5.0, b]), np.array([[0, 1.0, 0]])).distance[0]
            for a, b in zip(x, z, strict=True)
        ]
    )
    assert np.isfinite(depth).all()
    wall, pane = np.abs(depth - 5.0) < 1e-6, np.abs(depth - 5.24) < 1e-6
    assert wall.mean() > 0.3
    assert pane.mean() > 0.1
    assert (wall | pane).mean() > 0.85


def test_walls_reach_into_the_ground():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        assert building(rng, 10.0, 2, 1.0, shop=True).bounds[0, 2] <= -FOUNDATION
        assert garage(rng, 6.0).bounds[0, 2] == -FOUNDATION
        border = garden_border(rng, 9.0)
        assert border.bounds[0, 2] <= 0.3
        assert np.ptp(border.bounds[:, 0]) < 9.8
