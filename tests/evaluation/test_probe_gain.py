"""What an encoder gains over a baseline on the same test samples, with its interval."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from strl_mmdet3d.evaluation.probe_gain import paired_gain


def answers(share, number=400, seed=0):
    return np.random.default_rng(seed).random(number) < share


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40))
def test_the_gain_is_the_difference_and_within_its_interval(pairs):
    mine, theirs = np.array(pairs).T
    gain = paired_gain([mine], [theirs])
    assert gain.mean == pytest.approx(100 * (mine.mean() - theirs.mean()))
    assert gain.low - 1e-9 <= gain.mean <= gain.high + 1e-9


def test_the_interval_is_as_wide_as_the_normal_distribution_says():
    mine, theirs = answers(0.7, seed=1), answers(0.6, seed=2)
    difference = 100.0 * mine - 100.0 * theirs
    half = 1.96 * difference.std() / len(difference) ** 0.5
    gain = paired_gain([mine], [theirs])
    assert gain.high - gain.low == pytest.approx(2 * half, rel=0.05)


def test_samples_are_paired():
    mine = answers(0.6)
    theirs = mine.copy()
    theirs[np.flatnonzero(mine)[:8]] = False  # 2 % worse, on samples that are right otherwise
    gain = paired_gain([mine], [theirs])
    assert gain.low > 0
    assert paired_gain([mine], [np.roll(theirs, 1)]).low < 0


def test_runs_are_averaged_sample_by_sample():
    runs = [answers(0.7, seed=seed) for seed in range(3)]
    gain = paired_gain(runs, [answers(0.5, seed=9)])
    assert gain.mean == pytest.approx(100 * (np.mean(runs) - answers(0.5, seed=9).mean()))
    alone = paired_gain(runs[:1], [answers(0.5, seed=9)])
    assert gain.high - gain.low < alone.high - alone.low


def test_equal_answers_gain_nothing():
    mine = answers(0.6)
    gain = paired_gain([mine], [mine])
    assert (gain.mean, gain.low, gain.high) == (0, 0, 0)


def test_draws_in_parts_are_the_draws_at_once():
    mine, theirs = answers(0.7, seed=1), answers(0.6, seed=2)
    at_once = bootstrap(
        (100.0 * mine - 100.0 * theirs,), np.mean, n_resamples=9999, method='percentile', random_state=0
    )
    gain = paired_gain([mine], [theirs])
    assert (gain.low, gain.high) == pytest.approx(tuple(at_once.confidence_interval))


def test_many_samples_take_little_memory():
    mine, theirs = answers(0.7, 10_000, seed=1), answers(0.6, 10_000, seed=2)
    tracemalloc.start()
    paired_gain([mine], [theirs])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6  # all draws at once are 2 GB


def test_the_same_answers_give_the_same_interval():
    results = [paired_gain([answers(0.7)], [answers(0.5, seed=3)]) for _ in range(2)]
    assert results[0] == results[1]
