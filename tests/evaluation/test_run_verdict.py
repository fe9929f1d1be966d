"""What is said of a run: by the thresholds of its hooks, and never that it has learned."""

from __future__ import annotations

import math

import pytest

from strl_mmdet3d.evaluation.run_verdict import after_training, judge

HEALTHY = dict(loss=[4, 0.5], spread=[0.9, 0.8], effective_rank=[9, 6], weights_moved=[0.1, 0.3])


def verdict(warnings=(), config=None, **changes):
    curves = {name: {10: first, 1200: last} for name, (first, last) in (HEALTHY | changes).items()}
    return judge(curves, dict.fromkeys(warnings, 1), config or dict(work_dir='work_dirs/run'))


def test_a_healthy_run_is_described_and_its_encoder_is_to_be_probed():
    said = verdict()
    assert said.good
    assert said.sentence == (
        'Nothing speaks against this run: in 1,200 iterations the loss fell from 4 to 0.5, the projections differ from '
        'cloud to cloud in 6.0 directions (spread 0.80; 0, or 1 direction, would be collapse), the weights have moved '
        'by 30% of their norm. Whether the encoder helps, these numbers cannot tell.'
    )
    assert any('evaluate_pretraining.py' in step and 'work_dirs/run/encoder.pth' in step for step in said.next_steps)


def test_an_encoder_of_shapes_is_probed_and_one_of_a_detector_helps_a_detector():
    shapes = dict(train_dataloader=dict(dataset=dict(pipeline=dict(load=[dict(type='LoadShape')]))), work_dir='run')
    scans = dict(train_dataloader=dict(dataset=dict(pipeline=dict(load=[dict(type='LoadFrame')]))), work_dir='run')
    for config, tool in ((shapes, 'linear_probe'), (scans, 'evaluate_pretraining'), ({}, 'evaluate_pretraining')):
        said = after_training(config)
        assert [step for step in said if 'tools/' in step] == [said[0]]
        assert f'python tools/{tool}.py' in said[0]
        assert 'encoder.pth' in said[0]


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        (dict(loss=[4, math.nan]), 'The run has failed: from iteration 1,200 on'),
        (dict(spread=[0.9, 0.1]), 'The run has collapsed'),
        (dict(effective_rank=[5, 1.1], warnings=['iteration 9: the projections have collapsed. So']), 'has collapsed'),
        (
            dict(weights_moved=[0.01, 0.02]),
            'hardly changed the encoder: in 1,200 iterations its weights have moved by 2.0%',
        ),
    ],
)
def test_a_bad_run_is_named(changes, words):
    said = verdict(**changes)
    assert said.good is False
    assert words in said.sentence
    assert said.next_steps


def test_thresholds_are_those_of_the_hooks():
    hooks = dict(collapse=dict(type='CollapseMonitorHook', min_spread=0.05), weights_moved=dict(least=0.0))
    config = dict(default_hooks=hooks)
    assert verdict(spread=[0.9, 0.1], weights_moved=[0, 0.01], config=config).good
    assert verdict(config=dict(default_hooks=dict(collapse=None))).good
    custom = dict(custom_hooks=[dict(type='CollapseMonitorHook', min_spread=0.05)])
    assert verdict(spread=[0.9, 0.1], config=custom).good


def test_a_rank_is_judged_where_the_monitor_has_warned_and_a_recovery_is_doubtful():
    assert verdict(effective_rank=[5, 1.6]).good
    without = verdict(effective_rank=[5, 1.2])  # where too few pairs were seen to warn
    assert without.good is None
    assert 'doubtful: its projections have hardly more than one direction at the end (effective rank 1.2)' in (
        without.sentence
    )
    said = verdict(['the projections have collapsed'], effective_rank=[4, 1.6])
    assert said.good is None
    assert 'The run is doubtful: for a while its projections had collapsed' in said.sentence
    assert 'in 1.6 directions' in said.sentence
    assert any('compared with training from scratch' in step for step in said.next_steps)


def test_a_loss_that_failed_for_good_is_dated_by_its_last_failure():
    curves = dict(loss={10: math.nan, 20: 4.0, 1190: 0.5, 1200: math.inf, 1210: math.nan})
    assert 'from iteration 1,200 on' in judge(curves, {}, {}).sentence
    assert 'from iteration 10 on' in judge(dict(loss={10: math.nan, 20: math.nan}), {}, {}).sentence


@pytest.mark.parametrize(
    ('loss', 'words'),
    [
        (
            {10: 4.0, 20: math.nan, 1200: 0.5},
            '1 of its 3 logged losses are not finite. In 1,200 iterations the loss fell',
        ),
        ({10: math.nan, 20: 4.0, 1200: 0.5}, '1 of its 3 logged losses are not finite'),
        ({10: 1.0, 1200: 3.9}, 'its loss has not fallen. In 1,200 iterations the loss went from 1 to 3.9'),
    ],
)
def test_losses_that_speak_against_a_run_make_it_doubtful(loss, words):
    said = judge(dict(loss=loss, spread={1200: 0.8}, effective_rank={1200: 6.0}, weights_moved={1200: 0.3}), {}, {})
    assert said.good is None
    assert f'The run is doubtful: {words}' in said.sentence
    assert said.next_steps


def test_a_run_without_projections_says_nothing_of_them():
    said = judge(dict(loss={1: 4.0, 9: 1.0}, weights_moved={9: 0.3}), {}, {})
    assert said.good
    assert 'projections' not in said.sentence


def test_without_a_loss_nothing_is_said():
    said = judge({}, {}, {})
    assert said.good is None
    assert 'No loss was logged' in said.sentence
