"""The choice of frames for the retrieval probe."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from strl_mmdet3d.evaluation.temporal_frames import runs_of_neighbours


@given(num_items=st.integers(1, 300), num_frames=st.integers(1, 300), run=st.integers(1, 20))
def test_runs_are_whole_and_spread_evenly(num_items, num_frames, run):
    items = runs_of_neighbours(num_items, num_frames, run)
    assert items == sorted(set(items))
    assert all(0 <= item < num_items for item in items)
    assert items[0] == 0
    assert len(items) <= min(num_items, num_frames)
    if num_items >= 2 * num_frames:
        assert len(items) == num_frames
        pieces = np.split(np.array(items), np.flatnonzero(np.diff(items) > 1) + 1)
        assert all(len(piece) % run == 0 for piece in pieces[:-1])


def test_few_items_are_all_taken():
    assert runs_of_neighbours(10, 128, 3) == list(range(10))
    assert runs_of_neighbours(100, 6, 3) == [0, 1, 2, 50, 51, 52]
