"""The steps that fill a table, in the order in which they can run: data, pre-trainings, evaluations."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from .data import EVALUATION_DATA, PRETRAINING_DATA, Data, data_of
from .data_steps import data_steps, environment_of
from .sizes import tiny_detection, tiny_fine_tuning, tiny_pretraining
from .step import Settings, Step
from .tables import Detection, Evaluation, FineTuning, LinearProbe, Row, Table

RANDOM_WEIGHTS = 'random, calibrated BN'
"""The row of ``tools/linear_probe.py`` for a network that begins with random weights."""


def config_path(name: str) -> str:
    """Return the path of a config from the project's root."""
    return f'configs/{name}.py'


def data_needed(row: Row) -> list[Data]:
    """List the data that a row needs."""
    needed = data_of(row.pretraining, PRETRAINING_DATA) if row.pretraining else []
    return [*needed, *data_of(row.evaluation.config, EVALUATION_DATA)]


def steps_of(tables: Iterable[Table], settings: Settings) -> list[Step]:
    """List the steps of tables in the order in which they can run; what several rows need is one step."""
    steps: dict[str, Step] = {}
    for table in tables:
        for row in table.rows:
            needed = [
                *(data_steps(data_needed(row), settings) if settings.data == 'simulated' else ()),
                *(pretraining_steps(row, settings) if row.pretraining else ()),
                *evaluation_steps(row, settings),
            ]
            for step in needed:
                steps.setdefault(step.name, step)
    return list(steps.values())


def stem_of(config: str) -> str:
    """Return the name of a config without its folder."""
    return config.rpartition('/')[2]


def pretraining_steps(row: Row, settings: Settings) -> Iterator[Step]:
    """Yield a pre-training for each seed."""
    config = row.pretraining
    assert config is not None
    environment = environment_of(data_of(config, PRETRAINING_DATA), settings)
    for seed in range(settings.seeds):
        name = f'pretrain/{stem_of(config)}/seed_{seed}'
        options = [f'randomness.seed={seed}', *(tiny_pretraining(config) if settings.tiny else ())]
        arguments = [config_path(config), '--work-dir', settings.path(name), '--resume', '--cfg-options', *options]
        leaves = settings.path(name, 'encoder.pth')
        yield Step(name, 'train', tuple(arguments), tuple(environment.items()), seed, leaves=leaves)


def encoder_of(row: Row, seed: int, settings: Settings) -> str | None:
    """Return the file of a row's pre-trained encoder; None if it begins with random weights."""
    if row.pretraining is None:
        return None
    return settings.path('pretrain', stem_of(row.pretraining), f'seed_{seed}', 'encoder.pth')


def place_of(row: Row) -> str:
    """Return the folder of a row's evaluation, the same for rows that are the same in several tables."""
    evaluation = row.evaluation
    words = [type(evaluation).__name__.lower(), stem_of(evaluation.config)]
    if isinstance(evaluation, FineTuning):
        words += [f'{evaluation.percent}_percent'] * (evaluation.percent < 100)
        words += [f'area_{evaluation.area}'] * (evaluation.area is not None)
    if isinstance(evaluation, Detection):
        words.append(evaluation.arm)
    if isinstance(evaluation, LinearProbe) and evaluation.tsne:
        words.append('tsne')
    return '/'.join(['evaluate', '-'.join(words), stem_of(row.pretraining) if row.pretraining else 'random'])


def evaluation_steps(row: Row, settings: Settings) -> list[Step]:
    """List the steps that measure a row. Those with `measures` give its numbers."""
    evaluation: Evaluation = row.evaluation
    environment = environment_of(data_of(evaluation.config, EVALUATION_DATA), settings)
    if isinstance(evaluation, LinearProbe):
        steps = list(probe_steps(row, evaluation, settings))
    elif isinstance(evaluation, Detection):
        steps = [detection_step(row, evaluation, settings)]
    else:
        steps = [step for seed in range(settings.seeds) for step in fine_tuning_steps(row, evaluation, seed, settings)]
        if evaluation.area is not None:
            environment['S3DIS_TRAIN_AREA'] = str(evaluation.area)
    given = tuple(environment.items())
    return [replace(step, environment=given) for step in steps]


