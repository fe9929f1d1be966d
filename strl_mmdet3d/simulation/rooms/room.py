"""Furnished rooms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np

from strl_mmdet3d.simulation.rooms.floor_plan import FloorPlan, Footprint
from strl_mmdet3d.simulation.rooms.furniture import build
from strl_mmdet3d.simulation.surface import Surface, cuboid, join, quads

CAMERA_CLEARANCE = 0.75
"""Metres. Things taller than 1.2 m are closer to a wall than this; a camera at eye level stays farther away."""


@dataclass(frozen=True)
class Furniture:
    """A labelled piece of furniture.

    Attributes:
        kind: One of SUN RGB-D's ten classes.
        surface: Its surface in the room.
        box: ``(7,)`` float64: x, y, z of the gravity centre in the room, depth, width and height in metres, and yaw
            of its front in radians from +x to +y; the exact extents of the surface in the piece's own frame.
    """

    kind: str
    surface: Surface
    box: np.ndarray


@dataclass(frozen=True)
class Room:
    """A furnished room with its floor at z = 0 and its corners at (0, 0) and (length, breadth).

    Attributes:
        size: ``(3,)`` length (x), breadth (y) and height (z) in metres.
        surface: Everything in the room, and the room itself.
        owner: ``(F,)`` int64: each face's index into ``furniture``, -1 for the room and for things without a class.
        tint: ``(F, 3)`` float64 factors that turn a face's albedo into red, green and blue.
        furniture: The labelled pieces.
    """

    size: np.ndarray
    surface: Surface
    owner: np.ndarray
    tint: np.ndarray
    furniture: list[Furniture]

    @classmethod
    def sample(cls, rng: np.random.Generator, kind: str) -> Room:
        """Draw a room of a kind, a key of :data:`PLANS`. Pieces of the plan that do not find a place are left out."""
        plan = PLANS[kind]
        length, breadth = rng.uniform(*plan.sides, 2)
        size = np.array([length, breadth, rng.uniform(2.4, 2.8)])
        furnishing = _Furnishing(rng, FloorPlan(length, breadth))
        plan.furnish(furnishing)
        furnishing.add_clutter()
        pieces = furnishing.pieces
        # Each part, with the index of its piece.
        parts = [(part, -1) for part in _shell(rng, size) + furnishing.clutter]
        parts += [(piece.surface, index) for index, piece in enumerate(pieces)]
        owner = np.concatenate([np.full(len(part.faces), index) for part, index in parts])
        tint = np.concatenate([np.tile(rng.uniform(0.7, 1.0, 3), (len(part.faces), 1)) for part, _ in parts])
        return cls(size, join([part for part, _ in parts]), owner, tint, pieces)


def _shell(rng: np.random.Generator, size: np.ndarray) -> list[Surface]:
    """Return floor, ceiling and walls, a door, and windows that return hardly any of the sensor's light."""
    length, breadth, height = size
    corners = np.array([[0, 0], [length, 0], [length, breadth], [0, breadth]])
    ring = np.column_stack([corners, np.zeros(4)])
    walls = np.stack([_wall_quad(corners, wall, 0.0, 1.0, 0.0, height) for wall in range(4)])
    parts = [
        quads(ring, albedo=rng.uniform(0.25, 0.55)),
        quads(ring + np.array([0, 0, height]), albedo=0.7),
        quads(walls, albedo=rng.uniform(0.4, 0.7)),
    ]
    door, *windows = rng.permutation(4)[: rng.integers(2, 4)]
    start, end = _stretch(rng, corners, door, 0.9)
    parts.append(quads(_wall_quad(corners, door, start, end, 0.0, 2.02, inset=0.01), albedo=0.35))
    for window in windows:
        start, end = _stretch(rng, corners, window, rng.uniform(0.8, 1.6))
        pane = _wall_quad(corners, window, start, end, rng.uniform(0.8, 1.0), rng.uniform(1.9, 2.2), inset=0.01)
        parts.append(quads(pane, albedo=0.1, opacity=0.08))
    return parts


