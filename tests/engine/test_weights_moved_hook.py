"""How far the weights have moved: the measure, when it is logged, what is advised, and that a resumed run goes on."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmengine.runner import find_latest_checkpoint
from tiny import tiny_runner

from strl_mmdet3d.engine.hooks.weights_moved_hook import INITIAL_KEY, WeightsMovedHook, measure_moved, weights_of
from strl_mmdet3d.errors import ConfigError

PARTS = ('voxel_encoder', 'backbone', 'neck')
NAMES = ['weights_moved', *(f'weights_moved/{part}' for part in PARTS)]


@given(
    parts=st.dictionaries(st.sampled_from(['backbone', 'neck', 'voxel_encoder']), st.integers(1, 4), min_size=1),
    scale=st.floats(1e-4, 10),
    seed=st.integers(0, 2**31),
)
def test_the_measure_is_the_norm_of_the_difference_over_the_norm_at_the_beginning(parts, scale, seed):
    rng = np.random.default_rng(seed)
    before, after = {}, {}
    for part, number in parts.items():
        for layer in range(number):
            name = f'detector.{part}.layers.{layer}.weight'
            before[name] = rng.normal(size=(layer + 1, 3)).astype(np.float32)  # the precision of weights
            after[name] = (before[name] + scale * rng.normal(size=(layer + 1, 3))).astype(np.float32)

    def expected(prefix):
        old, new = (
            np.concatenate(
                [value.ravel().astype(np.float64) for name, value in side.items() if name.startswith(prefix)]
            )
            for side in (before, after)
        )
        return np.linalg.norm(new - old) / np.linalg.norm(old)

    as_tensors = [{name: torch.from_numpy(value) for name, value in side.items()} for side in (before, after)]
    moved = measure_moved(*as_tensors)
    assert next(iter(moved)) == 'weights_moved'
    assert moved == {
        'weights_moved': pytest.approx(expected(''), rel=1e-3),
        **{f'weights_moved/{part}': pytest.approx(expected(f'detector.{part}.'), rel=1e-3) for part in parts},
    }


def make_runner(work_dir, epochs=3, hook=None, rate=0.005, **changes):
    options = dict(
        custom_hooks=[dict(type='TargetUpdateHook', tau_start=0.9), dict(type='WeightsMovedHook', **(hook or {}))],
        train_dataloader=dict(
            batch_size=2,
            num_workers=0,
            dataset=dict(type='RandomPairs', length=8),
            sampler=dict(type='PairSampler'),
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(type='PretrainLoop', max_epochs=epochs),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=rate, momentum=0.9)),
        visualizer=dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')]),
        default_hooks=dict(checkpoint=dict(type='WholeCheckpointHook', interval=3, by_epoch=False)),
        log_level='INFO',
    )
    return tiny_runner(work_dir, **(options | changes))


def encoder_of(runner):
    return {name: weight.clone() for name, weight in weights_of(runner).items()}


def logged(work_dir):
    """Step -> what the hook has logged there, of all sessions, the later one's where there are two."""
    found = {}
    for path in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for row in map(json.loads, path.read_text().splitlines()):
            if 'weights_moved/backbone' in row:
                found[row.pop('step')] = row
    return found


def log_of(work_dir):
    return ''.join(path.read_text() for path in sorted(work_dir.glob('*/*.log')))


def test_a_run_that_learns_logs_how_far_and_is_not_warned(tmp_path):
    runner = make_runner(tmp_path, hook=dict(interval=5))
    before = {}
    keep = WeightsMovedHook.before_train

    def see(hook, runner):
        before.update(encoder_of(runner))
        keep(hook, runner)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WeightsMovedHook, 'before_train', see)
        runner.train()
    moved = logged(tmp_path)
    assert list(moved) == [5, 10, 12]
    assert all(sorted(row) == sorted(NAMES) for row in moved.values())
    assert moved[12] == measure_moved(before, encoder_of(runner))
    assert 0 < moved[5]['weights_moved'] < moved[12]['weights_moved']
    assert moved[12]['weights_moved'] > 0.05
    text = log_of(tmp_path)
    assert f"the encoder's weights have moved by {moved[12]['weights_moved']:.1%} of their norm (" in text
    assert 'is still nearly the one' not in text
    # The lines of the log show the whole, not the parts.
    assert 'weights_moved: ' in text
    assert 'weights_moved/' not in text


def test_a_run_that_hardly_learns_is_told_what_to_do(tmp_path):
    runner = make_runner(tmp_path, rate=1e-8)
    runner.train()
    (message,) = [line for line in log_of(tmp_path).splitlines() if 'is still nearly the one that it began as' in line]
    assert ' - WARNING - ' in message
    for part in (*PARTS, '0.0%', 'under 5.0%', 'max_epochs', 'optim_wrapper.optimizer.lr'):
        assert part in message
    assert 'AdamW' not in message  # which is for those who train by LARS
    # By default it is measured every 50 iterations, and at the end.
    assert list(logged(tmp_path)) == [12]


