"""A spinning LiDAR: the Velodyne HDL-64E of KITTI's car, or an HDL-32E in its place."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.simulation.ray_casting import Hits, RayCaster
from strl_mmdet3d.simulation.surface import Surface

SENSOR_HEIGHT = 1.73
"""Height of the LiDAR above the road in metres (KITTI's sensor setup)."""

SCAN_PERIOD = 0.1
"""Seconds between two scans (KITTI's Velodyne spins at 10 Hz)."""

BEAMS = (64, 32)
"""The numbers of beams that can be simulated."""

_RETRO_REFLECTOR = 0.9
"""Albedo above which a surface is a retro-reflector, such as a traffic sign or a number plate."""

_DIVERGENCE = 0.002
"""Angle that the beam widens by, radians (HDL-64E data sheet: 2 mrad)."""


def beam_elevations(beams: int = 64) -> np.ndarray:
    """Return the ``(beams,)`` elevations of the beams in radians, from top to bottom.

    The HDL-64E's beams span +2 to -24.8 degrees (KITTI's sensor setup): the upper block of 32 lasers is spaced by a
    third of a degree, the lower block by about half a degree (HDL-64E manual). The HDL-32E's span +10.67 to -30.67
    degrees, spaced by 4/3 of a degree (table of the angles in its manual).
    """
    if beams == 32:
        return np.radians(10.67 - np.arange(32) * 4 / 3)
    upper = 2.0 - np.arange(32) / 3
    lower = np.linspace(upper[-1] - 0.5, -24.8, 32)
    return np.radians(np.concatenate([upper, lower]))


@dataclass(frozen=True)
class SensorErrors:
    """What stays wrong with one LiDAR's measurements throughout a drive.

    Attributes:
        range_offset: ``(B,)`` metres that each beam measures too far.
        elevation: ``(B,)`` radians that each beam points above its nominal elevation.
        gain: ``(B,)`` factor of each beam's reflectance.
        weakness: ``(B,)`` factor of the signal that each beam needs for a return.
    """

    range_offset: np.ndarray
    elevation: np.ndarray
    gain: np.ndarray
    weakness: np.ndarray

    @classmethod
    def none(cls, beams: int) -> SensorErrors:
        """Return the errors of a faultless sensor."""
        return cls(np.zeros(beams), np.zeros(beams), np.ones(beams), np.ones(beams))

    @classmethod
    def sample(cls, rng: np.random.Generator, beams: int) -> SensorErrors:
        """Draw the errors of a sensor in one weather.

        The ranges are off by 1 cm and the elevations by 0.02 degrees: what is left after a good calibration. The
        sensor as a whole, and each beam a little more, reports reflectances as too bright or too dark. Damp air and a
        dirty window weaken all beams, dirt and age some more than others.
        """
        gain, weakness = np.exp(rng.normal(0.0, [0.15, 0.5]))
        return cls(
            rng.normal(0.0, 0.01, beams),
            rng.normal(0.0, np.radians(0.02), beams),
            gain * np.exp(rng.normal(0.0, 0.08, beams)),
            weakness * np.exp(rng.normal(0.0, 0.3, beams)),
        )


@dataclass(frozen=True)
class Scan:
    """One revolution.

    Attributes:
        points: ``(N, 4)`` float32: x forward, y left, z up in metres from the sensor, reflectance in [0, 1]. In the
            order of KITTI's files: beam by beam from the top, each turning left from straight ahead.
        face: ``(N,)`` int64, the face of the scanned surface that each point comes from.
        directions: ``(beams * azimuth_steps, 3)`` float64, unit vectors of all beams in the world's frame.
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
        beams: 64 for an HDL-64E, 32 for an HDL-32E.
        max_range: Largest range in metres. KITTI's files end at 80 m (measured), the sensor itself at 120 m.
        range_noise: Standard deviation of the range in metres on a near surface across the beam (HDL-64E data sheet:
            below 0.02 m). It grows with the range, and with the depth of the spot on a slanted surface.
        dropout: Share of the returns that are lost on any surface.
        half_signal: The signal ``albedo * cos(incidence) / range**2`` at which half of the returns are lost. The
            default loses about half of the road's returns at 50 m and hardly any from a wall.
        bursts: Mean number of gaps in a revolution: some beams over some degrees, where most returns are lost.
        errors: The lasting errors; ``None`` for a faultless sensor.
    """

    azimuth_steps: int = 2083
    beams: int = 64
    max_range: float = 80.0
    range_noise: float = 0.02
    dropout: float = 0.03
    half_signal: float = 2.5e-6
    bursts: float = 4.0
    errors: SensorErrors | None = None

    def __post_init__(self) -> None:
        if self.azimuth_steps < 1:
            raise ConfigError(f'azimuth_steps must be at least 1, got {self.azimuth_steps}')
        if self.beams not in BEAMS:
            raise ConfigError(f'beams must be 64 (HDL-64E) or 32 (HDL-32E), got {self.beams}')

    def with_errors(self, rng: np.random.Generator) -> SpinningLidar:
        """Return the same model with the lasting errors of another drive."""
        return replace(self, errors=SensorErrors.sample(rng, self.beams))

    def directions(self, phase: float, elevation_errors: np.ndarray | float = 0.0) -> np.ndarray:
        """Return ``(beams * azimuth_steps, 3)`` float64 unit vectors of all beams in the sensor's frame.

        They run beam by beam from the top, turning left from straight ahead.

        Args:
            phase: The turn of this revolution as a share of an azimuth step, in [0, 1).
            elevation_errors: ``(beams,)`` radians above the nominal elevations.
        """
        azimuth = (np.arange(self.azimuth_steps) + phase) * (2 * np.pi / self.azimuth_steps)
        elevation = (beam_elevations(self.beams) + elevation_errors)[:, None]
        horizontal = np.cos(elevation)
        return np.stack(
            [horizontal * np.cos(azimuth), horizontal * np.sin(azimuth), np.sin(elevation) + 0 * azimuth], axis=-1
        ).reshape(-1, 3)

    def scan(
        self, caster: RayCaster, surface: Surface, position: np.ndarray, rotation: np.ndarray, rng: np.random.Generator
    ) -> Scan:
        """Take one revolution.

        Args:
            caster: Casts rays at ``surface``.
            surface: The scanned surface, in the world's frame (z up).
            position: ``(3,)`` position of the sensor in the world, metres.
            rotation: ``(3, 3)`` rotation from the sensor's frame to the world's.
            rng: Source of the noise.

        Returns:
            The returns in the sensor's frame.
        """
        errors = self.errors or SensorErrors.none(self.beams)
        phase = rng.uniform()
        in_world = self.directions(phase, errors.elevation) @ rotation.T
        hits = caster.first_hits(position, in_world)
        reached = (hits.face >= 0) & (hits.distance < self.max_range)
        face = np.where(reached, hits.face, 0)
        distance = np.where(reached, hits.distance, self.max_range)

        # Every beam draws the same amount of noise, hit or not, so that one more object does not change other returns.
        chance = rng.uniform(size=len(in_world))
        range_noise = rng.normal(0.0, self.range_noise, len(in_world))
        reflectance_noise = rng.normal(0.0, 0.03, len(in_world))
        kept = (1 - self.dropout) * self._kept_in_bursts(rng)
        albedo, cosine = surface.albedo[face], hits.cos_incidence
        retro = albedo > _RETRO_REFLECTOR
        signal = albedo * np.where(retro, 1.0, cosine) / distance**2
        needed = np.repeat(self.half_signal * errors.weakness, self.azimuth_steps)
        returned = reached & (chance < kept * surface.opacity[face] * (1 - 0.5 ** (signal / needed)))

        # The spot of a slanted surface is deep, and the sensor measures somewhere within it.
        depth = _DIVERGENCE * distance * np.sqrt(1 - cosine**2) / np.maximum(cosine, 1e-3)
        measured = distance + range_noise * (np.hypot(1.0, distance / 50) + np.minimum(depth, 2.0))
        measured += np.repeat(errors.range_offset, self.azimuth_steps)
        # The sensor corrects its reflectance for the range and partly for the incidence. A retro-reflector saturates.
        gain = np.repeat(errors.gain, self.azimuth_steps)
        reflectance = np.where(retro, 0.99, gain * albedo * cosine**0.12 + reflectance_noise).clip(0.0, 0.99)
        # KITTI's files hold millimetres and hundredths. They are computed with the nominal elevations.
        points = np.column_stack([self.directions(phase) * measured[:, None], reflectance])[returned]
        points = np.column_stack([points[:, :3].round(3), points[:, 3].round(2)])
        return Scan(points.astype(np.float32), face[returned], in_world, hits)

    def _kept_in_bursts(self, rng: np.random.Generator) -> np.ndarray:
        """Draw the gaps of a revolution; return for each beam the ``(beams * azimuth_steps,)`` share that stays."""
        kept = np.ones((self.beams, self.azimuth_steps))
        for _ in range(rng.poisson(self.bursts)):
            top, left = rng.integers(self.beams), rng.integers(self.azimuth_steps)
            height, width = rng.integers(1, 9), 1 + int(rng.uniform(0.002, 0.05) * self.azimuth_steps)
            kept[top : top + height, left : left + width] *= rng.uniform(0.1, 0.7)
        return kept.reshape(-1)