def _stretch(rng: np.random.Generator, corners: np.ndarray, wall: int, width: float) -> tuple[float, float]:
    """Draw where ``width`` metres of a wall start and end, as shares of the wall."""
    share = width / np.linalg.norm(corners[(wall + 1) % 4] - corners[wall])
    start = rng.uniform(0.05, 0.95 - share)
    return start, start + share


def _wall_quad(
    corners: np.ndarray, wall: int, start: float, end: float, low: float, high: float, inset: float = 0.0
) -> np.ndarray:
    """Return the ``(4, 3)`` corners of a rectangle in a wall, or ``inset`` metres in front of it.

    Wall n runs from the n-th of the room's ``(4, 2)`` corners to the next one. The rectangle extends from ``start`` to
    ``end`` as shares of the wall, and from ``low`` to ``high`` in metres above the floor.
    """
    first, along = corners[wall], corners[(wall + 1) % 4] - corners[wall]
    inwards = inset * np.array([-along[1], along[0]]) / np.linalg.norm(along)
    return np.array(
        [[*(first + share * along + inwards), z] for share, z in ((start, low), (end, low), (end, high), (start, high))]
    )


class _Furnishing:
    """Puts furniture and clutter into a room.

    Args:
        rng: Source of the draws.
        floor: The room's floor.

    Attributes:
        pieces: The furniture so far.
        clutter: Things without a class.
    """

    def __init__(self, rng: np.random.Generator, floor: FloorPlan) -> None:
        self.rng = rng
        self.floor = floor
        self.pieces: list[Furniture] = []
        self.clutter: list[Surface] = []

    def put(self, kind: str, place: Callable[..., Footprint | None], chance: float = 1.0) -> Footprint | None:
        """Put a piece of furniture with probability ``chance``, and return its footprint, or None if it is not there.

        ``kind`` is a key of ``furniture.BUILDERS``; ``place`` finds a place for a depth and a width.
        """
        if self.rng.uniform() >= chance:
            return None
        kind, surface = build(self.rng, kind)
        depth, width, height = np.ptp(surface.bounds, axis=0)
        spot = place(self.rng, depth=depth, width=width)
        if spot is None:
            return None
        box = np.array([spot.x, spot.y, height / 2, depth, width, height, spot.yaw])
        self.pieces.append(Furniture(kind, surface.placed(spot.x, spot.y, yaw=spot.yaw), box))
        if kind in ('table', 'desk', 'dresser', 'night_stand') and self.rng.uniform() < 0.7:
            self._lay_on(spot, height)
        return spot

    def at_wall(self, kind: str, chance: float = 1.0) -> Footprint | None:
        """Put a piece with its back to a wall."""
        return self.put(kind, self.floor.along_wall, chance)

    def in_the_open(self, kind: str, chance: float = 1.0) -> Footprint | None:
        """Put a piece into the room's middle."""
        return self.put(kind, self.floor.in_the_open, chance)

    def beside(self, host: Footprint | None, kind: str, chance: float = 1.0) -> None:
        """Put a piece beside ``host``, if there is a host."""
        if host is not None:
            self.put(kind, partial(self.floor.beside, host=host), chance)

    def facing(
        self,
        host: Footprint | None,
        kind: str,
        chance: float = 1.0,
        *,
        distance: tuple[float, float] = (0.04, 0.3),
        around: bool = False,
    ) -> None:
        """Put a piece that looks at ``host``, if there is a host; see :meth:`FloorPlan.facing`."""
        if host is not None:
            self.put(kind, partial(self.floor.facing, host=host, distance=distance, around=around), chance)

    def _lay_on(self, spot: Footprint, height: float) -> None:
        """Lay one to three boxes on top of a piece: books, a lamp, a screen."""
        for slot in range(self.rng.integers(1, 4)):
            # Each box has its own slot, away from the edge, so that no two overlap.
            width = min(0.3, spot.width / 4) * self.rng.uniform(0.4, 0.9)
            depth = min(0.25, spot.depth / 2) * self.rng.uniform(0.4, 0.9)
            across = (slot - 1) * spot.width / 4
            top = self.rng.uniform(0.03, 0.3)
            thing = cuboid([-depth / 2, across - width / 2, 0.0], [depth / 2, across + width / 2, top], 0.3)
            self.clutter.append(thing.placed(spot.x, spot.y, height + 0.003, spot.yaw))

    def add_clutter(self) -> None:
        """Add things without a class: sometimes a wardrobe, and boxes on the floor."""
        rng = self.rng
        if rng.uniform() < 0.4:
            self._stand(self.floor.along_wall, rng.uniform(0.5, 0.6), rng.uniform(0.8, 1.4), rng.uniform(1.8, 2.1))
        for _ in range(rng.integers(0, 4)):
            depth, width, height = rng.uniform(0.15, 0.45, 3)
            self._stand((self.floor.along_wall, self.floor.in_the_open)[rng.integers(2)], depth, width, height)

    def _stand(self, place: Callable[..., Footprint | None], depth: float, width: float, height: float) -> None:
        """Stand a box without a class on the floor, if there is a place."""
        if spot := place(self.rng, depth, width):
            box = cuboid([-depth / 2, -width / 2, 0.0], [depth / 2, width / 2, height], self.rng.uniform(0.15, 0.6))
            self.clutter.append(box.placed(spot.x, spot.y, yaw=spot.yaw))


