"""Cars, vans, lorries and trailers: their sizes, their shares, and that no two are alike."""

from __future__ import annotations

import numpy as np
import pytest

from strl_mmdet3d.simulation.actors.bodywork import body
from strl_mmdet3d.simulation.actors.heavy_vehicles import box_van, lorry, tractor, trailer
from strl_mmdet3d.simulation.actors.vehicle_families import CARS, VANS
from strl_mmdet3d.simulation.actors.vehicles import car, vehicle

# Class: smallest and largest length, width, height in metres.
SIZES = {
    'Car': ([2.5, 1.35, 1.1], [5.6, 2.15, 2.5]),
    'Van': ([4.1, 1.65, 1.7], [7.2, 2.4, 3.2]),
    'Truck': ([5.8, 2.1, 2.4], [10.3, 2.7, 3.9]),
    'Misc': ([2.4, 1.3, 0.8], [7.6, 2.6, 3.0]),
}


def check_exact(surface, kind):
    """Check the extents, and that every face is usable."""
    low, high = surface.bounds
    np.testing.assert_allclose([*(low + high)[:2], low[2]], 0, atol=1e-9)
    smallest, largest = SIZES[kind]
    assert np.all(high - low >= smallest), (kind, high - low)
    assert np.all(high - low <= largest), (kind, high - low)
    assert np.isfinite(surface.vertices).all()
    assert surface.faces.min() >= 0
    assert surface.faces.max() < len(surface.vertices)
    assert len(surface.albedo) == len(surface.opacity) == len(surface.faces) <= 1500
    # Vertices that no face uses would make the box larger than what a beam can meet.
    assert len(np.unique(surface.faces)) == len(surface.vertices)
    assert surface.albedo.min() >= 0.03
    assert surface.albedo.max() <= 0.97
    assert surface.opacity.min() >= 0.1
    assert surface.opacity.max() == 1.0


@pytest.mark.parametrize('builder', [car, vehicle])
def test_extents_are_plausible_and_stand_centred_on_the_origin(builder):
    rng = np.random.default_rng(0)
    for _ in range(150):
        kind, shape = builder(rng)
        check_exact(shape(0.0), kind)


@pytest.mark.parametrize('builder', [box_van, lorry, trailer, tractor])
def test_rare_vehicles_have_plausible_extents_too(builder):
    rng = np.random.default_rng(1)
    for _ in range(40):
        kind, surface = builder(rng)
        check_exact(surface.standing_at_origin(), kind)


def test_a_car_fits_a_parking_bay():
    rng = np.random.default_rng(2)
    extents = np.array([np.ptp(car(rng)[1](0.0).bounds, axis=0) for _ in range(300)])
    assert (extents <= [5.6, 2.15, 3.0]).all()


def test_kinds_come_in_the_shares_of_the_traffic():
    rng = np.random.default_rng(3)
    kinds, counts = np.unique([vehicle(rng)[0] for _ in range(1500)], return_counts=True)
    shares = dict(zip(kinds, counts / 1500, strict=True))
    assert shares.keys() == {'Car', 'Van', 'Truck', 'Misc'}
    assert shares['Car'] == pytest.approx(0.80, abs=0.04)
    assert shares['Van'] == pytest.approx(0.11, abs=0.03)
    assert {car(rng)[0] for _ in range(60)} == {'Car', 'Van'}


def test_the_mean_car_is_as_large_as_kittis():
    rng = np.random.default_rng(4)
    cars = [shape(0.0) for kind, shape in (car(rng) for _ in range(500)) if kind == 'Car']
    extents = np.array([np.ptp(one.bounds, axis=0) for one in cars])
    np.testing.assert_allclose(extents.mean(0), [3.9, 1.63, 1.53], rtol=0.06)
    assert (extents.std(0) > [0.35, 0.08, 0.1]).all()


def test_no_two_vehicles_are_alike_and_a_seed_is_a_vehicle():
    rng = np.random.default_rng(5)
    extents = {tuple(np.ptp(vehicle(rng)[1](0.0).bounds, axis=0).round(6)) for _ in range(100)}
    assert len(extents) == 100
    first, second = (vehicle(np.random.default_rng(9))[1](0.0) for _ in range(2))
    np.testing.assert_array_equal(first.vertices, second.vertices)
    np.testing.assert_array_equal(first.albedo, second.albedo)


def test_vehicles_are_rigid():
    shape = vehicle(np.random.default_rng(6))[1]
    np.testing.assert_array_equal(shape(0.0).vertices, shape(7.5).vertices)


def test_the_shares_of_the_cars_sum_up_to_1():
    assert sum(family.share for family in CARS) == pytest.approx(1)


@pytest.mark.parametrize('family', [*CARS, *VANS])
def test_a_body_has_a_cabin_on_a_hull_between_its_bumpers(family):
    rng = np.random.default_rng(7)
    for _ in range(20):
        m, parts = body(rng, family)
        rear, front = -m.length / 2, m.length / 2
        assert rear < m.sill[0] < m.sill[1] < front
        assert m.sill[0] <= m.eaves[0] < m.eaves[1] <= m.sill[1]
        assert rear + m.radius < m.axles[0] < 0 < m.axles[1] < front - m.radius
        assert m.top < m.shoulder < m.half
        hull = parts[0]
        np.testing.assert_allclose(hull.bounds[:, 0], [rear, front])
        assert hull.bounds[1, 2] <= m.height
        # The hull is open above the wheels: no point of it is within a tyre.
        for axle in m.axles:
            to_axle = np.hypot(hull.vertices[:, 0] - axle, hull.vertices[:, 2] - m.radius)
            assert to_axle.min() > m.radius


def test_panes_let_beams_through_and_sheet_metal_does_not():
    rng = np.random.default_rng(8)
    for family in VANS:
        shares = []
        for _ in range(20):
            _, parts = body(rng, family)
            shares.append(np.mean(np.concatenate([part.opacity for part in parts]) < 1))
        assert min(shares) > 0
    # A van with panels has panes in front only.
    assert family.roof == 'pane'
    panel, glazed = ([p for p in body(rng, one)[1] if p.opacity.min() < 1] for one in VANS)
    assert sum(len(p.faces) for p in panel) < sum(len(p.faces) for p in glazed)
