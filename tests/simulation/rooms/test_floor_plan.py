"""Footprints are found in the requested places, and none overlap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from strl_mmdet3d.simulation.rooms.floor_plan import FloorPlan, Footprint

footprints = st.builds(
    Footprint,
    st.floats(-2, 2),
    st.floats(-2, 2),
    st.floats(0.2, 2),
    st.floats(0.2, 2),
    st.floats(-4, 4),
)


def _common_depth(one: Footprint, other: Footprint) -> float:
    """Return how far inside both rectangles a point can be, by a linear programme. Negative if they are apart."""
    rows, limits = [], []
    for rectangle in (one, other):
        for axis, half in zip(rectangle.axes, (rectangle.depth / 2, rectangle.width / 2), strict=True):
            middle = axis @ [rectangle.x, rectangle.y]
            rows += [[*axis, 1.0], [*-axis, 1.0]]
            limits += [half + middle, half - middle]
    result = linprog([0, 0, -1], A_ub=rows, b_ub=limits, bounds=[(None, None)] * 3)
    return -result.fun


@given(footprints, footprints)
def test_overlap_as_by_linear_programming(one, other):
    depth = _common_depth(one, other)
    if abs(depth) > 1e-6:
        assert one.overlaps(other) == other.overlaps(one) == (depth > 0)


def test_corners_by_hand():
    corners = Footprint(1.0, 2.0, 4.0, 2.0, np.pi / 2).corners
    np.testing.assert_allclose(corners, [[0, 4], [2, 4], [2, 0], [0, 0]], atol=1e-12)


@pytest.mark.parametrize(('x', 'fits'), [(0.5, True), (0.49, False), (2.98, False), (1.5, True), (2.5, False)])
def test_fits_within_the_walls_and_clear_of_others(x, fits):
    plan = FloorPlan(4.0, 3.0)
    plan.taken.append(Footprint(3.5, 1.0, 1.0, 1.0, 0.0))
    assert plan.fits(Footprint(x, 1.0, 1.0, 1.0, 0.0)) == fits


def test_along_wall_turns_the_back_to_it():
    for seed in range(30):
        plan = FloorPlan(4.0, 3.0)
        spot = plan.along_wall(np.random.default_rng(seed), 0.6, 1.2)
        front = spot.axes[0]
        back = np.array([spot.x, spot.y]) - 0.3 * front
        to_walls = [back[0], back[1], 4 - back[0], 3 - back[1]]
        nearest = int(np.argmin(to_walls))
        assert to_walls[nearest] < 0.1
        assert front @ [[1, 0], [0, 1], [-1, 0], [0, -1]][nearest] > 0.99
        assert plan.taken == [spot]


@pytest.mark.parametrize('around', [True, False])
def test_facing_looks_at_the_host(around):
    sides = set()
    for seed in range(30):
        plan = FloorPlan(6.0, 6.0)
        host = plan.take(Footprint(3.0, 3.0, 0.8, 1.6, 0.3))
        spot = plan.facing(np.random.default_rng(seed), host, 0.5, 0.5, distance=(0.1, 0.3), around=around)
        # The point half a metre ahead of the middle of the front is in the host.
        ahead = np.array([spot.x, spot.y]) + spot.axes[0] * (0.25 + 0.5)
        assert host.overlaps(Footprint(*ahead, 0.01, 0.01, 0.0))
        assert not host.overlaps(spot)
        sides.add(tuple(np.round((host.axes @ (np.array([spot.x, spot.y]) - [3, 3])) / [0.8, 1.2]).astype(int)))
    assert len(sides) > 1 if around else {side[0] for side in sides} == {1}


def test_beside_keeps_the_backs_in_line():
    for seed in range(10):
        plan = FloorPlan(6.0, 6.0)
        host = plan.take(Footprint(3.0, 3.0, 2.0, 1.6, 0.7))
        spot = plan.beside(np.random.default_rng(seed), host, 0.4, 0.5)
        along, across = host.axes @ [spot.x - 3.0, spot.y - 3.0]
        assert along - 0.2 == pytest.approx(-1.0)
        assert 0.8 + 0.25 < abs(across) < 0.8 + 0.25 + 0.11


def test_nothing_is_put_where_there_is_no_room():
    plan = FloorPlan(2.0, 2.0)
    rng = np.random.default_rng(0)
    assert plan.along_wall(rng, 0.5, 2.5) is None
    host = plan.take(Footprint(1.0, 1.0, 1.9, 1.9, 0.0))
    assert plan.in_the_open(rng, 0.3, 0.3) is None
    assert plan.beside(rng, host, 0.3, 0.3) is None
    assert plan.facing(rng, host, 0.3, 0.3, distance=(0.1, 0.3), around=True) is None
    assert plan.taken == [host]
