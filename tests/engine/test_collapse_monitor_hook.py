"""Runs made to collapse and healthy ones: what is logged, when the alarm is given, and when it is not."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.hooks import Hook
from mmengine.runner import find_latest_checkpoint
from rank_one_runs import tell_rank_one
from tiny import tiny_runner, tiny_strl

from strl_mmdet3d.engine.hooks.collapse_monitor_hook import CollapseError, CollapseMonitorHook
from strl_mmdet3d.evaluation.representation import alignment, measure_rank, spread, uniformity
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
    with pytest.raises(CollapseError, match='have collapsed'):
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
        # Five batches of 8 have the 31 directions that the rank needs.
        recent = list(zip(*watched.projections[index - 4 : index + 1], strict=True))
        assert entry['effective_rank'] == pytest.approx(measure_rank(recent)[0])
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


def line(noise):
    """As many clouds in one direction and its opposite."""
    return torch.linspace(-1, 1, len(noise))[:, None] * torch.ones(noise.shape[1])


@pytest.mark.parametrize(
    ('batch', 'width', 'iterations', 'make', 'alarm'),
    [
        (16, 32, 1, lambda noise: noise, False),
        (16, 32, 1, lambda noise: 10 + 0.1 * noise, True),  # all nearly the same
        (16, 32, 2, line, False),  # 30 directions are too few to judge the rank
        (16, 32, 3, line, True),
        (8, 32, 4, line, False),
        (8, 32, 5, line, True),
        (8, 32, 40, lambda noise: noise, False),
        (4, 32, 10, line, False),
        (4, 32, 11, line, True),
        (2, 32, 30, line, False),
        (2, 32, 31, line, True),
        (2, 32, 40, lambda noise: noise + 2 * line(noise), False),
        (64, 8, 9, line, False),  # too few channels
        (16, 32, 1, lambda noise: noise * math.nan, True),
    ],
)
def test_what_counts_as_collapsed(batch, width, iterations, make, alarm):
    generator = torch.Generator().manual_seed(0)
    parts = dict(online_encoder=torch.nn.Linear(2, 2), online_projector=torch.nn.Identity())
    parts |= dict(target_encoder=torch.nn.Linear(2, 2), target_projector=torch.nn.Identity(), projections={})
    scalars, said = {}, []
    runner = SimpleNamespace(
        model=SimpleNamespace(**parts),
        message_hub=SimpleNamespace(update_scalars=scalars.update),
        logger=SimpleNamespace(warning=said.append),
    )
    hook = CollapseMonitorHook(interval=1, patience=1)
    hook.before_train(runner)
    for runner.iter in range(iterations):
        noise = torch.randn(batch, width, generator=generator)
        runner.model.projections = dict(view_1=make(noise), view_2=make(noise))
        runner.model.projections['local_1'] = noise * math.nan  # local views are not judged
        hook.after_train_iter(runner, 0)
    assert bool(said) == alarm
    assert set(scalars) == {f'train/{name}' for name in NAMES}


@pytest.mark.parametrize(
    ('batch', 'kept'), [(2, 31), (3, 16), (4, 11), (8, 5), (15, 3), (16, 3), (31, 2), (32, 1), (48, 1)]
)
def test_no_more_batches_are_kept_than_the_rank_needs(batch, kept):
    hook = CollapseMonitorHook(interval=1000)
    hook.before_train(None)
    for number in range(40):
        view = torch.full((batch, 4), float(number))
        hook.after_train_iter(
            SimpleNamespace(iter=number, model=SimpleNamespace(projections=dict(view_1=view, view_2=view))), 0
        )
    assert [int(view[0, 0]) for view, _ in hook._recent] == list(range(40 - kept, 40))


@pytest.mark.parametrize('normalize', [False, True])
@pytest.mark.parametrize('batch', [2, 4, 8, 16])
def test_a_projector_of_one_direction_is_told_at_every_batch_size(tmp_path, batch, normalize):
    """What the spread does not see: it was not told under batches of 16."""
    assert tell_rank_one(tmp_path, batch, normalize) < 60


@pytest.fixture(scope='module')
def told_on_two_ranks(tmp_path_factory):
    """What `rank_one_runs` tells on each of two ranks."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    paths = [str(folder) for folder in Path(__file__).parents[:3]]
    environment = os.environ | dict(PYTHONPATH=os.pathsep.join(paths), OMP_NUM_THREADS='1', WORLD_SIZE='2')
    environment |= dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    command = [sys.executable, str(Path(__file__).with_name('rank_one_runs.py')), str(tmp_path_factory.mktemp('ranks'))]
    ranks = [
        subprocess.Popen(
            command,
            env=environment | dict(RANK=str(rank), LOCAL_RANK=str(rank)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    answers = [rank.communicate(timeout=300) for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], answers
    return [json.loads(out.splitlines()[-1]) for out, _ in answers]


def test_a_projector_of_one_direction_is_told_on_two_ranks_at_the_same_iteration(told_on_two_ranks):
    first, second = (rank['iteration'] for rank in told_on_two_ranks)
    assert first == second < 60


def test_two_ranks_measure_the_rank_of_all_their_batches(told_on_two_ranks):
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(size, 32, generator=generator) for size in (3, 5, 2)]
    rank, room = measure_rank([batches])
    for measured in told_on_two_ranks:
        assert measured['pooled'] == [pytest.approx(rank), room]


@pytest.mark.parametrize(
    'wrong', [dict(interval=0), dict(patience=0), dict(min_spread=-0.1), dict(min_spread=1.1), dict(min_rank=-1)]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CollapseMonitorHook(**wrong)