def _bedroom(room: _Furnishing) -> None:
    """Furnish with a bed and night stands, and sometimes a desk."""
    bed = room.at_wall('bed')
    for _ in range(2):
        room.beside(bed, 'night_stand', 0.85)
    room.at_wall('dresser', 0.8)
    room.facing(room.at_wall('desk', 0.4), 'chair', 0.9)
    room.at_wall('bookshelf', 0.35)
    room.at_wall('chair', 0.3)


def _living_room(room: _Furnishing) -> None:
    """Furnish with sofas around a low table."""
    sofa = room.at_wall('sofa')
    room.facing(sofa, 'coffee_table', 0.85, distance=(0.3, 0.5))
    room.at_wall('sofa', 0.6)
    room.at_wall('bookshelf', 0.8)
    room.at_wall('dresser', 0.4)
    for _ in range(2):
        room.at_wall('chair', 0.4)


def _bathroom(room: _Furnishing) -> None:
    """Furnish with a bathtub and a toilet."""
    room.at_wall('bathtub')
    room.at_wall('toilet')
    room.at_wall('dresser', 0.4)


def _office(room: _Furnishing) -> None:
    """Furnish with desks, each with a chair, and sometimes a table for meetings."""
    for chance in (1.0, 0.7):
        room.facing(room.at_wall('desk', chance), 'chair')
    for chance in (1.0, 0.5):
        room.at_wall('bookshelf', chance)
    table = room.in_the_open('table', 0.5)
    for _ in range(3):
        room.facing(table, 'chair', 0.8, around=True)


def _dining_room(room: _Furnishing) -> None:
    """Furnish with chairs around a table."""
    table = room.in_the_open('table')
    for _ in range(5):
        room.facing(table, 'chair', 0.9, around=True)
    room.at_wall('dresser', 0.5)
    room.at_wall('bookshelf', 0.4)
    room.at_wall('chair', 0.4)


@dataclass(frozen=True)
class _Plan:
    """The size and the furniture of a kind of room.

    Attributes:
        sides: Smallest and largest length of a wall in metres.
        furnish: Puts in its furniture, the largest pieces first.
    """

    sides: tuple[float, float]
    furnish: Callable[[_Furnishing], None]


PLANS: MappingProxyType[str, _Plan] = MappingProxyType(
    {
        'bedroom': _Plan((3.4, 4.8), _bedroom),
        'living_room': _Plan((4.0, 5.8), _living_room),
        'bathroom': _Plan((2.8, 3.6), _bathroom),
        'office': _Plan((3.6, 5.5), _office),
        'dining_room': _Plan((3.8, 5.5), _dining_room),
    }
)
"""The kinds of rooms. Together they contain all ten classes."""
