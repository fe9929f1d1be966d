"""Ray casting against an independent brute-force intersection."""

from __future__ import annotations

import numpy as np

from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.surface import cuboid, surface


def _brute_force(triangles: np.ndarray, origin: np.ndarray, direction: np.ndarray) -> tuple[float, int]:
    """Distance and index of the first triangle by solving for barycentric coordinates in each."""
    best = (np.inf, -1)
    for index, (a, b, c) in enumerate(triangles):
        matrix = np.column_stack([b - a, c - a, -direction])
        if abs(np.linalg.det(matrix)) < 1e-12:
            continue
        u, v, t = np.linalg.solve(matrix, origin - a)
        if u >= 0 and v >= 0 and u + v <= 1 and 0 < t < best[0]:
            best = (t, index)
    return best


def test_first_hits_agree_with_brute_force():
    rng = np.random.default_rng(0)
    triangles = rng.uniform(-10, 10, (40, 1, 3)) + rng.normal(0, 3, (40, 3, 3))
    directions = rng.normal(size=(300, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    origin = np.array([0.5, -0.25, 0.125])
    hits = RayCaster(surface(triangles.reshape(-1, 3), np.arange(120).reshape(-1, 3), 0.5)).first_hits(
        origin, directions
    )
    expected = [_brute_force(triangles, origin, direction) for direction in directions]
    np.testing.assert_array_equal(hits.face, [face for _, face in expected])
    np.testing.assert_allclose(hits.distance, [distance for distance, _ in expected], rtol=1e-9)
    assert 0.2 < np.mean(hits.face >= 0) < 1


def test_incidence_and_misses():
    caster = RayCaster(cuboid([5, -1, -1], [6, 1, 1], 0.5))
    slanted = np.array([np.cos(0.1), np.sin(0.1), 0.0])
    hits = caster.first_hits(np.zeros(3), np.array([[1.0, 0, 0], slanted, [-1.0, 0, 0]]))
    np.testing.assert_allclose(hits.cos_incidence, [1.0, np.cos(0.1), 0.0], atol=1e-12)
    np.testing.assert_allclose(hits.distance, [5.0, 5 / np.cos(0.1), np.inf])
    assert hits.face[2] == -1
