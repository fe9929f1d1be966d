"""The traffic of a street: nobody meets anybody, and everything that belongs in a street occurs."""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
import pytest
from shapely import Polygon, STRtree

from strl_mmdet3d.simulation.streets.crowd import Actor, Crowd
from strl_mmdet3d.simulation.streets.street import Centreline, CrossSection, Mouth, Street
from strl_mmdet3d.simulation.streets.traffic import main_street_traffic, side_street_traffic

SEEDS = int(os.environ.get('STRL_TRAFFIC_SEEDS', '8'))
"""More seeds make the tests slower and stricter."""

EGO_SPEED = 8.0


def _street(rng: np.random.Generator, duration: float = 0.0) -> Street:
    section = CrossSection.sample(rng)
    end = 90 + EGO_SPEED * duration
    mouths = (Mouth(20.0, -1, 6.0, 10.0), Mouth(25.0, 1, 5.0, 9.0))
    return Street(Centreline(0.0, 0.0, 0.3, rng.uniform(-1, 1) / 400), section, -90.0, end, 3.0, mouths)


@pytest.fixture(scope='module')
def streets() -> list[list[Actor]]:
    """Actors of main streets at one instant."""
    scenes = []
    for seed in range(4 * SEEDS):
        rng = np.random.default_rng(seed)
        scenes.append(main_street_traffic(rng, _street(rng), 0.0, EGO_SPEED, Crowd(0.0)))
    return scenes


def _footprint(actor: Actor, time: float) -> Polygon:
    """The labelled box from above."""
    low, high = actor.surface(time).bounds[:, :2]
    x, y, _, yaw = actor.position(time)
    corners = np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])
    cos, sin = np.cos(yaw), np.sin(yaw)
    return Polygon(corners @ np.array([[cos, sin], [-sin, cos]]) + [x, y])


def _assert_nobody_meets(actors: list[Actor], times: np.ndarray, line: Centreline | None = None, d: float = 0.0):
    for time in times:
        footprints = [_footprint(actor, time) for actor in actors]
        if line:
            x, y, heading = line.at(EGO_SPEED * time, d)
            body = np.array([[2.3, 1.2], [-2.3, 1.2], [-2.3, -1.2], [2.3, -1.2]])
            cos, sin = np.cos(heading), np.sin(heading)
            footprints.append(Polygon(body @ np.array([[cos, sin], [-sin, cos]]) + [x, y]))
        first, second = STRtree(footprints).query(footprints, predicate='intersects')
        np.testing.assert_array_equal(first, second)


def test_nobody_meets_anybody_at_one_instant(streets):
    for actors in streets:
        street = actors[0].street
        _assert_nobody_meets(actors, np.zeros(1), street.line, -street.section.lane / 2)


@pytest.mark.parametrize('duration', [1.2, 20.0])
def test_nobody_meets_anybody_nor_the_sensors_car(duration):
    for seed in range(SEEDS // 2):
        rng = np.random.default_rng(seed)
        street = _street(rng, duration)
        actors = main_street_traffic(rng, street, duration, EGO_SPEED, Crowd(duration))
        times = np.sort(rng.uniform(0, duration, 6))
        _assert_nobody_meets(actors, times, street.line, -street.section.lane / 2)


def test_nobody_in_a_side_street_meets_or_enters_the_main_street():
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        street = Street(Centreline(40.0, 9.0, 1.9), CrossSection.sample(rng), 20.0, 65.0, 3.0)
        actors = side_street_traffic(rng, street, stop_line=12.0, duration=8.0, crowd=Crowd(8.0))
        times = np.array([0.0, 3.1, 8.0])
        _assert_nobody_meets(actors, times)
        for actor in actors:
            assert all(actor.place(time)[0] > 12 for time in times)


def test_everybody_stands_on_one_level(streets):
    """No kerb reaches into a box: what stands by the road is on it or on the pavement, not on both."""
    for actors in streets:
        for actor in actors:
            high = actor.surface(0.0).bounds[1]
            d, turned = (float(value) for value in actor.place(0.0)[1:])
            reach = abs(np.sin(turned)) * high[0] + abs(np.cos(turned)) * high[1]
            kerb = actor.street.section.half_road
            if not actor.across:
                assert abs(abs(d) - kerb) > reach, f'{actor.kind} at d = {d} reaches across the kerb at {kerb}'
            assert abs(d) + reach < kerb + actor.street.section.pavement + 0.2


def test_scenes_range_from_empty_to_crowded(streets):
    def counts(*kinds: str) -> np.ndarray:
        return np.array([sum(actor.kind in kinds for actor in actors) for actors in streets])

    vehicles = counts('Car', 'Van', 'Truck', 'Misc')
    people, cyclists = counts('Pedestrian', 'Person_sitting'), counts('Cyclist')
    assert vehicles.min() < 25
    assert vehicles.max() > 60
    assert people.min() <= 4
    assert people.max() > 20
    assert cyclists.min() == 0
    assert cyclists.max() > 6


def test_everything_that_belongs_in_a_street_occurs(streets):
    seen: Counter[str] = Counter()
    for actors in streets:
        for actor in actors:
            section, turned = actor.street.section, abs(np.degrees(actor.turned)) % 180
            car = actor.kind in ('Car', 'Van')
            aligned = min(turned, 180 - turned)
            seen['walker who crosses the road'] += bool(actor.across) and actor.begin < 0 < actor.end
            seen['oncoming car'] += car and actor.speed < 0
            seen['car ahead in the lane'] += car and actor.speed > 0 and actor.s > 0
            seen['car that waits in a lane'] += car and not actor.speed and abs(actor.d) < section.lane
            seen['car beside the parked ones'] += (
                car and not actor.speed and section.lane < abs(actor.d) < section.lane + section.cycle
            )
            seen['car on the pavement'] += car and abs(actor.d) > section.half_road
            seen['badly parked car'] += car and 3 < aligned < 9
            seen['turned bay'] += car and 35 < aligned < 80
            seen['cyclist who waits'] += actor.kind == 'Cyclist' and not actor.speed
            seen['cyclist on the pavement'] += actor.kind == 'Cyclist' and abs(actor.d) > section.half_road
            seen['bystander'] += actor.kind == 'Pedestrian' and not actor.speed and not actor.across
            seen['person on the road'] += (
                actor.kind == 'Pedestrian' and not actor.across and abs(actor.d) < section.half_road
            )
    assert min(seen.values()) >= 3, seen


def test_walkers_go_in_groups(streets):
    near = []
    for actors in streets:
        walkers = np.array([[a.s, a.d] for a in actors if a.kind == 'Pedestrian' and a.speed and not a.across])
        if len(walkers) > 1:
            distances = np.linalg.norm(walkers[:, None] - walkers, axis=2) + 99 * np.eye(len(walkers))
            near += list(distances.min(1) < 1.8)
    assert 0.25 < np.mean(near) < 0.9
