"""The course, the cross-section and the ground of a street."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.streets.street import FACET, Centreline, CrossSection, Mouth, Street, ground

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
    casters = [RayCaster(part) for part in (ground(STREET), STREET.pavements())]
    half, down = SECTION.half_road, np.array([[0.0, 0.0, -1.0]])
    for s in (-50.0, -30.0, 10.0, 40.0):
        for d in (-half - 1.7, -half + 1, 0.5, half - 1, half + 1.7):
            x, y, _ = STREET.line.at(s, d)
            distance = min(caster.first_hits(np.array([x, y, 1.0]), down).distance[0] for caster in casters)
            assert 1 - distance == pytest.approx(STREET.ground_height(s, d), abs=1e-6), (s, d)


def test_ground_height_reaches_along_the_street():
    d = SECTION.half_road + 1
    assert STREET.ground_height(4.5, d) == 0
    assert STREET.ground_height(4.5, d, reach=0.6) == SECTION.kerb


def test_facets_near_the_street_are_short_enough_for_hills():
    for part in (ground(STREET), STREET.pavements()):
        corners = part.vertices[part.faces]
        near = np.hypot(*(corners[:, :, :2].mean(1) - [5.0, -3.0]).T) < 35
        sides = np.linalg.norm(corners - corners[:, [1, 2, 0]], axis=2)[near]
        assert sides.max() < 1.5 * np.sqrt(2) * FACET


def test_cross_sections_differ_and_leave_room():
    sections = [CrossSection.sample(np.random.default_rng(seed)) for seed in range(200)]
    assert len({section.pavement for section in sections}) == 200
    assert 20 < sum(section.parking == 0 for section in sections) < 90
    assert 20 < sum(section.parks_across for section in sections) < 90
    for section in sections:
        assert section.pavement > 3
        assert 0 < section.kerb < 0.2
