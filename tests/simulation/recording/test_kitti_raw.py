"""Drives: layout and navigation data."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.recording import kitti_sensors as calibration
from strl_mmdet3d.simulation.recording.kitti_raw import DATE, write_drive
from strl_mmdet3d.simulation.recording.lidar import SpinningLidar
from strl_mmdet3d.simulation.streets.scene import Scene
from strl_mmdet3d.simulation.streets.terrain import Terrain

FRAMES = 5


HILLS = Terrain(np.array([0.9, 0.25]), np.array([[0.06, 0.01], [-0.01, 0.04]]), np.array([0.4, 1.0]))
"""Gradients up to about 6 %."""


@pytest.fixture(scope='module', params=['hills', 'level'], autouse=True)
def terrain(request):
    """Each test runs on hills and on level ground."""
    chosen = HILLS if request.param == 'hills' else Terrain.flat()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Terrain, 'sample', lambda rng, heading: chosen)
        yield chosen


@pytest.fixture(scope='module')
def drive(tmp_path_factory, terrain):
    folder = tmp_path_factory.mktemp('date')
    write_drive(folder, 1, FRAMES, SpinningLidar(60), np.random.SeedSequence(11))
    return folder / f'{DATE}_drive_0001_sync'


@pytest.fixture(scope='module')
def scene(terrain) -> Scene:
    """The scene of the drive."""
    return Scene.sample(np.random.default_rng(np.random.SeedSequence(11).spawn(1)[0]), 0.1 * FRAMES)


@pytest.fixture(scope='module')
def packets(drive) -> np.ndarray:
    return np.array([np.loadtxt(drive / 'oxts' / 'data' / f'{frame:010d}.txt') for frame in range(FRAMES)])


def _imu_poses(packets: np.ndarray) -> np.ndarray:
    """Poses by the formulas of KITTI's development kit (``convertOxtsToPose``), in the first packet's frame."""
    earth_radius = 6378137.0
    scale = np.cos(packets[0, 0] * np.pi / 180)
    poses = np.tile(np.eye(4), (len(packets), 1, 1))
    for pose, (latitude, longitude, altitude, roll, pitch, yaw) in zip(poses, packets[:, :6], strict=True):
        pose[0, 3] = scale * longitude * np.pi * earth_radius / 180
        pose[1, 3] = scale * earth_radius * np.log(np.tan((90 + latitude) * np.pi / 360))
        pose[2, 3] = altitude
        turns = []
        for angle, (first, second) in ((roll, (1, 2)), (pitch, (2, 0)), (yaw, (0, 1))):
            turn = np.eye(3)
            turn[[first, first, second, second], [first, second, first, second]] = [
                np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle),
            ]  # fmt: skip
            turns.append(turn)
        pose[:3, :3] = turns[2] @ turns[1] @ turns[0]
    return np.linalg.inv(poses[0]) @ poses


def test_layout(drive):
    for folder in (drive / 'velodyne_points', drive / 'oxts'):
        assert len(list((folder / 'data').iterdir())) == FRAMES
        stamps = (folder / 'timestamps.txt').read_text().splitlines()
        times = [datetime.strptime(stamp[:-3], '%Y-%m-%d %H:%M:%S.%f') for stamp in stamps]
        assert [len(stamp) for stamp in stamps] == [29] * FRAMES
        np.testing.assert_allclose(np.diff(times).astype('timedelta64[us]').astype(int), 100_000)
    points = np.fromfile(drive / 'velodyne_points' / 'data' / '0000000003.bin', dtype=np.float32).reshape(-1, 4)
    assert len(points) > 2000
    assert np.all(np.linalg.norm(points[:, :3], axis=1) > 0.5)


def _sensor_poses(packets: np.ndarray) -> np.ndarray:
    """Poses of the LiDAR in the frame of the first scan."""
    return calibration.IMU_TO_VELO @ _imu_poses(packets) @ np.linalg.inv(calibration.IMU_TO_VELO)


def test_time_stamps_are_of_the_day_that_the_folder_names(tmp_path):
    for number in (12, 699, 700):
        write_drive(tmp_path, number, 1, SpinningLidar(4), np.random.SeedSequence(1))
        text = (tmp_path / f'{DATE}_drive_{number:04d}_sync/oxts/timestamps.txt').read_text()
        assert text.startswith(DATE.replace('_', '-'))


def test_relative_poses_are_those_of_the_sensor(scene, packets):
    expected = np.array([scene.at(0.1 * frame).sensor_to_world for frame in range(FRAMES)])
    expected = np.linalg.inv(expected[0]) @ expected
    found = _sensor_poses(packets)
    # Mercator's scale changes over the ground covered: a few micrometres.
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.linalg.norm(found[-1, :3, 3]) > 0.4 * 4


def test_scans_are_taken_where_the_packets_say(scene, packets, drive):
    start = scene.at(0.0).sensor_to_world
    for frame in (1, FRAMES - 1):
        pose = start @ _sensor_poses(packets)[frame]
        file = drive / 'velodyne_points' / 'data' / f'{frame:010d}.bin'
        points = np.fromfile(file, dtype=np.float32).reshape(-1, 4)[:, :3].astype(np.float64)
        distance = np.linalg.norm(points, axis=1)
        caster = RayCaster(scene.at(0.1 * frame).surface)
        hits = caster.first_hits(pose[:3, 3], points @ pose[:3, :3].T / distance[:, None])
        # Five deviations of the range noise. The lasting errors of the beams and the millimetres of the coordinates let
        # some beams miss an edge, and move where grazing ones reach the ground.
        assert np.mean(np.abs(hits.distance - distance) < 0.1) > 0.95


def test_velocities_agree_with_the_positions(packets):
    assert packets.shape == (FRAMES, 30)
    travelled = np.diff(_imu_poses(packets)[:, :3, 3], axis=0) / 0.1
    speed = np.linalg.norm(travelled, axis=1)
    np.testing.assert_allclose(packets[:-1, 8], speed, rtol=0.02)
    np.testing.assert_allclose(
        np.hypot(packets[:, 6], packets[:, 7]), np.hypot(packets[:, 8], packets[:, 9]), rtol=1e-6
    )
    turned = np.diff(np.unwrap(packets[:, 5])) / 0.1
    np.testing.assert_allclose((packets[:-1, 19] + packets[1:, 19]) / 2, turned, atol=1e-3)


def test_angles_altitude_and_climb_are_those_of_the_road(scene, packets, terrain):
    for frame, packet in enumerate(packets):
        x, y, yaw = scene.ego.pose(0.1 * frame)
        ahead, left = np.array([np.cos(yaw), np.sin(yaw)]), np.array([-np.sin(yaw), np.cos(yaw)])
        uphill, to_the_left = terrain.gradient(x, y) @ ahead, terrain.gradient(x, y) @ left
        # KITTI: pitch is positive with the front down, roll with the left side up.
        assert packet[4] == pytest.approx(-np.arctan(uphill), abs=1e-7)
        assert packet[3] == pytest.approx(np.arctan(to_the_left * np.cos(packet[4])), abs=1e-7)
        assert packet[10] == pytest.approx(uphill * packet[8] + to_the_left * packet[9], abs=0.03)
        # Where the car leans, its axes feel a share of the ground's push; the rest comes from its own bends.
        np.testing.assert_allclose(packet[11:13], [-9.81 * np.sin(packet[4]), 9.81 * np.sin(packet[3])], atol=0.9)
        np.testing.assert_allclose(np.linalg.norm(packet[11:14]), np.linalg.norm(packet[14:17]), rtol=1e-6)
    climbed = scene.sensor_pose(0.1 * (FRAMES - 1))[0][2] - scene.sensor_pose(0.0)[0][2]
    assert packets[-1, 2] - packets[0, 2] == pytest.approx(climbed, abs=2e-2)
    if terrain is HILLS:
        assert np.abs(packets[:, 3:5]).max() > 0.01


def test_turn_rates_agree_with_the_rotations(packets):
    poses = _imu_poses(packets)
    for frame in range(FRAMES - 1):
        turn = poses[frame, :3, :3].T @ poses[frame + 1, :3, :3]
        rate = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]) / 2 / 0.1
        np.testing.assert_allclose((packets[frame, 17:20] + packets[frame + 1, 17:20]) / 2, rate, atol=2e-3)
