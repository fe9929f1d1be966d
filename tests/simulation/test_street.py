"""The course, the cross-section and the furniture of a street."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.street import Centreline, CrossSection, Mouth, Street, ground

SECTION = CrossSection(lane=3.0, cycle=1.5, parking=2.3, pavement=4.5, kerb=0.1)
STREET = Street(
    Centreline(5.0, -3.0, 0.4, 1 / 200),
    SECTION,
    -60.0,
    60.0,
    3.0,
    (Mouth(10.0, 1, 6.0, 11.0), Mouth(-30.0, -1, 5.0, 9.0)),
)


@settings(max_examples=50, deadline=None)
@given(curvature=st.floats(-1 / 150, 1 / 150), heading=st.floats(-3, 3), s=st.floats(-150, 150), d=st.floats(-20, 20))
def test_centreline_agrees_with_integrating_its_heading(curvature, heading, s, d):
    x, y, end_heading = Centreline(2.0, 1.0, heading, curvature).at(s, d)
    steps = (np.arange(4000) + 0.5) / 4000 * s
    directions = heading + curvature * steps
    expected = [2.0, 1.0] + s * np.array([np.cos(directions).mean(), np.sin(directions).mean()])
    expected += d * np.array([-np.sin(heading + curvature * s), np.cos(heading + curvature * s)])
    np.testing.assert_allclose([x, y], expected, atol=1e-4)
    assert end_heading == pytest.approx(heading + curvature * s)


def test_stretches_leave_the_side_streets_out():
    assert STREET.stretches(1, of_buildings=False) == [(-60, 4), (16, 60)]
    assert STREET.stretches(1, of_buildings=True) == [(-60, -1), (21, 60)]
    assert STREET.stretches(-1, of_buildings=False) == [(-60, -35), (-25, 60)]


def test_ground_height_is_that_of_the_surface():
    surface = STREET.surroundings(np.random.default_rng(0))
    road = RayCaster(ground(STREET))
    pavements = RayCaster(surface)
    half, down = SECTION.half_road, np.array([[0.0, 0.0, -1.0]])
    for s in (-50.0, -30.0, 10.0, 40.0):
        for d in (-half - 1.7, -half + 1, 0.5, half - 1, half + 1.7):
            x, y, _ = STREET.line.at(s, d)
            # Start below every tree crown and every sign.
            origin = np.array([x, y, 1.0])
            distance = min(caster.first_hits(origin, down).distance[0] for caster in (road, pavements))
            assert 1 - distance == pytest.approx(STREET.ground_height(s, d), abs=1e-6), (s, d)


def test_ground_height_reaches_along_the_street():
    d = SECTION.half_road + 1
    assert STREET.ground_height(4.5, d) == 0
    assert STREET.ground_height(4.5, d, reach=0.6) == SECTION.kerb


def test_nothing_stands_on_the_road_or_where_people_walk():
    for seed in range(5):
        surface = STREET.surroundings(np.random.default_rng(seed))
        caster = RayCaster(surface)
        # Look along the rows at breast height: each step must be free up to the next point.
        for d in (
            -3.75,
            0.0,
            3.75,
            *(side * (SECTION.half_road + row) for side in (-1, 1) for row in (1.25, 2.15, 3.1)),
        ):
            s = np.arange(-55, 55, 1.0)
            x, y, _ = STREET.line.at(s, d)
            points = np.column_stack([x, y, np.full(len(s), 1.2)])
            steps = np.diff(points, axis=0)
            length = np.linalg.norm(steps, axis=1)
            for origin, step, reach in zip(points, steps, length, strict=False):
                assert caster.first_hits(origin, step[None] / reach).distance[0] > reach


def test_streets_differ():
    sizes = {len(STREET.surroundings(np.random.default_rng(seed)).faces) for seed in range(4)}
    assert len(sizes) == 4
