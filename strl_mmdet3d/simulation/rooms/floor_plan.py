"""Places for furniture in a rectangular room: within the walls and without overlaps."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

_TRIES = 40
"""Number of places that are tried for a piece before it is left out."""

_GAP = 0.02
"""Smallest distance between two footprints, metres."""


@dataclass(frozen=True)
class Footprint:
    """A rectangle on the floor.

    Attributes:
        x, y: Its centre in metres.
        depth, width: Its sides along and across its front direction.
        yaw: Its front direction, radians from +x to +y.
    """

    x: float
    y: float
    depth: float
    width: float
    yaw: float

    @property
    def axes(self) -> np.ndarray:
        """``(2, 2)`` unit vectors to the front and to the left."""
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        return np.array([[cos, sin], [-sin, cos]])

    @property
    def corners(self) -> np.ndarray:
        """``(4, 2)`` corners in metres."""
        half = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * [self.depth / 2, self.width / 2]
        return half @ self.axes + [self.x, self.y]

    def overlaps(self, other: Footprint, gap: float = 0.0) -> bool:
        """Return whether the two are less than ``gap`` metres apart along every side (the separating axis theorem)."""
        for axis in np.concatenate([self.axes, other.axes]):
            mine, theirs = self.corners @ axis, other.corners @ axis
            if mine.min() >= theirs.max() + gap or theirs.min() >= mine.max() + gap:
                return False
        return True


@dataclass
class FloorPlan:
    """The free and the taken floor of a room with its corners at (0, 0) and (length, breadth).

    Attributes:
        length: Metres along x.
        breadth: Metres along y.
        taken: The footprints that are placed so far.
    """

    length: float
    breadth: float
    taken: list[Footprint] = field(default_factory=list)

    def fits(self, footprint: Footprint) -> bool:
        """Return whether a footprint is within the walls and clear of all placed ones."""
        corners = footprint.corners
        inside = corners.min() >= 0 and np.all(corners.max(0) <= [self.length, self.breadth])
        return bool(inside) and not any(footprint.overlaps(other, _GAP) for other in self.taken)

    def take(self, footprint: Footprint) -> Footprint | None:
        """Place a footprint and return it, or return None if it does not fit."""
        if not self.fits(footprint):
            return None
        self.taken.append(footprint)
        return footprint

    def along_wall(self, rng: np.random.Generator, depth: float, width: float) -> Footprint | None:
        """Find a place with the back to a wall, up to 8 cm from it and turned by up to one degree, or return None."""
        for _ in range(_TRIES):
            wall = rng.integers(4)
            yaw = wall * np.pi / 2
            run = self.breadth if wall % 2 == 0 else self.length
            along, off = rng.uniform(0, run), rng.uniform(0.02, 0.08) + depth / 2
            # Walls in the order of their inward directions: +x, +y, -x, -y.
            x, y = [(off, along), (along, off), (self.length - off, along), (along, self.breadth - off)][wall]
            if found := self.take(Footprint(x, y, depth, width, yaw + np.radians(rng.uniform(-1, 1)))):
                return found
        return None

    def in_the_open(self, rng: np.random.Generator, depth: float, width: float) -> Footprint | None:
        """Find a place around the middle, parallel to the walls within 10 degrees, or return None."""
        for _ in range(_TRIES):
            x, y = rng.uniform(0.3, 0.7, 2) * [self.length, self.breadth]
            yaw = rng.integers(4) * np.pi / 2 + np.radians(rng.uniform(-10, 10))
            if found := self.take(Footprint(float(x), float(y), depth, width, yaw)):
                return found
        return None

    def beside(self, rng: np.random.Generator, host: Footprint, depth: float, width: float) -> Footprint | None:
        """Find a place to the left or the right of ``host``, with the backs in line, or return None."""
        front, left = host.axes
        for side in rng.permutation([-1, 1]):
            across = side * (host.width / 2 + rng.uniform(0.03, 0.1) + width / 2)
            x, y = np.array([host.x, host.y]) + across * left + (depth - host.depth) / 2 * front
            if found := self.take(Footprint(float(x), float(y), depth, width, host.yaw)):
                return found
        return None

    def facing(
        self,
        rng: np.random.Generator,
        host: Footprint,
        depth: float,
        width: float,
        *,
        distance: tuple[float, float],
        around: bool,
    ) -> Footprint | None:
        """Find a place from which the front looks at ``host``, within 15 degrees, or return None.

        ``distance`` is the smallest and the largest distance between the two in metres. With ``around`` the place may
        be on any side of ``host``, not only in front of it.
        """
        for _ in range(_TRIES):
            side = rng.integers(4) if around else 0
            direction = host.axes[side % 2] * (1 if side < 2 else -1)
            reach, run = (host.depth, host.width) if side % 2 == 0 else (host.width, host.depth)
            off = reach / 2 + rng.uniform(*distance) + depth / 2
            along = rng.uniform(-0.5, 0.5) * max(0.0, run - width)
            x, y = np.array([host.x, host.y]) + off * direction + along * direction[::-1] * [-1, 1]
            yaw = np.arctan2(-direction[1], -direction[0]) + np.radians(rng.uniform(-15, 15))
            if found := self.take(Footprint(float(x), float(y), depth, width, float(yaw))):
                return found
        return None
