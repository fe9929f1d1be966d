r"""Run the tables of the STRL paper: pre-training, evaluation, and the paper's numbers beside what was measured.

    list          every row of Tables 1 to 8, of Figure 4 and of the data-efficiency study, and whether it has been run
    plan TABLE    the commands of a table, in order
    run TABLE     run them; what has been run is kept, so that a stopped run goes on by the same command
    report        the tables as Markdown, each with a figure; a row that was not run says so

Tables are named 1, 2a, 2b, 3, 4, 5, 6a, 6b, 7a, 7b, 8, figure-4, data-efficiency; 2 stands for both parts, all for all
of them. Simulated data is made on the way. Real data is where the environment says, such as KITTI_ROOT: see
docs/data.md.

Examples:
    python tools/reproduce.py list --data real
    python tools/reproduce.py plan 5 --data real
    python tools/reproduce.py run 1 7a 8 --seeds 3
    python tools/reproduce.py run all --size tiny
    python tools/reproduce.py report
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from command_line import foreseen_errors, hide_deprecations

if TYPE_CHECKING:
    from strl_mmdet3d.reproduction.results import Results
    from strl_mmdet3d.reproduction.step import Settings, Step
    from strl_mmdet3d.reproduction.tables import Table

# As in train.py: torch reads it when it is imported.
os.environ.setdefault('THP_MEM_ALLOC_ENABLE', '1')

ROOT = Path(__file__).resolve().parents[1]
REPORT = 'report.md'
VARIABLE = re.compile(r'\$[A-Z_]+/[\w./-]+$')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common = argparse.ArgumentParser(add_help=False)
    option = common.add_argument
    option('--data', choices=['simulated', 'real'], default='simulated', help='(default: simulated)')
    option('--size', choices=['full', 'tiny'], default='full', help="the paper's lengths, or a step or two of each")
    option('--work-dir', type=Path, help='where everything goes (default: work_dirs/reproduction/DATA_SIZE)')
    commands = parser.add_subparsers(dest='command', required=True)
    for command, what in (
        ('list', 'show the rows and what has been run'),
        ('plan', 'print the commands of tables'),
        ('run', 'run tables'),
        ('report', "write the paper's numbers beside ours"),
    ):
        sub = commands.add_parser(command, parents=[common], help=what)
        every = command in ('list', 'report')
        known = 'those that were run' if every else '1'
        sub.add_argument('--seeds', type=int, help=f'number of seeds, from 0 (default: {known})')
        sub.add_argument('tables', nargs='*' if every else '+', metavar='TABLE', help='such as 1, 7a or all')
    args = parser.parse_args(argv)
    if args.seeds is not None and args.seeds < 1:
        parser.error('--seeds must be at least 1')
    if args.work_dir is None:
        args.work_dir = Path('work_dirs', 'reproduction', f'{args.data}_{args.size}')
    if args.work_dir == Path():
        args.work_dir = Path.cwd()  # '.' is no part of the paths in it
    return args


def list_tables(tables: list[Table], results: Results, settings: Settings) -> None:
    """Print each row with its state, the paper's numbers, its configs and its data."""
    from strl_mmdet3d.reproduction.steps import data_needed
    from strl_mmdet3d.reproduction.table_report import paper_text

    for table in tables:
        print(f'\n{table.heading} ({", ".join(column.heading for column in table.columns)})')
        for row in table.rows:
            paper = [paper_text(row, place, column.digits) for place, column in enumerate(table.columns)]
            configs = ' -> '.join(name for name in (row.pretraining, row.evaluation.config) if name)
            data = ', '.join(dict.fromkeys(each.name for each in data_needed(row)))
            print(f'  {row.name}: {results.state(row, settings)}; the paper: {" / ".join(dict.fromkeys(paper))}')
            print(f'      {configs}; data: {data}')


def as_command(step: Step) -> str:
    """Write a step as a command of the shell, to be run from the folder where the plan was made."""
    script = step.tool if os.sep in step.tool else shown(f'tools/{step.tool}.py')
    words = ['python', script, *map(shown, step.arguments)]
    variables = [f'{name}={shlex.quote(value)}' for name, value in step.environment]
    return ' '.join([*variables, *map(quoted, words)])


def quoted(word: str) -> str:
    """Quote a word for the shell; a variable at its beginning, the place of real data, stays one."""
    return f'"{word}"' if VARIABLE.match(word) else shlex.quote(word)


def shown(argument: str) -> str:
    """Return an argument with the path of a config or a tool as it is from here."""
    if not argument.startswith(('configs/', 'tools/')):
        return argument
    return argument if Path.cwd() == ROOT else str(ROOT / argument)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def execute(step: Step) -> Any:
    """Run a step in this process, or a script of mmdet3d in its own.

    Returns:
        What the tool returns.

    Raises:
        ConfigError: If it fails by a foreseen error.
    """
    from strl_mmdet3d.errors import ConfigError

    arguments = [shown(argument) for argument in step.arguments]
    with environment(dict(step.environment)):
        if os.sep in step.tool:
            done = subprocess.run([sys.executable, step.tool, *arguments])
            if done.returncode:
                raise ConfigError(f'{step.name} failed: {as_command(step)}')
            return None
        try:
            return importlib.import_module(step.tool).main(arguments)
        except SystemExit as end:
            if end.code in (None, 0):
                return None
            raise ConfigError(f'{step.name} failed: {str(end.code).removeprefix("error: ")}') from end


