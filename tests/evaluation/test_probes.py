"""The probes, on features with a known answer."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.svm import SVC

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.evaluation.folds import stratified_folds
from strl_mmdet3d.evaluation.knn_probe import K_GRID, cosine_knn
from strl_mmdet3d.evaluation.linear_probe import C_GRID, fit_standardised_svm, standardised_svm, unscaled_svm
from strl_mmdet3d.evaluation.probe_suite import large_classes, run_probes


def clusters(per_class: int, seed: int, spread: float = 0.1, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """One direction per class, in 8 dimensions, and noise around it."""
    labels = np.repeat(np.arange(classes), per_class)
    noise = np.random.default_rng(seed).normal(0, spread, (len(labels), 8))
    return (np.eye(8)[labels] + noise).astype(np.float32), labels


def test_separable_classes_are_told_apart_by_all():
    train, test = clusters(10, 0), clusters(5, 1)
    assert unscaled_svm(*train, *test).accuracy == 100
    for probe in (standardised_svm, cosine_knn):
        fitted = probe(*train, *test, seed=0)
        assert fitted.accuracy == fitted.cross_validated == 100
    assert standardised_svm(*train, *test, seed=0).chosen in C_GRID
    assert cosine_knn(*train, *test, seed=0).chosen == K_GRID[0]  # all are equally good


def test_noise_tells_nothing():
    (_, train_y), (_, test_y) = clusters(25, 0), clusters(100, 1)
    rng = np.random.default_rng(2)
    train_x, test_x = rng.normal(size=(100, 8)), rng.normal(size=(400, 8))
    for accuracy in (
        unscaled_svm(train_x, train_y, test_x, test_y).accuracy,
        standardised_svm(train_x, train_y, test_x, test_y, 0).accuracy,
        cosine_knn(train_x, train_y, test_x, test_y, 0).accuracy,
    ):
        assert accuracy == pytest.approx(25, abs=9)


def test_the_scale_of_the_features_matters_to_the_papers_svm_only():
    (train_x, train_y), (test_x, test_y) = clusters(10, 0, 0.5), clusters(50, 1, 0.5)
    shrunk = 1e-4
    plain = unscaled_svm(train_x, train_y, test_x, test_y)
    small = unscaled_svm(train_x * shrunk, train_y, test_x * shrunk, test_y)
    assert small.accuracy != plain.accuracy
    for probe in (standardised_svm, cosine_knn):
        plain = probe(train_x, train_y, test_x, test_y, seed=0)
        small = probe(train_x * shrunk, train_y, test_x * shrunk, test_y, seed=0)
        assert small.accuracy == pytest.approx(plain.accuracy, abs=1)


def test_the_papers_svm_is_scikit_learns():
    train, (test_x, test_y) = clusters(10, 0, 0.8), clusters(50, 1, 0.8)
    predicted = SVC(kernel='linear', C=1).fit(*train).predict(test_x)
    probed = unscaled_svm(*train, test_x, test_y)
    assert np.array_equal(probed.correct, predicted == test_y)
    assert probed.accuracy == pytest.approx(100 * (predicted == test_y).mean())


def test_nothing_of_the_test_part_is_used_to_choose():
    train, (test_x, test_y) = clusters(10, 0, 0.6), clusters(20, 1, 0.6)
    fitted, other = (standardised_svm(*train, test_x, labels, seed=0) for labels in (test_y, (test_y + 1) % 4))
    assert (fitted.chosen, fitted.cross_validated) == (other.chosen, other.cross_validated)
    assert fitted.cross_validated == 100 * fit_standardised_svm(*train, seed=0).best_score_


def test_the_seed_draws_the_folds():
    train, test = clusters(10, 0, 0.9), clusters(5, 1, 0.9)
    scores = {standardised_svm(*train, *test, seed=seed).cross_validated for seed in range(4)}
    assert len(scores) > 1
    first, second = (standardised_svm(*train, *test, seed=1) for _ in range(2))
    assert np.array_equal(first.correct, second.correct)
    assert (first.cross_validated, first.chosen) == (second.cross_validated, second.chosen)


def test_classes_of_a_single_sample_are_taken_silently():
    x, y = clusters(6, 0)
    x, y = np.concatenate([x, np.full((1, 8), 2)]), np.append(y, 4)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert standardised_svm(x, y, x, y, seed=0).accuracy > 90
        assert cosine_knn(x, y, x, y, seed=0).accuracy == 100


def test_with_few_labels_there_are_fewer_folds_and_with_one_a_class_an_error():
    x, y = clusters(3, 0)
    assert stratified_folds(y, 0).get_n_splits() == 3
    assert cosine_knn(x, y, x, y, seed=0).chosen <= 8  # of twelve samples, folds leave eight
    x, y = clusters(1, 0)
    with pytest.raises(ValueError, match='one training sample'):
        standardised_svm(x, y, x, y, seed=0)


def test_large_classes_count_both_parts_and_are_probed_by_themselves():
    train_y, test_y = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 2, 4])
    part = large_classes(train_y, test_y, 3)
    assert part.num_classes == 2
    assert part.train.tolist() == [True, True, False, True, True, True]
    assert part.test.tolist() == [True, False, True, False]
    assert str(part) == '2 classes with at least 3 shapes: 5 shapes to train on, 2 to test on'
    everything = large_classes(train_y, test_y, 0)
    assert everything.num_classes == 4  # there is no sample of class 3
    assert everything.train.all()
    assert everything.test.all()


def test_the_suite_sees_only_its_part():
    (train_x, train_y), (test_x, test_y) = clusters(8, 0), clusters(4, 1)
    rare = train_y == 3
    train_x[rare] = train_x[train_y == 0]  # class 3 looks like class 0
    keep = ~rare | (np.cumsum(rare) <= 2)
    train_x, train_y = train_x[keep], train_y[keep]
    part = large_classes(train_y, test_y, 10)
    scores = run_probes(part, train_x, train_y, test_x, test_y, seed=0)
    assert part.num_classes == 3
    assert scores.unscaled.accuracy == scores.standardised.accuracy == scores.knn.accuracy == 100


def test_two_classes_of_which_one_has_a_single_sample_are_an_error():
    """The fold that holds it out leaves one class to learn from, so no setting has a score."""
    features = np.random.default_rng(0).normal(size=(11, 4))
    labels = np.array([0] * 10 + [1])
    with pytest.raises(ConfigError, match='of the 2 classes of the training samples one is left'):
        fit_standardised_svm(features, labels, seed=0)
