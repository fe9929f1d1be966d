"""Hills: gentle, smooth, and everything stands on them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strl_mmdet3d.simulation.streets.terrain import CROSSFALL, SHARPEST, STEEPEST, Terrain
from strl_mmdet3d.simulation.surface import cuboid

SEEDS = st.integers(0, 2**32 - 1)
PLACES = st.floats(-500, 500)


@settings(max_examples=50, deadline=None)
@given(seed=SEEDS, heading=st.floats(-3, 3))
def test_gradients_and_curvature_stay_within_the_limits(seed, heading):
    terrain = Terrain.sample(np.random.default_rng(seed), heading)
    x, y = np.random.default_rng(0).uniform(-500, 500, (2, 2000))
    slope = np.linalg.norm(terrain.gradient(x, y), axis=1)
    assert slope.max() <= STEEPEST + CROSSFALL
    for direction in np.linspace(0, np.pi, 7):
        ahead = 0.5 * np.array([np.cos(direction), np.sin(direction)])
        bend = terrain.height(x + ahead[0], y + ahead[1]) + terrain.height(x - ahead[0], y - ahead[1])
        assert np.abs((bend - 2 * terrain.height(x, y)) / 0.25).max() <= 1.01 * SHARPEST


@settings(max_examples=50, deadline=None)
@given(seed=SEEDS, x=PLACES, y=PLACES)
def test_gradient_agrees_with_the_height(seed, x, y):
    terrain = Terrain.sample(np.random.default_rng(seed), 0.3)
    step = 1e-4
    expected = [
        (terrain.height(x + step, y) - terrain.height(x - step, y)) / (2 * step),
        (terrain.height(x, y + step) - terrain.height(x, y - step)) / (2 * step),
    ]
    np.testing.assert_allclose(terrain.gradient(x, y), expected, atol=1e-8)


@settings(max_examples=50, deadline=None)
@given(seed=SEEDS, x=PLACES, y=PLACES, yaw=st.floats(-3, 3))
def test_a_body_on_the_slope_heads_where_it_should(seed, x, y, yaw):
    terrain = Terrain.sample(np.random.default_rng(seed), 1.0)
    stance = terrain.stance(x, y, yaw)
    np.testing.assert_allclose(stance @ stance.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(stance) == pytest.approx(1)
    np.testing.assert_allclose(stance[:, 2], terrain.normal(x, y), atol=1e-12)
    assert np.cos(np.arctan2(stance[1, 0], stance[0, 0]) - yaw) == pytest.approx(1)
    # Forward is along the ground.
    assert stance[2, 0] == pytest.approx(terrain.gradient(x, y) @ stance[:2, 0])


def test_lifted_walls_stay_upright_and_tilted_bodies_lean():
    terrain = Terrain(np.array([1.0]), np.array([[0.05, 0.0]]), np.zeros(1))
    block = cuboid([-1, -1, 0], [1, 1, 2], 0.5)
    lifted, tilted = terrain.lifted(block).vertices, terrain.tilted(block, 0.0, 0.0).vertices
    np.testing.assert_array_equal(lifted[:, :2], block.vertices[:, :2])
    np.testing.assert_allclose(lifted[:, 2], block.vertices[:, 2] + np.sin(0.05 * block.vertices[:, 0]))
    foot = block.vertices[:, 2] == 0
    np.testing.assert_allclose(tilted[foot], lifted[foot])
    # The slope is 5 % along x: the top is 2 m above the foot along the normal.
    up = tilted[~foot].mean(0) - tilted[foot].mean(0)
    np.testing.assert_allclose(up, 2 * np.array([-0.05, 0, 1]) / np.hypot(0.05, 1), atol=1e-9)


def test_some_scenes_are_level_and_most_are_not():
    steepest = [
        np.linalg.norm(Terrain.sample(np.random.default_rng(seed), 0.0).gradient(np.arange(300.0), 0 * np.arange(300)))
        for seed in range(60)
    ]
    assert 3 <= sum(value == 0 for value in steepest) <= 25


def test_same_seed_same_hills():
    first, second = (Terrain.sample(np.random.default_rng(4), 0.2).height(10.0, 20.0) for _ in range(2))
    assert first == second
