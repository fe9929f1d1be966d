"""Put the tables of a result file into docs/performance.md.

    python tools/benchmarks/page.py docs/benchmarks.json docs/performance.md

The page has a pair of comments around each table, such as ``<!-- comparison -->`` and ``<!-- /comparison -->``. What is
between them is replaced.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

PEERS = {'default': 'options', "torch's own settings": 'memory', 'all operations of the step': 'profile'}
"""The peer of a row -> the table that it is in; all others are in the comparison."""


def with_tables(page: str, results: dict[str, Any]) -> str:
    """Return a page with the tables that a result file gives.

    Args:
        page: The page's text.
        results: The result file, ``{'runs': [{'name': ..., 'rows': [...], ...}, ...]}``, as `benchmark.add_run` writes.

    Raises:
        ValueError: If the page lacks a pair of comments.
    """
    runs = results['runs']
    for name, table in dict(
        runs=_runs, comparison=_comparison, options=_options, memory=_memory, profile=_profile
    ).items():
        begin, end = f'<!-- {name} -->\n', f'<!-- /{name} -->'
        if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
            raise ValueError(f'the page needs one pair of comments {begin.strip()} and {end}')
        before, rest = page.split(begin)
        _, after = rest.split(end)
        page = f'{before}{begin}\n{table(runs)}\n{end}{after}'
    return page


def _runs(runs: list[dict[str, Any]]) -> str:
    """Say of each run when, where and by which command it was made."""
    rows = [
        [
            run['name'],
            run['date'],
            f'`{run["command"]}` at commit {run["commit"]}',
            ', '.join(f'{key} {value}' for key, value in run['machine'].items()),
            ', '.join(f'{key} {value}' for key, value in run['versions'].items()),
            run['source'],
        ]
        for run in runs
    ]
    return _table(['run', 'date', 'command', 'machine', 'versions', 'where its numbers come from'], rows)


def _comparison(runs: list[dict[str, Any]]) -> str:
    """Compare ours with peers and limits, run by run."""
    head = ['what', 'peer or limit']
    for run in runs:
        head += [run['name'], 'ratio']
    rows = []
    for key in _keys(runs, 'comparison'):
        found = [_find(run, key) for run in runs]
        cells = [cell for row in found for cell in _compared(row)]
        rows.append([*key, *cells, _goal([row for row in found if row])])
    return _table([*head, 'goal'], rows)


def _options(runs: list[dict[str, Any]]) -> str:
    """Give what each option takes, by what is taken without it."""
    rows = [[key[0], *(_ratio(_find(run, key)) for run in runs)] for key in _keys(runs, 'options')]
    return _table(['option: what, with / without', *(run['name'] for run in runs)], rows)


def _memory(runs: list[dict[str, Any]]) -> str:
    """Give time and peak memory with each setting of the memory, by that of torch's own settings."""
    rows = [
        [key[0].removeprefix('memory: '), *(cell for run in runs for cell in _compared(_find(run, key)))]
        for key in _keys(runs, 'memory')
    ]
    return _table(['what, with / without', *(cell for run in runs for cell in (run['name'], 'ratio'))], rows)


def _profile(runs: list[dict[str, Any]]) -> str:
    """Give the share of each operation in a step, of each run."""
    rows = [[*key[0].split(': ', 1), *(_share(run, key) for run in runs)] for key in _keys(runs, 'profile')]
    return _table(['step', 'operation', *(run['name'] for run in runs)], rows)


def _keys(runs: list[dict[str, Any]], table: str) -> list[tuple[str, str]]:
    """Return what is done and by which peer, each once, in the order of the runs."""
    rows = [row for run in runs for row in run['rows'] if PEERS.get(row['peer'], 'comparison') == table]
    return list(dict.fromkeys((row['what'], row['peer']) for row in rows))


def _find(run: dict[str, Any], key: tuple[str, str]) -> dict[str, Any] | None:
    """Return a row of a run, or None."""
    return next((row for row in run['rows'] if (row['what'], row['peer']) == key), None)


def _compared(row: dict[str, Any] | None) -> tuple[str, str]:
    """Write ours and theirs, and the ratio."""
    return _figures(row), _ratio(row)


def _figures(row: dict[str, Any] | None) -> str:
    """Write ours and theirs."""
    if row is None or row['ours'] is None:
        return f'not run: {row["why"]}' if row and row['why'] else 'not run'
    return f'{_number(row["ours"])} / {_number(row["theirs"])} {row["unit"]}'


def _ratio(row: dict[str, Any] | None) -> str:
    """Write the ratio, if there is one."""
    return '' if row is None or row['ratio'] is None else f'{row["ratio"]:.3g}'


def _share(run: dict[str, Any], key: tuple[str, str]) -> str:
    """Write the ratio as a percentage. Operations of less than a hundredth have no row in a run."""
    row, step = _find(run, key), key[0].split(': ', 1)[0]
    if row is not None:
        return f'{100 * row["ratio"]:.0f} %'
    return '< 1 %' if any(other['what'].startswith(f'{step}: ') for other in run['rows']) else 'not run'


def _number(value: float) -> str:
    """Write three digits, and all those before the point."""
    return f'{value:,.0f}' if abs(value) >= 1000 else f'{value:.3g}'


def _goal(rows: list[dict[str, Any]]) -> str:
    """Write the goal of the latest run that had the row, and in how many runs it was met."""
    judged = [row for row in rows if row['met'] is not None]
    if not judged:
        return ''
    num_met = sum(row['met'] for row in judged)
    met = 'met' if num_met == len(judged) else 'not met' if not num_met else f'met in {num_met} of {len(judged)}'
    return f'{judged[-1]["goal"]}: {met}'


def _table(head: list[str], rows: list[list[str]]) -> str:
    """Write a table of Markdown. A bar or an end of a line in a text would end its cell."""
    cells = [[re.sub(r'\s+', ' ', cell).replace('|', '\\|') for cell in row] for row in (head, *rows)]
    lines = ['| ' + ' | '.join(row) + ' |' for row in cells]
    return '\n'.join([lines[0], '|' + '---|' * len(head), *lines[1:]]) + '\n'


def main(argv: list[str] | None = None) -> None:
    """Rewrite a page by a result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('results', type=Path)
    parser.add_argument('page', type=Path)
    args = parser.parse_args(argv)
    text = with_tables(args.page.read_text(), json.loads(args.results.read_text()))
    args.page.write_text(text)


if __name__ == '__main__':
    main()
