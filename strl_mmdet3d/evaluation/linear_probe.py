"""Linear SVMs on the features of a frozen encoder: the paper's, and one that does not depend on the features' scale.

Needs the extra 'probe' (scikit-learn).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from .folds import search_settings, stratified_folds

C_GRID = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
"""Penalties that are tried on standardised features. 0.01 suits 1024 features, 0.1 the 283 hand-crafted ones."""


@dataclass(eq=False)
class ProbeResult:
    """What a probe did on the test samples.

    Attributes:
        correct: Boolean (M,), which test samples are classified correctly.
    """

    correct: np.ndarray

    @property
    def accuracy(self) -> float:
        """Per cent of the test samples that are classified correctly."""
        return 100 * float(self.correct.mean())


@dataclass(eq=False)
class FittedProbe(ProbeResult):
    """A probe whose settings were chosen by cross-validation in the training part.

    Attributes:
        cross_validated: Per cent of the training samples, each held out once, that are classified correctly with the
            chosen setting.
        chosen: The chosen setting: C of an SVM, k of nearest neighbours.
    """

    cross_validated: float
    chosen: float


def unscaled_svm(train_x: np.ndarray, train_y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray) -> ProbeResult:
    """Probe as the paper does: ``SVC(kernel='linear', C=1)`` on the features as they are.

    The effect of C=1 depends on the scale of the features, which differs between encoders.

    Args:
        train_x: Features (N, D).
        train_y: Labels (N,).
        test_x: Features (M, D).
        test_y: Labels (M,).
    """
    return ProbeResult(SVC(kernel='linear', C=1).fit(train_x, train_y).predict(test_x) == test_y)


def fit_standardised_svm(train_x: np.ndarray, train_y: np.ndarray, seed: int) -> GridSearchCV:
    """Fit a linear SVM to standardised features, with C chosen inside the training part.

    Mean and deviation come from the training part; in the cross-validation, from the folds that the SVM is fitted to.

    Args:
        train_x: Features (N, D).
        train_y: Labels (N,).
        seed: Determines the folds.

    Returns:
        scikit-learn's search, fitted to the whole training part with the best C, the smallest of equally good ones.

    Raises:
        ValueError: If no class has two training samples.
    """
    model = make_pipeline(StandardScaler(), SVC(kernel='linear'))
    return search_settings(model, {'svc__C': C_GRID}, train_x, train_y, stratified_folds(train_y, seed))


def standardised_svm(
    train_x: np.ndarray, train_y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray, seed: int
) -> FittedProbe:
    """Probe by `fit_standardised_svm`, whose errors it raises; `chosen` is C. Test data as in `unscaled_svm`."""
    search = fit_standardised_svm(train_x, train_y, seed)
    return FittedProbe(search.predict(test_x) == test_y, 100 * search.best_score_, search.best_params_['svc__C'])
