"""Probe frozen encoders on labelled shapes, beside the baselines that give the numbers their meaning.

Of each encoder a linear SVM on its features as they are (the paper's), one on standardised features with C chosen by
cross-validation in the training part, and nearest neighbours. The baselines are the same encoder with random weights,
once with BatchNorm statistics calibrated by one pass over the training shapes (the honest one: it is what a
pre-training has to beat) and once as initialised, and hand-crafted features. Numbers are per cent of the test shapes,
mean and standard deviation over the seeds. A seed draws the points of each shape, the folds, and random weights; on
shapes that have no more points than are drawn, one pre-trained encoder thus hardly varies. How much its pre-training
varies is seen by several checkpoints with --average.

Examples:
    python tools/linear_probe.py configs/downstream/pointnet_shapes_from_strl.py work_dirs/RUN/encoder.pth
    python tools/linear_probe.py CONFIG work_dirs/RUN/epoch_*.pth --choose --out probe.json
    python tools/linear_probe.py CONFIG seed_0.pth seed_1.pth seed_2.pth --average --tsne before_and_after.png
    python tools/linear_probe.py CONFIG  # the baselines alone
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet3d.registry import DATASETS
from mmengine.config import Config, ConfigDict, DictAction
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.table import Table

from strl_mmdet3d.datasets import SequenceIndexError, UnusablePairError
from strl_mmdet3d.evaluation.calibration import calibrate_batchnorm
from strl_mmdet3d.evaluation.features import LabelledClouds, collect_features, read_clouds, shuffled_batches_of
from strl_mmdet3d.evaluation.handcrafted import handcrafted_features
from strl_mmdet3d.evaluation.linear_probe import fit_standardised_svm
from strl_mmdet3d.evaluation.probe_suite import Part, Scores, large_classes, run_probes
from strl_mmdet3d.evaluation.probed_encoders import pretrained_encoder, random_encoder
from strl_mmdet3d.export import ExportError
from strl_mmdet3d.models.encoder import DetectorEncoder

CALIBRATED, UNCALIBRATED, HANDCRAFTED = 'random, calibrated BN', 'random, as initialised', 'hand-crafted'
COLUMNS = {
    'unscaled': 'unscaled, C=1',
    'standardised': 'standardised',
    'knn': 'kNN, cosine',
    'cross_validated': 'standardised, cross-validated in training',
}
"""The columns of the table, by their names in the JSON file."""

Features = tuple[np.ndarray, np.ndarray]  # of the training and the test shapes


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    option = parser.add_argument
    option('config', help='a downstream config of shapes: its model, and the shapes of its train and test dataloaders')
    option('checkpoints', nargs='*', metavar='CKPT', help='exported encoders, or checkpoints of the pre-training')
    option('--seeds', type=int, default=3, help='how many seeds, from 0 (default: 3)')
    option('--num-points', type=int, default=2048, help="points of each shape (default: 2048, the paper's)")
    option(
        '--min-shapes',
        type=int,
        action='append',
        metavar='N',
        help='probe the classes with at least N shapes by themselves, too; may be repeated (default: 40)',
    )
    option('--no-baselines', action='store_true', help='leave out the random encoders and the hand-crafted features')
    option('--batch-size', type=int, default=32, help='shapes that are encoded at a time (default: 32)')
    option('--out', type=Path, metavar='JSON', help='a file for all of the numbers')
    option('--tsne', type=Path, metavar='PICTURE', help='a file for t-SNE of the test shapes, before and after')
    several = parser.add_mutually_exclusive_group()
    several.add_argument(
        '--choose',
        action='store_true',
        help='choose one of the checkpoints by cross-validation in the training part; only it sees the test shapes',
    )
    several.add_argument(
        '--average', action='store_true', help='the checkpoints are runs of one recipe: one more row for all of them'
    )
    option('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='settings that override the config')
    args = parser.parse_args(argv)
    args.checkpoints = list(dict.fromkeys(args.checkpoints))  # each once
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


def dataset_configs(config: Config, num_points: int) -> tuple[ConfigDict, ConfigDict]:
    """Give the configs of the training and of the test shapes, both with the pipeline of the test shapes.

    Raises:
        SystemExit: If the config has no such datasets, or its test pipeline no DownSamplePoints.
    """
    try:
        train, test = (copy.deepcopy(config[f'{part}_dataloader'].dataset) for part in ('train', 'test'))
        while 'dataset' in train:  # a wrapper such as RepeatDataset
            train = train.dataset
        samplers = [step for step in test.pipeline if step['type'] == 'DownSamplePoints']
    except (KeyError, AttributeError, TypeError) as error:
        raise SystemExit(
            f'error: {config.filename} has no labelled shapes in train_dataloader.dataset and test_dataloader.dataset '
            f'({error}): give a downstream config such as configs/downstream/pointnet_shapes_from_strl.py'
        ) from None
    if not samplers:
        raise SystemExit(f'error: the test pipeline of {config.filename} has no DownSamplePoints for --num-points')
    for sampler in samplers:
        sampler.num_points = num_points
    train.pipeline = test.pipeline
    return train, test


class Probe:
    """The rows of the table: encoders that are probed on the same shapes.

    Args:
        model: The config of the downstream model.
        train: Config of the training shapes.
        test: Config of the test shapes.
        batch_size: Shapes that are encoded at a time.

    Attributes:
        classes: The classes' names.
        train: The training shapes, as the seed draws their points.
        test: The test shapes.
    """

    def __init__(self, model: ConfigDict, train: ConfigDict, test: ConfigDict, batch_size: int) -> None:
        self.model = model
        self.batch_size = batch_size
        self.device = 'cuda' if torch.cuda.is_available() else 'cpu'
        self._train, self._test = DATASETS.build(train), DATASETS.build(test)
        self.classes = list(self._test.metainfo['classes'])
        if list(self._train.metainfo['classes']) != self.classes:
            raise SystemExit('error: the training and the test shapes have different classes: index them together')
        self.seed = -1
        self.use_seed(0)

    def use_seed(self, seed: int) -> None:
        """Draw the points of all shapes, unless they are those of this seed already."""
        if seed == self.seed:
            return
        self.seed = seed
        self.train: LabelledClouds = read_clouds(self._train, seed, f'seed {seed}, reading training shapes')
        self.test: LabelledClouds = read_clouds(self._test, seed, f'seed {seed}, reading test shapes')

    def encode(self, encoder: DetectorEncoder, name: str, part: str) -> np.ndarray:
        """Give an encoder's features of the 'train' or 'test' shapes."""
        clouds: LabelledClouds = getattr(self, part)
        return collect_features(encoder, clouds.points, self.batch_size, f'seed {self.seed}, {name}, {part}')

    def encode_all(self, encoder: DetectorEncoder, name: str) -> Features:
        """Give an encoder's features of the training and the test shapes."""
        return self.encode(encoder, name, 'train'), self.encode(encoder, name, 'test')

    def on_device(self, encoder: DetectorEncoder) -> DetectorEncoder:
        """Move an encoder, and its preprocessor with the device that it remembers."""
        encoder.to(self.device)
        encoder.data_preprocessor.to(self.device)
        return encoder

    def pretrained(self, path: str) -> Features:
        """Give the features of a checkpoint."""
        return self.encode_all(self.load(path), path)

    def load(self, path: str) -> DetectorEncoder:
        """Load a checkpoint, in full."""
        return self.on_device(pretrained_encoder(self.model, path))

    def calibrated(self) -> DetectorEncoder:
        """Build the random encoder of the seed, and calibrate it on the training shapes."""
        encoder = self.on_device(random_encoder(self.model, self.seed))
        calibrate_batchnorm(encoder, shuffled_batches_of(encoder, self.train.points, self.seed, self.batch_size))
        return encoder

    def baselines(self) -> dict[str, Callable[[], Features]]:
        """Give the baselines: the name of each, and what computes its features."""
        return {
            CALIBRATED: lambda: self.encode_all(self.calibrated(), CALIBRATED),
            UNCALIBRATED: lambda: self.encode_all(self.on_device(random_encoder(self.model, self.seed)), UNCALIBRATED),
            HANDCRAFTED: lambda: (
                handcrafted_features(self.train.points.numpy(), self.seed),
                handcrafted_features(self.test.points.numpy(), self.seed),
            ),
        }

    def cross_validate(self, path: str) -> float:
        """Score a checkpoint in the training part alone: per cent, by the SVM on standardised features."""
        features = self.encode(self.load(path), path, 'train')
        return 100 * fit_standardised_svm(features, self.train.labels, self.seed).best_score_


