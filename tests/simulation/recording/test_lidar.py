"""The LiDAR on surfaces whose returns can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.recording.lidar import SENSOR_HEIGHT, SensorErrors, SpinningLidar, beam_elevations
from strl_mmdet3d.simulation.surface import Surface, cuboid, quads, turn_about_z

POSITION = np.array([30.0, -7.0, SENSOR_HEIGHT])


def _road(albedo: float = 0.3) -> Surface:
    return quads(np.array([[-300, -300, 0], [300, -300, 0], [300, 300, 0], [-300, 300, 0]]), albedo)


def _scan(lidar: SpinningLidar, surface: Surface, yaw: float = 0.0, seed: int = 0):
    return lidar.scan(RayCaster(surface), surface, POSITION, turn_about_z(yaw), np.random.default_rng(seed))


def test_beams_are_those_of_the_hdl_64e():
    degrees = np.degrees(beam_elevations())
    assert degrees.shape == (64,)
    assert degrees[0] == pytest.approx(2.0)
    assert degrees[-1] == pytest.approx(-24.8)
    assert np.all(np.diff(degrees) < 0)


def test_beams_are_those_of_the_hdl_32e():
    degrees = np.degrees(beam_elevations(32))
    assert degrees.shape == (32,)
    # The table of its manual, rounded to hundredths there.
    assert degrees[[0, 8, 15, 31]] == pytest.approx([10.67, 0.0, -9.33, -30.67], abs=0.01)


def test_only_existing_sensors():
    with pytest.raises(ConfigError, match=r'beams must be 64 \(HDL-64E\) or 32 \(HDL-32E\), got 16'):
        SpinningLidar(100, beams=16)
    with pytest.raises(ConfigError, match='azimuth_steps must be at least 1, got 0'):
        SpinningLidar(0)


def test_rings_of_32_beams():
    scan = _scan(SpinningLidar(90, beams=32, range_noise=0.0, dropout=0.0), _road())
    assert scan.directions.shape == (32 * 90, 3)
    rings = np.unique(np.hypot(scan.points[:, 0], scan.points[:, 1]).round(1))
    expected = SENSOR_HEIGHT / np.tan(np.radians(30.67 - np.arange(22) * 4 / 3))
    assert rings.min() == pytest.approx(expected[0], abs=0.06)
    assert len(scan.points) > 15 * 90


def test_the_sensor_may_tilt():
    pitch = np.array([[np.cos(0.1), 0, np.sin(0.1)], [0, 1, 0], [-np.sin(0.1), 0, np.cos(0.1)]])
    rotation = turn_about_z(0.4) @ pitch
    lidar = SpinningLidar(200, range_noise=0.0)
    points = lidar.scan(RayCaster(_road()), _road(), POSITION, rotation, np.random.default_rng(0)).points
    in_world = points[:, :3].astype(np.float64) @ rotation.T + POSITION
    np.testing.assert_allclose(in_world[:, 2], 0, atol=1e-3)


def test_road_comes_back_at_the_height_and_ranges_of_the_beams():
    points = _scan(SpinningLidar(90, range_noise=0.0, dropout=0.0), _road(), yaw=0.7).points
    np.testing.assert_allclose(points[:, 2], -SENSOR_HEIGHT, atol=6e-4)
    horizontal = np.hypot(points[:, 0], points[:, 1])
    elevations = beam_elevations()
    rings = SENSOR_HEIGHT / -np.tan(elevations[elevations < 0])
    assert np.abs(horizontal[:, None] - rings).min(1).max() < 1e-3
    assert horizontal.min() == pytest.approx(rings[-1], abs=1e-3)


def test_points_are_in_the_sensor_frame():
    yaw = 0.6
    post = cuboid([-0.2, -0.2, 0], [0.2, 0.2, 3], 0.9).placed(
        POSITION[0] + 10 * np.cos(yaw + 0.3), POSITION[1] + 10 * np.sin(yaw + 0.3)
    )
    points = _scan(SpinningLidar(1000), post, yaw).points
    np.testing.assert_allclose(points[:, :2].mean(0), 9.85 * np.array([np.cos(0.3), np.sin(0.3)]), atol=0.15)


def test_layout_of_the_points():
    lidar = SpinningLidar(400, dropout=0.0, bursts=0.0)
    scan = _scan(lidar, cuboid([0, -37, 0], [60, 23, 40], 0.9))
    points = scan.points
    assert points.dtype == np.float32
    assert points.shape == (len(scan.face), 4)
    assert np.all((points[:, 3] >= 0) & (points[:, 3] < 1))
    # Beam by beam from the top, each turning left from straight ahead.
    azimuth = np.arctan2(points[:400, 1], points[:400, 0]) % (2 * np.pi)
    assert np.all(np.diff(azimuth) > 0)
    elevation = np.arcsin(points[:, 2] / np.linalg.norm(points[:, :3], axis=1))
    assert elevation[:400].mean() > elevation[-400:].mean()


@pytest.mark.parametrize(('away', 'grows'), [(2, 1.0), (50, np.sqrt(2))])
def test_range_noise_has_its_deviation_along_the_beam(away, grows):
    lidar = SpinningLidar(6000, range_noise=0.05, dropout=0.0)
    wall = cuboid([POSITION[0] + away, -200, -50], [POSITION[0] + away + 1, 200, 50], 0.9)
    points = _scan(lidar, wall).points[:, :3].astype(np.float64)
    distance = np.linalg.norm(points, axis=1)
    error = distance - away * distance / points[:, 0]
    across = np.linalg.norm(points[:, 1:], axis=1) < 0.15 * away
    assert across.sum() > 2000
    # The spot of up to 2 mrad is a little deep even there.
    assert error[across].std() == pytest.approx(0.05 * (grows + 0.0001 * away), rel=0.05)


def test_range_noise_grows_on_slanted_surfaces():
    points = _scan(SpinningLidar(4000, dropout=0.0), _road()).points[:, :3].astype(np.float64)
    distance = np.linalg.norm(points, axis=1)
    heights = points[:, 2] + SENSOR_HEIGHT
    ring = (distance > 24) & (distance < 28)
    # 26 m of road at 3.8 degrees: the spot is 0.78 m deep, and 0.02 m of noise becomes 0.038 m.
    noise = heights[ring].std() * 26 / SENSOR_HEIGHT
    assert noise == pytest.approx(0.02 * (np.hypot(1, 0.52) + 0.78), rel=0.1)


def test_retro_reflectors_saturate_and_diffuse_surfaces_do_not():
    def reflectances(albedo: float) -> np.ndarray:
        slanted = cuboid([POSITION[0] + 20, -200, -50], [POSITION[0] + 21, 200, 50], albedo)
        return _scan(SpinningLidar(500), slanted).points[:, 3]

    assert np.all(reflectances(0.95) == np.float32(0.99))
    assert reflectances(0.6).mean() == pytest.approx(0.58, abs=0.03)


def test_lasting_errors_are_the_same_in_every_revolution():
    lidar = SpinningLidar(600, range_noise=0.0, dropout=0.0).with_errors(np.random.default_rng(3))
    wall = cuboid([POSITION[0] + 10, -200, -50], [POSITION[0] + 11, 200, 50], 0.6)
    offsets = []
    for seed in (0, 1):
        points = _scan(lidar, wall, seed=seed).points.astype(np.float64)
        distance = np.linalg.norm(points[:, :3], axis=1)
        elevation = np.arcsin(points[:, 2] / distance)
        beam = np.abs(elevation[:, None] - beam_elevations()).argmin(1)
        # Files hold the nominal elevations, to a millimetre.
        np.testing.assert_allclose(elevation, beam_elevations()[beam], atol=1.5e-4)
        ahead = np.abs(points[:, 1]) < 3
        error = distance - 10 * distance / points[:, 0]
        offsets.append([error[ahead & (beam == one)].mean() for one in range(64)])
    np.testing.assert_allclose(offsets[0], offsets[1], atol=1e-3)
    np.testing.assert_allclose(offsets[0], lidar.errors.range_offset, atol=5e-3)
    assert np.std(offsets[0]) == pytest.approx(0.01, rel=0.3)


def test_faultless_errors_change_nothing():
    wall = cuboid([POSITION[0] + 10, -200, -50], [POSITION[0] + 11, 200, 50], 0.6)
    lidar = SpinningLidar(300)
    without = _scan(lidar, wall).points
    np.testing.assert_array_equal(without, _scan(SpinningLidar(300, errors=SensorErrors.none(64)), wall).points)


def test_bursts_lose_neighbouring_returns():
    def lost(bursts: float) -> np.ndarray:
        """How many returns are lost in each patch of 4 beams and 20 firings."""
        lidar = SpinningLidar(800, dropout=0.0, bursts=bursts)
        box = cuboid([-20 + POSITION[0], -27, -30], [20 + POSITION[0], 13, 40], 0.9)
        points = _scan(lidar, box, seed=4).points
        beam = np.abs(
            np.arcsin(points[:, 2] / np.linalg.norm(points[:, :3], axis=1))[:, None] - beam_elevations()
        ).argmin(1)
        firing = (np.arctan2(points[:, 1], points[:, 0]) % (2 * np.pi) * 800 / (2 * np.pi)).astype(int) % 800
        counts = np.histogram2d(beam, firing, bins=(16, 40), range=((0, 64), (0, 800)))[0]
        return 80 - counts

    assert lost(0.0).max() <= 5
    assert lost(12.0).max() > 40


def test_returns_get_rarer_with_range_and_with_darkness():
    def share(albedo: float, distance: float) -> float:
        """Share of the road's beams at about a distance that come back."""
        scan = _scan(SpinningLidar(2000, range_noise=0.0), _road(albedo))
        returned = np.linalg.norm(scan.points[:, :3], axis=1)
        low, high = 0.75 * distance, 1.25 * distance
        cast = np.sum((scan.hits.distance > low) & (scan.hits.distance < high))
        return np.sum((returned > low) & (returned < high)) / cast

    shares = [share(0.3, distance) for distance in (8, 30, 60)]
    assert shares[0] == pytest.approx(0.97, abs=0.01)
    assert shares[0] > shares[1] > shares[2] > 0
    assert share(0.05, 30) < shares[1]