def probe_steps(row: Row, evaluation: LinearProbe, settings: Settings) -> Iterator[Step]:
    """Yield a linear probe for each pre-training; one of all seeds for random weights."""
    place = place_of(row)
    small = ['--num-points', '128'] if settings.tiny else []
    if row.pretraining is None:
        name = f'{place}/{settings.seeds}_seeds'
        options = ['--seeds', str(settings.seeds), '--out', f'{settings.path(name)}_probe.json', *small]
        arguments = (config_path(evaluation.config), *options)
        yield Step(name, 'linear_probe', arguments, measures=RANDOM_WEIGHTS)
        return
    for seed in range(settings.seeds):
        name, encoder = f'{place}/seed_{seed}', encoder_of(row, seed, settings)
        assert encoder is not None
        options = ['--seeds', '1', '--no-baselines', '--out', f'{settings.path(name)}_probe.json', *small]
        options += ['--tsne', f'{settings.path(name)}_tsne.png'] if evaluation.tsne else []
        arguments = (config_path(evaluation.config), encoder, *options)
        yield Step(name, 'linear_probe', arguments, seed=seed, measures=encoder)


def fine_tuning_steps(row: Row, evaluation: FineTuning, seed: int, settings: Settings) -> Iterator[Step]:
    """Yield the choice of labels, the training and the test of one seed."""
    name, config = f'{place_of(row)}/seed_{seed}', config_path(evaluation.config)
    epochs = 1 if settings.tiny else evaluation.epochs
    options = [f'randomness.seed={seed}', f'train_cfg.max_epochs={epochs}']
    encoder = encoder_of(row, seed, settings)
    if encoder is not None:
        options.append(f'load_from={encoder}')
    points = [] if evaluation.points is None else points_of_shapes(evaluation.points)
    options += tiny_fine_tuning(evaluation) if settings.tiny else points
    if evaluation.percent < 100:
        (data,) = data_of(evaluation.config, EVALUATION_DATA)
        labels = settings.path('labels', f'{evaluation.percent}_percent', f'seed_{seed}.json')
        options.append(f'train_dataloader.dataset.ann_file={Path(labels).absolute()}')
        if settings.data == 'simulated' and not settings.tiny:
            options.append('train_dataloader.batch_size=8')  # 1 % are 12 shapes
        here = os.environ.get(data.variable, f'${data.variable}')
        index = environment_of([data], settings).get(data.variable, here) + '/train.json'
        choice = (index, labels, '--fraction', str(evaluation.percent / 100), '--seed', str(seed))
        chosen = f'labels/{evaluation.percent}_percent/seed_{seed}_chosen'
        yield Step(chosen, 'select_labels', choice, seed=seed, leaves=labels)
    training = settings.path(name, 'train')
    checkpoint = f'{training}/epoch_{epochs}.pth'
    train = (config, '--work-dir', training, '--resume', '--cfg-options', *options)
    yield Step(f'{name}_train', 'train', train, seed=seed, leaves=checkpoint)
    of_test = [option for option in options if option.startswith(('test_dataloader', 'model.test_cfg'))]
    test: tuple[str, ...] = (config, checkpoint, '--work-dir', settings.path(name, 'test'))
    test += ('--cfg-options', *of_test) if of_test else ()
    yield Step(f'{name}_test', 'test', test, seed=seed, measures='test')


def points_of_shapes(points: int) -> list[str]:
    """Return the settings of the points of a shape, in training and in both tests."""
    places = [('train', 3), ('val', 2), ('test', 2)]
    return [f'{name}_dataloader.dataset.pipeline.{place}.num_points={points}' for name, place in places]


def detection_step(row: Row, evaluation: Detection, settings: Settings) -> Step:
    """Return the step that trains and tests a detector with all seeds, each with the pre-training of its seed."""
    place = place_of(row)
    encoders = [encoder for seed in range(settings.seeds) if (encoder := encoder_of(row, seed, settings)) is not None]
    arguments = [config_path(evaluation.config), '--out', settings.path(place), '--labels', '100']
    arguments += ['--seeds', str(settings.seeds), '--arms', evaluation.arm]
    for encoder in encoders:  # of one name: n of them take turns over the n seeds
        arguments += ['--checkpoint', f'strl={encoder}']
    if 'sunrgbd' in evaluation.config and settings.data == 'simulated':
        arguments += ['--metric', 'known_mAP_0.25']
    if settings.tiny:
        arguments += ['--iterations', '1', '--cfg-options', *tiny_detection(evaluation)]
    arm = f'{evaluation.arm}-strl' if encoders else evaluation.arm
    return Step(f'{place}/{settings.seeds}_seeds', 'evaluate_pretraining', tuple(arguments), measures=arm)
