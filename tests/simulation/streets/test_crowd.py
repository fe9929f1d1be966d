"""Actors: their motion, and the check that keeps them apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon

from strl_mmdet3d.simulation.streets.crowd import Actor, Crowd
from strl_mmdet3d.simulation.streets.street import Centreline, CrossSection, Street
from strl_mmdet3d.simulation.surface import cuboid

SECTION = CrossSection(lane=3.0, cycle=1.5, parking=2.5, pavement=4.5, kerb=0.12)


def _street(curvature: float = 0.0) -> Street:
    return Street(Centreline(5.0, -3.0, 0.4, curvature), SECTION, -50.0, 100.0, 3.0)


def _actor(length: float = 4.0, width: float = 2.0, street: Street | None = None, **place: float) -> Actor:
    block = cuboid([-length / 2, -width / 2, 0], [length / 2, width / 2, 1.5], 0.5)
    return Actor('Car', lambda travelled: block, street or _street(), **place)


def _footprint(actor: Actor, time: float) -> Polygon:
    x, y, _, yaw = actor.position(time)
    return Polygon(actor.surface(time).placed(x, y, 0, yaw).vertices[:, :2]).convex_hull


places = st.fixed_dictionaries(
    dict(
        s=st.floats(-6, 6),
        d=st.floats(-5, 5),
        turned=st.floats(-3, 3),
        speed=st.sampled_from([-9.0, -1.0, 0.0, 0.5, 4.0, 12.0]),
        across=st.sampled_from([-1.5, 0.0, 0.0, 1.0]),
        weave=st.floats(0, 0.3),
        begin=st.floats(-3, 3),
    )
)


@settings(max_examples=60, deadline=None)
@given(first=places, second=places, curvature=st.sampled_from([0.0, 1 / 150]), size=st.floats(0.3, 5))
def test_whoever_is_let_in_meets_nobody_at_any_time(first, second, curvature, size):
    crowd = Crowd(3.0)
    street = _street(curvature)
    crowd.add(_actor(street=street, **first))
    crowd.add(_actor(size, 0.5, street, **second))
    for time in np.linspace(0, 3, 41) if len(crowd.actors) == 2 else ():
        assert not _footprint(crowd.actors[0], time).intersects(_footprint(crowd.actors[1], time))


def test_only_whoever_would_meet_somebody_is_refused():
    crowd = Crowd(4.0)
    assert crowd.add(_actor(s=0.0, d=0.0, speed=5.0))
    assert not crowd.add(_actor(s=3.0, d=0.5))
    assert not crowd.add(_actor(s=15.0, d=0.0)), 'it is run into during the drive'
    assert crowd.add(_actor(s=30.0, d=0.0))
    assert crowd.add(_actor(s=5.0, d=3.0, speed=-5.0)), 'the other lane is free'
    # Turned, so that the corners do not touch although the circles around them do.
    assert crowd.add(_actor(4.0, 0.5, s=30.0, d=1.9))
    assert len(crowd.actors) == 4


def test_clear_ground_is_reserved_without_an_actor():
    crowd = Crowd(0.0)
    assert crowd.keep_clear(_actor(s=0.0, d=0.0), np.array([6.0, 2.0]))
    assert not crowd.add(_actor(s=4.5, d=0.0))
    assert crowd.actors == []
    assert crowd.add(_actor(s=6.0, d=0.0))


@pytest.mark.parametrize('curvature', [0.0, 1 / 150, -1 / 200])
def test_a_moving_actor_faces_the_way_it_moves(curvature):
    actor = _actor(street=_street(curvature), s=3.0, d=-4.0, speed=-1.3, across=0.4, weave=0.2, wavelength=5.0)
    for time in (0.3, 1.7, 4.0):
        before, after = np.array(actor.position(time - 1e-4)), np.array(actor.position(time + 1e-4))
        yaw = actor.position(time)[3]
        velocity = (after - before)[:2]
        np.testing.assert_allclose(velocity / np.linalg.norm(velocity), [np.cos(yaw), np.sin(yaw)], atol=1e-5)


def test_it_stands_before_and_after_its_way():
    ways = []
    actor = Actor('Pedestrian', lambda way: ways.append(way), _street(), 0.0, 8.5, across=-2.0, begin=1.0, end=3.0)
    places = [actor.place(time)[1] for time in (0.0, 1.0, 2.0, 3.0, 9.0)]
    np.testing.assert_allclose(places, [8.5, 8.5, 6.5, 4.5, 4.5])
    for time in (0.0, 2.0, 9.0):
        actor.surface(time)
    np.testing.assert_allclose(ways, [0.0, 2.0, 4.0])
    # On the pavement, on its edge with one foot beyond it, and on the road.
    heights = [actor.position(time)[2] for time in (0.0, 1.8, 1.95, 2.2)]
    np.testing.assert_allclose(heights, [0.12, 0.12, 0.12, 0.0])
