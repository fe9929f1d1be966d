"""The benchmark's rows run; what they measure is left to `make bench`."""

from __future__ import annotations

import json
from pathlib import Path

import benchmark
import pytest
import torch
from benchmarks import data, index, memory, step, timing
from benchmarks.page import with_tables
from benchmarks.timing import Row, compare, interleaved, not_run

from strl_mmdet3d.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


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
    (run,) = json.loads((tmp_path / 'b.json').read_text())['runs']
    assert [row['ratio'] for row in run['rows']] == [None, 1.5]
    assert run['machine']['cores'] >= 1
    assert run['versions']['torch'] == torch.__version__
    assert run['command'] == f'tools/benchmark.py --out {tmp_path / "b.json"}'


def test_a_run_is_added_and_replaces_the_one_of_its_name(monkeypatch, tmp_path):
    path = tmp_path / 'b.json'
    for name, ours in (('first', 1.0), ('second', 2.0), ('first', 3.0)):
        rows = [Row('a pair', 'a limit', ours, 2.0)]
        monkeypatch.setattr(benchmark, 'PARTS', dict(pairs=lambda root, repeats, rows=rows: rows))
        benchmark.main(['--out', str(path), '--name', name])
    runs = json.loads(path.read_text())['runs']
    assert [(run['name'], run['rows'][0]['ours']) for run in runs] == [('second', 2.0), ('first', 3.0)]


def test_another_file_is_not_overwritten(monkeypatch, tmp_path):
    (tmp_path / 'b.json').write_text('{"rows": []}')
    monkeypatch.setattr(benchmark, 'PARTS', dict(pairs=lambda root, repeats: [Row('a pair', 'a limit', 1.0, 2.0)]))
    with pytest.raises(ConfigError, match=r'b\.json is not a file of benchmark runs'):
        benchmark.main(['--out', str(tmp_path / 'b.json')])
    assert (tmp_path / 'b.json').read_text() == '{"rows": []}'


def test_the_tables_of_the_page_are_those_of_the_result_file():
    page = (ROOT / 'docs/performance.md').read_text()
    assert with_tables(page, json.loads((ROOT / 'docs/benchmarks.json').read_text())) == page


def test_every_run_of_the_result_file_says_where_it_comes_from():
    for run in json.loads((ROOT / 'docs/benchmarks.json').read_text())['runs']:
        assert all(run[key] for key in ('name', 'date', 'command', 'commit', 'source', 'machine', 'versions', 'rows'))
        for row in run['rows']:
            if row['ours'] is not None:
                assert row['ratio'] == pytest.approx(row['ours'] / row['theirs'], rel=0.02), row['what']


PAGE = '\n'.join(
    f'<!-- {name} -->\nold\n<!-- /{name} -->' for name in ('runs', 'comparison', 'options', 'memory', 'profile')
)


