"""Gives a run of any config a number of iterations, with its learning-rate schedule stretched to it."""

from __future__ import annotations

from math import ceil
from typing import Any

from mmdet3d.registry import DATASETS
from mmengine.config import Config, ConfigDict

from ...errors import ConfigError
from ...export.class_defaults import name_of

LENGTHS = ('begin', 'end', 'T_max', 'step_size', 'total_steps', 'milestones', 'periods')
"""Settings of a scheduler that count epochs or iterations."""

AT_LEAST_1 = ('T_max', 'step_size', 'total_steps', 'periods')


def own_length(config: Config, num_frames: int) -> tuple[int, int]:
    """Return how many epochs and iterations a config trains for.

    Args:
        config: The downstream config.
        num_frames: The labelled frames of its training set.

    Returns:
        Epochs (0 if it counts iterations) and iterations.

    Raises:
        ConfigError: If it has neither ``max_epochs`` nor ``max_iters``.
    """
    train_cfg = config.get('train_cfg') or {}
    if train_cfg.get('max_iters'):
        return 0, int(train_cfg['max_iters'])
    epochs = train_cfg.get('max_epochs')
    if not epochs:
        raise ConfigError(f'train_cfg of {config.filename} has neither max_epochs nor max_iters: set one of them')
    items = num_items(config.train_dataloader.dataset, num_frames)
    return int(epochs), int(epochs) * ceil(items / config.train_dataloader.get('batch_size', 1))


def num_items(dataset: ConfigDict, num_frames: int) -> int:
    """Count the items of an epoch: RepeatDataset multiplies the frames, other wrappers (CBGSDataset) are built."""
    inner = dataset.get('dataset')
    if not isinstance(inner, dict):
        return num_frames
    if name_of(dataset.get('type')) == 'RepeatDataset':
        return dataset['times'] * num_items(inner, num_frames)
    return len(DATASETS.build(dataset))


def with_iterations(config: Config, iterations: int, num_frames: int) -> None:
    """Let a config train by iterations, for as many as given, its schedulers in proportion.

    Args:
        config: The downstream config, which the function changes.
        iterations: The new length, from 1.
        num_frames: The labelled frames of its training set, all of them, so that each subset has the same schedule.

    Raises:
        ConfigError: If a scheduler needs a validation during the training.
    """
    epochs, own_iterations = own_length(config, num_frames)
    schedulers = config.get('param_scheduler') or []
    for scheduler in schedulers if isinstance(schedulers, (list, tuple)) else [schedulers]:
        if 'Plateau' in str(scheduler['type']):
            raise ConfigError(f'{scheduler["type"]} in param_scheduler needs a validation during training: replace it')
        by_epoch = scheduler.get('by_epoch', True)
        factor = iterations / (epochs or own_iterations if by_epoch else own_iterations)
        converted = scheduler.pop('convert_to_iter_based', False)
        scheduler['by_epoch'] = False
        for name in LENGTHS:
            if name in scheduler:
                scheduler[name] = scaled(scheduler[name], factor, least=int(name in AT_LEAST_1))
        if scheduler.get('end') is not None:  # a phase of a very short run
            scheduler['end'] = max(scheduler['end'], scheduler.get('begin', 0) + 1)
        if 'Exponential' in str(scheduler['type']):
            # mmengine converts lengths, but takes gamma for each step as it is.
            steps = epochs if epochs and by_epoch and not converted else own_iterations
            scheduler['gamma'] = scheduler['gamma'] ** (steps / iterations)
    # Never validated while it trains: a test at the end gives the one number, without a choice of the best.
    config.train_cfg = dict(type='IterBasedTrainLoop', max_iters=iterations, val_interval=iterations + 1)
    config.val_dataloader = config.val_cfg = config.val_evaluator = None


def scaled(length: Any, factor: float, least: int = 0) -> Any:
    """Scale a length, or each of several, to a whole number; a length without an end, in mmengine 10^9, stays."""
    if isinstance(length, (list, tuple)):
        return [scaled(each, factor, least) for each in length]
    return length if length is None or length >= 10**9 else max(least, round(length * factor))
