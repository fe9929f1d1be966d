"""Folds of the training part, by which everything that a probe chooses is chosen."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from sklearn.model_selection import StratifiedKFold

NUM_FOLDS = 5


def stratified_folds(labels: np.ndarray, seed: int) -> StratifiedKFold:
    """Divide labelled samples into folds with about the same share of each class.

    Args:
        labels: Int (N,).
        seed: Which samples go together.

    Returns:
        scikit-learn's splitter: of five folds, or of as many as the largest class has samples.

    Raises:
        ValueError: If every class has one sample: nothing can be held out then.
    """
    largest = int(np.bincount(labels).max())
    if largest < 2:
        raise ValueError(
            f'each of the {len(np.unique(labels))} classes has one training sample, and nothing can be held out to '
            'choose C or k: give the probe more labels'
        )
    return StratifiedKFold(min(NUM_FOLDS, largest), shuffle=True, random_state=seed)


@contextmanager
def rare_classes_allowed() -> Iterator[None]:
    """Keep scikit-learn from warning, once a fit, of classes with fewer samples than folds: real shapes have them."""
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'The least populated class', UserWarning)
        yield
