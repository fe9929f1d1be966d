"""The solids that actors are built from: closed, of the right size and at the right place."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from strl_mmdet3d.simulation.actors.shape import (
    RUBBER,
    Limb,
    bicycle_wheel,
    blocks,
    limbs,
    loft,
    prism,
    tubes,
    turned_solid,
    wheel,
)

SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def volume(surface):
    """Return the enclosed volume; trimesh turns the faces so that they all face outwards."""
    mesh = trimesh.Trimesh(surface.vertices, surface.faces, process=False)
    assert mesh.is_watertight
    mesh.fix_normals()
    return abs(mesh.volume)


def test_a_loft_is_closed_and_encloses_its_rings():
    rings = np.stack([np.column_stack([SQUARE, np.full(4, z)]) for z in (0.0, 1.0, 3.0)])
    assert volume(loft(rings, 0.5)) == pytest.approx(3.0)


def test_a_loft_lists_its_bands_first_and_then_its_two_ends():
    rings = np.stack([np.column_stack([SQUARE, np.full(4, z)]) for z in (0.0, 1.0, 3.0)])
    faces = loft(rings, 0.5).faces
    assert len(faces) == 2 * 8 + 2 * 2
    assert set(faces[16:18].ravel()) == {0, 1, 2, 3}
    assert set(faces[18:].ravel()) == {8, 9, 10, 11}


def test_a_prism_has_its_side_view_and_widths():
    solid = prism(SQUARE, 0.75, 0.3)
    np.testing.assert_allclose(solid.bounds, [[0, -0.75, 0], [1, 0.75, 1]])
    assert volume(solid) == pytest.approx(1.5)
    wedge = prism(SQUARE, np.array([0.5, 0.5, 0.0, 0.0]), 0.3)
    assert np.ptp(wedge.vertices[wedge.vertices[:, 2] == 1.0][:, 1]) == 0.0


def test_blocks_fill_their_corners_and_have_their_own_albedos():
    both = blocks([[0, 0, 0, 1, 2, 3], [5, 5, 5, 6, 6, 6]], np.array([0.2, 0.9]))
    np.testing.assert_array_equal(both.bounds, [[0, 0, 0], [6, 6, 6]])
    np.testing.assert_array_equal(both.albedo, np.repeat([0.2, 0.9], 12))
    assert volume(both) == pytest.approx(6 + 1)


coordinates = st.tuples(*[st.floats(-2, 2)] * 3)


@given(coordinates, coordinates, st.floats(0.02, 0.3), st.floats(0.02, 0.3))
def test_a_limb_lies_within_its_radius_of_the_segment_and_reaches_nearly_as_far(start, end, radius, end_radius):
    a, b = np.array(start), np.array(end)
    made = limbs([Limb(a, b, radius, end_radius, 0.4)], sides=8)
    assert np.isfinite(made.vertices).all()
    share = np.clip(((made.vertices - a) @ (b - a)) / max(float((b - a) @ (b - a)), 1e-12), 0, 1)
    distance = np.linalg.norm(made.vertices - a - share[:, None] * (b - a), axis=1)
    assert distance.max() <= 1.01 * max(radius, end_radius)
    assert np.linalg.norm(made.vertices - a, axis=1).min() <= 1.01 * radius
    for low, high in zip(made.bounds[0], made.bounds[1], strict=True):
        assert high - low >= 1.2 * min(radius, end_radius)


def test_many_sticks_are_the_same_as_each_alone():
    sticks = [Limb([0, 0, 0], [0, 0, 1], 0.1, 0.1, 0.2), Limb([1, 0, 0], [2, 1, 0], 0.2, 0.05, 0.7)]
    for build in (limbs, tubes):
        together, alone = build(sticks), [build([stick]) for stick in sticks]
        np.testing.assert_allclose(together.vertices, np.concatenate([one.vertices for one in alone]))
        np.testing.assert_allclose(together.albedo, np.concatenate([one.albedo for one in alone]))


def test_a_tube_is_as_long_as_its_segment():
    np.testing.assert_allclose(np.ptp(tubes([Limb([0, 0, 0], [0, 0, 1.5], 0.02, 0.02, 0.2)]).bounds[:, 2]), 1.5)


@pytest.mark.parametrize('y', [-0.8, 0.8])
def test_a_wheel_stands_on_the_ground_with_its_outer_side_at_y(y):
    made = wheel(1.5, y, 0.3, 0.2, rim=0.6)
    np.testing.assert_allclose(made.bounds[:, [0, 2]], [[1.2, 0.0], [1.8, 0.6]], atol=1e-12)
    np.testing.assert_allclose(np.sort(np.abs(made.bounds[:, 1])), [0.6, 0.8])
    assert set(made.albedo) == {RUBBER, 0.6}
    # The rim is in the outer side.
    rim = made.vertices[np.unique(made.faces[made.albedo == 0.6])]
    assert (np.abs(rim[:, 1]) > 0.75).all()


def test_a_bicycle_wheel_stands_on_the_ground_and_its_spokes_let_beams_through():
    made = bicycle_wheel(0.5, 0.35, 0.04)
    np.testing.assert_allclose(made.bounds, [[0.15, -0.02, 0.0], [0.85, 0.02, 0.7]], atol=1e-12)
    assert made.opacity.min() == 0.15
    assert (made.opacity == 0.15).sum() == 16


def test_a_turned_solid_has_its_radius_and_squash():
    made = turned_solid([1.0, 2.0, 3.0], np.array([[0.5, 0.0], [0.2, 0.4]]), 0.5, sides=8, squash=0.5)
    np.testing.assert_allclose(made.bounds, [[0.75, 1.5, 3.0], [1.25, 2.5, 3.4]])
