"""Runs made to collapse and healthy ones: what is logged, when the alarm is given, and when it is not."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.hooks import Hook
from mmengine.runner import find_latest_checkpoint
from tiny import tiny_runner, tiny_strl

from strl_mmdet3d.engine.hooks.collapse_monitor_hook import CollapseError, CollapseMonitorHook
from strl_mmdet3d.evaluation.representation import alignment, effective_rank, spread, uniformity
from strl_mmdet3d.models.strl import STRL, byol_loss

NAMES = ('spread', 'effective_rank', 'alignment', 'uniformity', 'target_distance')


@MODELS.register_module(force=True)
class CollapsingSTRL(STRL):
    """No predictor, and a target that is not detached: all projections become one."""

    def terms(self, view_1, view_2):
        online_1 = self.online_projector(self.online_encoder(view_1))
        online_2 = self.online_projector(self.online_encoder(view_2))
        self.projections.update(view_1=online_1.detach(), view_2=online_2.detach())
        yield 2 * byol_loss(online_1, online_2)


class Recorder(Hook):
    """Keeps the projections and the losses of all iterations."""

    priority = 'VERY_LOW'

    def __init__(self):
        self.outputs, self.projections, self.logged, self.losses = [], [], [], []

    def before_train(self, runner):
        runner.model.online_projector.register_forward_hook(lambda *call: self.outputs.append(call[2].detach()))

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.projections.append(self.outputs[-2:])
        self.losses.append(outputs['loss'].item())
        scalars = runner.message_hub.log_scalars
        self.logged.append({name: scalars[f'train/{name}'].current() for name in NAMES if f'train/{name}' in scalars})


@pytest.fixture
def warnings(monkeypatch):
    """The warnings of a runner's logger."""
    said = []

    def listen(runner):
        monkeypatch.setattr(runner.logger, 'warning', said.append)
        return said

    return listen