def choose(probe: Probe, checkpoints: list[str], seeds: int) -> dict[str, list[float]]:
    """Score checkpoints without the test shapes.

    Returns:
        For each checkpoint, the cross-validated per cent of each seed, the best checkpoint first.
    """
    scores: dict[str, list[float]] = {path: [] for path in checkpoints}
    for seed in range(seeds):
        probe.use_seed(seed)
        for path in checkpoints:
            scores[path].append(probe.cross_validate(path))
    return dict(sorted(scores.items(), key=lambda item: -np.mean(item[1])))


def parts_of(probe: Probe, thresholds: list[int]) -> list[Part]:
    """Give all classes, and the large ones by each threshold; those that are no part of their own are left out."""
    parts = [large_classes(probe.train.labels, probe.test.labels, 0)]
    for threshold in sorted(set(thresholds)):
        part = large_classes(probe.train.labels, probe.test.labels, threshold)
        if 1 < part.num_classes < parts[0].num_classes:
            parts.append(part)
        else:
            print(f'--min-shapes {threshold}: {part.num_classes} of {parts[0].num_classes} classes, not probed apart')
    return parts


def as_row(name: str, scores: list[Scores]) -> dict[str, Any]:
    """Make a row of the scores of all seeds."""
    return dict(
        name=name,
        unscaled=[score.unscaled for score in scores],
        standardised=[score.standardised.accuracy for score in scores],
        cross_validated=[score.standardised.cross_validated for score in scores],
        C=[score.standardised.chosen for score in scores],
        knn=[score.knn.accuracy for score in scores],
        k=[score.knn.chosen for score in scores],
    )


