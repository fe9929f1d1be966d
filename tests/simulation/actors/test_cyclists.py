"""Cyclists and bicycles: their sizes, that riders sit on what they ride, and that no two are alike."""

from __future__ import annotations

import numpy as np
import pytest

from strl_mmdet3d.simulation.actors.cyclists import bicycle, cyclist, parked_bicycle, parked_scooter
from strl_mmdet3d.simulation.actors.figure import SHIN, THIGH, Build

SMALLEST, LARGEST = np.array([0.85, 0.35, 0.9]), np.array([2.9, 1.4, 2.3])


def test_extents_are_plausible_and_stand_centred_on_the_origin():
    rng = np.random.default_rng(0)
    for _ in range(120):
        kind, shape = cyclist(rng)
        assert kind == 'Cyclist'
        for travelled in (0.0, 0.4, 31.3):
            surface = shape(travelled)
            low, high = surface.bounds
            np.testing.assert_allclose([*(low + high)[:2], low[2]], 0, atol=1e-9)
            assert np.all(high - low >= SMALLEST), high - low
            assert np.all(high - low <= LARGEST), high - low
            assert np.isfinite(surface.vertices).all()
            assert len(surface.albedo) == len(surface.opacity) == len(surface.faces) <= 1900
            assert surface.albedo.min() >= 0.03
            assert surface.albedo.max() <= 0.97


def test_the_mean_cyclist_is_as_large_as_kittis():
    rng = np.random.default_rng(1)
    extents = np.array([np.ptp(cyclist(rng)[1](0.0).bounds, axis=0) for _ in range(300)])
    np.testing.assert_allclose(extents.mean(0), [1.76, 0.65, 1.7], rtol=0.1)
    assert len({tuple(row) for row in extents.round(6)}) == 300


def test_most_riders_pedal():
    rng = np.random.default_rng(2)
    moved = [np.abs(shape(0.0).vertices - shape(0.5).vertices).max() for _, shape in (cyclist(rng) for _ in range(60))]
    assert 0.4 < np.mean(np.array(moved) > 0.05) < 0.95


@pytest.mark.parametrize('style', ['city', 'step-through', 'racing', 'mountain', 'folding', 'cargo'])
@pytest.mark.parametrize('height', [1.1, 1.5, 1.75, 1.98])
def test_a_bicycle_fits_its_rider(style, height):
    rng = np.random.default_rng(3)
    for _ in range(10):
        build = Build.sample(rng, (height, height))
        bike = bicycle(rng, build, style=style)
        # Both feet touch the pedals: the leg is long enough for the lower one and folds for the upper one.
        leg = (THIGH + SHIN + 0.04) * height
        for turn in np.linspace(0, 2 * np.pi, 8):
            for side in (-1, 1):
                pedal = bike.pedal(side, turn)
                assert 0.02 < pedal[2] < bike.saddle[2]
                assert np.linalg.norm(bike.saddle + np.array([0, 0, 0.06]) - pedal) < 1.08 * leg
        np.testing.assert_allclose(bike.pedal(-1, 0.3)[[0, 2]] + bike.pedal(1, 0.3)[[0, 2]], 2 * bike.crank[[0, 2]])
        assert bike.surface.bounds[0, 2] == pytest.approx(0, abs=1e-9)
        assert bike.grips[1, 1] == -bike.grips[0, 1] > 0.1


def test_a_positive_turn_drives_forward():
    rng = np.random.default_rng(4)
    bike = bicycle(rng, Build.adult(rng))
    # The pedal that is in front goes down.
    assert bike.pedal(1, 0.0)[0] > bike.crank[0]
    assert bike.pedal(1, 0.2)[2] < bike.pedal(1, 0.0)[2]


@pytest.mark.parametrize('builder', [parked_bicycle, parked_scooter])
def test_what_is_parked_stands_on_the_ground_and_differs(builder):
    rng = np.random.default_rng(5)
    extents = []
    for _ in range(80):
        surface = builder(rng)
        low, high = surface.bounds
        np.testing.assert_allclose([*(low + high)[:2], low[2]], 0, atol=1e-9)
        assert len(surface.faces) <= 480
        extents.append(high - low)
    assert (np.array(extents).max(0) < [2.9, 1.5, 1.7]).all()
    assert (np.array(extents).min(0) > [0.8, 0.2, 0.3]).all()
    assert len({tuple(row) for row in np.array(extents).round(6)}) == 80


def test_a_seed_is_a_cyclist():
    first, second = (cyclist(np.random.default_rng(7))[1](0.2) for _ in range(2))
    np.testing.assert_array_equal(first.vertices, second.vertices)
