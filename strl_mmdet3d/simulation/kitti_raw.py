"""Drives in the layout of KITTI's raw recordings (synchronised and rectified)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from strl_mmdet3d.simulation import kitti_sensors as calibration
from strl_mmdet3d.simulation.lidar import SCAN_PERIOD, SENSOR_HEIGHT, SpinningLidar
from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.scene import EgoPath, Scene
from strl_mmdet3d.simulation.surface import turn_about_z

DATE = '2030_01_01'
"""The date of all simulated drives. No recording of KITTI has this date."""

_START = datetime.strptime(DATE, '%Y_%m_%d').replace(hour=12)
_EARTH_RADIUS = 6378137.0
_HOME = (49.0, 8.43, 115.0)
"""Latitude and longitude of a drive's first packet in degrees (Karlsruhe), and the road's altitude in metres."""


def write_drive(
    date_folder: Path, number: int, frames: int, lidar: SpinningLidar, seed: np.random.SeedSequence
) -> Iterator[None]:
    """Draw a scene, and write the scans and the navigation data of drive ``number`` through it.

    It writes to a new folder in ``date_folder``, which must exist, and yields after each of ``frames`` scans, 0.1 s
    apart.
    """
    drive = date_folder / f'{DATE}_drive_{number:04d}_sync'
    scans, packets = drive / 'velodyne_points' / 'data', drive / 'oxts' / 'data'
    scans.mkdir(parents=True)
    packets.mkdir(parents=True)
    begin = _START + timedelta(hours=number)
    stamps = [f'{begin + timedelta(seconds=SCAN_PERIOD * frame):%Y-%m-%d %H:%M:%S.%f}000\n' for frame in range(frames)]
    for folder in (scans.parent, packets.parent):
        (folder / 'timestamps.txt').write_text(''.join(stamps))

    scene_seed, *noise_seeds = seed.spawn(1 + frames)
    scene = Scene.sample(np.random.default_rng(scene_seed), duration=SCAN_PERIOD * frames)
    for frame, noise_seed in enumerate(noise_seeds):
        moment = scene.at(SCAN_PERIOD * frame)
        noise = np.random.default_rng(noise_seed)
        scan = lidar.scan(RayCaster(moment.surface), moment.surface, moment.position, moment.yaw, noise)
        (scans / f'{frame:010d}.bin').write_bytes(scan.points.tobytes())
        (packets / f'{frame:010d}.txt').write_text(_packet(scene.ego, SCAN_PERIOD * frame))
        yield


def _imu_position(ego: EgoPath, time: float) -> tuple[np.ndarray, float]:
    """Return the IMU's ``(3,)`` position in the world and its yaw."""
    x, y, yaw = ego.pose(time)
    # The LiDAR in the IMU's frame is the inverse of IMU_TO_VELO, whose rotation is the identity.
    offset = calibration.IMU_TO_VELO[:3, 3]
    cos, sin = np.cos(yaw), np.sin(yaw)
    moved = [cos * offset[0] - sin * offset[1], sin * offset[0] + cos * offset[1], offset[2]]
    return np.array([x, y, SENSOR_HEIGHT]) + moved, yaw


def _packet(ego: EgoPath, time: float) -> str:
    """Return the 30 values of an OXTS packet (KITTI's ``dataformat.txt``) at ``time`` seconds."""
    step = 0.01
    before, here, after = (_imu_position(ego, time + offset)[0] for offset in (-step, 0.0, step))
    yaw_before, yaw, yaw_after = (ego.pose(time + offset)[2] for offset in (-step, 0.0, step))
    velocity = (after - before) / (2 * step)
    acceleration = (after - 2 * here + before) / step**2
    turn_rate = (yaw_after - yaw_before) / (2 * step)
    to_vehicle = turn_about_z(yaw).T
    force = to_vehicle @ acceleration + np.array([0.0, 0.0, 9.81])

    latitude, longitude = _geographic(here - _imu_position(ego, 0.0)[0])
    motion = [
        *(0.0, 0.0, np.arctan2(np.sin(yaw), np.cos(yaw))),
        *(velocity[1], velocity[0]),
        *(to_vehicle @ velocity),
        *force,
        *force,
        *(0.0, 0.0, turn_rate),
        *(0.0, 0.0, turn_rate),
        *(0.01, 0.01),
    ]
    # navstat, numsats, posmode, velmode, orimode: a carrier-phase differential fix with ten satellites.
    place = [f'{latitude:.12f}', f'{longitude:.12f}', f'{_HOME[2] + here[2]:.6f}']
    return ' '.join([*place, *(f'{value:.8f}' for value in motion), '4', '10', '5', '5', '6']) + '\n'


def _geographic(travelled: np.ndarray) -> tuple[float, float]:
    """Return latitude and longitude after ``(3,)`` metres (east, north, up) from the first packet.

    This inverts the Mercator projection of KITTI's development kit, scaled at the first packet's latitude.
    """
    scale = np.cos(np.radians(_HOME[0]))
    longitude = _HOME[1] + np.degrees(travelled[0] / (scale * _EARTH_RADIUS))
    north = np.log(np.tan(np.radians(90 + _HOME[0]) / 2)) + travelled[1] / (scale * _EARTH_RADIUS)
    latitude = np.degrees(2 * np.arctan(np.exp(north))) - 90
    return float(latitude), float(longitude)
