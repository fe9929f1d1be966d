"""The depth camera measures correctly, and its faults match the faults of real cameras."""

from __future__ import annotations

import numpy as np
import pytest

from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.rooms.depth_camera import DepthCamera, DepthImage
from strl_mmdet3d.simulation.surface import Surface, cuboid, join, quads

# A camera at the origin whose axes (x right, y down, z forward) are the world's axes.
POSE = np.eye(4)


def _wall(z: float, half: float = 20.0, albedo: float = 1.0, opacity: float = 1.0) -> Surface:
    """A square wall across the line of sight at ``z`` metres."""
    return quads(np.array([[[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]]]), albedo, opacity)


def _look(surface: Surface, pose: np.ndarray = POSE, **settings: float) -> DepthImage:
    camera = DepthCamera(**{'width': 160, 'half_signal': 1e-9, **settings})
    return camera.look(RayCaster(surface), surface, pose, np.random.default_rng(0))


def test_a_wall_without_noise_is_flat_and_exact():
    image = _look(_wall(2.345), noise=0.0)
    assert image.depth.dtype == np.uint16
    assert image.depth.shape == (120, 160)
    assert np.all(image.depth == 2345)
    np.testing.assert_allclose(image.true_depth, 2.345)
    assert np.all(image.face >= 0)


def test_back_projected_depth_lies_on_the_surface():
    # A slanted plane x + y + 2 z = 6.
    corners = np.array([[[-9, -9, 12.0], [9, -9, 3], [9, 9, -6], [-9, 9, 3]]])
    image = _look(quads(corners, 1.0), noise=0.0, max_depth=20.0)
    points = DepthCamera(160).back_project(image.depth / 1000.0)[image.depth > 0]
    assert len(points) > 10000
    # A rounded millimetre along the ray is at most 2 mm in the plane's equation here.
    assert np.abs(points @ [1, 1, 2] - 6).max() < 2e-3


def test_pose_is_camera_to_world():
    turned = np.array([[0, 0, 1.0, 0.5], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])
    wall = cuboid([3.5, -20, -20], [4, 20, 20], 1.0)
    assert np.all(_look(wall, turned, noise=0.0).depth == 3000)


def test_rays_pass_through_their_pixels():
    camera = DepthCamera(80)
    pixels = camera.rays @ camera.intrinsics.T
    np.testing.assert_allclose(pixels[0], [0, 0, 1], atol=1e-9)
    np.testing.assert_allclose(pixels[81], [1, 1, 1], atol=1e-9)
    np.testing.assert_allclose(pixels[-1], [79, 59, 1], atol=1e-9)


@pytest.mark.parametrize(('z', 'measured'), [(0.39, False), (0.41, True), (5.9, True), (6.1, False)])
def test_range(z, measured):
    assert np.all((_look(_wall(z), noise=0.0).depth > 0) == measured)


def test_noise_grows_with_the_square_of_the_depth():
    def deviation(z: float) -> float:
        return float(_look(_wall(z), disparity_step=1e-6).depth.std() / 1000)

    # Nguyen et al. 2012; the measured value has 19200 pixels, rounded to millimetres.
    for z in (1.0, 2.5, 5.0):
        assert deviation(z) == pytest.approx(0.0012 + 0.0019 * (z - 0.4) ** 2, rel=0.05)


def test_depth_comes_in_steps_of_disparity():
    steps = np.diff(np.unique(_look(_wall(3.0)).depth))
    # 26 mm at 3 m, as in 7-Scenes.
    assert np.all((steps >= 24) & (steps <= 28))


def test_shadow_of_the_projector_is_left_of_what_is_near():
    image = _look(join([_wall(3.0), cuboid([-0.2, -9, 1.5], [0.2, 9, 1.6], 1.0)]), noise=0.0, width=640)
    row = image.depth[240]
    near = np.flatnonzero(row == 1500)
    holes = np.flatnonzero(row == 0)
    # f b (1 / z_near - 1 / z_far) pixels, left of the near thing and nowhere else.
    assert len(holes) == pytest.approx(577.87 * 0.075 * (1 / 1.5 - 1 / 3.0), abs=1.5)
    assert holes.max() == near.min() - 1
    assert np.all(np.diff(holes) == 1)


def test_nothing_is_measured_where_nothing_is():
    image = _look(_wall(2.0, half=0.3), noise=0.0)
    seen = image.face >= 0
    assert 0 < seen.sum() < seen.size
    assert np.all(image.depth[~seen] == 0)
    assert np.all(np.isinf(image.true_depth[~seen]))


def test_glass_grazing_and_dark_surfaces_leave_holes():
    def holes(surface: Surface) -> float:
        return float((_look(surface, half_signal=DepthCamera.half_signal).depth == 0).mean())

    assert holes(_wall(2.0)) < 0.01
    assert holes(_wall(2.0, opacity=0.1)) == pytest.approx(0.9, abs=0.02)
    assert holes(_wall(4.0, albedo=0.05)) > 0.5
    # The farther away a floor 1.4 m below is, the more the rays graze it.
    floor = quads(np.array([[[-9, 1.4, 0.5], [9, 1.4, 0.5], [9, 1.4, 9], [-9, 1.4, 9]]]), 0.4)
    image = _look(floor, half_signal=DepthCamera.half_signal)
    lost = image.depth == 0
    near, far = ((image.true_depth > low) & (image.true_depth < low + 1) for low in (3.0, 5.0))
    assert holes(_wall(3.5, albedo=0.4)) < 0.05 < lost[near].mean() < 0.4 < lost[far].mean()


def test_a_smaller_picture_shows_the_same():
    surface = join([_wall(3.0), cuboid([-0.3, -0.2, 1.5], [0.4, 0.5, 1.7], 1.0)])
    large, small = (_look(surface, noise=0.0, width=width).true_depth for width in (320, 80))
    # A pixel of the small picture looks through the middle of 4 x 4 pixels of the large one.
    blocks = large.reshape(60, 4, 80, 4)
    assert np.all((small >= blocks.min((1, 3)) - 1e-9) & (small <= blocks.max((1, 3)) + 1e-9))
    assert len(np.unique(small.round(6))) > 1


@pytest.mark.parametrize('width', [0, -4, 30])
def test_bad_width(width):
    with pytest.raises(ValueError, match='multiple of 4'):
        DepthCamera(width)
