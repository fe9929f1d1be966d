"""Selections of labels, for any labels, fraction and seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strl_mmdet3d.evaluation.label_fractions import select_fraction

many_labels = st.lists(st.integers(0, 8), min_size=1, max_size=80).map(np.array)
fractions = st.floats(0.001, 1)
seeds = st.integers(0, 2**32 - 1)


@given(labels=many_labels, fraction=fractions, seed=seeds)
def test_each_class_has_its_share_and_at_least_one_sample(labels, fraction, seed):
    rows = select_fraction(labels, fraction, seed)
    assert (np.diff(rows) > 0).all()
    counts, selected = np.bincount(labels), np.bincount(labels[rows], minlength=labels.max() + 1)
    assert (selected <= counts).all()
    assert (selected[counts > 0] >= 1).all()
    assert (np.abs(selected - np.maximum(counts * fraction, counts > 0)) <= 0.5 + 1e-9).all()


@given(labels=many_labels, small=fractions, large=fractions, seed=seeds)
def test_a_smaller_fraction_is_part_of_a_larger_one(labels, small, large, seed):
    small, large = sorted([small, large])
    assert set(select_fraction(labels, small, seed)) <= set(select_fraction(labels, large, seed))


@given(labels=many_labels, fraction=fractions, seed=seeds)
def test_the_same_seed_selects_the_same_and_numpys_state_is_left_alone(labels, fraction, seed):
    state = np.random.get_state()[1].copy()
    np.testing.assert_array_equal(select_fraction(labels, fraction, seed), select_fraction(labels, fraction, seed))
    np.testing.assert_array_equal(np.random.get_state()[1], state)


@given(labels=many_labels, seed=seeds)
def test_the_whole_is_everything(labels, seed):
    np.testing.assert_array_equal(select_fraction(labels, 1, seed), np.arange(len(labels)))


def test_another_seed_selects_others():
    labels = np.zeros(1000, dtype=int)
    assert not np.array_equal(select_fraction(labels, 0.1, 0), select_fraction(labels, 0.1, 1))


@pytest.mark.parametrize('fraction', [0, -0.1, 1.01, float('nan')])
def test_a_fraction_that_is_none_is_refused(fraction):
    with pytest.raises(ValueError, match='above 0 and at most 1'):
        select_fraction(np.array([0, 1]), fraction, 0)
