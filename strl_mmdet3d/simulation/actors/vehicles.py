"""Vehicles in the shares of a street's traffic: cars with what they carry, vans, lorries and trailers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from strl_mmdet3d.simulation.actors.bodywork import Family, Measures, body
from strl_mmdet3d.simulation.actors.cyclists import bicycle
from strl_mmdet3d.simulation.actors.figure import Build
from strl_mmdet3d.simulation.actors.heavy_vehicles import box_van, lorry, tractor, trailer
from strl_mmdet3d.simulation.actors.shape import Limb, Shape, between, blocks, chance, prism, tubes
from strl_mmdet3d.simulation.actors.vehicle_families import CARS, VANS
from strl_mmdet3d.simulation.surface import Surface, join

_BAY = (5.6, 2.15, 3.0)
"""Largest length, width and height of what parks in a bay of 5.6 x 2.3 m, metres."""


def _mirrors(rng: np.random.Generator, m: Measures) -> Surface:
    """Draw two mirrors beside the windscreen. They end where the body is widest, as labelled boxes of KITTI do."""
    x, deep, high = m.sill[1] - between(rng, (0.1, 0.4)), between(rng, (0.06, 0.14)), between(rng, (0.1, 0.18))
    low, inner, outer = m.belt + 0.04, 0.9 * m.shoulder, m.half
    return blocks([[x - deep, y, low, x, y + outer - inner, low + high] for y in (-outer, inner)], m.paint)


def _on_the_roof(rng: np.random.Generator, m: Measures) -> list[Surface]:
    """Draw two rails with or without a box on them, a taxi's sign, or nothing."""
    top, middle = m.height, m.eaves.mean()
    if chance(rng, 0.12):
        long = min(0.8 * float(np.ptp(m.eaves)), 1.6)
        start, end = middle - long / 2, middle + long / 2
        rails = (-0.75 * m.top, 0.75 * m.top)
        made = [tubes([Limb([start, y, top + 0.04], [end, y, top + 0.04], 0.02, 0.02, 0.3) for y in rails])]
        if chance(rng, 0.6):
            half, high = between(rng, (0.17, 0.45)), between(rng, (0.22, 0.45))
            start += between(rng, (0.0, 0.4)) * long
            nose = end - 0.2 * (end - start)
            corners = [[start, top + 0.05], [end, top + 0.05], [nose, top + high], [start, top + high]]
            made.append(prism(np.array(corners), half, between(rng, (0.05, 0.8))))
        return made
    if chance(rng, 0.04):
        return [blocks([[middle - 0.1, -0.25, top - 0.02, middle + 0.08, 0.25, top + 0.14]], 0.9)]
    return []


def _spoiler(m: Measures) -> Surface:
    """Return a spoiler on the boot, or on the end of the roof where there is no boot."""
    rear = -m.length / 2
    if m.sill[0] - rear > 0.35:
        spoiler = [rear + 0.03, -0.8 * m.top, 0.85 * m.belt, rear + 0.15, 0.8 * m.top, m.belt + 0.1]
    else:
        spoiler = [m.eaves[0] - 0.22, -0.8 * m.top, m.height - 0.1, m.eaves[0] + 0.05, 0.8 * m.top, m.height - 0.05]
    return blocks([spoiler], m.paint)


def _open_lid(rng: np.random.Generator, m: Measures) -> Surface:
    """Draw a tailgate that hangs open from the end of the roof."""
    hinge = np.array([m.eaves[0], m.height - 0.05])
    raised, long = between(rng, (0.0, 0.5)), 0.75 * (m.height - 0.5)
    tip = hinge + long * np.array([-np.cos(raised), np.sin(raised)])
    return prism(np.stack([hinge, tip, tip - [0.0, 0.08], hinge - [0.0, 0.08]]), m.top, m.paint)


def _extras(rng: np.random.Generator, m: Measures) -> list[Surface]:
    """Draw what cars with a firm roof have at random: mirrors, roof boxes, spoilers, tow hooks, bicycles, open lids."""
    made: list[Surface] = []
    rear = -m.length / 2
    if chance(rng, 0.6):
        made.append(_mirrors(rng, m))
    if np.ptp(m.eaves) > 0.9:
        made += _on_the_roof(rng, m)
    if chance(rng, 0.12):
        made.append(_spoiler(m))
    if chance(rng, 0.08):
        made.append(tubes([Limb([rear - 0.1, 0.0, 0.4], [rear + 0.1, 0.0, 0.36], 0.025, 0.025, 0.3)]))
    if m.length < 4.7 and chance(rng, 0.025):
        bike = bicycle(rng, Build.adult(rng), style='mountain')
        made.append(bike.surface.placed(rear - 0.32, 0.0, between(rng, (0.35, 0.6)), np.pi / 2))
    elif m.sill[0] - rear < 0.3 and chance(rng, 0.03):
        made.append(_open_lid(rng, m))
    return made


def _rigid(kind: str, parts: Surface) -> tuple[str, Shape]:
    """Return the class and the shape of a vehicle, which is the same however far it has travelled."""
    whole = parts.standing_at_origin()
    return kind, lambda travelled: whole


def _one_of(rng: np.random.Generator, families: tuple[Family, ...]) -> Family:
    """Draw a family by the shares, which need not sum up to 1."""
    shares = np.array([family.share for family in families])
    return families[int(rng.choice(len(families), p=shares / shares.sum()))]


def _car(rng: np.random.Generator) -> tuple[str, Surface]:
    """Draw a car; one with a firm roof may carry extras."""
    family = _one_of(rng, CARS)
    m, parts = body(rng, family)
    return 'Car', join([*parts, *(_extras(rng, m) if family.roof == 'pane' else [])])


def _van(rng: np.random.Generator) -> tuple[str, Surface]:
    """Draw a van: with panels, with windows, or with a box behind the cab."""
    if chance(rng, 0.2):
        return box_van(rng)
    _, parts = body(rng, _one_of(rng, VANS))
    return 'Van', join(parts)


def car(rng: np.random.Generator) -> tuple[str, Shape]:
    """Draw a car, or in one of twelve cases a van, that fits a parking bay of 5.6 x 2.3 m.

    Returns:
        The KITTI class (``Car`` or ``Van``) and the shape, which is rigid.
    """
    build = _van if chance(rng, 1 / 12) else _car
    while True:
        kind, parts = build(rng)
        if np.all(np.ptp(parts.bounds, axis=0) <= _BAY):
            return _rigid(kind, parts)


_TRAFFIC: tuple[tuple[float, Callable[[np.random.Generator], tuple[str, Surface]]], ...] = (
    (0.80, _car),
    (0.11, _van),
    (0.05, lorry),
    (0.03, trailer),
    (0.01, tractor),
)
"""Shares of the kinds of vehicles in the traffic."""


def vehicle(rng: np.random.Generator) -> tuple[str, Shape]:
    """Draw a vehicle of any kind, in the traffic's shares.

    Returns:
        The KITTI class and the shape, which is rigid: ``Car`` (80 %), ``Van`` (11 %), ``Truck`` (5 %), or ``Misc`` (4
        %), which are trailers, caravans and tractors.
    """
    build = _TRAFFIC[rng.choice(len(_TRAFFIC), p=[share for share, _ in _TRAFFIC])][1]
    return _rigid(*build(rng))
