"""A resumed run follows the rates, schedules and length of its config where they may differ from the checkpoint's."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.hooks import Hook
from mmengine.runner import Runner
from tiny import tiny_runner

from strl_mmdet3d.engine.console import QuietRunner
from strl_mmdet3d.engine.run_record import ResumeError
from strl_mmdet3d.mmengine_internals import trains

SCHEDULES = [
    dict(type='WarmupLR', warmup=1, start_factor=0.1, by_epoch=True, convert_to_iter_based=True),
    dict(type='CosineAfterWarmupLR', warmup=1, eta_min=0, by_epoch=True, convert_to_iter_based=True),
]
BY_EPOCH = [dict(type='MultiStepLR', milestones=[1, 3], gamma=0.1, by_epoch=True)]


class Rates(Hook):
    """The rate of each iteration."""

    def __init__(self):
        self.values = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.values.append(runner.optim_wrapper.optimizer.param_groups[0]['lr'])


def rates(
    work_dir,
    epochs,
    resume=None,
    allow=(),
    lr=0.1,
    decay=0.0,
    schedules=SCHEDULES,
    batch=2,
    pretraining=False,
    **checkpoints,
):
    """Train 4 iterations an epoch, and return their rates."""
    config = tiny_runner(
        work_dir,
        epochs=epochs,
        batch=batch,
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=lr, weight_decay=decay)),
        param_scheduler=schedules,
        default_hooks=dict(
            same_run=dict(type='SameRunHook', allow=list(allow)),
            checkpoint=dict(type='CheckpointHook', interval=1) | checkpoints,
        ),
        resume=resume is not None,
        load_from=None if resume is None else str(resume),
    ).cfg
    if pretraining:
        config.train_cfg = dict(type='PretrainLoop', max_epochs=epochs)
        config.train_dataloader.sampler = dict(type='PairSampler')
    runner = Runner.from_cfg(config)
    seen = Rates()
    runner.register_hook(seen)
    runner.train()
    return seen.values


@pytest.mark.parametrize('schedules', [SCHEDULES, BY_EPOCH], ids=['by iteration', 'by epoch'])
@pytest.mark.parametrize('done', [1, 2])
def test_a_longer_run_goes_on_as_if_it_had_been_as_long_from_its_beginning(tmp_path, schedules, done):
    rates(tmp_path / 'short', 2, schedules=schedules)
    whole = rates(tmp_path / 'whole', 4, schedules=schedules)
    rest = rates(
        tmp_path / 'rest', 4, tmp_path / f'short/epoch_{done}.pth', ['train_cfg.max_epochs'], schedules=schedules
    )
    assert rest == whole[4 * done :]


def test_another_rate_and_another_decay_take_effect_and_are_kept(tmp_path):
    rates(tmp_path / 'before', 2)
    changed = dict(lr=0.001, decay=0.5)
    rest = rates(tmp_path / 'after', 4, tmp_path / 'before/epoch_2.pth', ['optim_wrapper', 'train_cfg'], **changed)
    assert rest == rates(tmp_path / 'whole', 4, **changed)[8:]
    (group,) = torch.load(tmp_path / 'after/epoch_4.pth', weights_only=True)['optimizer']['param_groups']
    assert (group['initial_lr'], group['weight_decay']) == (0.001, 0.5)


def test_the_last_iteration_of_an_epoch_is_not_yet_its_end(tmp_path):
    """A checkpoint by iterations says epoch 0 there, and `PretrainLoop` goes on with the end of that epoch."""
    loop = dict(schedules=BY_EPOCH, pretraining=True)
    rates(tmp_path / 'short', 2, by_epoch=False, interval=4, **loop)
    whole = rates(tmp_path / 'whole', 4, **loop)
    assert rates(tmp_path / 'rest', 4, tmp_path / 'short/iter_4.pth', ['train_cfg'], **loop) == whole[4:]


def test_epochs_of_another_length_are_refused(tmp_path):
    rates(tmp_path / 'before', 2)
    with pytest.raises(ResumeError, match='the checkpoint has 8 iterations in 2 epochs, which have 2 in this run'):
        rates(tmp_path / 'after', 4, tmp_path / 'before/epoch_2.pth', ['train_dataloader', 'train_cfg'], batch=4)


def test_a_test_of_a_run_that_was_resumed_builds_no_training(tmp_path):
    runner = tiny_runner(tmp_path, resume=True, default_hooks=dict(same_run=dict(type='SameRunHook')))
    runner.call_hook('before_run')
    assert not trains(runner)


def test_a_run_without_changes_goes_on_by_its_checkpoint(tmp_path):
    whole = rates(tmp_path / 'whole', 3)
    assert rates(tmp_path / 'rest', 3, tmp_path / 'whole/epoch_2.pth') == whole[8:]


def test_a_schedule_that_follows_a_measured_value_is_refused(tmp_path):
    plateau = [dict(type='ReduceOnPlateauLR', monitor='loss', rule='less', by_epoch=True)]
    rates(tmp_path / 'before', 1, schedules=plateau)
    with pytest.raises(ResumeError, match='ReduceOnPlateauLR follows a measured value'):
        rates(tmp_path / 'after', 2, tmp_path / 'before/epoch_1.pth', ['train_cfg'], schedules=plateau)


def test_schedules_of_epochs_cover_a_run_that_counts_iterations(tmp_path):
    by_epochs = rates(tmp_path / 'epochs', 3)
    config = tiny_runner(tmp_path / 'config', epochs=3).cfg
    config.merge_from_dict(dict(param_scheduler=SCHEDULES, work_dir=str(tmp_path / 'iterations')))
    config.optim_wrapper = ConfigDict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1))
    config.train_cfg = ConfigDict(type='IterBasedTrainLoop', max_iters=12)
    config.default_hooks.checkpoint = dict(type='CheckpointHook', interval=12, by_epoch=False)
    runner = QuietRunner.from_cfg(config)
    seen = Rates()
    runner.register_hook(seen)
    runner.train()
    assert seen.values == by_epochs
