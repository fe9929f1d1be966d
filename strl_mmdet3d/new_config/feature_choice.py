"""Which feature of a detector to pool."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import ConfigError
from .feature_table import PLANE, POINTS, Feature, Inspection

NUM_REGIONS = 48
"""How many regions a dense config draws in a pair."""
AS_FAR = 0.005
"""Features whose shares of the trunk differ by no more than this reach equally far."""


@dataclass
class Choice:
    """The feature to pool.

    Attributes:
        feature: The feature.
        reasons: Why, and what it does not reach, a sentence each.
        more: Features that would reach more of the trunk beside it.
    """

    feature: Feature
    reasons: list[str]
    more: list[Feature]


def choose_feature(inspection: Inspection, dense: bool = False, name: str | None = None) -> Choice:
    """Choose the deepest feature among those that reach most of the trunk.

    Args:
        inspection: Of `inspect_detector`.
        dense: Whether regions will be read in the feature: then it is a BEV plane, or of points whose places are known.
        name: The feature that the user wants.

    Returns:
        The choice, with its reasons.

    Raises:
        ConfigError: If there is no such feature; names those there are.
    """
    names = [feature.name for feature in inspection.features]
    candidates = [feature for feature in inspection.features if not dense or can_be_read(feature, inspection)]
    if name is not None:
        candidates = [feature for feature in candidates if feature.name == name]
    if not candidates:
        wanted = f"feature '{name}'" if name is not None else 'feature'
        for_regions = ' in which regions can be read, a BEV plane or points with their places' if dense else ''
        raise ConfigError(f'{inspection.detector} has no {wanted}{for_regions}; its features are {names}')
    most = max(feature.share for feature in candidates)
    furthest = [feature for feature in candidates if feature.share >= most - AS_FAR]
    chosen = max(furthest, key=lambda feature: feature.depth)
    reasons = [_why(chosen, furthest, candidates, asked=name is not None)]
    if chosen.share < 1:
        reasons.append(_missing(chosen, inspection))
    if dense and (few := _few_points(chosen)):
        reasons.append(few)
    more = _beside(chosen, inspection)
    if more and not dense:
        together = set(chosen.reached).union(*(feature.reached for feature in more))
        share = inspection.size_of(together) / inspection.total
        number = chosen.channels + sum(feature.channels for feature in more)
        both = [chosen.name, *(feature.name for feature in more)]
        reasons.append(f'with feature={both} and projector.in_channels={number} it would be {100 * share:.3g} %')
    return Choice(chosen, reasons, more)


def can_be_read(feature: Feature, inspection: Inspection) -> bool:
    """Return whether `BEVRegions` or `PointRegions` can read regions in a feature."""
    return (feature.kind == PLANE and inspection.covers_range) or (
        feature.kind == POINTS and feature.places is not None
    )


def _few_points(chosen: Feature) -> str:
    """Say that a feature of points has fewer than there are regions; '' if it has enough."""
    number = re.search(r'(\d+)\)$', chosen.shape) if chosen.kind == POINTS else None
    if number is None or int(number[1]) >= NUM_REGIONS:
        return ''
    return (
        f'it has {number[1]} points for the {NUM_REGIONS} regions of DrawRegions, so some regions have the same '
        f'vector: take another --feature with more points, or DrawRegions(count={int(number[1]) // 2})'
    )


def _why(chosen: Feature, furthest: list[Feature], candidates: list[Feature], asked: bool) -> str:
    """Say why a feature was chosen."""
    reach = f'it reaches {100 * chosen.share:.3g} % of the trunk'
    if asked:
        return f"feature '{chosen.name}': asked for; {reach}"
    if len(candidates) == 1:
        return f"feature '{chosen.name}': the only one; {reach}"
    if len(furthest) == 1:
        return f"feature '{chosen.name}': {reach}, more than any other"
    return f"feature '{chosen.name}': {reach}, and is the deepest of the {len(furthest)} that reach as far"


def _missing(chosen: Feature, inspection: Inspection) -> str:
    """Say what a feature does not reach."""
    parts = [
        f'{name} ({100 * (1 - chosen.shares.get(name, 1.0)) * number / inspection.total:.3g} %)'
        for name, number in inspection.parameters.items()
        if chosen.shares.get(name, 1.0) < 1
    ]
    return f'not under its loss, of the whole trunk: {", ".join(parts)}'


def _beside(chosen: Feature, inspection: Inspection) -> list[Feature]:
    """Return features that reach what a feature does not, the one that adds most first."""
    reached = set(chosen.reached)
    more: list[Feature] = []
    while True:
        gains = {feature.name: inspection.size_of(feature.reached - reached) for feature in inspection.features}
        best = max(inspection.features, key=lambda feature: (gains[feature.name], feature.depth))
        if gains[best.name] < AS_FAR * inspection.total:
            return more
        more.append(best)
        reached |= best.reached
