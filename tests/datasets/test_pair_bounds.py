"""Bounds of pairs in time and space."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet3d.registry import DATASETS

from strl_mmdet3d.datasets import (
    FrameSequence,
    PairKey,
    SequenceIndexError,
    TemporalPairDataset,
    write_sequence_index,
)
from strl_mmdet3d.datasets.frame_table import FrameTable, as_arrays
from strl_mmdet3d.datasets.pair_bounds import PairBounds
from strl_mmdet3d.datasets.pair_selection import draw_neighbour_pair, draw_window_pair, window_around, window_starts
from strl_mmdet3d.errors import ConfigError

recordings = st.lists(
    st.lists(st.floats(0, 3), min_size=1, max_size=9).map(lambda steps: np.cumsum([0, *steps[1:]])),
    min_size=1,
    max_size=5,
)


def bounds_of(recordings, **bounds):
    starts = np.cumsum([0, *map(len, recordings)])
    return PairBounds(starts, np.concatenate(recordings), None, **bounds)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(2, 9))
@settings(max_examples=40, deadline=None)
def test_the_first_frames_of_windows(lengths, window):
    starts = np.cumsum([0, *lengths])
    expected = []
    for start, length in zip(starts[:-1], lengths, strict=True):
        expected += [start + window_around(index, length, window).start for index in range(length)]
    assert window_starts(starts, window).tolist() == expected


@given(recordings, st.integers(2, 6), st.floats(0.05, 4))
@settings(max_examples=40, deadline=None)
def test_key_frames_with_a_pair_are_those_that_enumeration_finds(recordings, window, max_gap):
    expected = []
    for times in recordings:
        for index in range(len(times)):
            pairs = itertools.combinations(times[list(window_around(index, len(times), window))], 2)
            expected.append(any(late - early <= max_gap + 1e-6 for early, late in pairs))
    assert bounds_of(recordings, max_gap=max_gap).have_pairs(window).tolist() == expected


@given(recordings.filter(lambda made: len(made[0]) > 1), st.integers(2, 6), st.floats(0.05, 4), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_drawn_pair_is_within_the_bounds(recordings, window, max_gap, seed):
    bounds, times = bounds_of(recordings, max_gap=max_gap), recordings[0]
    for index in np.flatnonzero(bounds.have_pairs(window)[: len(times)]).tolist():
        first, second = draw_window_pair(index, len(times), window, np.random.default_rng(seed), bounds.allow)
        assert first != second
        assert {first, second} <= set(window_around(index, len(times), window))
        assert abs(times[first] - times[second]) <= max_gap + 1e-6
        key_frame, other = draw_neighbour_pair(index, len(times), np.random.default_rng(seed), bounds.allow)
        assert key_frame == index
        assert abs(times[other] - times[index]) <= max_gap + 1e-6


def test_every_allowed_pair_is_drawn_as_often():
    bounds, rng = bounds_of([np.array([0, 1, 5, 6.0])], max_gap=2), np.random.default_rng(0)
    drawn = [draw_window_pair(1, 4, 4, rng, bounds.allow) for _ in range(400)]
    counts = {pair: drawn.count(pair) for pair in set(drawn)}
    assert set(counts) == {(0, 1), (1, 0), (2, 3), (3, 2)}
    assert min(counts.values()) > 70


def test_a_bound_that_all_pairs_meet_changes_no_draw():
    bounds = bounds_of([np.arange(10) / 10], max_gap=1)
    for seed in range(20):
        bounded = draw_window_pair(4, 10, 10, np.random.default_rng(seed), bounds.allow)
        assert bounded == draw_window_pair(4, 10, 10, np.random.default_rng(seed))


def test_what_is_unknown_is_no_bound():
    timed = FrameSequence('b', ['2', '3'], timestamps=np.array([0, 9.0]))
    table = FrameTable(as_arrays([FrameSequence('a', ['0', '1']), timed]))
    bounds = PairBounds(table.starts, table.timestamps, None, max_gap=1, max_distance=1)
    assert bounds.have_pairs(2).tolist() == [True, True, False, False]
    assert bounds.describe(np.arange(4), 2) is None
    assert not PairBounds(table.starts, None, None, max_gap=1)


@pytest.fixture
def log(monkeypatch):
    """The lines that a data set logs."""
    lines = []
    monkeypatch.setattr(f'{TemporalPairDataset.__module__}.print_log', lambda line, **kwargs: lines.append(line))
    return lines


@pytest.fixture
def drive(tmp_path):
    """Write a drive at 2 Hz and 4 m/s, and build a data set of it."""

    def build(length=12, gap=0.5, known=True, **changes):
        frames = [f'{i}.bin' for i in range(length)]
        for frame in frames:
            np.random.default_rng(0).uniform(1, 9, (40, 4)).astype(np.float32).tofile(tmp_path / frame)
        poses = np.tile(np.eye(4), (length, 1, 1))
        poses[:, 0, 3] = 2 * np.arange(length)
        sequence = FrameSequence('d', frames, poses, gap * np.arange(length)) if known else FrameSequence('d', frames)
        write_sequence_index(tmp_path / 'index.json', dict(load_dim=4, key_frame_every=5), [sequence])
        config = dict(type='TemporalPairDataset', data_root=str(tmp_path), ann_file='index.json', window=10)
        return DATASETS.build(config | dict(pipeline=dict(type='MultiView', load=[dict(type='LoadFrame')])) | changes)

    return build


def spans(dataset, epochs=3):
    """How many frames apart the pairs of a few epochs are."""
    found = set()
    for epoch, index in itertools.product(range(epochs), range(len(dataset))):
        pair = dataset[PairKey(0, epoch, index)]
        places = [pair[view]['data_samples'].frame_index for view in ('view_1', 'view_2')]
        found.add(abs(places[0] - places[1]))
    return found


def test_a_thinned_index_no_longer_widens_the_window(drive, log):
    assert max(spans(drive())) > 2
    said = 'up to 4.5 s apart, median 1.5 s; up to 18.0 m apart, median 6.0 m (the index has one frame of 5'
    assert said in '\n'.join(log)
    assert spans(drive(max_gap=1.0)) == {1, 2}
    assert spans(drive(max_distance=2.0)) == {1}
    assert spans(drive(max_gap=1.0, selection='neighbour')) <= {0, 1}


def test_pairs_are_pure_functions_with_bounds_too(drive):
    dataset, again = drive(max_gap=1.0), drive(max_gap=1.0)
    for index in range(len(dataset)):
        one, other = dataset[PairKey(3, 1, index)], again[PairKey(3, 1, index)]
        assert one['view_2']['data_samples'].frame_path == other['view_2']['data_samples'].frame_path


def test_no_pair_within_the_bounds_is_an_error_that_names_it(drive):
    said = r'no pair is within max_gap=1.0 s; neighbouring .* up to 2\.0 s apart.*--key-frame-every'
    with pytest.raises(SequenceIndexError, match=said):
        drive(gap=2.0, max_gap=1.0)
    with pytest.raises(SequenceIndexError, match=r'no pair is within max_distance=1 m'):
        drive(max_distance=1)
    assert len(drive(gap=2.0, max_gap=1.0, mode='spatial')) == 12


def test_key_frames_without_a_pair_are_left_out_and_told(tmp_path, drive, log):
    drive()
    times = np.array([0, 0.5, 1, 1.5, 20, 40, 60, 80, 100, 120, 140, 160])
    sequence = FrameSequence('d', [f'{i}.bin' for i in range(12)], timestamps=times)
    write_sequence_index(tmp_path / 'index.json', dict(load_dim=4), [sequence])
    dataset = DATASETS.build(
        dict(
            type='TemporalPairDataset',
            data_root=str(tmp_path),
            ann_file='index.json',
            window=3,
            max_gap=1.0,
            pipeline=dict(type='MultiView', load=[dict(type='LoadFrame')]),
        )
    )
    assert '8 of 12 key frames are left out' in '\n'.join(log)
    assert [dataset.get_data_info(i)['frame_index'] for i in range(len(dataset))] == [0, 1, 2, 3]
    assert len(dataset.get_subset(2)) == 2
    assert spans(dataset) <= {1, 2}


@pytest.mark.parametrize(('selection', 'most'), [('window', 9), ('neighbour', 1)])
def test_an_index_without_time_stamps_is_told(drive, log, selection, most):
    assert 0 < max(spans(drive(known=False, max_gap=0.1, selection=selection))) <= most
    said = 'max_gap=0.1 does not bound the pairs of 1 of 1 sequences, which have no time stamps'
    assert said in '\n'.join(log)


@pytest.mark.parametrize('bound', ['max_gap', 'max_distance'])
@pytest.mark.parametrize('value', [0, -1, float('inf'), float('nan')])
def test_bounds_are_checked(drive, bound, value):
    with pytest.raises(ConfigError, match=f'{bound} must be a number'):
        drive(**{bound: value})
