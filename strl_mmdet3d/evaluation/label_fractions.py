"""Selects a part of the labels, the same every time, for fine-tuning with few labels."""

from __future__ import annotations

import numpy as np

from ..errors import ConfigError


def select_fraction(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Select a fraction of each class, but at least one sample of it.

    Each class is shuffled on its own, and its first samples are taken. So with the same seed, a smaller fraction is a
    subset of a larger one, and the samples of a class do not depend on the other classes.

    Args:
        labels: Int (N,), from 0.
        fraction: In (0, 1]. From a class with n samples, ``round(fraction * n)`` are taken, at least one.
        seed: An integer, 0 or more.

    Returns:
        Positions in [0, N), ascending, each once.

    Raises:
        ConfigError: If the fraction is not in (0, 1].
    """
    if not 0 < fraction <= 1:
        raise ConfigError(f'the fraction of the labels must be above 0 and at most 1, got {fraction}')
    selected = []
    for label in np.unique(labels):
        members = np.random.default_rng([seed, int(label)]).permutation(np.flatnonzero(labels == label))
        selected.append(members[: max(1, round(fraction * len(members)))])
    return np.sort(np.concatenate(selected)) if selected else np.empty(0, dtype=np.int64)
