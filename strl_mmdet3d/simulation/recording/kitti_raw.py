"""Drives in the layout of KITTI's raw recordings (synchronised and rectified)."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.recording import kitti_sensors as calibration
from strl_mmdet3d.simulation.recording.lidar import SCAN_PERIOD, SpinningLidar
from strl_mmdet3d.simulation.streets.scene import Scene
from strl_mmdet3d.simulation.surface import turn_about_z

DATE = '2030_01_01'
"""The date of all simulated drives. No recording of KITTI has this date."""

_START = datetime.strptime(DATE, '%Y_%m_%d').replace(hour=12)
_MINUTES = 700
_EARTH_RADIUS = 6378137.0
_HOME = (49.0, 8.43, 115.0)
"""Latitude and longitude of a drive's first packet in degrees (Karlsruhe), and the world's height zero in
metres."""


def write_drive(
    date_folder: Path, number: int, frames: int, lidar: SpinningLidar, seed: np.random.SeedSequence
) -> None:
    """Draw a scene, and write the scans and the navigation data of drive ``number`` through it.

    It writes ``frames`` scans, 0.1 s apart, to a new folder in ``date_folder``, which must exist.
    """
    drive = date_folder / f'{DATE}_drive_{number:04d}_sync'
    scans, packets = drive / 'velodyne_points' / 'data', drive / 'oxts' / 'data'
    scans.mkdir(parents=True)
    packets.mkdir(parents=True)
    begin = _START + timedelta(minutes=number % _MINUTES)  # within the day
    stamps = [f'{begin + timedelta(seconds=SCAN_PERIOD * frame):%Y-%m-%d %H:%M:%S.%f}000\n' for frame in range(frames)]
    for folder in (scans.parent, packets.parent):
        (folder / 'timestamps.txt').write_text(''.join(stamps))

    scene_seed, lidar_seed, *noise_seeds = seed.spawn(2 + frames)
    lidar = lidar.with_errors(np.random.default_rng(lidar_seed))
    scene = Scene.sample(np.random.default_rng(scene_seed), duration=SCAN_PERIOD * frames)
    for frame, noise_seed in enumerate(noise_seeds):
        moment = scene.at(SCAN_PERIOD * frame)
        noise = np.random.default_rng(noise_seed)
        scan = lidar.scan(RayCaster(moment.surface), moment.surface, moment.position, moment.rotation, noise)
        (scans / f'{frame:010d}.bin').write_bytes(scan.points.tobytes())
        (packets / f'{frame:010d}.txt').write_text(_packet(scene, SCAN_PERIOD * frame))


def _imu_pose(scene: Scene, time: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the IMU's ``(3,)`` position and ``(3, 3)`` rotation in the world at ``time`` seconds."""
    position, rotation = scene.sensor_pose(time)
    # IMU_TO_VELO holds the IMU's place in the LiDAR's frame; its rotation is the identity.
    return position + rotation @ calibration.IMU_TO_VELO[:3, 3], rotation


def _angles(rotation: np.ndarray) -> np.ndarray:
    """Return roll, pitch and yaw of a rotation ``Rz(yaw) Ry(pitch) Rx(roll)`` as KITTI composes it, in radians.

    Roll is positive with the left side up, pitch with the front down.
    """
    return np.array(
        [
            np.arctan2(rotation[2, 1], rotation[2, 2]),
            -np.arcsin(rotation[2, 0]),
            np.arctan2(rotation[1, 0], rotation[0, 0]),
        ]
    )


def _packet(scene: Scene, time: float) -> str:
    """Return the 30 values of an OXTS packet (KITTI's ``dataformat.txt``) at ``time`` seconds."""
    step = 0.01
    poses = [_imu_pose(scene, time + offset) for offset in (-step, 0.0, step)]
    (before, here, after), (rotation_before, rotation, rotation_after) = zip(*poses, strict=True)
    roll, pitch, yaw = _angles(rotation)
    velocity = (after - before) / (2 * step)
    # What the accelerometers feel: at rest, the ground pushes upwards.
    force = (after - 2 * here + before) / step**2 + np.array([0.0, 0.0, 9.81])
    # R' R^T is the cross product's matrix of the turn rate.
    spin = (rotation_after - rotation_before) / (2 * step) @ rotation.T
    turn_rate = np.array([spin[2, 1] - spin[1, 2], spin[0, 2] - spin[2, 0], spin[1, 0] - spin[0, 1]]) / 2

    # Forward, left and up are parallel to the earth's surface; x, y and z are the vehicle's axes.
    to_level, to_vehicle = turn_about_z(yaw).T, rotation.T
    latitude, longitude = _geographic(here - _imu_pose(scene, 0.0)[0])
    motion = [
        *(roll, pitch, yaw),
        *(velocity[1], velocity[0]),
        *(to_level @ velocity),
        *(to_vehicle @ force),
        *(to_level @ force),
        *(to_vehicle @ turn_rate),
        *(to_level @ turn_rate),
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
