"""tau and the target over whole short runs, compared with a replay by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmengine.hooks import Hook
from tiny import tiny_runner

from strl_mmdet3d.engine.hooks.target_update_hook import TargetUpdateHook, tau_at
from strl_mmdet3d.errors import ConfigError


@pytest.mark.parametrize(
    ('step', 'total', 'start', 'tau'),
    [
        (0, 100, 0.996, 0.996),
        (50, 100, 0.996, 0.998),
        (100, 100, 0.996, 1.0),
        (25, 100, 0.9, 1 - 0.1 * (math.sqrt(0.5) + 1) / 2),
        (0, 1, 0.0, 0.0),
        (7, 9, 1.0, 1.0),
    ],
)
def test_tau_at_known_points(step, total, start, tau):
    assert tau_at(step, total, start) == pytest.approx(tau, abs=1e-12)


@given(st.integers(1, 10**7), st.data())
def test_tau_rises_from_its_start_to_1(total, data):
    start = data.draw(st.floats(0, 1))
    first, second = sorted(data.draw(st.lists(st.integers(0, total), min_size=2, max_size=2)))
    assert tau_at(0, total, start) == pytest.approx(start, abs=1e-12)
    assert tau_at(total, total, start) == pytest.approx(1, abs=1e-12)
    assert start - 1e-12 <= tau_at(first, total, start) <= tau_at(second, total, start) + 1e-12 <= 1 + 1e-12


@given(st.integers(-(10**6), 0), st.integers(-10, 10))
def test_a_run_without_steps_has_no_tau(total, step):
    with pytest.raises(ConfigError, match=rf'tau of step {step} in a run of {total} optimizer steps is not defined'):
        tau_at(step, total, 0.996)


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.booleans())
def test_a_step_outside_of_the_run_has_no_tau(total, far, before):
    step = -far if before else total + far
    with pytest.raises(ConfigError, match=rf'step {step} in a run of {total} .* let train_cfg.max_epochs'):
        tau_at(step, total, 0.996)


@pytest.mark.parametrize('start', [-1e-9, 1 + 1e-9, math.nan, math.inf])
def test_tau_cannot_start_outside_of_0_and_1(start):
    with pytest.raises(ConfigError, match='tau_start is in'):
        tau_at(0, 1, start)
    with pytest.raises(ConfigError, match='tau_start is in'):
        TargetUpdateHook(tau_start=start)


class Recorder(Hook):
    """Keeps the online and target parameters and the logged scalars of each iteration."""

    priority = 'LOWEST'

    def __init__(self):
        self.online, self.target, self.logged = [], [], []

    @staticmethod
    def flat(module):
        return torch.cat([parameter.detach().flatten().clone() for parameter in module.parameters()])

    def before_train(self, runner):
        self.start = self.flat(runner.model.target_encoder)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.online.append(self.flat(runner.model.online_encoder))
        self.target.append(self.flat(runner.model.target_encoder))
        self.logged.append(
            {
                name: runner.message_hub.get_scalar(f'train/{name}').current()
                for name in ('tau', 'lr', 'loss', 'spread')
                if f'train/{name}' in runner.message_hub.log_scalars
            }
        )


# 3 epochs of 5 micro-batches; the accumulated run ends with an incomplete step, which counts as one.
@pytest.mark.parametrize('accumulate', [1, 4])
def test_the_target_over_a_whole_run_is_the_replayed_average(tmp_path, accumulate):
    recorder = Recorder()
    runner = tiny_runner(tmp_path, epochs=3, length=10, accumulate=accumulate)
    runner.register_hook(recorder)
    runner.train()

    iterations, start = 15, 0.9
    total = math.ceil(iterations / accumulate)
    target, step = recorder.start, 0
    for index in range(iterations):
        stepped = (index + 1) % accumulate == 0 or index + 1 == iterations
        if stepped:
            tau = 1 - (1 - start) * (math.cos(math.pi * step / total) + 1) / 2
            target = tau * target + (1 - tau) * recorder.online[index]
            assert recorder.logged[index]['tau'] == pytest.approx(tau, abs=1e-12)
            step += 1
        torch.testing.assert_close(recorder.target[index], target, rtol=1e-5, atol=1e-6)
        if not stepped and index:
            assert torch.equal(recorder.online[index], recorder.online[index - 1]), 'the optimizer has stepped early'
    assert step == total
    assert (recorder.target[-1] - recorder.start).abs().max() > 1e-4, 'the target has not moved at all'


def test_the_released_order_lags_by_one_step(tmp_path):
    recorder = Recorder()
    hook = dict(type='TargetUpdateHook', tau_start=0.5, when='before_step')
    runner = tiny_runner(tmp_path, epochs=1, length=6, custom_hooks=[hook])
    runner.register_hook(recorder)
    runner.train()
    # Before the first step both networks are the same, so the first update changes nothing.
    torch.testing.assert_close(recorder.target[0], recorder.start)
    tau = tau_at(1, 3, 0.5)
    torch.testing.assert_close(recorder.target[1], tau * recorder.target[0] + (1 - tau) * recorder.online[0])


def test_learning_rate_warms_up_and_follows_the_cosine(tmp_path):
    recorder = Recorder()
    schedule = [
        dict(type='LinearLR', start_factor=1e-3, begin=0, end=2, by_epoch=True, convert_to_iter_based=True),
        dict(type='CosineAnnealingLR', eta_min=0, begin=2, end=6, by_epoch=True, convert_to_iter_based=True),
    ]
    runner = tiny_runner(tmp_path, epochs=6, length=10, param_scheduler=schedule)
    runner.register_hook(recorder)
    runner.train()
    rates = [entry['lr'] for entry in recorder.logged]
    # mmengine's LinearLR reaches the full rate in its last iteration: 9 steps up in 10 iterations.
    warm_up = [0.5 * (1e-3 + (1 - 1e-3) * k / 9) for k in range(10)]
    cosine = [0.5 * (1 + math.cos(math.pi * k / 20)) / 2 for k in range(20)]
    assert rates == pytest.approx(warm_up + cosine, rel=1e-9)


def test_the_run_logs_what_one_watches(tmp_path):
    recorder = Recorder()
    hooks = [dict(type='TargetUpdateHook'), dict(type='CollapseMonitorHook', interval=1)]
    runner = tiny_runner(tmp_path, epochs=1, custom_hooks=hooks)
    runner.register_hook(recorder)
    runner.train()
    assert len(recorder.logged) == 4
    for entry in recorder.logged:
        assert 0 <= entry['loss'] <= 8
        assert 0 < entry['spread'] < 1.5
        assert entry['lr'] == 0.5


@pytest.mark.parametrize('when', ['after_step', 'before_step'])
@pytest.mark.parametrize(('iterations', 'accumulate'), [(1, 1), (1, 4), (2, 4), (3, 2), (4, 4), (5, 4), (6, 4)])
def test_tau_is_defined_at_every_step_of_a_run_of_any_length(iterations, accumulate, when, monkeypatch):
    taus, total = {}, math.ceil(iterations / accumulate)

    def update(hook, runner, step):
        taus[step] = tau_at(step, total, 0.9)

    monkeypatch.setattr(TargetUpdateHook, '_update', update)
    hook = TargetUpdateHook(when=when)
    wrapper = SimpleNamespace(_accumulative_counts=accumulate)
    runner = SimpleNamespace(max_iters=iterations, optim_wrapper=wrapper)
    for runner.iter in range(iterations):
        done = runner.iter + 1
        wrapper.should_update = lambda done=done: done % accumulate == 0 or done == iterations
        hook.before_train_iter(runner, 0)
        hook.after_train_iter(runner, 0)
    assert list(taus) == list(range(total))


def test_a_run_that_ends_before_its_checkpoint_is_refused(tmp_path):
    tiny_runner(tmp_path, epochs=3).train()
    shorter = tiny_runner(tmp_path, epochs=2)
    shorter._resume, shorter._load_from = True, str(tmp_path / 'epoch_3.pth')
    with pytest.raises(ConfigError, match=r'made 12 iterations, but this run ends after 8: raise train_cfg.max_epochs'):
        shorter.train()


def test_a_finished_run_may_be_resumed(tmp_path):
    tiny_runner(tmp_path, epochs=2).train()
    again = tiny_runner(tmp_path, epochs=2)
    again._resume, again._load_from = True, str(tmp_path / 'epoch_2.pth')
    again.train()
    assert again.iter == 8


@pytest.mark.parametrize('wrong', [dict(tau_start=1.1), dict(tau_start=-0.1), dict(when='sometimes')])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TargetUpdateHook(**wrong)