def test_a_page_gets_tables_of_all_runs():
    kept = dict(ours=1.0, theirs=2.0, unit='ms', goal='', met=None, why='', ratio=0.5)
    first = [
        dict(
            what='a | b', peer='p', ours=1234.5, theirs=0.5, unit='ms', goal='<= 1 x', met=False, why='', ratio=2469.0
        ),
        dict(what='fast', peer='default', ours=1.0, theirs=2.0, unit='ms', goal='', met=None, why='', ratio=0.5),
        dict(kept, what='memory: step', peer="torch's own settings"),
        dict(kept, what='A step: aten::mm', peer='all operations of the step'),
        dict(kept, what='A step: aten::relu', peer='all operations of the step', ours=0.1, ratio=0.05),
    ]
    second = [
        dict(first[0], ours=0.25, theirs=0.5, met=True, ratio=0.5),
        dict(kept, what='A step: aten::mm', peer='all operations of the step', ours=0.8, ratio=0.4),
        dict(what='new', peer='q', ours=None, theirs=None, unit='ms', goal='', met=None, why='no q', ratio=None),
    ]
    about = dict(date='d', command='c', commit='h', source='s', machine=dict(cores=2), versions=dict(torch='2'))
    runs = [dict(about, name='A', rows=first), dict(about, name='B', rows=second)]
    made = with_tables(PAGE, dict(runs=runs))
    assert '| A | d | `c` at commit h | cores 2 | torch 2 | s |' in made
    assert '| what | peer or limit | A | ratio | B | ratio | goal |' in made
    # Three digits; a bar of a name does not end its cell; the goal counts the runs that met it.
    assert '| a \\| b | p | 1,234 / 0.5 ms | 2.47e+03 | 0.25 / 0.5 ms | 0.5 | <= 1 x: met in 1 of 2 |' in made
    assert '| new | q | not run |  | not run: no q |  |  |' in made
    assert '| fast | 0.5 |  |' in made
    assert '| step | 1 / 2 ms | 0.5 | not run |  |' in made
    assert '| A step | aten::mm | 50 % | 40 % |' in made
    assert '| A step | aten::relu | 5 % | < 1 % |' in made
    assert made.count('a \\| b') == 1
    assert 'old' not in made
    assert with_tables(made, dict(runs=runs)) == made
    # A run that could not run a row says nothing about its goal.
    runs.append(dict(about, name='C', rows=[dict(first[0], ours=None, goal='', met=None, ratio=None, why='no p')]))
    made = with_tables(PAGE, dict(runs=runs))
    assert '| not run: no p |  | <= 1 x: met in 1 of 2 |' in made
    assert '| A step | aten::mm | 50 % | 40 % | not run |' in made


def test_a_page_without_its_comments_is_refused():
    with pytest.raises(ValueError, match=r'one pair of comments <!-- options -->'):
        with_tables(PAGE.replace('/options', '/else'), dict(runs=[]))


def test_the_rows_of_pairs_run(tmp_path):
    rows = data.pair_rows(tmp_path, repeats=1)
    assert len(rows) == 3
    assert all(row.ours > 0 and row.theirs > 0 for row in rows)


@pytest.fixture
def shapes(tmp_path) -> Path:
    """Write shapes for PointNet's pre-training."""
    (tmp_path / 'shapes').mkdir()
    data.write_shapes(tmp_path / 'shapes')
    return tmp_path


def test_the_rows_of_the_profile_are_shares_of_a_step(shapes, monkeypatch):
    monkeypatch.setattr(step, 'KINDS', dict(PointNet=('pointnet_shapenet_pretrain', 'shapes', 2)))
    rows = step.profile_rows(shapes, repeats=1)
    assert any(row.what.startswith('PointNet, batch 2: aten::') for row in rows)
    assert {row.peer for row in rows} == {step.OF_STEP}
    shares = [row.ratio for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert min(shares) >= 0.01
    assert 0.5 < sum(shares) <= 1


def test_a_step_is_measured_in_a_process_with_its_settings_of_the_memory(shapes):
    found = memory.in_process(memory.KEPT, 'pointnet_shapenet_pretrain', shapes / 'shapes', 2, steps=1)
    assert found[0] > 0
    assert found[1] > 100  # torch alone takes more


def test_the_rows_of_the_memory_compare_with_no_setting(monkeypatch, tmp_path):
    monkeypatch.setattr(
        memory, 'in_process', lambda settings, *others: (10.0 / (1 + len(settings)), 100.0 * len(settings) + 100)
    )
    rows = memory.memory_rows(tmp_path, repeats=1)
    assert [(row.unit, row.ratio) for row in rows] == [('ms', 0.5), ('MB', 2.0), ('ms', 0.25), ('MB', 4.0)]


def test_the_rows_of_the_target_run():
    rows = benchmark.target_rows(repeats=1)
    assert rows[0].ours > 0


def test_the_rows_of_the_index_run(tmp_path, monkeypatch):
    monkeypatch.setattr(index, 'FRAMES', 4000)
    monkeypatch.setattr(index, 'FEW', 2000)
    rows = index.index_rows(tmp_path, repeats=1)
    assert [row.unit for row in rows] == ['ms', 'ms', 'MB']
    assert all(row.ours > 0 for row in rows)