def average(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Make one row of several runs of a recipe: its values are the means of the runs."""
    values = {column: [float(np.mean(row[column])) for row in rows] for column in COLUMNS}
    return dict(name=f'{len(rows)} checkpoints', **values)


def measure(probe: Probe, checkpoints: list[str], args: argparse.Namespace) -> list[dict[str, Any]]:
    """Probe checkpoints and baselines with all seeds.

    Returns:
        For all classes, and for the large ones, what to write to the JSON file.
    """
    parts = parts_of(probe, args.min_shapes)
    scores: list[dict[str, list[Scores]]] = [{} for _ in parts]
    for seed in range(args.seeds):
        probe.use_seed(seed)
        rows = {path: lambda path=path: probe.pretrained(path) for path in checkpoints}
        if not args.no_baselines:
            rows |= probe.baselines()
        for name, compute in rows.items():
            train_x, test_x = compute()
            for part, of_part in zip(parts, scores, strict=True):
                score = run_probes(part, train_x, probe.train.labels, test_x, probe.test.labels, seed)
                of_part.setdefault(name, []).append(score)
    results = []
    for part, of_part in zip(parts, scores, strict=True):
        table = [as_row(name, values) for name, values in of_part.items()]
        if args.average:
            table.insert(len(checkpoints), average(table[: len(checkpoints)]))
        numbers = dict(num_classes=part.num_classes, num_train=int(part.train.sum()), num_test=int(part.test.sum()))
        results.append(dict(title=str(part), min_shapes=part.min_shapes, **numbers, rows=table))
    return results


def told(values: list[float]) -> str:
    """Write numbers as their mean and, of several, their standard deviation (of a sample: divided by n - 1)."""
    deviation = f' +- {np.std(values, ddof=1):.1f}' if len(values) > 1 else ''
    return f'{np.mean(values):.1f}{deviation}'


def print_table(console: Console, result: dict[str, Any]) -> None:
    """Print the rows of all classes, or of the large ones."""
    table = Table(title=result['title'], title_justify='left')
    table.add_column('encoder', overflow='fold')
    for column in COLUMNS.values():
        table.add_column(column, justify='right')
    for row in result['rows']:
        table.add_row(row['name'], *(told(row[column]) for column in COLUMNS))
    console.print(table)


def draw_tsne(probe: Probe, path: str, picture: Path) -> None:
    """Draw the test shapes of seed 0, as the calibrated random encoder and as a checkpoint sees them."""
    from strl_mmdet3d.evaluation.embedding_figure import draw_embeddings  # matplotlib is asked for by this option only

    probe.use_seed(0)
    before = probe.encode(probe.calibrated(), CALIBRATED, 'test')
    after = probe.encode(probe.load(path), path, 'test')
    panels = {f'before: {CALIBRATED}': before, f'after: {Path(path).name}': after}
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw_embeddings(panels, probe.test.labels, probe.classes, seed=0).savefig(picture, dpi=150)
    print(f't-SNE of {path} in {picture}')


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Do what the command line asks for.

    Returns:
        What is written to the JSON file.
    """
    if not Path(args.config).is_file():
        raise SystemExit(f'error: no config at {args.config}')
    config = Config.fromfile(args.config)
    config.merge_from_dict(args.cfg_options or {})
    MMLogger.get_instance('linear_probe', log_level='WARNING')  # not each weight that is drawn
    init_default_scope(config.get('default_scope', 'mmdet3d'))
    for path in args.checkpoints:  # a file that does not fit is told before anything takes time
        pretrained_encoder(config.model, path)
    probe = Probe(config.model, *dataset_configs(config, args.num_points), args.batch_size)
    result: dict[str, Any] = dict(
        config=args.config, checkpoints=args.checkpoints, seeds=list(range(args.seeds)), num_points=args.num_points
    )
    checkpoints = args.checkpoints
    if args.choose:
        result['choice'] = choose(probe, checkpoints, args.seeds)
        checkpoints = list(result['choice'])[:1]
        print('cross-validated in the training part, the best first:')
        for path, values in result['choice'].items():
            print(f'  {told(values)}  {path}')
    result['parts'] = measure(probe, checkpoints, args)
    for part in result['parts']:
        print_table(Console(), part)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(result, indent=1) + '\n')
    if args.tsne:
        draw_tsne(probe, checkpoints[0], args.tsne)
    return result


def main(argv: list[str] | None = None) -> None:
    """Probe, and print the tables.

    Raises:
        SystemExit: With a message, if the config, a checkpoint or the shapes are not as they should be.
    """
    args = parse_args(argv)
    try:
        run(args)
    except (ExportError, SequenceIndexError, UnusablePairError, ValueError, OSError) as error:
        raise SystemExit(f'error: {error}') from error


if __name__ == '__main__':
    main(sys.argv[1:])
