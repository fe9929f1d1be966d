"""Shapes of cars, pedestrians and cyclists, with the sizes of KITTI's labels.

Every builder returns a :data:`Shape`. Its surface stands on z = 0 and is centred on x = y = 0 (x forward, y left, z
up), so its extents are exactly the labelled box.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import trimesh

from strl_mmdet3d.simulation.surface import Surface, capsule, convex_hull, cylinder, join, surface

Shape = Callable[[float], Surface]
"""Maps the metres travelled so far, which move legs and pedals, to the actor's surface in the actor's frame."""

_RUBBER, _SKIN, _GLASS = 0.08, 0.45, 0.12
"""Albedos."""

_GLASS_OPACITY = 0.3
"""Most beams pass through a car's windows or are mirrored away."""


@dataclass(frozen=True)
class _Body:
    """A kind of car body.

    Attributes:
        kind: The KITTI class.
        share: Probability that it is drawn.
        length, width, height: Smallest and largest size in metres.
        belt, bonnet: Height of the windows' lower edge and of the bonnet's front, as shares of the height.
        cabin, roof: Rear and front end at the belt and at the top, as shares of the length from the rear bumper.
        windows: Whether the cabin is glass, unlike a panel van's.
    """

    kind: str
    share: float
    length: tuple[float, float]
    width: tuple[float, float]
    height: tuple[float, float]
    belt: float
    bonnet: float
    cabin: tuple[float, float]
    roof: tuple[float, float]
    windows: bool = True


# The sizes lie around the means of KITTI's labels: cars 3.9 x 1.6 x 1.56 m, vans 5.1 x 1.9 x 2.2 m.
_HATCHBACK = _Body('Car', 0.38, (3.4, 4.2), (1.55, 1.75), (1.42, 1.58), 0.60, 0.52, (0.02, 0.74), (0.10, 0.55))
_SALOON = _Body('Car', 0.20, (4.1, 4.8), (1.65, 1.85), (1.38, 1.50), 0.62, 0.55, (0.10, 0.73), (0.26, 0.56))
_ESTATE = _Body('Car', 0.17, (4.1, 4.7), (1.65, 1.83), (1.42, 1.55), 0.60, 0.53, (0.01, 0.74), (0.05, 0.57))
_SUV = _Body('Car', 0.17, (4.0, 4.7), (1.70, 1.92), (1.60, 1.80), 0.60, 0.54, (0.02, 0.75), (0.07, 0.60))
_VAN = _Body('Van', 0.08, (4.6, 5.8), (1.80, 2.05), (1.90, 2.50), 0.48, 0.44, (0.00, 0.86), (0.01, 0.70), False)
_BODIES = (_HATCHBACK, _SALOON, _ESTATE, _SUV, _VAN)


def _prism(profile: np.ndarray, half_widths: np.ndarray, albedo: float, opacity: float = 1.0) -> Surface:
    """Return a convex solid, symmetric in y, from ``(P, 2)`` points x, z of its side view and ``(P,)`` half widths."""
    left = np.column_stack([profile[:, 0], half_widths, profile[:, 1]])
    return convex_hull(np.concatenate([left, left * [1, -1, 1]]), albedo, opacity)


def car(rng: np.random.Generator) -> tuple[str, Shape]:
    """Draw a car or a van with a random body, size and paint.

    Returns:
        The KITTI class (``Car`` or ``Van``) and the shape, which is rigid.
    """
    body = _BODIES[rng.choice(len(_BODIES), p=[body.share for body in _BODIES])]
    length, width, height = (rng.uniform(*size) for size in (body.length, body.width, body.height))
    paint = rng.uniform(0.1, 0.7)

    def profile(*shares: tuple[float, float]) -> np.ndarray:
        """Return the side view in metres from shares of the length (from the rear) and of the height."""
        return (np.array(shares) - [0.5, 0.0]) * [length, height]

    sill, bumper, half = 0.13, 0.33, width / 2
    lower = _prism(
        profile(
            (0.01, sill),
            (0.0, bumper),
            (0.015, body.belt),
            (body.cabin[1], body.belt),
            (0.965, body.bonnet),
            (1.0, bumper),
            (0.985, sill),
        ),
        half * np.array([0.92, 1.0, 0.97, 0.97, 0.88, 0.95, 0.88]),
        paint,
    )
    top = 0.76 if body.windows else 0.92
    cabin = _prism(
        profile((body.cabin[0], body.belt), (body.cabin[1], body.belt), (body.roof[1], 0.97), (body.roof[0], 0.97)),
        half * np.array([0.95, 0.95, top, top]),
        _GLASS if body.windows else paint,
        _GLASS_OPACITY if body.windows else 1.0,
    )
    roof = _prism(
        profile((body.roof[0], 0.97), (body.roof[1], 0.97), (body.roof[1] - 0.03, 1.0), (body.roof[0] + 0.03, 1.0)),
        half * np.array([top, top, 0.9 * top, 0.9 * top]),
        paint,
    )
    radius = 0.31
    wheels = [
        cylinder([axle, side * (half - 0.22), radius], [axle, side * (half - 0.01), radius], radius, _RUBBER)
        for axle in (-0.31 * length, 0.31 * length)
        for side in (-1, 1)
    ]
    whole = join([lower, cabin, roof, *wheels]).standing_at_origin()
    return body.kind, lambda travelled: whole


def _limb(
    start: np.ndarray, end: np.ndarray, radius: float, albedo: float, y: tuple[float, float] = (0.0, 0.0)
) -> Surface:
    """Return a capsule between two points of the side view (x, z). ``y`` is the offset to the left at each end."""
    return capsule([start[0], y[0], start[1]], [end[0], y[1], end[1]], radius, albedo)