def make_runner(work_dir, kind='STRL', iterations=40, batch=8, seed=0, monitor=None, **changes):
    hooks = [dict(type='TargetUpdateHook', tau_start=0.99)]
    if monitor is not None:
        hooks.append(dict(type='CollapseMonitorHook', **monitor))
    loader = dict(
        batch_size=batch,
        num_workers=0,
        dataset=dict(type='RandomPairs', length=4 * batch),
        sampler=dict(type='PairSampler'),
        collate_fn=dict(type='pseudo_collate'),
    )
    options = dict(
        model=tiny_strl(type=kind),
        custom_hooks=hooks,
        train_dataloader=loader,
        train_cfg=dict(type='PretrainLoop', max_epochs=-(-iterations // 4)),
        randomness=dict(seed=seed),
        default_hooks=dict(checkpoint=dict(type='WholeCheckpointHook', interval=5)),
    )
    return tiny_runner(work_dir, **(options | changes))


def test_a_collapsing_run_is_reported_within_200_iterations(tmp_path):
    runner = make_runner(tmp_path, 'CollapsingSTRL', iterations=200, monitor=dict(stop=True))
    with pytest.raises(CollapseError, match='have collapsed') as error:
        runner.train()
    assert runner.iter < 200
    for part in ('learning rate', 'tau', 'predictor', 'batches'):
        assert part in str(error.value)


def test_the_alarm_is_a_warning(tmp_path, warnings):
    monitor = dict(min_spread=1, interval=2, patience=2)
    runner = make_runner(tmp_path, iterations=8, monitor=monitor)
    said = warnings(runner)
    runner.train()
    assert [message.split(':')[0] for message in said if 'have collapsed' in message] == ['iteration 4']


def test_a_collapsing_run_stops_where_asked_to_and_keeps_its_checkpoint(tmp_path):
    monitor = dict(stop=True, min_spread=0.7, interval=4, patience=3)
    saving = dict(default_hooks=dict(checkpoint=dict(type='WholeCheckpointHook', interval=1)))
    runner = make_runner(tmp_path, 'CollapsingSTRL', iterations=100, monitor=monitor, **saving)
    with pytest.raises(CollapseError, match='The last checkpoint is kept'):
        runner.train()
    assert runner.iter < 100
    assert find_latest_checkpoint(str(tmp_path)) is not None

    # What goes on from there is stopped too, however often it is resumed.
    resumed = make_runner(tmp_path, 'CollapsingSTRL', iterations=100, monitor=monitor, **saving)
    resumed._resume, resumed._load_from = True, find_latest_checkpoint(str(tmp_path))
    with pytest.raises(CollapseError):
        resumed.train()


@pytest.mark.parametrize('batch', [2, 4, 8, 16])
def test_healthy_runs_give_no_alarm(tmp_path, warnings, batch):
    runner = make_runner(tmp_path, iterations=40, batch=batch, seed=batch, monitor=dict(interval=2))
    said = warnings(runner)
    runner.train()
    assert not [message for message in said if 'have collapsed' in message]


def test_the_monitor_logs_the_measures_of_the_two_views_and_changes_nothing(tmp_path):
    watched, alone = Recorder(), Recorder()
    runner = make_runner(tmp_path / 'watched', iterations=12, monitor=dict(interval=5))
    runner.register_hook(watched)
    runner.train()
    other = make_runner(tmp_path / 'alone', iterations=12)
    other.register_hook(alone)
    other.train()

    assert watched.losses == alone.losses
    assert [bool(entry) for entry in watched.logged] == [False] * 4 + [True] * 8
    for index in (4, 9):
        view_1, view_2 = watched.projections[index]
        entry = watched.logged[index]
        assert entry['spread'] == pytest.approx((spread(view_1) + spread(view_2)).item() / 2)
        assert entry['effective_rank'] == pytest.approx((effective_rank(view_1) + effective_rank(view_2)).item() / 2)
        assert entry['uniformity'] == pytest.approx((uniformity(view_1) + uniformity(view_2)).item() / 2)
        assert entry['alignment'] == pytest.approx(alignment(view_1, view_2).item())
        assert 0 < entry['target_distance'] < 1
        assert all(watched.logged[index + 1][name] == entry[name] for name in NAMES), 'it is measured when due only'
    # The recorder's hook is the only one: the monitor reads what the model keeps.
    assert len(runner.model.online_projector._forward_hooks) == 1


def judged(checks, **arguments):
    """Give the iterations at which an alarm is given for a series of checks (healthy or not)."""
    said = []
    hook = CollapseMonitorHook(interval=1, **arguments)
    runner = SimpleNamespace(iter=0, logger=SimpleNamespace(warning=lambda message: said.append(runner.iter)))
    hook.before_train(runner)
    for runner.iter, healthy in enumerate(checks):
        hook._judge(runner, healthy, spread=0.0, rank=0.0)
    return said


@pytest.mark.parametrize(
    ('checks', 'patience', 'said'),
    [
        ('+++-++', 1, [3]),
        ('--+--+', 3, []),
        ('------', 3, [2]),
        ('---+---', 3, [2, 6]),
        ('----+--', 2, [1, 6]),
    ],
)
def test_an_alarm_needs_patience_and_is_given_once_an_episode(checks, patience, said):
    assert judged([check == '+' for check in checks], patience=patience) == said


@pytest.mark.parametrize(
    ('batch', 'width', 'make', 'alarm'),
    [
        (16, 32, lambda noise: noise, False),
        (16, 32, lambda noise: 10 + 0.1 * noise, True),  # all nearly the same
        (16, 32, lambda noise: noise[:, :1] * torch.ones(32), True),  # one direction, and its opposite
        (8, 32, lambda noise: noise[:, :1] * torch.ones(32), False),  # too few clouds to judge the rank
        (64, 8, lambda noise: noise[:, :1] * torch.ones(8), False),  # too few channels
        (2, 8, lambda noise: noise, False),
        (16, 32, lambda noise: noise * math.nan, True),
    ],
)
def test_what_counts_as_collapsed(tmp_path, monkeypatch, batch, width, make, alarm):
    noise = torch.randn(batch, width, generator=torch.Generator().manual_seed(0))
    parts = dict(online_encoder=torch.nn.Linear(2, 2), online_projector=torch.nn.Identity())
    parts |= dict(target_encoder=torch.nn.Linear(2, 2), target_projector=torch.nn.Identity())
    parts['projections'] = dict(
        local_1=torch.full((batch, width), math.nan), view_1=make(noise), view_2=make(noise)
    )  # the rank of local views is not judged
    scalars, said = {}, []
    runner = SimpleNamespace(
        iter=0,
        model=SimpleNamespace(**parts),
        message_hub=SimpleNamespace(update_scalars=scalars.update),
        logger=SimpleNamespace(warning=said.append),
    )
    hook = CollapseMonitorHook(interval=1, patience=1)
    hook.before_train(runner)
    hook.after_train_iter(runner, 0)
    assert bool(said) == alarm
    assert set(scalars) == {f'train/{name}' for name in NAMES}


@pytest.mark.parametrize(
    'wrong', [dict(interval=0), dict(patience=0), dict(min_spread=-0.1), dict(min_spread=1.1), dict(min_rank=-1)]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CollapseMonitorHook(**wrong)