def is_trained(step: Step) -> bool:
    """Return whether a training has left its encoder or its last checkpoint, and whole."""
    from strl_mmdet3d.engine.run_start import BrokenCheckpointError, check_whole
    from strl_mmdet3d.export import ExportError, read_exported

    path = Path(step.leaves)
    if step.tool != 'train' or not path.is_file():
        return False
    try:
        read_exported(path) if path.name == 'encoder.pth' else check_whole(path)
    except (BrokenCheckpointError, ExportError) as error:
        print(f'{path} is not whole, so the training goes on: {error}')
        return False
    return True


def run_steps(steps: list[Step], results: Results) -> None:
    """Run the steps that have no result yet, and say how far it is.

    A finished step is run again if what it left is gone, and a step that is yet to be run reads it.

    Raises:
        ConfigError: If a step fails, or has left no result.
    """
    from strl_mmdet3d.locks import locked
    from strl_mmdet3d.reproduction.numbers import numbers_of

    pending: list[Step] = []
    for step in reversed(steps):
        gone = bool(step.leaves) and not Path(step.leaves).exists()
        if results.read(step) is None or (gone and any(later.reads(step.leaves) for later in pending)):
            pending.append(step)
            if gone:
                results.path(step).unlink(missing_ok=True)
    for step in reversed(pending):
        number = steps.index(step) + 1
        print(f'== step {number} of {len(steps)}: {step.name}', flush=True)
        begin = time.monotonic()
        with locked(results.path(step), 'running a step'):
            if results.read(step) is not None:  # another process has run it since
                continue
            returned = None if is_trained(step) else execute(step)
            seconds = time.monotonic() - begin
            results.write(step, numbers_of(step, returned), seconds)
        print(f'== step {number} of {len(steps)}: {step.name} is done, after {seconds:.0f} s', flush=True)


def write_report(tables: list[Table], results: Results, settings: Settings) -> Path:
    """Write the page, and a figure of each table of which something was run; without the extra 'vis' the page alone.

    Returns:
        The page.
    """
    from strl_mmdet3d.atomic_write import write_text_whole, written_whole
    from strl_mmdet3d.extras import MissingExtraError, extra
    from strl_mmdet3d.reproduction.table_report import as_markdown, measured, pictures_of_features

    page = settings.work_dir / REPORT
    pictures: dict[str, list[Path]] = {}
    about = f'{settings.data} data, {settings.size}'
    try:
        with extra('vis'):
            from strl_mmdet3d.evaluation.figure_text import save_picture
            from strl_mmdet3d.reproduction.table_figure import draw_table
        for table in tables:
            numbers = measured(table, results, settings)
            if not all(isinstance(number, str) for of_row in numbers.values() for number in of_row.values()):
                place = Path('figures', f'{table.name}.png')
                with written_whole(settings.work_dir / place) as part:
                    save_picture(draw_table(table, numbers, about), part, dpi=110)
                pictures[table.name] = [place]
    except MissingExtraError as error:
        print(f'no figures: {error}')
    for table in tables:
        drawn = [path.relative_to(settings.work_dir) for path in pictures_of_features(table, settings)]
        pictures.setdefault(table.name, []).extend(drawn)
    write_text_whole(page, as_markdown(tables, results, settings, pictures))
    return page


def run(args: argparse.Namespace) -> None:
    """Do what the command line asks.

    Raises:
        StrlError: If there is no such table, data is missing, or a step fails.
    """
    from strl_mmdet3d.safe_loading import load_safely

    load_safely()
    from strl_mmdet3d.reproduction.data import check_real_data
    from strl_mmdet3d.reproduction.data_record import record_data, recorded_files
    from strl_mmdet3d.reproduction.results import Results
    from strl_mmdet3d.reproduction.step import Settings
    from strl_mmdet3d.reproduction.steps import data_needed, steps_of
    from strl_mmdet3d.reproduction.tables import find_tables

    tables = find_tables(args.tables or ['all'])
    results = Results(args.work_dir)
    found = max(results.numbers_of_seeds(), default=1) if args.command in ('list', 'report') else 1
    settings = Settings(args.work_dir, args.data, args.size, args.seeds or found)
    if args.command in ('list', 'report'):
        recorded_files(settings)
    if args.command == 'list':
        list_tables(tables, results, settings)
    elif args.command == 'plan':
        for step in steps_of(tables, settings):
            print(as_command(step))
    elif args.command == 'run':
        needed = [data for table in tables for row in table.rows for data in data_needed(row)]
        if args.data == 'real':
            check_real_data(needed)
        record_data(settings, needed)
        run_steps(steps_of(tables, settings), results)
        whole = replace(settings, seeds=max(results.numbers_of_seeds(), default=1))
        print(f'the tables are in {write_report(find_tables(["all"]), results, whole)}')
    else:
        page = write_report(tables, results, settings)
        print(page.read_text(encoding='utf-8'))


def main(argv: list[str] | None = None) -> None:
    """List, plan, run or report.

    Raises:
        SystemExit: With a message, for a foreseen error.
    """
    args = parse_args(argv)
    hide_deprecations()
    with foreseen_errors(args.work_dir):
        run(args)


if __name__ == '__main__':
    main(sys.argv[1:])
