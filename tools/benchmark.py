"""Compare what pre-training adds with what it cannot do without, and with what others do, all in one run.

A row is ours, a peer or a limit, and their ratio: medians over interleaved runs. Nothing is downloaded and no data is
needed. Peers that are not installed are rows that say so (`make bench` installs those that it can). On a GPU the steps
are made there.

Examples:
    python tools/benchmark.py --out docs/benchmarks.json
    python tools/benchmark.py --parts pairs kernels
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault('THP_MEM_ALLOC_ENABLE', '1')  # as tools/train.py does

import torch
from benchmarks.data import pair_rows, scaling_rows
from benchmarks.index import index_rows
from benchmarks.kernels import kernel_rows
from benchmarks.memory import memory_rows
from benchmarks.step import on_gpu, optimizer_rows, option_rows, profile_rows, step_rows, target_rows
from benchmarks.timing import Row, kept_memory
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.table import Table

import strl_mmdet3d  # noqa: F401 - registers what the configs name
from strl_mmdet3d.atomic_write import write_text_whole
from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.evaluation.run_facts import commit, versions

PARTS: dict[str, Callable[[Path, int], list[Row]]] = {
    'pairs': pair_rows,
    'workers': scaling_rows,
    'steps': step_rows,
    'options': option_rows,
    'memory': memory_rows,
    'profile': profile_rows,
    'target': lambda root, repeats: target_rows(repeats),
    'optimizer': lambda root, repeats: optimizer_rows(repeats),
    'kernels': lambda root, repeats: kernel_rows(repeats),
    'index': index_rows,
}
NEEDS_PAIRS = {'workers', 'steps', 'options', 'memory', 'profile'}
"""Parts that use the data which 'pairs' writes."""
KEEP_MEMORY = {'steps', 'options', 'profile', 'target', 'optimizer', 'kernels'}
"""Parts of large tensors, whose paging in would blur what is compared."""


VERSIONS = ('torch', 'numpy', 'mmengine', 'mmcv', 'mmdet3d', 'spconv', 'pytorch-optimizer', 'lightly')
"""Packages whose versions are recorded, where they are installed."""


def machine() -> dict[str, str | int]:
    """Describe where the figures were measured."""
    names = [line.split(':')[1].strip() for line in _cpu_info() if line.startswith('model name')]
    return dict(
        cpu=names[0] if names else platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        threads=torch.get_num_threads(),
        gpu=torch.cuda.get_device_name() if on_gpu() else 'none: steps on a GPU were not run',
    )


def _cpu_info() -> list[str]:
    """Return the lines of what Linux says of its processors."""
    path = Path('/proc/cpuinfo')
    return path.read_text().splitlines() if path.exists() else []


def as_table(rows: list[Row]) -> Table:
    """Draw the table."""
    table = Table('what', 'ours', 'peer', 'ratio', 'goal', 'peer or limit', title='strl_mmdet3d')
    for row in rows:
        if row.ours is None:
            table.add_row(row.what, 'not run', '', '', '', f'{row.peer} ({row.why})')
            continue
        mark = '' if row.met is None else ' met' if row.met else ' not met'
        figures = (f'{row.ours:,.4g} {row.unit}', f'{row.theirs:,.4g} {row.unit}', f'{row.ratio:.3g}')
        table.add_row(row.what, *figures, row.goal + mark, row.peer)
    return table


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, help='a JSON file of runs, to which this one is added')
    parser.add_argument('--name', help='of this run in that file (default: its date and time)')
    parser.add_argument('--repeats', type=int, default=5, help='timed runs of the slowest rows (default: 5)')
    parser.add_argument('--parts', nargs='+', choices=list(PARTS), default=list(PARTS), help='what to run')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> list[Row]:
    """Run the parts, print the table, and write it where asked to."""
    args = parse_args(argv)
    init_default_scope('mmdet3d')
    MMLogger.get_instance('benchmark', log_level='WARNING')
    rows, begun = [], about_this_run(args, argv)
    if args.out:
        earlier_runs(args.out)  # should it be another file, it says so now
    with tempfile.TemporaryDirectory() as folder:
        parts = args.parts
        if NEEDS_PAIRS & set(parts) and 'pairs' not in parts:
            parts = ['pairs', *parts]
        for part in sorted(parts, key=list(PARTS).index):
            print(f'{part} ...', file=sys.stderr)
            with kept_memory() if part in KEEP_MEMORY else nullcontext():
                rows += PARTS[part](Path(folder), args.repeats)
            if args.out:  # what there is, should a later part be stopped
                add_run(begun, rows, args.out)
    Console(width=None if sys.stdout.isatty() else 150).print(as_table(rows))
    return rows


def about_this_run(args: argparse.Namespace, argv: list[str] | None) -> dict[str, Any]:
    """Describe the run that begins: its name, when, by which command, of which commit, where and with what."""
    now = time.strftime('%Y-%m-%d %H:%M:%S')
    command = shlex.join(['tools/benchmark.py', *(sys.argv[1:] if argv is None else argv)])
    return dict(
        name=args.name or now,
        date=now,
        command=command,
        commit=commit(),
        source='written by the command',
        machine=machine(),
        versions={name: found for name, found in versions(VERSIONS).items() if found},
    )


def earlier_runs(path: Path) -> list[dict[str, Any]]:
    """Return the runs of a file; none if there is no file.

    Raises:
        ConfigError: If it holds something else.
    """
    if not path.exists():
        return []
    try:
        return [dict(run, name=run['name']) for run in json.loads(path.read_text())['runs']]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f'{path} is not a file of benchmark runs: name another one by --out') from error


def add_run(about: dict[str, Any], rows: list[Row], path: Path) -> None:
    """Add a run to a file of runs, or replace the run of its name there."""
    runs = [run for run in earlier_runs(path) if run['name'] != about['name']]
    runs.append(dict(about, rows=[dict(asdict(row), ratio=row.ratio) for row in rows]))
    write_text_whole(path, json.dumps(dict(runs=runs), indent=1) + '\n')


if __name__ == '__main__':
    main()
