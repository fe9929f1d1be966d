"""The measurements of ``tools/linear_probe.py``: encoders and baselines, probed on the same shapes."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet3d.registry import DATASETS
from mmengine.config import Config, ConfigDict

from strl_mmdet3d.atomic_write import written_whole
from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.evaluation.calibration import calibrate_batchnorm
from strl_mmdet3d.evaluation.features import LabelledClouds, collect_features, read_clouds, shuffled_batches_of
from strl_mmdet3d.evaluation.handcrafted import handcrafted_features
from strl_mmdet3d.evaluation.knn_probe import cosine_knn
from strl_mmdet3d.evaluation.linear_probe import fit_standardised_svm
from strl_mmdet3d.evaluation.probe_gain import paired_gain
from strl_mmdet3d.evaluation.probe_suite import Part, Scores, large_classes, run_probes
from strl_mmdet3d.evaluation.probed_encoders import pretrained_encoder, random_encoder
from strl_mmdet3d.extras import extra
from strl_mmdet3d.models.encoder import DetectorEncoder

CALIBRATED, UNCALIBRATED, HANDCRAFTED = 'random, calibrated BN', 'random, as initialised', 'hand-crafted'
COLUMNS = {
    'unscaled': 'unscaled, C=1',
    'standardised': 'standardised',
    'knn': 'kNN, cosine',
    'cross_validated': 'standardised, cross-validated in training',
}
"""Name of a column in the JSON file -> its heading in the table."""
GAIN_COLUMNS = {name: COLUMNS[name] for name in ('unscaled', 'standardised', 'knn')}
"""The same of the columns on the test shapes."""

Features = tuple[np.ndarray, np.ndarray]  # of the training shapes, and of the test shapes


def dataset_configs(config: Config, num_points: int) -> tuple[ConfigDict, ConfigDict]:
    """Return the configs of the training and of the test shapes, both with the pipeline of the test shapes.

    Raises:
        ConfigError: If the config lacks one of the datasets, or its test pipeline lacks DownSamplePoints.
    """
    try:
        train, test = (copy.deepcopy(config[f'{part}_dataloader'].dataset) for part in ('train', 'test'))
        while 'dataset' in train:  # a wrapper such as RepeatDataset
            train = train.dataset
        if 'datasets' in train or 'datasets' in test:
            raise TypeError('several data sets in one')
        samplers = [step for step in test.pipeline if step['type'] == 'DownSamplePoints']
    except (KeyError, AttributeError, TypeError) as error:
        raise ConfigError(
            f'{config.filename} has no labelled shapes in train_dataloader.dataset and test_dataloader.dataset '
            f'({error}): give a downstream config such as configs/downstream/pointnet_shapes_from_strl.py'
        ) from None
    if not samplers:
        raise ConfigError(f'the test pipeline of {config.filename} has no DownSamplePoints for --num-points: add one')
    for sampler in samplers:
        sampler.num_points = num_points
    train.pipeline = test.pipeline
    return train, test


class Probe:
    """Encodes the same labelled shapes with checkpoints and baselines.

    Args:
        model: The config of the downstream model.
        train: Config of the training shapes.
        test: Config of the test shapes.
        batch_size: Shapes encoded at a time.

    Attributes:
        classes: The names of the classes.
        train: The training shapes, with points drawn by the seed.
        test: The test shapes.

    Raises:
        ConfigError: If the training and the test shapes have different classes.
    """

    def __init__(self, model: ConfigDict, train: ConfigDict, test: ConfigDict, batch_size: int) -> None:
        self.model = model
        self.batch_size = batch_size
        self.device = 'cuda' if torch.cuda.is_available() else 'cpu'
        self._train, self._test = DATASETS.build(train), DATASETS.build(test)
        self.classes = list(self._test.metainfo['classes'])
        if list(self._train.metainfo['classes']) != self.classes:
            raise ConfigError('the training and the test shapes have different classes: index them together')
        self.seed = -1
        self.use_seed(0)

    def use_seed(self, seed: int) -> None:
        """Draw the points of all shapes, unless this seed has drawn them already."""
        if seed == self.seed:
            return
        self.seed = seed
        self.train: LabelledClouds = read_clouds(self._train, seed, f'seed {seed}, reading training shapes')
        self.test: LabelledClouds = read_clouds(self._test, seed, f'seed {seed}, reading test shapes')

    def encode(self, encoder: DetectorEncoder, name: str, part: str) -> np.ndarray:
        """Return an encoder's features of the 'train' or 'test' shapes."""
        clouds: LabelledClouds = getattr(self, part)
        return collect_features(encoder, clouds.points, self.batch_size, f'seed {self.seed}, {name}, {part}')

    def encode_all(self, encoder: DetectorEncoder, name: str) -> Features:
        """Return an encoder's features of the training and the test shapes."""
        return self.encode(encoder, name, 'train'), self.encode(encoder, name, 'test')

    def on_device(self, encoder: DetectorEncoder) -> DetectorEncoder:
        """Move an encoder and its preprocessor, which remembers a device."""
        encoder.to(self.device)
        encoder.data_preprocessor.to(self.device)
        return encoder

    def pretrained(self, path: str) -> Features:
        """Return the features by a checkpoint's encoder."""
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
        """Return the baselines: name -> a function that computes the features."""
        return {
            CALIBRATED: lambda: self.encode_all(self.calibrated(), CALIBRATED),
            UNCALIBRATED: lambda: self.encode_all(self.on_device(random_encoder(self.model, self.seed)), UNCALIBRATED),
            HANDCRAFTED: lambda: (
                handcrafted_features(self.train.points.numpy(), self.seed),
                handcrafted_features(self.test.points.numpy(), self.seed),
            ),
        }

    def cross_validate(self, path: str) -> float:
        """Score a checkpoint in the training part alone, in per cent, by the SVM on standardised features."""
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
    """Return all classes, and the large ones by each threshold, unless these are all classes or fewer than two."""
    parts = [large_classes(probe.train.labels, probe.test.labels, 0)]
    for threshold in sorted(set(thresholds)):
        part = large_classes(probe.train.labels, probe.test.labels, threshold)
        which = f'--min-shapes {threshold}: {part.num_classes} of {parts[0].num_classes} classes'
        if not 1 < part.num_classes < parts[0].num_classes:
            print(f'{which}, not probed separately')
        elif not (part.train.any() and part.test.any()):
            print(f'{which} have no shapes to train on, or none to test on, not probed separately')
        else:
            parts.append(part)
    return parts


