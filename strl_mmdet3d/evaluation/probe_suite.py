"""All probes of one set of features, on all classes or on the classes with many samples. Needs the extra 'probe'."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .knn_probe import cosine_knn
from .linear_probe import FittedProbe, ProbeResult, standardised_svm, unscaled_svm


@dataclass
class Part:
    """The samples of some classes, on which a probe runs.

    Attributes:
        min_shapes: The least number of samples, training and test together, of each of the classes; 0 for all classes.
        train: Boolean (N,), which training samples belong to the part.
        test: Boolean (M,), which test samples do.
        num_classes: The number of the classes.
    """

    min_shapes: int
    train: np.ndarray
    test: np.ndarray
    num_classes: int

    def __str__(self) -> str:
        """Describe the part, as in '21 classes with at least 40 shapes: 700 to train on, 200 to test on'."""
        which = f' with at least {self.min_shapes} shapes' if self.min_shapes else ''
        return f'{self.num_classes} classes{which}: {self.train.sum()} shapes to train on, {self.test.sum()} to test on'


@dataclass
class Scores:
    """The results of the probes for one encoder.

    Attributes:
        unscaled: The paper's SVM.
        standardised: The SVM on standardised features.
        knn: Nearest neighbours.
    """

    unscaled: ProbeResult
    standardised: FittedProbe
    knn: FittedProbe


def large_classes(train_y: np.ndarray, test_y: np.ndarray, min_shapes: int) -> Part:
    """Select the samples of the classes with many samples. A probe trains and tests on these classes alone.

    Args:
        train_y: Labels (N,) of the training part.
        test_y: Labels (M,) of the test part.
        min_shapes: The least number of samples of a class in both parts together; 0 selects all classes.
    """
    counts = np.bincount(np.concatenate([train_y, test_y]))
    large = (counts > 0) & (counts >= min_shapes)
    return Part(min_shapes, large[train_y], large[test_y], int(large.sum()))


def run_probes(
    part: Part, train_x: np.ndarray, train_y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray, seed: int
) -> Scores:
    """Run all probes on a part of the samples; the other arguments and the error are as in `cosine_knn`."""
    arrays = (train_x[part.train], train_y[part.train], test_x[part.test], test_y[part.test])
    return Scores(unscaled_svm(*arrays), standardised_svm(*arrays, seed), cosine_knn(*arrays, seed))
