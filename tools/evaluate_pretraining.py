r"""Measure whether a pre-training helps a detector: few labels, arms that start alike, paired seeds, intervals.

Each run trains the downstream config's detector on a part of its labelled frames, for the same number of iterations in
all arms, and takes all numbers of its test. A seed draws the frames, the initial weights of trunk and head, the order
of the data and the augmentation. Runs with one seed differ in their arm alone:

    scratch        the trunk as initialised
    finetuned      the trunk of a checkpoint
    frozen         the trunk of a checkpoint, which stays as it is; only the rest learns
    frozen-random  a random trunk with BatchNorm calibrated on the training frames, which stays as it is

The smaller label subsets are parts of the larger ones, each combination of classes in proportion, and GT sampling takes
objects of the subset's frames only. Checkpoints of one name are several pre-trainings of one recipe, which take turns
over the seeds, so that the interval holds their differences, too. A stopped evaluation continues by the same command.
Several processes may run it on one output folder and share the work.

Examples:
    python tools/evaluate_pretraining.py configs/downstream/pointpillars_kitti_from_strl.py \
        --checkpoint strl=work_dirs/pointpillars_kitti_pretrain/encoder.pth --out work_dirs/does_it_help
    python tools/evaluate_pretraining.py CONFIG --checkpoint a=a.pth --checkpoint b=b.pth --out DIR \
        --labels 5 20 --seeds 10 --iterations 2000 --metric Overall_BEV_AP40_moderate_loose
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from command_line import add_cfg_options, foreseen_errors, hide_deprecations, load_config, refused_settings

if TYPE_CHECKING:
    from paired_training import PairedTraining
    from rich.progress import Progress, TaskID

    from strl_mmdet3d.evaluation.detection.arms import Arm, Pretrained
    from strl_mmdet3d.evaluation.detection.comparison_table import Comparison
    from strl_mmdet3d.evaluation.detection.result_files import ResultFiles, RunKey, RunResult

KINDS = ['scratch', 'finetuned', 'frozen', 'frozen-random']
WAIT = 5.0
"""Seconds between two looks at runs that other processes make."""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    option = parser.add_argument
    option('config', help='a downstream config of a detector')
    option(
        '--checkpoint',
        action='append',
        type=name_and_path,
        default=[],
        metavar='NAME=PTH',
        help='an exported encoder, or a checkpoint of the pre-training; may be repeated, with one name for '
        'pre-trainings that differ in their seed alone',
    )
    option('--out', type=Path, required=True, metavar='DIR', help='the folder for results, tables and the figure')
    option(
        '--labels',
        type=float,
        nargs='+',
        default=[1, 5, 10, 20, 50, 100],
        metavar='PERCENT',
        help='per cent of the labelled frames, rounded up to whole frames (default: 1 5 10 20 50 100)',
    )
    option('--seeds', type=int, default=10, help='number of seeds, from 0 (default: 10)')
    option('--iterations', type=int, metavar='N', help="of each run (default: the config's own length on all labels)")
    option('--arms', nargs='+', choices=KINDS, default=KINDS, help='(default: all of them)')
    option('--metric', help='the number to compare, by its last parts (default: Overall_3D_AP40_moderate or mAP_0.25)')
    option('--keep-checkpoints', action='store_true', help='keep each trained detector in DIR/checkpoints')
    add_cfg_options(parser)
    args = parser.parse_args(argv)
    if args.seeds < 1 or (args.iterations is not None and args.iterations < 1):
        parser.error('--seeds and --iterations must be at least 1')
    for name, times in Counter(name for name, _ in args.checkpoint).items():
        if times > args.seeds:
            parser.error(
                f'--checkpoint {name}=... is given {times} times: that needs as many --seeds, not {args.seeds}'
            )
    return args


def name_and_path(text: str) -> tuple[str, str]:
    """Split NAME=PTH."""
    name, equals, path = text.partition('=')
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f'{text!r} is not of the form NAME=PTH')
    return name, path


def check_landing(training: PairedTraining, checkpoints: list[Pretrained]) -> None:
    """Load each checkpoint once, so that one that does not fit is reported before anything takes time.

    Raises:
        ExportError: If a tensor or a setting of a checkpoint does not fit the config.
    """
    from strl_mmdet3d.evaluation.detection.arms import initial_model, load_pretrained

    for each in checkpoints:
        detector = initial_model(training.config.model, seed=0)
        report = load_pretrained(detector, each, training.config, training.allow_different)
        print(f'{each.name}: {each.source}\n{report}')


def compare(
    training: PairedTraining,
    results: ResultFiles,
    plan: list[RunKey],
    sizes: dict[int, list[float]],
    metric: str | None,
) -> Comparison | None:
    """Put all results that there are into a comparison; None if there is none.

    Raises:
        ConfigError: If the tests give no such number.
    """
    from strl_mmdet3d.evaluation.detection.comparison import differences_to, seeds_text
    from strl_mmdet3d.evaluation.detection.comparison_table import Comparison
    from strl_mmdet3d.evaluation.detection.label_subsets import size_text
    from strl_mmdet3d.evaluation.detection.metrics import find_metric

    found = [(key, result) for key in plan if (result := results.read(key)) is not None]
    if not found:
        return None
    name = find_metric(found[0][1].metrics, metric)
    arms: list[Arm] = list({key.arm.name: key.arm for key in plan}.values())
    values: dict[str, dict[int, dict[int, float]]] = {arm.name: defaultdict(dict) for arm in arms}
    left_out: dict[tuple[int, str], set[int]] = defaultdict(set)
    without: list[str] = []
    for key, result in found:
        number = result.metrics.get(name)
        if number is None:
            without.append(str(key.file))
        else:
            values[key.arm.name][key.num_frames][key.seed] = number
        for category in result.not_sampled:
            left_out[key.num_frames, category].add(key.seed)
    notes = turns_taken(plan)
    notes += [
        f'{size_text(frames, sizes[frames])}: GT sampling leaves out {category} with seeds {seeds_text([*seeds])}, '
        'for want of a usable object.'
        for (frames, category), seeds in sorted(left_out.items())
    ]
    notes += [
        f'{path} is left out: its test gave no finite {name}. Name another number by --metric.' for path in without
    ]
    pairs = [(arm.name, 'scratch') for arm in arms if arm.kind != 'scratch']
    random = {arm.frozen: arm.name for arm in arms if arm.kind == 'frozen-random'}
    pairs += [(arm.name, random[arm.frozen]) for arm in arms if arm.kind == 'frozen' and arm.frozen in random]
    return Comparison(
        title=Path(str(training.config.filename)).stem,
        metric=name,
        iterations=training.iterations,
        sizes=sizes,
        values={arm: dict(of_arm) for arm, of_arm in values.items()},
        differences=differences_to(values, pairs),
        num_missing=len(plan) - len(found),
        notes=notes,
    )


def turns_taken(plan: list[RunKey]) -> list[str]:
    """Say for each arm with several pre-trainings which seeds begin from which."""
    from strl_mmdet3d.evaluation.detection.comparison import seeds_text

    seeds: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for key in plan:
        if key.arm.pretrained is not None:
            seeds[key.arm.name][key.arm.pretrained.source].add(key.seed)
    return [
        f'{arm}: {len(of_source)} pre-trainings; '
        + '; '.join(f'seeds {seeds_text([*of])} begin from {source}' for source, of in of_source.items())
        + '.'
        + ' Seeds share them, so the interval is too narrow as far as pre-trainings differ.'
        * (len(of_source) < sum(map(len, of_source.values())))
        for arm, of_source in seeds.items()
        if len(of_source) > 1
    ]


def write_summary(out: Path, comparison: Comparison | None, figure: bool) -> None:
    """Write results.json and results.md, and the figure if asked for and matplotlib is installed."""
    from strl_mmdet3d.atomic_write import write_text_whole, written_whole
    from strl_mmdet3d.evaluation.detection.comparison_table import as_json, as_markdown
    from strl_mmdet3d.extras import MissingExtraError, extra

    if comparison is None:
        return
    write_text_whole(out / 'results.json', json.dumps(as_json(comparison), indent=1) + '\n')
    write_text_whole(out / 'results.md', as_markdown(comparison))
    if not figure:
        return
    try:
        with extra('vis'):
            from strl_mmdet3d.evaluation.detection.comparison_figure import draw_comparison
            from strl_mmdet3d.evaluation.figure_text import save_picture
    except MissingExtraError as error:
        print(f'no figure: {error}')
        return
    with written_whole(out / 'results.png') as part:
        save_picture(draw_comparison(comparison), part, dpi=150)


def num_finished(results: ResultFiles, plan: list[RunKey]) -> int:
    """Return how many runs have a result, those of other processes too."""
    return sum((results.out / each.file).is_file() for each in plan)


def show(progress: Progress, task: TaskID, name: str, finished: int, share: float, words: str) -> None:
    """Show how far a run is, behind so many finished ones; see `paired_training.ProgressHook`."""
    progress.update(task, description=f'{name}: {words}', completed=finished + share)


def make_runs(
    training: PairedTraining,
    results: ResultFiles,
    plan: list[RunKey],
    sizes: dict[int, list[float]],
    metric: str | None,
) -> None:
    """Make all runs that have no result yet, and leave those to other processes that they are making.

    Raises:
        ConfigError: If the data does not allow a run, or the test gives no such number.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from strl_mmdet3d.evaluation.detection.label_subsets import size_text
    from strl_mmdet3d.evaluation.detection.metrics import find_metric
    from strl_mmdet3d.locks import LockedError, locked

    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    waiting = [key for key in plan if results.read(key) is None]
    at_first, begin = len(plan) - len(waiting), time.monotonic()
    console = Console(stderr=True, markup=False, highlight=False)
    # Its estimate of the time left looks back over this many seconds.
    with Progress(*columns, console=console, speed_estimate_period=1e6) as progress:
        task = progress.add_task('', total=len(plan), completed=at_first)
        while waiting:
            in_use: list[RunKey] = []
            for key in waiting:
                name = f'seed {key.seed}, {size_text(key.num_frames, sizes[key.num_frames])}, {key.arm.name}'
                progress.update(task, description=name)
                tell = partial(show, progress, task, name, num_finished(results, plan))
                try:
                    with locked(results.out / key.file, 'training a detector'):
                        result: RunResult | None = results.read(key)
                        if result is None:
                            result = training.run(key, results, tell)
                            results.write(key, result)
                            number = result.metrics[find_metric(result.metrics, metric)]
                            done = num_finished(results, plan)
                            left = (time.monotonic() - begin) / max(1, done - at_first) * (len(plan) - done)
                            console.print(
                                f'{done} of {len(plan)}: {name}: {number} in {result.seconds:.0f} s, '
                                f'{in_words(left)} left',
                                soft_wrap=True,
                            )
                            write_summary(results.out, compare(training, results, plan, sizes, metric), figure=False)
                except LockedError:
                    in_use.append(key)
                progress.update(task, completed=num_finished(results, plan))
            if in_use == waiting:
                time.sleep(WAIT)
            waiting = in_use


