"""Objects that KITTI labels, as they stand or move in a street, and the check that no two of them meet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from strl_mmdet3d.simulation.actors.shape import Shape
from strl_mmdet3d.simulation.streets.street import Street
from strl_mmdet3d.simulation.surface import Surface

_STEP = 0.2
"""Seconds between two checks. Footprints are stretched by the way in between."""

_CYCLE = (0.0, 0.3, 0.6, 0.9, 1.2)
"""Metres travelled at which legs and pedals are looked at, to find how far they reach in a cycle."""

_LEAN = 0.12
"""On hills, a box leans against what is in it by up to this many metres per metre of its height."""


@dataclass(frozen=True)
class Actor:
    """An object that KITTI labels. It moves evenly, or weaves a little, and faces the way it moves.

    Attributes:
        kind: The KITTI class.
        shape: Its surface as a function of the metres travelled.
        street: The street it is in.
        s, d: Its place at time 0, in the street's coordinates, metres.
        turned: Its heading relative to the street's, radians, if it does not move.
        speed: Metres per second along +s; negative for the opposite direction.
        across: Metres per second along +d, to the left.
        weave: Largest distance from its straight course, metres.
        wavelength: Metres per period of the weaving.
        phase: Phase of the weaving at the start, radians.
        begin, end: The seconds between which it moves. Before and after it stands.
    """

    kind: str
    shape: Shape
    street: Street
    s: float
    d: float
    turned: float = 0.0
    speed: float = 0.0
    across: float = 0.0
    weave: float = 0.0
    wavelength: float = 6.0
    phase: float = 0.0
    begin: float = 0.0
    end: float = np.inf

    def place(self, times: np.ndarray | float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return s and d in metres and the heading relative to the street's in radians, each as ``times`` (seconds)."""
        moved = np.clip(times, self.begin, self.end) - self.begin
        s = self.s + self.speed * moved
        turn = 2 * np.pi * self.speed * moved / self.wavelength + self.phase
        d = self.d + self.across * moved + self.weave * np.sin(turn)
        if not self.speed and not self.across:
            return s, d, np.full(np.shape(s), self.turned)
        leftwards = self.across + self.weave * np.cos(turn) * 2 * np.pi * self.speed / self.wavelength
        return s, d, np.arctan2(leftwards, self.speed * (1 - self.street.line.curvature * d))

    def position(self, time: float) -> tuple[float, float, float, float]:
        """Return world x, y, z of the ground beneath it, and its yaw, at ``time`` seconds."""
        s, d, turned = (float(value) for value in self.place(time))
        x, y, heading = self.street.line.at(s, d)
        # Whoever steps over a kerb stays up until the last foot has left it, so the kerb does not reach into the box.
        beside = (-0.6, 0.0, 0.6) if self.across else (0.0,)
        reach = 1.1 if self.kind == 'Cyclist' else 0.6
        z = max(self.street.ground_height(s, d + offset, reach) for offset in beside)
        return float(x), float(y), z, float(heading) + turned

    def travelled(self, time: float) -> float:
        """Return the metres that it has moved at ``time`` seconds."""
        moved = min(max(time, self.begin), self.end) - self.begin
        return float(np.hypot(self.speed, self.across)) * moved

    def surface(self, time: float) -> Surface:
        """Return its surface in its own frame at ``time`` seconds."""
        return self.shape(self.travelled(time))


class Crowd:
    """Actors that never meet.

    Args:
        duration: Seconds from 0 for which they must not meet.

    Attributes:
        actors: Those that have found a place.
    """

    def __init__(self, duration: float) -> None:
        self.actors: list[Actor] = []
        self._step = _STEP if duration else 0.0
        self._times = np.arange(0.0, duration + _STEP, _STEP) if duration else np.zeros(1)
        self._centres = np.empty((0, len(self._times), 2))
        self._yaws = np.empty((0, len(self._times)))
        self._halves = np.empty((0, 2))

    def add(self, actor: Actor, clearance: float = 0.05) -> bool:
        """Let an actor in, unless it would come within ``clearance`` metres of another one. Return whether it is in."""
        moves = self._step and (actor.speed or actor.across)
        *footprint, height = largest_extents(actor.shape, _CYCLE if moves else (actor.travelled(0.0),))
        if not self.keep_clear(actor, np.array(footprint) + 2 * clearance + _LEAN * height):
            return False
        self.actors.append(actor)
        return True

    def keep_clear(self, actor: Actor, footprint: np.ndarray) -> bool:
        """Reserve the way of a footprint ``(2,)``, length and width in metres, that moves as ``actor`` does.

        Returns:
            Whether it was free. Otherwise nothing is reserved.
        """
        s, d, turned = actor.place(self._times)
        x, y, heading = actor.street.line.at(s, d)
        centres, yaws = np.stack([x, y], axis=-1), heading + turned
        halves = footprint / 2 + [np.hypot(actor.speed, actor.across) * self._step / 2, 0.0]
        if self._meets(centres, yaws, halves):
            return False
        self._centres = np.concatenate([self._centres, centres[None]])
        self._yaws = np.concatenate([self._yaws, yaws[None]])
        self._halves = np.concatenate([self._halves, halves[None]])
        return True

    def _meets(self, centres: np.ndarray, yaws: np.ndarray, halves: np.ndarray) -> bool:
        """Return whether a footprint overlaps a reserved one, given ``(T, 2)`` centres and ``(T,)`` yaws."""
        reach = np.linalg.norm(self._halves, axis=1) + np.linalg.norm(halves)
        apart = centres - self._centres
        who, when = np.nonzero(np.einsum('ntc,ntc->nt', apart, apart) < reach[:, None] ** 2)
        if not len(who):
            return False
        # Two rectangles are apart if their shadows on one of their four axes are.
        apart, others, own = apart[who, when], self._yaws[who, when], yaws[when]
        between = np.abs([np.cos(own - others), np.sin(own - others)])
        separate = np.zeros(len(who), dtype=bool)
        for yaw, mine, theirs in ((own, halves[None], self._halves[who]), (others, self._halves[who], halves[None])):
            along = np.abs(apart[:, 0] * np.cos(yaw) + apart[:, 1] * np.sin(yaw))
            beside = np.abs(apart[:, 1] * np.cos(yaw) - apart[:, 0] * np.sin(yaw))
            separate |= along > mine[:, 0] + theirs[:, 0] * between[0] + theirs[:, 1] * between[1]
            separate |= beside > mine[:, 1] + theirs[:, 0] * between[1] + theirs[:, 1] * between[0]
        return not separate.all()


@lru_cache(maxsize=1)  # the same shape is often tried in one place after another
def largest_extents(shape: Shape, travelled: tuple[float, ...] = (0.0,)) -> np.ndarray:
    """Return ``(3,)`` length, width and height in metres: the largest of those after ``travelled`` metres."""
    return np.max([np.ptp(shape(way).bounds, axis=0) for way in travelled], axis=0)
