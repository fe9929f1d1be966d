"""Furniture matches its label."""

from __future__ import annotations

import numpy as np
import pytest
from mmdet3d.datasets import SUNRGBDDataset

from strl_mmdet3d.simulation.rooms.furniture import BUILDERS, CLASSES, build

SIZES = {
    # Smallest and largest depth, width and height in metres.
    'bed': ((1.9, 2.4), (0.9, 2.0), (0.8, 1.2)),
    'table': ((0.7, 1.25), (0.7, 1.9), (0.65, 0.8)),
    'coffee_table': ((0.4, 0.8), (0.7, 1.3), (0.35, 0.5)),
    'sofa': ((0.75, 1.05), (0.8, 2.4), (0.7, 1.0)),
    'chair': ((0.4, 0.6), (0.4, 0.6), (0.8, 1.05)),
    'toilet': ((0.6, 0.8), (0.35, 0.5), (0.65, 0.85)),
    'desk': ((0.5, 0.85), (1.0, 1.8), (0.7, 0.8)),
    'dresser': ((0.4, 0.6), (0.75, 1.7), (0.7, 1.2)),
    'night_stand': ((0.35, 0.5), (0.35, 0.6), (0.4, 0.7)),
    'bookshelf': ((0.25, 0.4), (0.6, 1.4), (1.4, 2.2)),
    'bathtub': ((0.65, 0.9), (1.4, 1.8), (0.45, 0.65)),
}


def test_labels_are_mmdet3ds():
    assert SUNRGBDDataset.METAINFO['classes'] == CLASSES
    kinds = {build(np.random.default_rng(0), kind)[0] for kind in BUILDERS}
    assert kinds == set(CLASSES)


@pytest.mark.parametrize('kind', BUILDERS)
def test_stands_at_the_origin_in_a_usual_size(kind):
    for seed in range(20):
        surface = build(np.random.default_rng(seed), kind)[1]
        low, high = surface.bounds
        assert low[2] == 0
        np.testing.assert_allclose(low[:2], -high[:2], atol=1e-12)
        for size, (smallest, largest) in zip(high - low, SIZES[kind], strict=True):
            assert smallest <= size <= largest
        assert np.all((surface.albedo > 0) & (surface.albedo <= 1))


@pytest.mark.parametrize('kind', ['bed', 'sofa', 'chair', 'toilet'])
def test_the_back_is_the_high_end(kind):
    for seed in range(10):
        surface = build(np.random.default_rng(seed), kind)[1]
        low, high = surface.bounds
        top = surface.vertices[surface.vertices[:, 2] > 0.95 * high[2]]
        assert top[:, 0].mean() < 0.25 * low[0]


@pytest.mark.parametrize('kind', ['dresser', 'night_stand'])
def test_the_knobs_are_in_front(kind):
    surface = build(np.random.default_rng(0), kind)[1]
    foremost = surface.vertices[surface.vertices[:, 0] > surface.bounds[1, 0] - 1e-9]
    # A knob is 8 cm wide; nothing else reaches as far.
    assert np.abs(foremost[:, 1]).max() < 0.05
