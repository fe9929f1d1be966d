"""The statistics, against scipy and numbers by hand; the tables; the verdicts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from strl_mmdet3d.evaluation.detection.comparison import (
    Interval,
    differences_to,
    interval_of,
    paired_interval,
    seeds_text,
)
from strl_mmdet3d.evaluation.detection.comparison_table import Comparison, as_json, as_markdown

NUMBERS = st.dictionaries(st.integers(0, 30), st.floats(0, 100), min_size=2, max_size=12)


def comparison(**changes) -> Comparison:
    values = {
        'scratch': {4: {0: 10.0, 1: 12.0, 2: 11.0}, 20: {0: 30.0}},
        'finetuned-a': {4: {0: 15.0, 1: 17.5, 2: 16.0}, 20: {0: 31.0}},
    }
    settings = dict(
        title='small',
        metric='KITTI/Overall_3D_AP40_moderate',
        iterations=800,
        sizes={4: [20], 20: [100]},
        values=values,
        differences=differences_to(values, [('finetuned-a', 'scratch')]),
    )
    return Comparison(**(settings | changes))


@given(NUMBERS)
def test_intervals_are_scipys(values):
    numbers = list(values.values())
    assume(np.std(numbers) > 1e-6)
    interval = interval_of(values)
    low, high = stats.t.interval(0.95, len(numbers) - 1, np.mean(numbers), stats.sem(numbers))
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-9, abs=1e-9)
    assert interval.mean == pytest.approx(np.mean(numbers))
    assert interval.deviation == pytest.approx(np.std(numbers, ddof=1))


PAIRS = st.dictionaries(st.integers(0, 20), st.tuples(*[st.floats(-100, 100)] * 2), min_size=3, max_size=12)


@given(PAIRS, st.integers(21, 30))
def test_a_verdict_is_the_paired_t_test_over_common_seeds(pairs, alone):
    mine, scratch = ({seed: pair[side] for seed, pair in pairs.items()} for side in (0, 1))
    mine[alone], scratch[alone + 10] = 1000.0, -1000.0  # seeds of one arm only do not count
    common = sorted(pairs)
    a, b = ([values[seed] for seed in common] for values in (mine, scratch))
    assume(np.std(np.subtract(a, b)) > 1e-6)
    interval = paired_interval(mine, scratch)
    assert interval.seeds == tuple(common)
    p = stats.ttest_rel(a, b).pvalue
    assume(abs(p - 0.05) > 1e-9)
    assert interval.verdict == ('no difference found' if p > 0.05 else 'better' if np.mean(a) > np.mean(b) else 'worse')


def test_an_interval_by_hand():
    """Of 1, 2, 3 the deviation is 1, and the t quantile for 2 degrees of freedom is 4.302653."""
    interval = interval_of({0: 1.0, 1: 2.0, 2: 3.0})
    assert interval.deviation == 1
    assert interval.high - 2 == pytest.approx(4.302653 / 3**0.5)
    assert interval.low + interval.high == pytest.approx(4)


@pytest.mark.parametrize(
    ('interval', 'verdict'),
    [
        (interval_of({0: 9.0}), 'too few seeds'),
        (interval_of({0: 9.0, 1: 9.0}), 'too few seeds'),
        (interval_of({0: 9.0, 1: 9.0, 2: 9.0}), 'better'),
        (interval_of({0: -9.0, 1: -8.0, 2: -9.0}), 'worse'),
        (interval_of({0: -9.0, 1: 8.0, 2: 9.0}), 'no difference found'),
        (interval_of({0: 0.0, 1: 0.0, 2: 0.0}), 'no difference found'),
        (Interval((0, 1, 2), 1.0, 1.0, 0.0, 2.0), 'no difference found'),
    ],
)
def test_verdicts(interval, verdict):
    assert interval.verdict == verdict


def test_without_a_common_seed_nothing_is_compared():
    assert paired_interval({0: 1.0}, {1: 1.0}) is None
    assert interval_of({}) is None
    assert differences_to({'a': {4: {0: 1.0}}}, [('a', 'scratch')]) == []


@given(st.sets(st.integers(0, 40)))
def test_seeds_are_written_as_ranges(seeds):
    text = seeds_text(sorted(seeds))
    found = set()
    for part in text.split(', ') if text else []:
        first, _, last = part.partition('-')
        found |= set(range(int(first), int(last or first) + 1))
    assert found == seeds


def test_the_page_says_every_number_with_its_seeds():
    page = as_markdown(comparison(notes=['a | note'], num_missing=2))
    assert '| scratch | 11.0 ± 1.0 (n = 3, seeds 0-2) | 30.0 (n = 1, seed 0) |' in page
    # The differences are 5, 5.5 and 5: mean 5.1667, deviation 0.2887, half an interval 0.717.
    assert '| finetuned-a \N{MINUS SIGN} scratch | +5.2 [+4.4, +5.9] (n = 3, seeds 0-2): **better** |' in page
    assert '| +1.0 (n = 1, seed 0): too few seeds |' in page
    assert '| arm | 20 % (4 frames) | 100 % (20 frames) |' in page
    assert '**Not complete:** 2 runs have no result yet.' in page
    assert page.endswith('- a \\| note\n')


def test_small_numbers_get_more_digits():
    assert '0.250 (n = 1, seed 0)' in as_markdown(
        comparison(metric='mAP_0.25', values={'scratch': {4: {0: 0.25}}}, differences=[])
    )


def test_the_json_holds_all_values_and_can_be_read():
    content = json.loads(json.dumps(as_json(comparison()), allow_nan=False))
    assert content['rows'][0]['values'] == {'0': 10.0, '1': 12.0, '2': 11.0}
    assert [each['verdict'] for each in content['differences']] == ['better', 'too few seeds']
    assert content['differences'][0]['seeds'] == [0, 1, 2]
