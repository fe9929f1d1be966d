"""The LiDAR on surfaces whose returns can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from strl_mmdet3d.simulation.lidar import SENSOR_HEIGHT, SpinningLidar, beam_elevations
from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.surface import Surface, cuboid, quads

POSITION = np.array([30.0, -7.0, SENSOR_HEIGHT])


def _road(albedo: float = 0.3) -> Surface:
    return quads(np.array([[-300, -300, 0], [300, -300, 0], [300, 300, 0], [-300, 300, 0]]), albedo)


def _scan(lidar: SpinningLidar, surface: Surface, yaw: float = 0.0, seed: int = 0):
    return lidar.scan(RayCaster(surface), surface, POSITION, yaw, np.random.default_rng(seed))


def test_beams_are_those_of_the_hdl_64e():
    degrees = np.degrees(beam_elevations())
    assert degrees.shape == (64,)
    assert degrees[0] == pytest.approx(2.0)
    assert degrees[-1] == pytest.approx(-24.8)
    assert np.all(np.diff(degrees) < 0)


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
    lidar = SpinningLidar(400, dropout=0.0)
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


def test_range_noise_has_its_deviation_along_the_beam():
    lidar = SpinningLidar(500, range_noise=0.05, dropout=0.0)
    wall = cuboid([POSITION[0] + 10, -200, -50], [POSITION[0] + 11, 200, 50], 0.9)
    points = _scan(lidar, wall).points[:, :3].astype(np.float64)
    distance = np.linalg.norm(points, axis=1)
    error = distance - 10 * distance / points[:, 0]
    near = np.abs(points[:, 1]) < 10
    assert near.sum() > 3000
    assert error[near].std() == pytest.approx(0.05, rel=0.05)


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
    count = len(_scan(SpinningLidar(500, dropout=0.0), glass).points)
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
