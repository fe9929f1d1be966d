from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strl_mmdet3d.datasets.pair_selection import draw_neighbour_pair, draw_window_pair, window_around


@st.composite
def sequences(draw, min_frames=1):
    num_frames = draw(st.integers(min_frames, 60))
    return draw(st.integers(0, num_frames - 1)), num_frames


@given(sequences(), st.integers(2, 80))
def test_window_is_full_within_the_sequence_and_holds_the_key_frame(place, window):
    index, num_frames = place
    frames = window_around(index, num_frames, window)
    assert len(frames) == min(window, num_frames)
    assert frames.start >= 0
    assert frames.stop <= num_frames
    assert index in frames


@given(st.integers(2, 20), st.integers(0, 40))
def test_windows_slide_by_one_and_reach_both_ends(window, more):
    num_frames = window + more
    starts = [window_around(i, num_frames, window).start for i in range(num_frames)]
    assert starts[0] == 0
    assert starts[-1] == num_frames - window
    assert set(np.diff(starts)) <= {0, 1}


@pytest.mark.parametrize(
    ('index', 'window', 'expected'),
    [(5, 5, [3, 4, 5, 6, 7]), (0, 5, [0, 1, 2, 3, 4]), (9, 5, [5, 6, 7, 8, 9]), (5, 2, [5, 6]), (5, 4, [4, 5, 6, 7])],
)
def test_window_by_hand(index, window, expected):
    assert list(window_around(index, 10, window)) == expected


@given(sequences(min_frames=2), st.integers(2, 80), st.integers(0, 2**32 - 1))
def test_window_pair_is_two_different_frames_of_the_window(place, window, seed):
    index, num_frames = place
    first, second = draw_window_pair(index, num_frames, window, np.random.default_rng(seed))
    assert first != second
    assert {first, second} <= set(window_around(index, num_frames, window))


def test_window_pairs_are_equally_likely():
    rng = np.random.default_rng(0)
    counts = Counter(draw_window_pair(5, 20, 4, rng) for _ in range(12_000))
    assert len(counts) == 4 * 3
    # 1000 expected each with a standard deviation of 30.
    assert all(850 < count < 1150 for count in counts.values())


@given(sequences(), st.integers(0, 2**32 - 1))
def test_neighbour_pair_is_the_frame_and_one_at_most_next_to_it(place, seed):
    index, num_frames = place
    first, second = draw_neighbour_pair(index, num_frames, np.random.default_rng(seed))
    assert first == index
    assert abs(second - index) <= 1
    assert 0 <= second < num_frames


@pytest.mark.parametrize(('index', 'expected'), [(0, {0, 1}), (3, {2, 3, 4}), (9, {8, 9})])
def test_neighbour_pair_takes_every_neighbour(index, expected):
    rng = np.random.default_rng(0)
    assert {draw_neighbour_pair(index, 10, rng)[1] for _ in range(100)} == expected
