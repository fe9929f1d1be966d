"""The benchmark's rows run; what they measure is left to `make bench`."""

from __future__ import annotations

import json

import benchmark
import pytest
from benchmarks import data, index, timing
from benchmarks.timing import Row, compare, interleaved, not_run


def test_interleaved_gives_the_median_of_each():
    calls = []
    medians = interleaved(dict(ours=lambda: calls.append('ours'), peer=lambda: calls.append('peer')), repeats=3)
    # A warm-up first, and then another one first each time.
    assert calls == ['ours', 'peer', 'ours', 'peer', 'peer', 'ours', 'ours', 'peer']
    assert medians['ours'] > 0
    assert medians['peer'] > 0


@pytest.mark.parametrize(
    ('goals', 'said', 'met'),
    [
        (dict(), '', None),
        (dict(most=3), '<= 3 x', True),
        (dict(most=1), '<= 1 x', False),
        (dict(most_ms=5), '<= 5 ms', True),
        (dict(most=3, most_ms=1), '<= 3 x and <= 1 ms', False),
    ],
)
def test_a_goal_is_met_or_not(monkeypatch, goals, said, met):
    monkeypatch.setattr(timing, 'interleaved', lambda functions, repeats: dict(ours=4.0, peer=2.0))
    (row,) = compare('what', lambda: None, dict(peer=lambda: None), 1, **goals)
    assert (row.ratio, row.goal, row.met) == (2, said, met)


def test_what_was_not_run_is_told(capsys, monkeypatch, tmp_path):
    rows = [not_run('a step', 'somebody', 'it is not installed'), Row('a pair', 'a limit', 3.0, 2.0)]
    monkeypatch.setattr(benchmark, 'PARTS', dict(pairs=lambda root, repeats: rows))
    benchmark.main(['--out', str(tmp_path / 'b.json')])
    said = capsys.readouterr().out
    assert 'not run' in said
    assert 'not installed' in said
    written = json.loads((tmp_path / 'b.json').read_text())
    assert [row['ratio'] for row in written['rows']] == [None, 1.5]
    assert written['machine']['cores'] >= 1


def test_the_rows_of_pairs_run(tmp_path):
    rows = data.pair_rows(tmp_path, repeats=1)
    assert len(rows) == 3
    assert all(row.ours > 0 and row.theirs > 0 for row in rows)


def test_the_rows_of_the_target_run():
    rows = benchmark.target_rows(repeats=1)
    assert rows[0].ours > 0


def test_the_rows_of_the_index_run(tmp_path, monkeypatch):
    monkeypatch.setattr(index, 'FRAMES', 4000)
    monkeypatch.setattr(index, 'FEW', 2000)
    rows = index.index_rows(tmp_path, repeats=1)
    assert [row.unit for row in rows] == ['ms', 'ms', 'MB']
    assert all(row.ours > 0 for row in rows)
