"""A run that was interrupted ends as one that was not: losses, weights, target, schedules, bit for bit."""

from __future__ import annotations

import itertools
import random
import re
from contextlib import suppress

import numpy as np
import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.hooks import Hook
from mmengine.runner import find_latest_checkpoint
from tiny import tiny_runner, tiny_strl
from torch import nn
from torch.utils.data import DataLoader

from strl_mmdet3d.engine.pretrain_loop import PretrainLoop, ResumeError, require_two_pairs, seed_iteration
from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.models.mlp import ProjectionMLP

LENGTH, BATCH, EPOCHS = 11, 2, 3  # 5 iterations an epoch and a pair left over: 15 iterations


@MODELS.register_module(force=True)
class DropoutMLP(ProjectionMLP):
    """A projector that draws random numbers in every iteration."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.append(nn.Dropout(0.3))


class KilledError(Exception):
    """Stands for a kill."""


class Losses(Hook):
    """Keeps the loss and tau of each iteration, and dies after one of them, before the checkpoint hook has its turn."""

    priority = 'ABOVE_NORMAL'

    def __init__(self, die_after: int | None = None):
        self.values, self.die_after = {}, die_after

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.values[runner.iter] = (outputs['loss'].item(), runner.optim_wrapper.get_lr()['lr'][0])
        if runner.iter == self.die_after:
            raise KilledError


def run(work_dir, die_after=None, resume=False, accumulate=1, amp=False, by_epoch=False, workers=0, **changes):
    """Train; give the losses by iteration and, if it lived, the runner."""
    wrapper = dict(
        type='BFloat16OptimWrapper' if amp else 'OptimWrapper',
        optimizer=dict(type='LARS', lr=0.5, momentum=0.9),
        accumulative_counts=accumulate,
    )
    model = tiny_strl()
    model.projector.type = 'DropoutMLP'
    loader = dict(
        batch_size=BATCH,
        num_workers=workers,
        persistent_workers=workers > 0,
        drop_last=True,
        dataset=dict(type='RandomPairs', length=LENGTH),
        sampler=dict(type='PairSampler'),
        collate_fn=dict(type='pseudo_collate'),
    )
    options = dict(
        model=model,
        optim_wrapper=wrapper,
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.1, begin=0, end=1, by_epoch=True, convert_to_iter_based=True),
            dict(type='CosineAnnealingLR', begin=1, end=EPOCHS, by_epoch=True, convert_to_iter_based=True),
        ],
        train_dataloader=loader,
        train_cfg=dict(type='PretrainLoop', max_epochs=EPOCHS),
        default_hooks=dict(
            checkpoint=dict(type='WholeCheckpointHook', interval=1 if by_epoch else 2, by_epoch=by_epoch)
        ),
    )
    runner = tiny_runner(work_dir, **(options | changes))
    if resume:
        runner._resume, runner._load_from = True, find_latest_checkpoint(str(work_dir))
    losses = Losses(die_after)
    runner.register_hook(losses)
    with suppress(KilledError):
        runner.train()
    return losses.values, runner


def assert_same_state(mine: dict, others: dict):
    assert mine.keys() == others.keys()
    for name, value in mine.items():
        assert torch.equal(value, others[name]), name


@pytest.mark.parametrize(('accumulate', 'amp', 'by_epoch'), itertools.product([1, 3], [False, True], [False, True]))
def test_a_resumed_run_is_the_run_that_was_not_interrupted(tmp_path, accumulate, amp, by_epoch):
    settings = dict(accumulate=accumulate, amp=amp, by_epoch=by_epoch)
    whole, undisturbed = run(tmp_path / 'whole', **settings)
    assert sorted(whole) == list(range(15))
    losses, resume = {}, False
    for die_after in (6, 12, None):  # each in the middle of an epoch
        some, runner = run(tmp_path / 'killed', die_after=die_after, resume=resume, **settings)
        losses, resume = losses | some, True
    assert losses == whole
    assert_same_state(undisturbed.model.state_dict(), runner.model.state_dict())


def test_workers_do_not_matter(tmp_path):
    alone, runner = run(tmp_path / 'alone')
    run(tmp_path / 'workers', workers=2, die_after=7)
    rest, resumed = run(tmp_path / 'workers', workers=1, resume=True)
    assert min(rest) == 6
    assert rest == {step: value for step, value in alone.items() if step >= 6}
    assert_same_state(runner.model.state_dict(), resumed.model.state_dict())


def test_a_run_without_a_seed_goes_on_with_the_one_it_has_drawn(tmp_path):
    first, runner = run(tmp_path / 'run', randomness=dict(seed=None), die_after=8)
    rest, resumed = run(tmp_path / 'run', randomness=dict(seed=None), resume=True)
    assert resumed.seed == runner.seed
    assert rest[8] == first[8]  # of the same pairs: the checkpoint is that of iteration 8


def test_other_epochs_are_refused(tmp_path):
    run(tmp_path, die_after=8)
    with pytest.raises(ResumeError, match='5 iterations an epoch, this one has 6'):
        run(tmp_path, resume=True, train_dataloader=loader_of(length=12, sampler='PairSampler'))


def test_another_sampler_resumes_at_epochs_only(tmp_path):
    loader = loader_of(length=10, sampler='DefaultSampler')
    run(tmp_path / 'middle', die_after=8, train_dataloader=loader)
    with pytest.raises(ResumeError, match='PairSampler'):
        run(tmp_path / 'middle', resume=True, train_dataloader=loader)
    run(tmp_path / 'epoch', die_after=8, by_epoch=True, train_dataloader=loader)
    rest, _ = run(tmp_path / 'epoch', by_epoch=True, resume=True, train_dataloader=loader)
    assert sorted(rest) == list(range(5, 15))


def loader_of(length: int, sampler: str) -> dict:
    return dict(
        batch_size=BATCH,
        num_workers=0,
        dataset=dict(type='RandomPairs', length=length),
        sampler=dict(type=sampler),
        collate_fn=dict(type='pseudo_collate'),
    )


def test_the_seed_of_an_iteration_is_a_pure_function_of_seed_iteration_and_rank():
    def drawn(*key):
        seed_iteration(*key)
        return random.random(), np.random.rand(), torch.rand(1).item()

    keys = list(itertools.product([0, 1], repeat=3))
    assert len({drawn(*key) for key in keys}) == len(keys)
    assert drawn(1, 2, 3) == drawn(1, 2, 3)


def test_the_loop_is_what_the_recipes_use():
    from mmengine.config import Config

    for recipe in ('paper', 'released'):
        assert Config.fromfile(f'configs/_base_/recipes/strl_{recipe}.py').train_cfg.type == PretrainLoop.__name__


@pytest.mark.parametrize(
    ('settings', 'remedy'),
    [
        (dict(batch_size=3), 'the last of 4 pairs in batches of 3 has one: set train_dataloader.drop_last=True'),
        (dict(batch_size=1), 'set train_dataloader.batch_size >= 2'),
    ],
)
def test_a_batch_of_one_pair_is_refused_before_the_first_step(settings, remedy):
    """An epoch later, its last batch would end the run, and every resumed one."""
    loader = DataLoader(range(4), **settings)
    with pytest.raises(ConfigError, match=re.escape(remedy)):
        require_two_pairs(loader)


@pytest.mark.parametrize('settings', [dict(batch_size=3, drop_last=True), dict(batch_size=2), dict(batch_size=5)])
def test_batches_of_two_pairs_and_more_pass(settings):
    require_two_pairs(DataLoader(range(4), **settings))


def test_ranks_of_different_seeds_are_refused(tmp_path, monkeypatch):
    """Each would take its part of another order of the pairs."""
    sampler = dict(type='PairSampler')
    loader = dict(batch_size=2, num_workers=0, dataset=dict(type='RandomPairs', length=8), sampler=sampler)
    options = dict(train_dataloader=loader | dict(collate_fn=dict(type='pseudo_collate')))
    options |= dict(train_cfg=dict(type='PretrainLoop', max_epochs=1), randomness=dict(seed=0, diff_rank_seed=True))
    assert len(tiny_runner(tmp_path / 'one', **options).train_loop.dataloader) == 4
    monkeypatch.setattr('strl_mmdet3d.engine.pretrain_loop.get_world_size', lambda: 2)
    with pytest.raises(ConfigError, match=r'randomness\.diff_rank_seed=True .*: leave it out'):
        _ = tiny_runner(tmp_path / 'two', **options).train_loop
