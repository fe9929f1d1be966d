"""Retrieval of temporal neighbours, compared with counts by hand and with chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strl_mmdet3d.evaluation.temporal_retrieval import temporal_retrieval


def at_angles(*degrees: float) -> np.ndarray:
    radians = np.deg2rad(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def test_a_small_case_by_hand():
    # Frames 0, 1 and 4 of a drive and 7 of another; the length of a feature does not matter.
    features = at_angles(0, 10, 15, 12) * np.array([[1], [5], [1], [9]])
    retrieval = temporal_retrieval(features, ['a', 'a', 'a', 'b'], [0, 1, 4, 7], reach=1)
    # Frame 0 finds 1; frame 1 finds b's frame; frame 4 and b's frame have no neighbour, so they are not queries.
    assert retrieval.found == 50
    assert retrieval.num_queries == 2
    assert retrieval.by_chance == pytest.approx(100 / 3)
    wider = temporal_retrieval(features, ['a', 'a', 'a', 'b'], [0, 1, 4, 7], reach=3)
    # Frames 1 and 4 are neighbours now; 4 finds b's frame, which is 3 degrees away.
    assert (wider.found, wider.num_queries) == (pytest.approx(100 / 3), 3)
    assert wider.by_chance == pytest.approx(100 * (1 + 2 + 1) / 9)


def test_numbers_of_frames_are_those_of_a_sequence():
    retrieval = temporal_retrieval(at_angles(0, 1, 90, 91), ['a', 'b', 'a', 'b'], [0, 0, 1, 1], reach=1)
    assert (retrieval.found, retrieval.num_queries) == (0, 4)


def test_features_along_the_time_find_all_neighbours():
    angles = np.concatenate([np.arange(10), 90 + np.arange(10)])
    retrieval = temporal_retrieval(at_angles(*angles), ['a'] * 10 + ['b'] * 10, [*range(10)] * 2, reach=2)
    assert retrieval.found == 100
    assert retrieval.num_queries == 20


@pytest.mark.parametrize('value', [0.0, 1.0])
def test_features_that_are_all_the_same_find_what_chance_finds(value):
    ids, frames = np.repeat(['a', 'b', 'c'], 4).tolist(), [*range(4)] * 3
    retrieval = temporal_retrieval(np.full((12, 5), value), ids, frames, reach=1)
    assert retrieval.found == pytest.approx(retrieval.by_chance)


def test_random_features_find_what_chance_finds():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        retrieval = temporal_retrieval(rng.normal(size=(20, 6)), ['a'] * 10 + ['b'] * 10, [*range(10)] * 2, reach=2)
        found.append(retrieval.found)
    assert np.mean(found) == pytest.approx(retrieval.by_chance, abs=1)


@given(size=st.integers(2, 12), reach=st.integers(1, 5), seed=st.integers(0, 99))
def test_shares_are_shares_and_the_order_of_the_frames_does_not_matter(size, reach, seed):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(size, 4))
    ids, frames = np.array(['a'] * size), np.arange(size)
    retrieval = temporal_retrieval(features, ids, frames, reach)
    assert 0 <= retrieval.found <= 100
    assert 0 < retrieval.by_chance <= 100
    order = rng.permutation(size)
    shuffled = temporal_retrieval(features[order], ids[order], frames[order], reach)
    assert shuffled.found == pytest.approx(retrieval.found)
    assert shuffled.by_chance == pytest.approx(retrieval.by_chance)


def test_frames_without_neighbours_are_refused():
    with pytest.raises(ValueError, match='none of the 2 frames'):
        temporal_retrieval(at_angles(0, 1), ['a', 'a'], [0, 5], reach=4)
    with pytest.raises(ValueError, match='reach'):
        temporal_retrieval(at_angles(0, 1), ['a', 'a'], [0, 1], reach=0)