def test_nothing_beyond_the_maximum_range():
    points = _scan(SpinningLidar(500, max_range=20.0, range_noise=0.0), _road(1.0)).points
    assert 15 < np.linalg.norm(points[:, :3], axis=1).max() <= 20


def test_glass_returns_its_share():
    wall = cuboid([0, -37, -30], [60, 23, 40], 0.9)
    glass = Surface(wall.vertices, wall.faces, wall.albedo, np.full(len(wall.faces), 0.25))
    count = len(_scan(SpinningLidar(500, dropout=0.0, bursts=0.0), glass).points)
    assert count / (64 * 500) == pytest.approx(0.25, abs=0.02)


def test_one_more_object_changes_no_other_return():
    lidar = SpinningLidar(300)
    post = cuboid([40, -8, 0], [41, -6, 2], 0.5)
    alone = _scan(lidar, _road())
    road = _road()
    both = Surface(
        np.concatenate([road.vertices, post.vertices]),
        np.concatenate([road.faces, post.faces + 4]),
        np.concatenate([road.albedo, post.albedo]),
        np.concatenate([road.opacity, post.opacity]),
    )
    with_post = _scan(lidar, both)
    kept = {tuple(point) for point in with_post.points[with_post.face < 2]}
    assert len(kept) > 5000
    assert kept <= {tuple(point) for point in alone.points}
