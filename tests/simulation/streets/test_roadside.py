"""What lines a street: it varies with the district and stays off everybody's way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.streets.crowd import Actor, Crowd
from strl_mmdet3d.simulation.streets.district import District
from strl_mmdet3d.simulation.streets.roadside import closed_bays, countryside, roadside
from strl_mmdet3d.simulation.streets.street import Centreline, CrossSection, Mouth, Street
from strl_mmdet3d.simulation.surface import join, quads

SECTION = CrossSection(lane=3.0, cycle=1.5, parking=2.3, pavement=4.5, kerb=0.1)
STREET = Street(Centreline(5.0, -3.0, 0.4, 1 / 200), SECTION, -60.0, 60.0, 3.0, (Mouth(10.0, 1, 6.0, 11.0),))
TOWN = District(built=1.0, storeys=4, setback=1.0, shops=0.8, clutter=1.0, green=0.3, closed=0.8)
COUNTRY = District(built=0.0, storeys=1, setback=8.0, shops=0.0, clutter=0.0, green=1.0, closed=0.0)


def _place(s: float, d: float) -> Actor:
    """Something that stands at (s, d)."""
    return Actor('', lambda travelled: quads(np.zeros((0, 4, 3)), 0.0), STREET, s, d)


def _blocked(caster: RayCaster, s: np.ndarray, d: float, height: float = 1.0) -> np.ndarray:
    """Whether something stands between each s and the next one."""
    x, y, _ = STREET.line.at(s, d)
    points = np.column_stack([x, y, np.full(len(s), height)])
    steps = np.diff(points, axis=0)
    length = np.linalg.norm(steps, axis=1)
    return np.array(
        [
            caster.first_hits(p, step[None] / n).distance[0] <= n
            for p, step, n in zip(points, steps, length, strict=False)
        ]
    )


def test_the_lanes_are_free():
    for seed in range(3):
        rng, crowd = np.random.default_rng(seed), Crowd(0.0)
        parts = [*closed_bays(rng, STREET, TOWN, crowd), *roadside(rng, STREET, TOWN, crowd)]
        caster = RayCaster(join(parts))
        for d in (-2.8, -1.5, 0.0, 1.5, 2.8):
            for height in (0.3, 1.2, 3.5):
                assert not _blocked(caster, np.arange(-60, 60, 1.0), d, height).any()


def test_a_reserved_walkway_stays_free():
    for seed in range(3):
        rng, crowd = np.random.default_rng(seed), Crowd(0.0)
        d = SECTION.half_road + 2.0
        for s in np.arange(-58, 59, 4.2):
            assert crowd.keep_clear(_place(s, d), np.array([4.0, 0.8]))
        caster = RayCaster(join(roadside(rng, STREET, TOWN, crowd)))
        for offset in (-0.3, 0.0, 0.3):
            for height in (0.3, 1.0, 1.7):
                assert not _blocked(caster, np.arange(-56, 54, 1.0), d + offset, height).any()


def test_closed_bays_fill_parking_strips_and_reserve_their_places():
    rng, crowd = np.random.default_rng(0), Crowd(0.0)
    parts = closed_bays(rng, STREET, TOWN, crowd)
    assert len(parts) > 10
    d = SECTION.half_road - SECTION.parking / 2
    caster, s = RayCaster(join(parts)), np.arange(-60, 60, 0.5)
    assert _blocked(caster, s, d, 0.5).sum() + _blocked(caster, s, -d, 0.5).sum() > 10
    for part in parts:
        middle = part.bounds.mean(0)[:2]
        s = np.linspace(-60, 60, 2401)
        for side in (-1, 1):
            x, y, _ = STREET.line.at(s, side * d)
            away = np.hypot(x - middle[0], y - middle[1])
            if away.min() < 0.3:
                here = _place(float(s[away.argmin()]), side * d)
                assert not crowd.keep_clear(here, np.array([1.0, 1.0]))


def test_no_bays_are_closed_without_a_parking_strip():
    street = replace(STREET, section=replace(SECTION, parking=0.0))
    assert closed_bays(np.random.default_rng(0), street, TOWN, Crowd(0.0)) == []


def test_towns_are_fuller_than_the_country():
    counts = {}
    for name, district in (('town', TOWN), ('country', COUNTRY)):
        parts = roadside(np.random.default_rng(0), STREET, district, Crowd(0.0))
        low = [part for part in parts if np.ptp(part.bounds, axis=0)[2] < 3]
        counts[name] = len(low), sum(np.ptp(part.bounds, axis=0)[0] > 8 for part in parts)
    assert counts['town'][0] > 1.5 * counts['country'][0]
    assert len(countryside(np.random.default_rng(0), STREET, COUNTRY)) > 10
    assert countryside(np.random.default_rng(0), STREET, TOWN) == []


def test_the_country_is_off_the_streets():
    for seed in range(5):
        for part in countryside(np.random.default_rng(seed), STREET, COUNTRY):
            # The point of the centreline next to it.
            x, y, _ = STREET.line.at(np.linspace(-90, 90, 721))
            distance = np.hypot(*(part.vertices[:, None, :2] - np.column_stack([x, y])).transpose(2, 0, 1)).min()
            assert distance > SECTION.half_road + SECTION.pavement


@pytest.mark.parametrize('seed', [0, 7])
def test_same_seed_same_street(seed):
    first, second = (join(roadside(np.random.default_rng(seed), STREET, TOWN, Crowd(0.0))) for _ in range(2))
    assert first.vertices.tobytes() == second.vertices.tobytes()
    assert first.albedo.tobytes() == second.albedo.tobytes()
