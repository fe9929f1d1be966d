"""The parts that no gradient reaches: found after the first step, recorded, and corrected by later steps."""

from __future__ import annotations

import pytest
import torch
from mmdet3d.registry import HOOKS
from mmengine.runner import find_latest_checkpoint
from tiny import tiny_runner, tiny_strl
from tiny_pyramid import DESCRIBED, PART, TENSORS, pyramid_detector, pyramid_strl

from strl_mmdet3d.export import META_KEY, UNTRAINED_KEY, export_encoder, read_checkpoint, save_exported

NONE_REACHES = 'no gradient reaches these parts of the encoder'
TOO = f'trains these parts of the encoder, too: {DESCRIBED}'
HOOK_TYPES = ('TargetUpdateHook', 'UntrainedPartsHook', 'ExportEncoderHook')


def make_runner(work_dir, model=None, epochs=1, accumulate=1, hooks=(), wrapper='OptimWrapper', **changes):
    """A run of 4 iterations an epoch, with a checkpoint after each."""
    options = dict(
        model=model or pyramid_strl(),
        epochs=epochs,
        custom_hooks=[*(dict(type=name) for name in HOOK_TYPES), *hooks],
        optim_wrapper=dict(type=wrapper, optimizer=dict(type='LARS', lr=0.5), accumulative_counts=accumulate),
        train_dataloader=dict(
            batch_size=2,
            num_workers=0,
            dataset=dict(type='SampledPairs', length=8),
            sampler=dict(type='PairSampler'),
            collate_fn=dict(type='collate_pairs'),
        ),
        train_cfg=dict(type='PretrainLoop', max_epochs=epochs),
        default_hooks=dict(checkpoint=dict(type='WholeCheckpointHook', interval=1, by_epoch=False)),
        log_level='INFO',
    )
    return tiny_runner(work_dir, **(options | changes))


def recorded(work_dir, iteration):
    return read_checkpoint(work_dir / f'iter_{iteration}.pth')['meta'].get(UNTRAINED_KEY)


def log_of(work_dir):
    return ''.join(path.read_text() for path in sorted(work_dir.glob('*/*.log')))


def provenance_of(work_dir):
    return torch.load(work_dir / 'encoder.pth', weights_only=True)['meta'][META_KEY]


def in_turns(**settings):
    return pyramid_strl(type='STRLInTurns', **settings)


@pytest.mark.parametrize('wrapper', ['OptimWrapper', 'BFloat16OptimWrapper'])
def test_the_log_names_them_once_and_checkpoint_and_export_know_them(tmp_path, wrapper):
    runner = make_runner(tmp_path, wrapper=wrapper)
    runner.model.init_weights()
    runner.model.init_weights = lambda: None
    before = {name: value.clone() for name, value in runner.model.online_encoder.detector.state_dict().items()}
    runner.train()
    log = log_of(tmp_path)
    assert log.count(NONE_REACHES) == 1
    share = 2336 / sum(parameter.numel() for parameter in runner.model.online_encoder.detector.parameters())
    assert f'{NONE_REACHES}, {share:.1%} of its parameters:\n  {DESCRIBED}\nThey stay as initialised' in log
    assert log.index(NONE_REACHES) < log.index('Saving checkpoint')
    assert [recorded(tmp_path, iteration) for iteration in (1, 2, 3, 4)] == [[PART]] * 4
    after = runner.model.online_encoder.detector.state_dict()
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert {name for name in before if name in same and name.endswith('weight')} == set(TENSORS[:2])
    assert same.isdisjoint(TENSORS[3:]), 'the statistics of a part that is not trained move all the same'
    assert provenance_of(tmp_path)['untrained'] == [PART]
    assert provenance_of(tmp_path)['left_out'] == TENSORS
    assert f'these parts start as initialised, because no gradient has reached them: {DESCRIBED}' in log
    by_tool = export_encoder(read_checkpoint(tmp_path / 'iter_4.pth'), 'x')
    assert list(by_tool['state_dict']) == [name for name in before if name not in TENSORS]


def test_a_detector_that_is_trained_in_full_has_none(tmp_path):
    runner = make_runner(tmp_path, model=tiny_strl())
    runner.train()
    assert NONE_REACHES not in log_of(tmp_path)
    assert recorded(tmp_path, 4) == []
    assert "\n100.0% of the trunk's parameters start pre-trained\n" in log_of(tmp_path)
    assert not runner.optim_wrapper.optimizer._optimizer_step_pre_hooks, 'it would look on for nothing'


def test_a_gradient_of_0_is_one(tmp_path):
    make_runner(tmp_path, model=in_turns(turns=range(8), weight=0.0)).train()
    assert NONE_REACHES not in log_of(tmp_path)
    assert recorded(tmp_path, 4) == []


def test_a_part_with_a_gradient_in_some_steps_is_trained(tmp_path):
    make_runner(tmp_path, model=in_turns(turns=[2])).train()
    log = log_of(tmp_path)
    assert log.count(NONE_REACHES) == 1
    assert log.count(f'iteration 3 {TOO}') == 1
    assert [recorded(tmp_path, iteration) for iteration in (2, 3, 4)] == [[PART], [], []]
    assert provenance_of(tmp_path)['untrained'] == []
    assert provenance_of(tmp_path)['left_out'] == []


