"""Hills: the height of the ground, and how things stand on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from strl_mmdet3d.simulation.surface import Surface

STEEPEST, CROSSFALL = 0.06, 0.025
"""Largest gradients along and across the street: metres of height per metre."""

SHARPEST = 1 / 400
"""Largest curvature of a hilltop or a dip, 1 / metres. A facet 2 m long is then at most 1.3 mm off."""


@dataclass(frozen=True)
class Terrain:
    """A sum of plane waves: smooth hills over the whole ground plane.

    A scene is laid out on flat ground and then lifted.

    Attributes:
        amplitudes: ``(W,)`` metres.
        waves: ``(W, 2)`` wave vectors, radians per metre.
        phases: ``(W,)`` radians.
    """

    amplitudes: np.ndarray
    waves: np.ndarray
    phases: np.ndarray

    @classmethod
    def flat(cls) -> Terrain:
        """Return level ground at z = 0."""
        return cls(np.zeros(0), np.zeros((0, 2)), np.zeros(0))

    @classmethod
    def sample(cls, rng: np.random.Generator, heading: float) -> Terrain:
        """Draw level ground (one scene in five), or two waves along and one across a street.

        ``heading`` is the street's direction in radians. The wavelengths are 60 to 300 m. The waves along the street
        stay below :data:`STEEPEST` and :data:`SHARPEST` together, the wave across it below :data:`CROSSFALL`.
        """
        if rng.uniform() < 0.2:
            return cls.flat()
        directions = heading + rng.uniform(-0.3, 0.3, 3) + np.array([0.0, 0.0, np.pi / 2])
        numbers = 2 * np.pi / np.array([*rng.uniform(60, 300, 2), rng.uniform(150, 300)])
        share = rng.uniform()
        gradients = rng.uniform(0.2, 1.0) * np.array([share * STEEPEST, (1 - share) * STEEPEST, 0.0])
        sharpness = float(gradients @ numbers)
        gradients *= min(1.0, 0.8 * SHARPEST / sharpness)
        gradients[2] = rng.uniform() * CROSSFALL
        gradients[2] = min(gradients[2], 0.2 * SHARPEST / numbers[2])
        waves = numbers[:, None] * np.column_stack([np.cos(directions), np.sin(directions)])
        return cls(gradients / numbers, waves, rng.uniform(-np.pi, np.pi, 3))

    def _angles(self, x: np.ndarray | float, y: np.ndarray | float) -> np.ndarray:
        """Return each wave's phase at the places, ``(..., W)``."""
        return np.multiply.outer(x, self.waves[:, 0]) + np.multiply.outer(y, self.waves[:, 1]) + self.phases

    def height(self, x: np.ndarray | float, y: np.ndarray | float) -> np.ndarray:
        """Return the height of the ground at ``x`` and ``y``, which have the same shape, in metres."""
        return np.asarray(np.sin(self._angles(x, y)) @ self.amplitudes)

    def gradient(self, x: np.ndarray | float, y: np.ndarray | float) -> np.ndarray:
        """Return the ``(..., 2)`` slopes of the ground along world x and y."""
        return np.asarray((np.cos(self._angles(x, y)) * self.amplitudes) @ self.waves)

    def normal(self, x: float, y: float) -> np.ndarray:
        """Return the ``(3,)`` unit vector that is perpendicular to the ground at a place, upwards."""
        upwards = np.array([*-self.gradient(x, y), 1.0])
        return upwards / np.linalg.norm(upwards)

    def stance(self, x: float, y: float, yaw: float) -> np.ndarray:
        """Return the ``(3, 3)`` rotation, body to world, of a body that stands on the slope and heads for ``yaw``."""
        up = self.normal(x, y)
        forward = np.array([np.cos(yaw), np.sin(yaw), 0.0])
        forward[2] = self.gradient(x, y) @ forward[:2]
        forward /= np.linalg.norm(forward)
        return np.column_stack([forward, np.cross(up, forward), up])

    def lifted(self, part: Surface) -> Surface:
        """Return ``part``, which stands on flat ground, on the hills: what was vertical stays so."""
        x, y, z = part.vertices.T
        return replace(part, vertices=np.column_stack([x, y, z + self.height(x, y)]))

    def tilted(self, part: Surface, x: float, y: float) -> Surface:
        """Return ``part``, which stands on flat ground at a place, on the hills, leaning as the ground does there.

        Its underside follows the ground; what was vertical becomes perpendicular to the ground at ``x``, ``y``.
        """
        foot_x, foot_y, above = part.vertices.T
        on_ground = np.column_stack([foot_x, foot_y, self.height(foot_x, foot_y)])
        return replace(part, vertices=on_ground + above[:, None] * self.normal(x, y))
