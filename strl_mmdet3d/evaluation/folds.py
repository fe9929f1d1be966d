"""Cross-validation folds of the training part, on which a probe chooses its settings."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from ..errors import ConfigError

NUM_FOLDS = 5


def stratified_folds(labels: np.ndarray, seed: int) -> StratifiedKFold:
    """Divide labelled samples into folds with about the same share of each class.

    Args:
        labels: Int (N,).
        seed: Determines which samples share a fold.

    Returns:
        scikit-learn's splitter. It makes five folds, or fewer if the largest class has fewer samples.

    Raises:
        ConfigError: If every class has only one sample, so that nothing can be held out.
    """
    largest = int(np.bincount(labels).max())
    if largest < 2:
        raise ConfigError(
            f'each of the {len(np.unique(labels))} classes has only one training sample, so nothing can be held out '
            'to choose C or k: give the probe more labels'
        )
    return StratifiedKFold(min(NUM_FOLDS, largest), shuffle=True, random_state=seed)


def search_settings(
    model: BaseEstimator, grid: dict, train_x: np.ndarray, train_y: np.ndarray, folds: StratifiedKFold
) -> GridSearchCV:
    """Choose the settings of a classifier from a grid by cross-validation, and fit it to all samples with the best.

    Raises:
        ConfigError: If in some fold one class is left, so that no setting has a score.
    """
    with warnings.catch_warnings():
        # At each fit scikit-learn warns of classes with fewer samples than folds: real data has them.
        warnings.filterwarnings('ignore', 'The least populated class', UserWarning)
        warnings.filterwarnings('ignore', category=FitFailedWarning)
        search = GridSearchCV(model, grid, cv=folds).fit(train_x, train_y)
    if not np.isfinite(search.best_score_):
        raise ConfigError(
            f'of the {len(np.unique(train_y))} classes of the training samples one is left when a fold is held out: '
            'give the probe more labels'
        )
    return search
