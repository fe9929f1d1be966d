"""Probe frozen encoders on labelled shapes, together with the baselines that they have to beat.

Each encoder is scored by three probes: a linear SVM on its features as they are (the paper's), one on standardised
features with C chosen by cross-validation in the training part, and nearest neighbours. The baselines are hand-crafted
features, and the same encoder with random weights: once as initialised, and once with BatchNorm statistics calibrated
by one pass over the training shapes. A pre-training has to beat both: what it gains over each is printed below, with
the 95 % interval of the bootstrap over the test shapes. Numbers are per cent of the test shapes, mean and standard
deviation over the seeds. A seed draws the points of each shape, the folds, and random weights. If the shapes have no
more points than are drawn, the scores of one pre-trained encoder hardly vary; give several checkpoints and --average to
see how much its pre-training varies.

Examples:
    python tools/linear_probe.py configs/downstream/pointnet_shapes_from_strl.py work_dirs/RUN/encoder.pth
    python tools/linear_probe.py CONFIG work_dirs/RUN/epoch_*.pth --choose --out probe.json
    python tools/linear_probe.py CONFIG seed_0.pth seed_1.pth seed_2.pth --average --tsne before_and_after.png
    python tools/linear_probe.py CONFIG  # the baselines alone
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from command_line import add_cfg_options, foreseen_errors, load_config, refused_settings

NARROWEST_NAME = 24  # characters of an encoder's name in a line of the table, at least


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    option = parser.add_argument
    option('config', help='a downstream config of shapes, for its model and its train and test dataloaders')
    option('checkpoints', nargs='*', metavar='CKPT', help='exported encoders, or checkpoints of the pre-training')
    option('--seeds', type=int, default=3, help='number of seeds, from 0 (default: 3)')
    option('--num-points', type=int, default=2048, help="points of each shape (default: 2048, the paper's)")
    option(
        '--min-shapes',
        type=int,
        action='append',
        metavar='N',
        help='probe the classes with at least N shapes separately, too; may be repeated (default: 40)',
    )
    option('--no-baselines', action='store_true', help='leave out the random encoders and the hand-crafted features')
    option('--batch-size', type=int, default=32, help='shapes encoded at a time (default: 32)')
    option('--out', type=Path, metavar='JSON', help='a file for all of the numbers')
    option('--tsne', type=Path, metavar='PICTURE', help='a file for t-SNE of the test shapes; .html is a page')
    several = parser.add_mutually_exclusive_group()
    several.add_argument(
        '--choose',
        action='store_true',
        help='choose one of the checkpoints by cross-validation in the training part; only it sees the test shapes',
    )
    several.add_argument(
        '--average', action='store_true', help='the checkpoints are runs of one recipe: add a row with their mean'
    )
    add_cfg_options(parser, 'train_dataloader.dataset.ann_file=train_1_percent.json')
    args = parser.parse_args(argv)
    args.checkpoints = list(dict.fromkeys(args.checkpoints))  # without repetitions
    if min(args.seeds, args.num_points, args.batch_size) < 1:
        parser.error('--seeds, --num-points and --batch-size must be at least 1')
    if args.no_baselines and not args.checkpoints:
        parser.error('nothing to probe: give CKPT, or leave --no-baselines out')
    if (args.choose or args.average) and len(args.checkpoints) < 2:
        parser.error('--choose and --average need several checkpoints')
    if args.tsne and not args.checkpoints:
        parser.error('--tsne draws before and after pre-training: give CKPT')
    if args.min_shapes is None:
        args.min_shapes = [40]
    return args


def mean_and_deviation(values: list[float]) -> str:
    """Write numbers as their mean and, if there are several, their standard deviation (of a sample: over n - 1)."""
    deviation = f' +- {stdev(values):.1f}' if len(values) > 1 else ''
    return f'{mean(values):.1f}{deviation}'


def short_names(names: list[str], width: int) -> dict[str, str]:
    """Shorten paths by the folders that all of them begin with, and break them behind slashes, hyphens and the like.

    Args:
        names: Paths of checkpoints, and names of baselines.
        width: Characters in a line; only a longer word is broken.

    Returns:
        Name -> what the table shows, in lines; a name that fits stays as it is.
    """
    paths = {name: Path(name).parts for name in names if len(name) > width and len(Path(name).parts) > 1}
    common = 0
    while paths and all(len(parts) > common + 2 for parts in paths.values()):  # one folder stays
        if len({parts[common] for parts in paths.values()}) > 1:
            break
        common += 1
    shown = {}
    for name in names:
        lines = ['']
        pieces = re.findall(r'[^/_-]+[/_-]*|[/_-]+', str(Path(*paths[name][common:]))) if name in paths else [name]
        for piece in pieces:
            if lines[-1] and len(lines[-1]) + len(piece) > width:
                lines.append('')
            lines[-1] += piece
        shown[name] = '\n'.join(lines)
    return shown


def print_scores(part: dict[str, Any], columns: dict[str, str]) -> None:
    """Print the scores of all classes, or of the large ones.

    Args:
        part: Title and rows.
        columns: Name of a column in a row -> its heading.
    """
    rows = part['rows']
    seeds = len(rows[0][next(iter(columns))])
    deviation = f', mean +- standard deviation over {seeds} seeds' if seeds > 1 else ', one seed'
    title = f'{part["title"]}\nper cent of the test shapes{deviation}'
    print_table(title, columns, {row['name']: [mean_and_deviation(row[column]) for column in columns] for row in rows})


def print_gains(part: dict[str, Any], columns: dict[str, str]) -> None:
    """Print what the checkpoints gain over each random encoder, with its interval; arguments as in `print_scores`."""
    for baseline in dict.fromkeys(row['baseline'] for row in part['gains']):
        title = f'gain over "{baseline}" in points, with its 95 % interval over other test shapes'
        rows = [row for row in part['gains'] if row['baseline'] == baseline]
        print_table(title, columns, {row['name']: [as_gain(row[column]) for column in columns] for row in rows})


def as_gain(gain: dict[str, float]) -> str:
    """Write a gain, as in '+6.1 (3.6 to 8.6)'."""
    return f'{gain["mean"]:+.1f} ({gain["low"]:.1f} to {gain["high"]:.1f})'


def print_table(title: str, columns: dict[str, str], rows: dict[str, list[str]]) -> None:
    """Print a table of encoders.

    Args:
        title: Above the table.
        columns: Name of a column -> its heading.
        rows: Name of an encoder -> its cells.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title_justify='left', box=box.SIMPLE)
    table.title = title
    table.add_column('encoder', no_wrap=True, overflow='fold')
    taken = 3 * (len(columns) + 2)  # between the columns
    for heading, *cells in zip(columns.values(), *rows.values(), strict=True):
        widest = max(map(len, [*heading.split(), *cells]))  # neither a word nor a number is broken
        table.add_column(heading, justify='right', min_width=widest, width=widest)
        taken += widest
    console = Console(markup=False, highlight=False)  # a name may have brackets
    console.width = max(console.width, taken + NARROWEST_NAME)
    names = short_names(list(rows), console.width - taken)
    for name, cells in rows.items():
        table.add_row(names[name], *cells)
    console.print(table)
    for name, shown in names.items():
        whole = shown.replace('\n', '')
        if whole != name:
            console.print(f'{whole}: {name}', soft_wrap=True)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Probe as the command line asks.

    Returns:
        The content of the JSON file.
    """
    from mmengine.logging import MMLogger
    from mmengine.registry import init_default_scope

    from strl_mmdet3d.atomic_write import write_text_whole
    from strl_mmdet3d.errors import ConfigError
    from strl_mmdet3d.extras import extra
    from strl_mmdet3d.safe_loading import load_safely

    with extra('probe'):
        from probing import COLUMNS, GAIN_COLUMNS, Probe, choose, dataset_configs, draw_tsne, measure

        from strl_mmdet3d.evaluation.probed_encoders import pretrained_encoder

    load_safely()
    config = load_config(args.config, args.cfg_options)
    MMLogger.get_instance('linear_probe', log_level='WARNING')  # without a line for each weight that is drawn
    init_default_scope(config.get('default_scope', 'mmdet3d'))
    if not config.get('model'):
        raise ConfigError(f'{args.config} has no model: give a downstream config of a classifier')
    for path in args.checkpoints:  # so that a file that does not fit is reported before anything takes time
        pretrained_encoder(config.model, path)
    probe = Probe(config.model, *dataset_configs(config, args.num_points), args.batch_size)
    result: dict[str, Any] = dict(
        config=args.config, checkpoints=args.checkpoints, seeds=list(range(args.seeds)), num_points=args.num_points
    )
    checkpoints = args.checkpoints
    if args.choose:
        result['choice'] = choose(probe, checkpoints, args.seeds)
        checkpoints = list(result['choice'])[:1]
        print('cross-validated in the training part, best first:')
        for path, values in result['choice'].items():
            print(f'  {mean_and_deviation(values)}  {path}')
    result['parts'] = measure(probe, checkpoints, args)
    for part in result['parts']:
        print_scores(part, COLUMNS)
        print_gains(part, GAIN_COLUMNS)
    if args.out:
        write_text_whole(args.out, json.dumps(result, indent=1) + '\n')
    if args.tsne:
        draw_tsne(probe, checkpoints[0], args.tsne)
    return result


def main(argv: list[str] | None = None) -> None:
    """Probe, and print the tables.

    Raises:
        SystemExit: With a message, for a foreseen error.
    """
    args = parse_args(argv)
    # Probes and data sets refuse unfit shapes and settings by ValueError.
    with foreseen_errors(args.out or 'the output'), refused_settings():
        run(args)


if __name__ == '__main__':
    main(sys.argv[1:])
