"""A part of the labels: fine-tuning with few of them, the same ones every time."""

from __future__ import annotations

import numpy as np


def select_fraction(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Select a fraction of each class, but at least one sample of it.

    Each class is put into a random order of its own, and the first ones are taken. So with one seed, the selection of a
    smaller fraction is part of that of a larger one, and a class does not depend on what other classes there are.

    Args:
        labels: Int (N,), from 0.
        fraction: In (0, 1]. Of a class with n samples, ``round(fraction * n)`` are taken, at least one.
        seed: A whole number, 0 or more.

    Returns:
        Positions in [0, N), ascending, each once.

    Raises:
        ValueError: If the fraction is not in (0, 1].
    """
    if not 0 < fraction <= 1:
        raise ValueError(f'the fraction of the labels must be above 0 and at most 1, got {fraction}')
    selected = []
    for label in np.unique(labels):
        members = np.random.default_rng([seed, int(label)]).permutation(np.flatnonzero(labels == label))
        selected.append(members[: max(1, round(fraction * len(members)))])
    return np.sort(np.concatenate(selected)) if selected else np.empty(0, dtype=np.int64)