def as_row(name: str, scores: list[Scores]) -> dict[str, Any]:
    """Make the row of an encoder from its scores with all seeds."""
    return dict(
        name=name,
        unscaled=[score.unscaled.accuracy for score in scores],
        standardised=[score.standardised.accuracy for score in scores],
        cross_validated=[score.standardised.cross_validated for score in scores],
        C=[score.standardised.chosen for score in scores],
        knn=[score.knn.accuracy for score in scores],
        k=[score.knn.chosen for score in scores],
    )


def average(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Make one row from several runs of a recipe: its values are the runs', each its mean over the seeds."""
    values = {column: [float(np.mean(row[column])) for row in rows] for column in COLUMNS}
    return dict(name=f'{len(rows)} checkpoints, +- over them', **values)  # the others' deviation is over seeds


def gains_of(scores: dict[str, list[Scores]], names: list[str], averaged: bool) -> list[dict[str, Any]]:
    """Compare checkpoints with the random encoders, shape by shape.

    Args:
        scores: Name of an encoder -> its scores with all seeds.
        names: The checkpoints.
        averaged: Whether to compare their mean, too.

    Returns:
        For each checkpoint and random encoder, the mean, low and high of each of `GAIN_COLUMNS`.
    """
    runs = {name: scores[name] for name in names}
    if averaged:
        runs[f'{len(names)} checkpoints'] = [score for name in names for score in scores[name]]
    gains = []
    for baseline in (CALIBRATED, UNCALIBRATED):
        for name, mine in runs.items() if baseline in scores else ():
            pairs = {column: (answers(mine, column), answers(scores[baseline], column)) for column in GAIN_COLUMNS}
            row = {column: asdict(paired_gain(*pair)) for column, pair in pairs.items()}
            gains.append(dict(name=name, baseline=baseline, **row))
    return gains


def answers(scores: list[Scores], probe: str) -> list[np.ndarray]:
    """Return which test shapes a probe classified correctly, boolean (M,) for each run."""
    return [getattr(score, probe).correct for score in scores]


def measure(probe: Probe, checkpoints: list[str], args: argparse.Namespace) -> list[dict[str, Any]]:
    """Probe checkpoints and baselines with all seeds.

    Returns:
        For all classes, and for the large ones, the numbers for the JSON file.
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
        gains = gains_of(of_part, checkpoints, args.average)
        results.append(dict(title=str(part), min_shapes=part.min_shapes, **numbers, rows=table, gains=gains))
    return results


def draw_tsne(probe: Probe, path: str, picture: Path) -> None:
    """Draw the features of the test shapes, with seed 0, by the calibrated random encoder and by a checkpoint.

    A picture whose name ends in ``.html`` is a page, where each point says what it is.
    """
    with extra('vis'):  # only this option needs matplotlib
        from strl_mmdet3d.evaluation.embedding_figure import draw_embeddings
        from strl_mmdet3d.evaluation.hover_svg import hover_svg
        from strl_mmdet3d.evaluation.html_page import html_page

    probe.use_seed(0)
    features = {
        f'before: {CALIBRATED}': probe.encode_all(probe.calibrated(), CALIBRATED),
        f'after: {Path(path).name}': probe.encode_all(probe.load(path), path),
    }
    accuracies = {
        title: cosine_knn(train, probe.train.labels, test, probe.test.labels, probe.seed).accuracy
        for title, (train, test) in features.items()
    }
    tests = {title: test for title, (_, test) in features.items()}
    embedding = draw_embeddings(tests, probe.test.labels, probe.classes, probe.seed, accuracies)
    with written_whole(picture) as part:
        if picture.suffix == '.html':
            drawn = hover_svg(embedding.figure, embedding.says, 't-SNE before and after pre-training')
            said = '<p>A mark under the pointer says its class.</p>'
            part.write_text(html_page(f'Features of {Path(path).name}', [said, drawn]), encoding='utf-8')
        else:
            embedding.figure.savefig(part, dpi=150, format=picture.suffix.lstrip('.') or 'png')
    print(f't-SNE of {path} in {picture}')
