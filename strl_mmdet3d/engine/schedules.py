"""Lets a resumed run follow the rates and schedules of its config, instead of those in its checkpoint."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from typing import Any

from mmengine.runner import EpochBasedTrainLoop, Runner

from .run_record import ResumeError

SETTINGS = ('optim_wrapper', 'param_scheduler', 'train_cfg', 'auto_scale_lr', 'train_dataloader', 'ranks')
"""The sections of a run's record that decide rates and schedules; the last two by the size of a batch."""


class FreshSchedules:
    """The settings of the optimizer and the schedulers of a run as its config has them, before a checkpoint is loaded.

    Resuming, mmengine takes both from the checkpoint: a run that goes on with another rate or length would keep the old
    one.

    Args:
        runner: The run, with its optimizer and schedulers, before anything is loaded.
    """

    def __init__(self, runner: Runner) -> None:
        self._groups = [settings_of(group) for group in groups_of(runner)]
        self._schedulers = [copy.deepcopy(scheduler.state_dict()) for scheduler in schedulers_of(runner)]

    def restore(self, runner: Runner) -> None:
        """Take the config's settings again, once, and bring the schedules to where the resumed run is.

        Raises:
            ResumeError: If a schedule follows a measured value, so that its past cannot be computed, or the epochs had
                another length.
        """
        schedulers = list(schedulers_of(runner))
        for scheduler in schedulers:
            if 'Plateau' in type(scheduler).__name__:
                raise ResumeError(
                    f'{type(scheduler).__name__} follows a measured value, so a resumed run cannot change its rates, '
                    'schedules or length: begin a new run from its weights, by load_from without --resume'
                )
        epoch_based = isinstance(runner.train_loop, EpochBasedTrainLoop)
        epoch_length = len(runner.train_dataloader) if epoch_based else 0
        if epoch_based and not epoch_length * runner.epoch <= runner.iter <= epoch_length * (runner.epoch + 1):
            raise ResumeError(
                f'the checkpoint has {runner.iter} iterations in {runner.epoch} epochs, which have {epoch_length} in '
                'this run: resume with the same data, batch size and number of ranks, or begin a new run from its '
                'weights, by load_from without --resume'
            )
        for group, settings in zip(groups_of(runner), self._groups, strict=True):
            group.update(settings)
        for scheduler, state in zip(schedulers, self._schedulers, strict=True):
            scheduler.load_state_dict(state)
        with warnings.catch_warnings():
            # mmengine warns of steps of a scheduler before those of the optimizer.
            warnings.simplefilter('ignore')
            for iteration in range(1, runner.iter + 1):  # as mmengine's ParamSchedulerHook steps them
                for scheduler in schedulers:
                    if not scheduler.by_epoch:
                        scheduler.step()
                # A checkpoint of an epoch's last iteration may come before the end of the epoch.
                if epoch_based and iteration % epoch_length == 0 and iteration // epoch_length <= runner.epoch:
                    for scheduler in schedulers:
                        if scheduler.by_epoch:
                            scheduler.step()


def groups_of(runner: Runner) -> Iterator[dict[str, Any]]:
    """Yield the groups of parameters of one optimizer or of several."""
    groups = runner.optim_wrapper.param_groups
    for several in groups.values() if isinstance(groups, dict) else [groups]:
        yield from several


def schedulers_of(runner: Runner) -> Iterator[Any]:
    """Yield the schedulers of one optimizer or of several."""
    schedulers = runner.param_schedulers or []
    for several in schedulers.values() if isinstance(schedulers, dict) else [schedulers]:
        yield from several


def settings_of(group: dict[str, Any]) -> dict[str, Any]:
    """Copy a group's settings without its parameters."""
    return {name: copy.deepcopy(value) for name, value in group.items() if name != 'params'}