@pytest.mark.parametrize(('turns', 'found'), [([0], []), ([1], []), ([], [PART])])
def test_accumulated_gradients_count_from_every_micro_batch(tmp_path, turns, found):
    # mmengine's own hook saves within a step too.
    saves = dict(checkpoint=dict(type='CheckpointHook', interval=1, by_epoch=False))
    make_runner(tmp_path, model=in_turns(turns=turns), accumulate=2, default_hooks=saves).train()
    assert (NONE_REACHES in log_of(tmp_path)) == bool(found)
    assert [recorded(tmp_path, iteration) for iteration in (1, 2, 3)] == [None, found, found]


def resume(work_dir, checkpoint, **changes):
    for log in work_dir.glob('*/*.log'):
        log.unlink()
    runner = make_runner(work_dir, **changes)
    runner._resume, runner._load_from = True, str(work_dir / checkpoint)
    runner.train()


def test_a_resumed_run_knows_what_the_steps_before_have_trained(tmp_path):
    make_runner(tmp_path, model=in_turns(turns=[1])).train()
    assert recorded(tmp_path, 2) == []
    (tmp_path / 'last_checkpoint').unlink()
    resume(tmp_path, 'iter_2.pth', model=in_turns(turns=[]))
    assert NONE_REACHES not in log_of(tmp_path)
    assert recorded(tmp_path, 4) == []


def test_a_resumed_run_names_what_no_step_has_trained_so_far(tmp_path):
    make_runner(tmp_path).train()
    resume(tmp_path, 'iter_2.pth', model=in_turns(turns=[1]))
    log = log_of(tmp_path)
    assert log.count(NONE_REACHES) == 1
    assert f'iteration 4 {TOO}' in log
    assert [recorded(tmp_path, iteration) for iteration in (3, 4)] == [[PART], []]


def test_a_run_that_is_resumed_at_its_end_exports_what_it_knows(tmp_path):
    make_runner(tmp_path).train()
    (tmp_path / 'encoder.pth').unlink()
    resume(tmp_path, 'iter_4.pth')
    assert provenance_of(tmp_path)['untrained'] == [PART]


def test_a_checkpoint_of_an_earlier_version_is_looked_at_again(tmp_path):
    make_runner(tmp_path).train()
    path = find_latest_checkpoint(str(tmp_path))
    content = torch.load(path, weights_only=False)
    del content['meta'][UNTRAINED_KEY]
    torch.save(content, path)
    resume(tmp_path, path, epochs=2)
    assert log_of(tmp_path).count(NONE_REACHES) == 1
    assert recorded(tmp_path, 8) == [PART]


def test_what_load_from_has_brought_trained_stays_so(tmp_path):
    make_runner(tmp_path / 'trained', model=in_turns(turns=range(8))).train()
    make_runner(tmp_path / 'not').train()
    for first, found in (('trained', []), ('not', [PART])):
        runner = make_runner(tmp_path / 'second' / first)
        runner._load_from = str(tmp_path / first / 'iter_4.pth')
        runner.train()
        assert recorded(tmp_path / 'second' / first, 4) == found


def test_what_is_frozen_by_choice_is_not_named(tmp_path):
    frozen = dict(type='FreezeHook', modules=['online_encoder.detector.backbone', f'online_encoder.detector.{PART}.bn'])
    make_runner(tmp_path, hooks=[frozen]).train()
    # A module with a frozen parameter is not left out as a whole: a feature may depend on it.
    assert recorded(tmp_path, 4) == [f'{PART}.conv']
    assert provenance_of(tmp_path)['left_out'] == [f'{PART}.conv.weight']


def test_a_model_without_a_detector_is_left_alone(tmp_path):
    hook = HOOKS.build(dict(type='UntrainedPartsHook'))
    runner = tiny_runner(tmp_path, model=pyramid_detector())
    hook.before_train(runner)
    hook.after_train_iter(runner, 0)
    checkpoint: dict = dict(meta={})
    hook.before_save_checkpoint(runner, checkpoint)
    assert checkpoint == dict(meta={})


def test_fine_tuning_starts_without_them_and_says_so(tmp_path):
    make_runner(tmp_path / 'first').train()
    path = tmp_path / 'encoder.pth'
    save_exported(export_encoder(read_checkpoint(tmp_path / 'first' / 'iter_4.pth'), 'first'), path)
    hooks = [dict(type='VerifyLoadHook')]
    second = tmp_path / 'second'
    runner = tiny_runner(second, model=pyramid_detector(), load_from=str(path), custom_hooks=hooks, log_level='INFO')
    runner.call_hook('before_run')
    runner.load_or_resume()
    runner.call_hook('before_train')
    log = next(second.rglob('*.log')).read_text()
    assert f'these parts start as initialised, because no gradient has reached them: {DESCRIBED}' in log
