"""Nearest neighbours among the features of a frozen encoder: a probe without learning. Needs the extra 'probe'."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from .folds import search_settings, stratified_folds
from .linear_probe import FittedProbe

K_GRID = (1, 3, 5, 10, 20)
"""Numbers of neighbours that are tried. Some are small, because a rare class has few samples to find."""


def cosine_knn(
    train_x: np.ndarray, train_y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray, seed: int
) -> FittedProbe:
    """Classify by the k nearest training samples in the cosine distance, weighted by the inverse distance.

    Args:
        train_x: Features (N, D), as the encoder gives them.
        train_y: Labels (N,).
        test_x: Features (M, D).
        test_y: Labels (M,).
        seed: Determines the folds of the training part on which k is chosen.

    Returns:
        The probe; `chosen` is k, the smallest of equally good ones.

    Raises:
        ValueError: If no class has two training samples.
    """
    folds = stratified_folds(train_y, seed)
    smallest_part = len(train_y) - -(-len(train_y) // folds.get_n_splits())
    model = KNeighborsClassifier(metric='cosine', weights='distance')
    search = search_settings(model, {'n_neighbors': [k for k in K_GRID if k <= smallest_part]}, train_x, train_y, folds)
    return FittedProbe(search.predict(test_x) == test_y, 100 * search.best_score_, search.best_params_['n_neighbors'])
