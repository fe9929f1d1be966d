"""The path of a hand-held camera through a room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FRAME_RATE = 30.0
"""Frames per second of ScanNet's recordings."""


def camera_pose(position: np.ndarray, yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Return the pose of a camera with x to the right, y down and z forward, in a world with z up.

    Args:
        position: ``(3,)`` metres.
        yaw: Direction of view about +z, radians from +x to +y.
        pitch: Radians by which the camera looks down.
        roll: Radians by which the camera is turned clockwise about its line of sight.

    Returns:
        ``(4, 4)`` float64, camera to world.
    """
    forward = np.array([np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), -np.sin(pitch)])
    level_right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    level_down = np.cross(forward, level_right)
    right = np.cos(roll) * level_right + np.sin(roll) * level_down
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([right, np.cross(forward, right), forward])
    pose[:3, 3] = position
    return pose


@dataclass(frozen=True)
class _Sway:
    """A smooth random variation around 0: a sum of sines.

    Attributes:
        amplitudes: ``(K,)``.
        frequencies: ``(K,)`` in Hz.
        phases: ``(K,)`` in radians.
    """

    amplitudes: np.ndarray
    frequencies: np.ndarray
    phases: np.ndarray

    @classmethod
    def sample(cls, rng: np.random.Generator, amplitude: float, slowest: float, fastest: float) -> _Sway:
        """Draw one that stays within ``amplitude``, with frequencies from ``slowest`` to ``fastest`` in Hz."""
        shares = rng.uniform(0.2, 1.0, 3)
        return cls(amplitude * shares / shares.sum(), rng.uniform(slowest, fastest, 3), rng.uniform(0, 2 * np.pi, 3))

    def __call__(self, time: float) -> float:
        """Return the value at ``time`` seconds."""
        return float(self.amplitudes @ np.sin(2 * np.pi * self.frequencies * time + self.phases))


@dataclass(frozen=True)
class CameraWalk:
    """A path around a room's middle. The camera is at 1.3-1.7 m and looks across the middle and a little down.

    From frame to frame at 30 Hz it moves by 4-8 mm and turns by 0.2-0.5 degrees, as a recording of 7-Scenes does
    (measured on its first 600 frames: 7.5 mm and 0.45 degrees).

    Attributes:
        middle: ``(2,)`` the room's middle, metres.
        reach: ``(2,)`` largest distance of the path from the middle along x and y, metres.
        start: Angle around the middle at which the path begins, radians.
        rate: Radians per second around the middle, signed.
        height: Mean height of the camera, metres.
        pitch: Mean pitch, radians down.
        sways: Variation of the yaw, the pitch and the roll in radians, and of the height in metres.
    """

    middle: np.ndarray
    reach: np.ndarray
    start: float
    rate: float
    height: float
    pitch: float
    sways: tuple[_Sway, _Sway, _Sway, _Sway]

    @classmethod
    def sample(cls, rng: np.random.Generator, size: np.ndarray, clearance: float) -> CameraWalk:
        """Draw a walk through a room of ``(3,)`` ``size`` metres from x = y = 0.

        It stays at least ``clearance`` metres away from the walls.
        """
        middle = size[:2] / 2
        reach = (middle - clearance) * rng.uniform(0.6, 0.95)
        speed = rng.uniform(0.15, 0.28)
        sways = (
            _Sway.sample(rng, np.radians(25), 0.03, 0.07),
            _Sway.sample(rng, np.radians(10), 0.05, 0.2),
            _Sway.sample(rng, np.radians(5), 0.05, 0.3),
            _Sway.sample(rng, 0.1, 0.05, 0.3),
        )
        return cls(
            middle,
            reach,
            rng.uniform(0, 2 * np.pi),
            # In a small room a person turns on the spot instead of running around.
            rng.choice([-1, 1]) * min(0.16, speed / reach.mean()),
            rng.uniform(1.4, 1.6),
            np.radians(rng.uniform(18, 28)),
            sways,
        )

    def pose(self, time: float) -> np.ndarray:
        """``(4, 4)`` float64, camera to world, at ``time`` seconds."""
        angle = self.start + self.rate * time
        offset = self.reach * [np.cos(angle), np.sin(angle)]
        yaw_sway, pitch_sway, roll, height_sway = (sway(time) for sway in self.sways)
        position = np.array([*(self.middle + offset), self.height + height_sway])
        yaw = np.arctan2(-offset[1], -offset[0]) + yaw_sway
        return camera_pose(position, float(yaw), self.pitch + pitch_sway, roll)
