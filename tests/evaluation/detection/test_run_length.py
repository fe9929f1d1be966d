"""A run of any length has the config's schedule, stretched; the same for every label subset."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet3d.registry import PARAM_SCHEDULERS
from mmengine.config import Config
from mmengine.optim import OptimWrapper

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.evaluation.detection import run_length
from strl_mmdet3d.evaluation.detection.run_length import own_length, with_iterations


def rates(schedulers: list, iterations: int, iterations_per_epoch: int) -> list[float]:
    """The learning rates that mmengine's schedulers give, by its own rules of when they step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    wrapper = OptimWrapper(optimizer)
    built = []
    for settings in schedulers:
        kind = PARAM_SCHEDULERS.get(settings['type'])
        settings = {name: value for name, value in settings.items() if name != 'type'}
        if settings.pop('convert_to_iter_based', False):
            built.append(kind.build_iter_from_epoch(wrapper, epoch_length=iterations_per_epoch, **settings))
        else:
            built.append(kind(wrapper, **settings))
    found = []
    for iteration in range(iterations):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in built:
            if not scheduler.by_epoch or (iteration + 1) % iterations_per_epoch == 0:
                scheduler.step()
    return found


def config(schedulers: list, **train_cfg) -> Config:
    return Config(
        dict(
            train_cfg=train_cfg or dict(by_epoch=True, max_epochs=10),
            train_dataloader=dict(
                batch_size=2, dataset=dict(type='RepeatDataset', times=2, dataset=dict(type='KittiDataset'))
            ),
            param_scheduler=schedulers,
        )
    )


WARMUP_AND_COSINE = [
    dict(type='LinearLR', start_factor=0.1, end=2, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', T_max=8, begin=2, end=10, convert_to_iter_based=True),
]


def test_the_configs_own_length():
    assert own_length(config([]), 31) == (10, 310)  # 31 frames twice are 31 batches of 2
    assert own_length(config([], max_iters=70), 31) == (0, 70)


def test_the_items_of_a_wrapper_that_draws_again_are_counted(monkeypatch):
    monkeypatch.setattr(run_length.DATASETS, 'build', lambda built: range(55) if built.type == 'CBGSDataset' else None)
    balanced = config([])
    balanced.train_dataloader.dataset.dataset = dict(type='CBGSDataset', dataset=dict(type='KittiDataset'))
    assert own_length(balanced, 31) == (10, 550)  # 55 items twice are 55 batches of 2
    with pytest.raises(ConfigError, match='has neither max_epochs nor max_iters: set one of them'):
        own_length(config([], by_epoch=True), 31)


def test_at_its_own_length_the_schedule_is_the_configs():
    changed = config(WARMUP_AND_COSINE)
    with_iterations(changed, 200, num_frames=20)
    assert rates(changed.param_scheduler, 200, 20) == pytest.approx(rates(WARMUP_AND_COSINE, 200, 20))


@pytest.mark.parametrize(
    'schedulers',
    [
        WARMUP_AND_COSINE,
        [dict(type='MultiStepLR', milestones=[4, 8], gamma=0.1, convert_to_iter_based=True)],
        [dict(type='StepLR', step_size=5, gamma=0.5, convert_to_iter_based=True)],
        [dict(type='LinearLR', start_factor=0.01, end=40, by_epoch=False)],
        [dict(type='ExponentialLR', gamma=0.98, convert_to_iter_based=True)],
        [dict(type='ExponentialLR', gamma=0.95)],
    ],
    ids=lambda schedulers: schedulers[-1]['type'],
)
def test_a_run_of_half_the_length_has_every_second_rate(schedulers):
    changed = config(schedulers)
    with_iterations(changed, 100, num_frames=20)
    assert all(scheduler.by_epoch is False for scheduler in changed.param_scheduler)
    whole = rates(schedulers, 200, 20)
    assert rates(changed.param_scheduler, 100, 1) == pytest.approx(whole[::2], rel=0.05, abs=0.02)
    assert changed.train_cfg == dict(type='IterBasedTrainLoop', max_iters=100, val_interval=101)
    assert changed.val_dataloader is changed.val_cfg is changed.val_evaluator is None


@given(st.integers(1, 400), st.integers(1, 50))
def test_any_length_can_be_built(iterations, frames):
    changed = config(WARMUP_AND_COSINE)
    with_iterations(changed, iterations, frames)
    assert len(rates(changed.param_scheduler, iterations, 1)) == iterations


def test_a_scheduler_without_an_end_keeps_none():
    changed = config([dict(type='ConstantLR', factor=0.5, begin=0, end=10**9)])
    with_iterations(changed, 3, num_frames=20)
    assert changed.param_scheduler[0].end == 10**9


def test_a_scheduler_that_watches_the_validation_is_refused():
    with pytest.raises(ConfigError, match='ReduceOnPlateauLR in param_scheduler needs a validation during training'):
        with_iterations(config([dict(type='ReduceOnPlateauLR', monitor='loss')]), 3, num_frames=20)
