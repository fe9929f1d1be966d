"""Simple solids: extents, faces and closedness."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from strl_mmdet3d.simulation.streets.solids import boxes, fitted, mound, rods, turned


def _mesh(part) -> trimesh.Trimesh:
    mesh = trimesh.Trimesh(part.vertices, part.faces)
    trimesh.repair.fix_normals(mesh, multibody=True)
    return mesh


def test_boxes_span_what_they_should():
    part = boxes([[0, 1, 0, 2, 0, 3], [5, 6, -1, 1, 1, 2]], [0.2, 0.4])
    mesh = _mesh(part)
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(6 + 2)
    np.testing.assert_allclose(part.bounds, [[0, -1, 0], [6, 2, 3]])
    np.testing.assert_array_equal(part.albedo, [0.2] * 12 + [0.4] * 12)


def test_tapered_box_is_a_frustum():
    part = boxes([[-1, 1, -1, 1, 0, 3]], 0.3, taper=0.5, opacity=0.7)
    # Height / 3 * (A + sqrt(A a) + a)
    assert _mesh(part).volume == pytest.approx(4 + 2 + 1)
    assert set(part.opacity) == {0.7}


def test_rods_are_closed_cylinders_and_cones():
    part = rods([[0, 0, 0], [3, 0, 1]], [[0, 0, 2], [3, 2, 1]], [[0.5, 0.5], [0.5, 0.25]], 0.3, sides=16)
    mesh = _mesh(part)
    assert mesh.is_watertight
    area = 8 * np.sin(2 * np.pi / 16) * 0.25
    assert mesh.volume == pytest.approx(area * 2 + area * 2 / 3 * (1 + 0.5 + 0.25), rel=1e-6)


def test_one_radius_serves_many_rods():
    part = rods(np.zeros((3, 3)), [[0, 0, 1], [0, 1, 0], [1, 0, 0]], 0.1, [0.1, 0.2, 0.3], sides=6)
    assert len(part.faces) == 3 * (12 + 8)
    assert set(part.albedo) == {0.1, 0.2, 0.3}


def test_mound_is_about_as_large_as_asked():
    part = mound(np.random.default_rng(0), 2.0, 0.9, 1.3, 0.3, boxy=3)
    np.testing.assert_allclose(np.ptp(part.bounds, axis=0), [4.0, 1.8, 1.3], rtol=0.2)
    assert part.bounds[0, 2] == 0


def test_turned_leans_to_the_side():
    part = turned(boxes([[0, 0.1, 0, 0.1, 0, 2]], 0.3), np.pi / 2)
    np.testing.assert_allclose(np.ptp(part.bounds, axis=0), [0.1, 2, 0.1], atol=1e-12)


def test_fitted_shrinks_but_never_grows():
    part = fitted(boxes([[3, 7, 0, 1, 0, 2]], 0.3), 2.0, 3.0)
    np.testing.assert_allclose(part.bounds, [[-1, -0.5, 0], [1, 0.5, 2]])
