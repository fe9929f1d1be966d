"""Finds a feature in the output of a detector by its dotted name."""

from __future__ import annotations

from typing import Any

from ..errors import ConfigKeyError


def select(features: Any, name: str | None) -> Any:
    """Follow a dotted name such as ``'fp_features.-1'`` into nested dicts and sequences.

    Args:
        features: The output of ``extract_feat``.
        name: Keys and positions joined by dots; None for the whole output.

    Returns:
        The feature.

    Raises:
        ConfigKeyError: If a step is not found; names the step and the features there.
    """
    for step in name.split('.') if name else ():
        try:
            if not isinstance(features, (dict, list, tuple)):
                raise TypeError
            features = features[step] if isinstance(features, dict) else features[int(step)]
        except (KeyError, IndexError, ValueError, TypeError):
            there = f'is a {type(features).__name__}'
            if isinstance(features, dict):
                there = f'has {sorted(features)}'
            elif isinstance(features, (list, tuple)):
                there = f'has {len(features)} features, named 0 to {len(features) - 1}'
            raise ConfigKeyError(
                f"feature='{name}': '{step}' is not in the detector's output there, which {there}"
            ) from None
    return features