def test_biases_and_batchnorm_cannot_hide_that_the_weights_stay(tmp_path):
    """LARS limits the steps of weights only."""
    lars = dict(type='OptimWrapper', optimizer=dict(type='LARS', lr=0.2, momentum=0.9))
    runner = make_runner(tmp_path, optim_wrapper=lars)
    runner.train()
    moved = logged(tmp_path)[12]['weights_moved']
    assert 0 < moved < 0.02
    assert f'have moved by {moved:.1%}' in log_of(tmp_path)
    assert 'is still nearly the one that it began as' in log_of(tmp_path)
    assert 'take AdamW (configs/_base_/recipes/strl_adamw.py): a step of LARS' in log_of(tmp_path)
    weights = weights_of(runner)
    vectors = {name: p for name, p in runner.model.online_encoder.named_parameters() if name not in weights}
    scales = [p for name, p in vectors.items() if name.endswith('weight')]  # BatchNorm's, which begin at 1
    assert max(float((p - 1).norm() / len(p) ** 0.5) for p in scales) > 5 * moved
    assert all(weight.dim() > 1 for weight in weights.values())
    assert all(vector.dim() == 1 for vector in vectors.values())


def test_the_limit_can_be_set(tmp_path):
    make_runner(tmp_path, rate=1e-8, hook=dict(least=0)).train()
    assert 'is still nearly' not in log_of(tmp_path)
    for wrong in (dict(interval=0), dict(least=-0.1), dict(least=float('nan'))):
        with pytest.raises(ConfigError, match=f'WeightsMovedHook: {next(iter(wrong))} must'):
            WeightsMovedHook(**wrong)


def resume(work_dir, checkpoint):
    runner = make_runner(work_dir, hook=dict(interval=1))
    runner._resume, runner._load_from = True, str(work_dir / checkpoint)
    runner.train()
    assert runner.iter == 12


def test_a_resumed_run_compares_with_its_true_beginning(tmp_path):
    make_runner(tmp_path / 'whole', hook=dict(interval=1)).train()
    # The run goes on elsewhere, and again, from its checkpoints alone.
    (tmp_path / 'moved').mkdir()
    (tmp_path / 'whole' / 'iter_3.pth').rename(tmp_path / 'moved' / 'iter_3.pth')
    resume(tmp_path / 'moved', 'iter_3.pth')
    resume(tmp_path / 'moved', 'iter_9.pth')
    whole, moved = logged(tmp_path / 'whole'), logged(tmp_path / 'moved')
    assert list(moved) == list(range(4, 13))
    assert moved == {step: whole[step] for step in moved}


def test_the_hook_changes_nothing_else(tmp_path):
    with_hook = make_runner(tmp_path / 'a', hook=dict(interval=1))
    with_hook.train()
    without = make_runner(tmp_path / 'b', custom_hooks=[dict(type='TargetUpdateHook', tau_start=0.9)])
    without.train()
    one, other = with_hook.model.state_dict(), without.model.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def forget(checkpoint):
    del checkpoint[INITIAL_KEY]


def rename(checkpoint):
    checkpoint[INITIAL_KEY] = {f'other.{name}': weight for name, weight in checkpoint[INITIAL_KEY].items()}


def reshape(checkpoint):
    checkpoint[INITIAL_KEY] = {name: weight[None] for name, weight in checkpoint[INITIAL_KEY].items()}


def replace(checkpoint):
    checkpoint[INITIAL_KEY] = [1, 2]


@pytest.mark.parametrize('damage', [forget, rename, reshape, replace])
def test_a_checkpoint_without_the_beginning_is_resumed_and_nothing_is_claimed(tmp_path, damage):
    make_runner(tmp_path, epochs=1).train()
    path = find_latest_checkpoint(str(tmp_path))
    checkpoint = torch.load(path, weights_only=False)
    damage(checkpoint)
    torch.save(checkpoint, path)
    for log in tmp_path.glob('*/*.log'):
        log.unlink()
    resume(tmp_path, path)
    text = log_of(tmp_path)
    assert 'does not hold the weights that its run began with' in text
    assert 'have moved' not in text
    assert not any(step > 4 for step in logged(tmp_path))


def test_a_run_from_other_weights_begins_with_them(tmp_path):
    make_runner(tmp_path / 'first', epochs=1).train()
    second = make_runner(tmp_path / 'second', rate=1e-8)
    second._load_from = find_latest_checkpoint(str(tmp_path / 'first'))
    second.train()
    assert logged(tmp_path / 'second')[12]['weights_moved'] < 1e-3


def test_the_report_has_the_numbers_and_the_advice(tmp_path):
    hooks = [dict(type='TargetUpdateHook', tau_start=0.9), dict(type='WeightsMovedHook'), dict(type='ReportHook')]
    make_runner(tmp_path, rate=1e-8, custom_hooks=hooks).train()
    page = (tmp_path / 'report.html').read_text().replace('<wbr>', '')
    numbers, warnings = page.partition('<h2>Numbers</h2>')[2], page.partition('<h2>Warnings</h2>')[2]
    for name in NAMES:
        assert f'<td>{name}</td><td></td><td class="number">12</td>' in numbers
    assert 'is still nearly the one that it began as' in warnings
    assert 'raise optim_wrapper.optimizer.lr' in warnings