def pedestrian(rng: np.random.Generator) -> tuple[str, Shape]:
    """Draw an adult or a child who swings legs and arms while walking, about 1.3 m for a pair of steps.

    Returns:
        ``Pedestrian`` and the shape.
    """
    height = rng.uniform(1.55, 1.9) if rng.uniform() < 0.85 else rng.uniform(1.1, 1.5)
    girth = rng.uniform(0.85, 1.1) * height / 1.75
    swing = rng.uniform(0.3, 0.5)
    phase = rng.uniform(0, 2 * np.pi)
    coat, trousers = rng.uniform(0.12, 0.6, 2)
    bag = rng.uniform() < 0.25

    hip, neck = np.array([0.0, 0.50 * height]), np.array([0.02, 0.80 * height])
    shoulder = np.subtract(neck, [0.0, 0.05])
    head, head_radius = np.array([0.04, 0.937 * height]), 0.063 * height
    across = 0.14 * girth
    body = [
        _limb(hip, np.subtract(neck, [0.0, 0.08]), 0.16 * girth, coat),
        _limb(shoulder, shoulder, 0.09 * girth, coat, y=(-across, across)),
        _limb(np.subtract(head, [0.0, 0.2 * head_radius]), head, head_radius, _SKIN),
    ]
    if bag:
        body.append(_limb(np.add(hip, [-0.2 * girth, 0.1]), np.subtract(neck, [0.02 + 0.2 * girth, 0.15]), 0.12, 0.3))

    def shape(travelled: float) -> Surface:
        angle = swing * np.sin(phase + travelled * 2 * np.pi / (0.75 * height))
        parts = [*body]
        for side in (-1, 1):
            # The leg of one side swings with the arm of the other.
            reach = np.array([-np.sin(side * angle), -np.cos(angle)])
            foot = hip + (hip[1] - 0.05) * reach
            hand = shoulder + 0.36 * height * reach * [-1, 1]
            leg, arm, wrist = (side * offset * girth for offset in (0.09, 0.23, 0.27))
            parts += [
                _limb(hip, foot, 0.08 * girth, trousers, y=(leg, leg)),
                _limb(foot, np.add(foot, [0.15, 0.0]), 0.05, _RUBBER, y=(leg, leg)),
                _limb(shoulder, hand, 0.05 * girth, coat, y=(arm, wrist)),
            ]
        return join(parts).standing_at_origin()

    return 'Pedestrian', shape


def _wheel(x: float, radius: float) -> Surface:
    """Return a bicycle's wheel in the x-z plane that touches z = 0: a tyre around a disc of spokes, mostly open."""
    tyre = trimesh.creation.annulus(radius - 0.05, radius, 0.045, sections=20)
    spokes = trimesh.creation.cylinder(radius - 0.05, 0.01, sections=12)
    parts = [surface(tyre.vertices, tyre.faces, _RUBBER), surface(spokes.vertices, spokes.faces, 0.3, opacity=0.15)]
    wheel = join(parts)
    # Built about the z axis: stand it up so that its axle is along y.
    upright = wheel.vertices[:, [0, 2, 1]] + [x, 0.0, radius]
    return Surface(upright, wheel.faces, wheel.albedo, wheel.opacity)


def cyclist(rng: np.random.Generator) -> tuple[str, Shape]:
    """Draw a rider on a bicycle who pedals one turn every 4.5 m.

    Returns:
        ``Cyclist`` and the shape of rider and bicycle together, as in KITTI's labels.
    """
    size = rng.uniform(0.92, 1.06)
    girth = rng.uniform(0.9, 1.2)
    lean = rng.uniform(0.12, 0.4)
    phase = rng.uniform(0, 2 * np.pi)
    paint, coat, trousers = rng.uniform(0.12, 0.6, 3)
    grip = rng.uniform(0.22, 0.3)

    radius, base = 0.34 * size, 0.53 * size
    rear, front = np.array([-base, radius]), np.array([base, radius])
    saddle, crank, bars = np.array([[-0.2, 0.92], [-0.05, 0.29], [0.38, 1.02]]) * size
    shoulder = saddle + 0.52 * size * np.array([np.sin(lean), np.cos(lean)])
    head = shoulder + np.array([0.06, 0.28 * size])
    tubes = ((saddle, crank), (crank, bars), (saddle, bars), (crank, rear), (saddle, rear), (bars, front))
    rigid = [
        _wheel(-base, radius),
        _wheel(base, radius),
        *(_limb(start, end, 0.025, paint) for start, end in tubes),
        _limb(bars, bars, 0.02, paint, y=(-grip, grip)),
        _limb(np.add(saddle, [0.0, 0.08]), shoulder, 0.15 * girth, coat),
        _limb(np.subtract(head, [0.0, 0.04]), head, 0.11, _SKIN),
        *(
            _limb(shoulder, np.add(bars, [0.0, 0.03]), 0.05, coat, y=(side * 0.2, side * (grip - 0.02)))
            for side in (-1, 1)
        ),
    ]

    def shape(travelled: float) -> Surface:
        turn = phase + travelled * 2 * np.pi / 4.5
        parts = [*rigid]
        for side in (-1, 1):
            pedal = crank + side * 0.17 * np.array([np.cos(turn), np.sin(turn)])
            knee = (saddle + pedal) / 2 + size * np.array([0.22, 0.12])
            beside = (side * 0.11, side * 0.11)
            parts += [
                _limb(np.add(saddle, [0.0, 0.05]), knee, 0.08 * girth, trousers, y=beside),
                _limb(knee, pedal, 0.06 * girth, trousers, y=beside),
            ]
        return join(parts).standing_at_origin()

    return 'Cyclist', shape
