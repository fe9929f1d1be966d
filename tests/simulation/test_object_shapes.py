"""Objects of twelve classes: each has a valid surface, and no two are alike."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from strl_mmdet3d.simulation.object_shapes import BUILDERS


def build(kind, seed):
    return BUILDERS[kind](np.random.default_rng(seed))


@pytest.mark.parametrize('kind', BUILDERS)
class TestEveryClass:
    def test_the_faces_have_an_area_and_the_vertices_are_finite(self, kind):
        for seed in range(25):
            surface = build(kind, seed)
            assert np.isfinite(surface.vertices).all()
            assert surface.faces.min() >= 0
            assert surface.faces.max() < len(surface.vertices)
            size = np.ptp(surface.bounds, axis=0)
            assert (size > 0).all()
            assert size.max() / size.min() < 15  # no sheet and no stick
            assert trimesh.Trimesh(surface.vertices, surface.faces, process=False).area > 0

    def test_a_seed_is_an_object(self, kind):
        np.testing.assert_array_equal(build(kind, 7).vertices, build(kind, 7).vertices)
        sizes = {tuple(np.ptp(build(kind, seed).bounds, axis=0).round(9)) for seed in range(25)}
        assert len(sizes) == 25

    def test_there_are_styles(self, kind):
        # Cars and vases differ only in their outline.
        assert len({len(build(kind, seed).faces) for seed in range(60)}) >= (1 if kind in ('car', 'vase') else 2)


@pytest.mark.parametrize('kind', ['airplane', 'car', 'bed', 'bookshelf'])
def test_left_and_right_are_as_large(kind):
    for seed in range(10):
        low, high = build(kind, seed).bounds
        np.testing.assert_allclose(-low[1], high[1], atol=0.02)


def test_an_airplane_is_wider_than_high_and_a_bottle_the_reverse():
    for seed in range(25):
        wide, tall = (np.ptp(build(kind, seed).bounds, axis=0) for kind in ('airplane', 'bottle'))
        assert wide[1] > 1.5 * wide[2]
        assert tall[2] > 1.5 * max(tall[:2])


def test_a_mug_is_open_at_the_top():
    for seed in range(10):
        surface = build('mug', seed)
        above = np.array([[0.0, 0.0, 2.0]])
        mesh = trimesh.Trimesh(surface.vertices, surface.faces, process=False)
        hits, _, _ = mesh.ray.intersects_location(above, np.array([[0.0, 0.0, -1.0]]))
        assert hits[:, 2].max() == pytest.approx(0.03)  # the floor's upper side
