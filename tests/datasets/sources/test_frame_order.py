"""The order of a folder's frames, and the times in their names."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strl_mmdet3d.datasets.sources.frame_order import ambiguity, in_frame_order, stem_of
from strl_mmdet3d.datasets.sources.name_times import times_in_names


@pytest.mark.parametrize(
    'stems',
    [
        [f'16000000{seconds}' for seconds in ('00.0', '00.05', '00.1', '00.15', '00.2', '01.0', '09.5', '10.25')],
        ['9', '10', '100'],
        ['-2', '-1'],
        ['1.5e-05', '1.5e-04'],
        ['-1.5', '-1', '0', '1e-05', '0.05', '0.1', '2'],
        ['1.8', '1.9', '1.10', '1.11', '2.0'],
        ['1600000000.5', '1600000000.23456789', '1600000000.123456789'],
        ['scan_9.95', 'scan_10.0', 'scan_10.05', 'scan_10.1'],
        ['a_9', 'a_10', 'b_1'],
    ],
    ids=lambda stems: stems[-1],
)
@pytest.mark.parametrize('ext', ['.bin', '.pcd.bin', '.bin.gz'])
def test_frames_are_in_order_of_their_numbers(stems, ext):
    names = [stem + ext for stem in stems]
    assert in_frame_order(names[::-1]) == in_frame_order(sorted(names)) == names
    assert [stem_of(name) for name in names] == stems
    assert ambiguity(names) is None


@given(st.lists(st.integers(0, 10**7), unique=True, min_size=1, max_size=30), st.sampled_from([1e-3, 0.05, 0.1, 0.5]))
@settings(max_examples=50, deadline=None)
def test_seconds_as_python_prints_them_are_in_order(numbers, step):
    times = sorted({round(1.6e9 + number * step, 3) for number in numbers})
    names = [f'{time}.bin' for time in times]
    assert in_frame_order(names[::-1]) == names
    in_names = times_in_names([f'{time}' for time in times])
    assert [round(time / 1e9, 3) for time in in_names] == times


@pytest.mark.parametrize('first', [0, 12])
def test_products_as_python_prints_them_are_in_order(first):
    """Some have all the decimals of a double, 0.30000000000000004."""
    names = [f'{first + 0.1 * number}.npy' for number in range(13)]
    assert in_frame_order(names[::-1]) == names
    assert ambiguity(names) is None
    times = times_in_names([f'{first + 0.1 * number}' for number in range(13)])
    assert [after - before for before, after in itertools.pairwise(times)] == pytest.approx([10**8] * 12, abs=2)


@pytest.mark.parametrize(
    ('names', 'said'),
    [
        (
            ['1.5.bin', '1.25.bin'],
            'names with .5 and .25 can be ordered in two ways; .* a decimal: .5 is more than .25',
        ),
        (['1.05.bin', '1.1.bin', '1.10.bin'], 'two ways; .* a whole number: .5 is less than .25'),
        (['7.bin', '007.bin'], "'7.bin' and '007.bin' have the same number"),
    ],
)
def test_names_with_two_orders_are_told(names, said):
    assert re.search(said, ambiguity(names))


SECOND = 10**9


@pytest.mark.parametrize(
    ('names', 'steps'),
    [
        (['1577836800000000', '1577836800050000'], [0.05]),
        (['1577836800000', '1577836800100'], [0.1]),
        (['1577836800000000000', '1577836800100000001'], [0.100000001]),
        (['1577836800', '1577836801'], [1]),
        (['x__LIDAR_TOP__1577836800000000', 'x__LIDAR_TOP__1577836800050000'], [0.05]),
        (['1577836800_900000000', '1577836801_5000000'], [0.105]),
        (['1577836800-900000', '1577836801-000000'], [0.1]),
        (['2011-09-26_13-02-25.9', '2011-09-26_13-02-26.05'], [0.15]),
        (['20110926_130225_951199', '20110926T130226.951199'], [1]),
        (['a_2011-12-31-23-59-59', 'a_2012-01-01-00-00-00'], [1]),
        (['12.5', '13.05'], [0.55]),
        (['-0.5', '5e-1'], [1]),
    ],
    ids=lambda value: str(value[0]),
)
def test_times_in_names(names, steps):
    times = times_in_names(names)
    assert [(late - early) / SECOND for early, late in itertools.pairwise(times)] == pytest.approx(steps)


@pytest.mark.parametrize(
    'names',
    [['0000000005'], ['000001'], ['9999999999'], ['a'], ['1.0', '2.0'], ['2011-02-31-10-00-00x'], ['1577836800', '3']],
    ids=lambda names: names[0],
)
def test_what_is_no_time(names):
    assert times_in_names(names) is None


@given(st.lists(st.text('019.-_+eE:T ', min_size=1, max_size=24), unique=True, min_size=1, max_size=6))
@settings(max_examples=200, deadline=None)
def test_any_names_have_one_order_and_no_error(stems):
    names = [f'{stem}.bin' for stem in stems]
    ordered = in_frame_order(names)
    assert ordered == in_frame_order(names[::-1])
    assert sorted(ordered) == sorted(names)
    ambiguity(names)
    times_in_names(stems)