def in_words(seconds: float) -> str:
    """Write a duration, such as '2 h 05 min'."""
    minutes = round(seconds / 60)
    return f'{minutes // 60} h {minutes % 60:02d} min' if minutes >= 60 else f'{minutes} min'


def run(args: argparse.Namespace) -> Comparison | None:
    """Measure as the command line asks.

    Returns:
        The comparison.
    """
    from mmengine.logging import MMLogger
    from mmengine.registry import init_default_scope

    from strl_mmdet3d.safe_loading import load_safely

    load_safely()
    config = load_config(args.config, args.cfg_options)
    MMLogger.get_instance('evaluate_pretraining', log_level='WARNING')  # no line for each weight that is drawn
    init_default_scope(config.get('default_scope', 'mmdet3d'))
    from paired_training import PairedTraining

    from strl_mmdet3d.evaluation.detection.arms import arms_of, arms_of_seed, read_pretrained
    from strl_mmdet3d.evaluation.detection.label_subsets import subset_sizes
    from strl_mmdet3d.evaluation.detection.result_files import ResultFiles, RunKey

    training = PairedTraining(config, args.out, args.iterations, args.keep_checkpoints)
    sizes = subset_sizes(args.labels, len(training.subsets.frames))
    for frames, percentages in sizes.items():
        if len(percentages) > 1:
            same = ' and '.join(f'{percent:g}' for percent in percentages)
            print(f'{same} % of {len(training.subsets.frames)} frames are the same: {frames}; they are measured once')
    checkpoints = [read_pretrained(name, path) for name, path in args.checkpoint]
    arms = arms_of(args.arms, checkpoints)
    check_landing(training, checkpoints)
    results = ResultFiles(args.out, training.record())
    plan = [
        RunKey(seed, frames, arm) for seed in range(args.seeds) for frames in sizes for arm in arms_of_seed(arms, seed)
    ]
    try:
        make_runs(training, results, plan, sizes, args.metric)
    except KeyboardInterrupt:
        print('stopped: the same command continues')
    comparison = compare(training, results, plan, sizes, args.metric)
    write_summary(args.out, comparison, figure=True)
    if comparison is not None:
        print((args.out / 'results.md').read_text(encoding='utf-8'))
    return comparison


def main(argv: list[str] | None = None) -> Comparison | None:
    """Measure, and print the tables.

    Raises:
        SystemExit: With a message, for a foreseen error.
    """
    args = parse_args(argv)
    hide_deprecations()
    with foreseen_errors(args.out), refused_settings():
        return run(args)


if __name__ == '__main__':
    main(sys.argv[1:])
