"""A 64-beam spinning LiDAR, modelled on the Velodyne HDL-64E of KITTI's car."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.simulation.ray_casting import Hits, RayCaster
from strl_mmdet3d.simulation.surface import Surface, turn_about_z

SENSOR_HEIGHT = 1.73
"""Height of the LiDAR above the road in metres (KITTI's sensor setup)."""

SCAN_PERIOD = 0.1
"""Seconds between two scans (KITTI's Velodyne spins at 10 Hz)."""


def beam_elevations() -> np.ndarray:
    """Return the ``(64,)`` elevations of the HDL-64E's beams in radians, from top to bottom.

    They span +2 to -24.8 degrees (KITTI's sensor setup). The upper block of 32 lasers is spaced by a third of a degree,
    the lower block by about half a degree (HDL-64E manual).
    """
    upper = 2.0 - np.arange(32) / 3
    lower = np.linspace(upper[-1] - 0.5, -24.8, 32)
    return np.radians(np.concatenate([upper, lower]))


@dataclass(frozen=True)
class Scan:
    """One revolution.

    Attributes:
        points: ``(N, 4)`` float32: x forward, y left, z up in metres from the sensor, reflectance in [0, 1]. In the
            order of KITTI's files: beam by beam from the top, each turning left from straight ahead.
        face: ``(N,)`` int64, the face of the scanned surface that each point comes from.
        directions: ``(64 * azimuth_steps, 3)`` float64, unit vectors of all beams in the world's frame.
        hits: The first hit of each of these beams, including beams that gave no return.
    """

    points: np.ndarray
    face: np.ndarray
    directions: np.ndarray
    hits: Hits


@dataclass(frozen=True)
class SpinningLidar:
    """A LiDAR that takes a whole revolution at one instant, as in a motion-compensated scan.

    Attributes:
        azimuth_steps: Firings per revolution. KITTI's scans have one every 0.17-0.18 degrees (measured).
        max_range: Largest range in metres. KITTI's files end at 80 m (measured), the sensor itself at 120 m.
        range_noise: Standard deviation of the range in metres (HDL-64E data sheet: below 0.02 m).
        dropout: Share of the returns that are lost on any surface.
        half_signal: The signal ``albedo * cos(incidence) / range**2`` at which half of the returns are lost. The
            default loses about half of the road's returns at 50 m and hardly any from a wall.
    """

    azimuth_steps: int = 2083
    max_range: float = 80.0
    range_noise: float = 0.02
    dropout: float = 0.03
    half_signal: float = 2.5e-6

    def __post_init__(self) -> None:
        if self.azimuth_steps < 1:
            raise ConfigError(f'azimuth_steps must be at least 1, got {self.azimuth_steps}')

    def directions(self, phase: float) -> np.ndarray:
        """Return ``(64 * azimuth_steps, 3)`` float64 unit vectors of all beams in the sensor's frame.

        They run beam by beam from the top, turning left from straight ahead. ``phase`` is the turn of this revolution
        as a share of an azimuth step, in [0, 1).
        """
        azimuth = (np.arange(self.azimuth_steps) + phase) * (2 * np.pi / self.azimuth_steps)
        elevation = beam_elevations()[:, None]
        horizontal = np.cos(elevation)
        return np.stack(
            [horizontal * np.cos(azimuth), horizontal * np.sin(azimuth), np.sin(elevation) + 0 * azimuth], axis=-1
        ).reshape(-1, 3)

    def scan(
        self, caster: RayCaster, surface: Surface, position: np.ndarray, yaw: float, rng: np.random.Generator
    ) -> Scan:
        """Take one revolution.

        Args:
            caster: Casts rays at ``surface``.
            surface: The scanned surface, in the world's frame (z up).
            position: ``(3,)`` position of the sensor in the world, metres. The sensor stands upright.
            yaw: Heading of the sensor's x axis in the world, radians from +x to +y.
            rng: Source of the noise.

        Returns:
            The returns in the sensor's frame.
        """
        directions = self.directions(rng.uniform())
        in_world = directions @ turn_about_z(yaw).T
        hits = caster.first_hits(position, in_world)
        reached = (hits.face >= 0) & (hits.distance < self.max_range)
        face = np.where(reached, hits.face, 0)
        distance = np.where(reached, hits.distance, self.max_range)

        # Every beam draws the same amount of noise, hit or not, so that one more object does not change other returns.
        chance = rng.uniform(size=len(directions))
        range_noise = rng.normal(0.0, self.range_noise, len(directions))
        reflectance_noise = rng.normal(0.0, 0.03, len(directions))
        signal = surface.albedo[face] * hits.cos_incidence / distance**2
        returned = reached & (
            chance < (1 - self.dropout) * surface.opacity[face] * (1 - 0.5 ** (signal / self.half_signal))
        )
        # The sensor corrects its reflectance for the range and partly for the incidence.
        reflectance = np.clip(surface.albedo[face] * hits.cos_incidence**0.12 + reflectance_noise, 0.0, 0.99)
        # KITTI's files hold millimetres and hundredths.
        points = np.column_stack(
            [np.round(directions * (distance + range_noise)[:, None], 3), np.round(reflectance, 2)]
        )[returned]
        return Scan(points.astype(np.float32), face[returned], in_world, hits)
