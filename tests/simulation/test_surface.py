"""Primitive solids and their placement."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from strl_mmdet3d.simulation.surface import capsule, cuboid, cylinder, join, quads, within

COORDINATE = st.floats(-5, 5)


def test_placed_turns_then_moves():
    moved = cuboid([0, 0, 0], [2, 1, 1], 0.5).placed(10, 20, 3, np.pi / 2)
    np.testing.assert_allclose(moved.bounds, [[9, 20, 3], [10, 22, 4]], atol=1e-12)


def test_standing_at_origin_centres_the_extents():
    stood = cuboid([3, -1, 2], [7, 0, 5], 0.5).standing_at_origin()
    np.testing.assert_allclose(stood.bounds, [[-2, -0.5, 0], [2, 0.5, 3]])


def test_join_keeps_every_triangle_and_its_material():
    first, second = cuboid([0, 0, 0], [1, 1, 1], 0.2), cylinder([5, 0, 0], [5, 0, 2], 0.5, 0.7)
    both = join([first, second])
    np.testing.assert_array_equal(
        both.vertices[both.faces],
        np.concatenate([part.vertices[part.faces] for part in (first, second)]),
    )
    np.testing.assert_array_equal(both.albedo, [0.2] * len(first.faces) + [0.7] * len(second.faces))


@settings(max_examples=50, deadline=None)
@given(start=st.tuples(*[COORDINATE] * 3), end=st.tuples(*[COORDINATE] * 3), radius=st.floats(0.01, 1))
def test_capsule_vertices_are_one_radius_from_the_segment(start, end, radius):
    points = capsule(start, end, radius, 0.5).vertices
    start, end = np.array(start), np.array(end)
    along = end - start
    share = np.clip((points - start) @ along / max(along @ along, 1e-300), 0, 1)
    distance = np.linalg.norm(points - start - share[:, None] * along, axis=1)
    np.testing.assert_allclose(distance, radius, atol=1e-9)


@pytest.mark.parametrize('end', [(0, 0, 2), (0, 1, 0), (1.5, -2, 0.5)])
def test_cylinder_is_closed_and_has_the_volume_of_a_dodecagon(end):
    solid = cylinder([1, 2, 3], np.add([1, 2, 3], end), 0.5, 0.5)
    mesh = trimesh.Trimesh(solid.vertices, solid.faces)
    mesh.fix_normals()
    assert mesh.is_watertight
    area = 12 * 0.5 * np.sin(np.pi / 6) * 0.5**2
    assert mesh.volume == pytest.approx(area * np.linalg.norm(end))


def test_lying_cylinder_touches_the_ground_below_it():
    wheel = cylinder([0, -0.1, 0.3], [0, 0.1, 0.3], 0.3, 0.1)
    np.testing.assert_allclose(wheel.bounds, [[-0.3, -0.1, 0], [0.3, 0.1, 0.6]], atol=1e-12)


def test_quads_cover_their_area():
    square = np.array([[0, 0, 0], [2, 0, 0], [2, 3, 0], [0, 3, 0]])
    mesh = quads(np.stack([square, square + np.array([5, 0, 1])]), 0.5)
    assert trimesh.Trimesh(mesh.vertices, mesh.faces).area == pytest.approx(12)


def test_within_keeps_the_faces_with_a_near_corner():
    near, far = cuboid([0, 0, 0], [1, 1, 1], 0.2), cuboid([9, 0, 0], [12, 1, 1], 0.7)
    part = within(join([near, far]), 0.0, 0.0, 5.0)
    assert set(part.albedo) == {0.2}
    assert len(part.faces) == 12
    assert len(within(join([near, far]), 0.0, 0.0, 9.5).faces) > 12
    assert len(within(join([near, far]), 0.0, 0.0, 20.0).faces) == 24
