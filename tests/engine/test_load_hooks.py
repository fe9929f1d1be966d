"""The hooks of fine-tuning: checked loads, and frozen parts that stay frozen."""

from __future__ import annotations

import re

import pytest
import torch
from mmdet3d.registry import HOOKS, MODELS
from mmengine.runner import ValLoop
from sealing import forge
from tiny import tiny_detector, tiny_runner

from strl_mmdet3d.export import ExportError, export_encoder, read_checkpoint, save_exported


@pytest.fixture
def encoder(tmp_path):
    """The exported encoder of a finished run."""
    hooks = [dict(type='TargetUpdateHook'), dict(type='ExportEncoderHook')]
    runner = tiny_runner(tmp_path / 'first', epochs=1, custom_hooks=hooks)
    runner.train()
    exported = export_encoder(read_checkpoint(tmp_path / 'first' / 'epoch_1.pth'), 'first')
    path = tmp_path / 'encoder.pth'
    save_exported(exported, path)
    return path


def begin(work_dir, encoder, model=None, **hook):
    """Go through a fine-tuning of the detector up to its first iteration, and return the log."""
    hooks = [dict(type='VerifyLoadHook', **hook)]
    model = tiny_detector() if model is None else model
    runner = tiny_runner(work_dir, model=model, load_from=str(encoder), custom_hooks=hooks, log_level='INFO')
    runner.call_hook('before_run')
    runner.load_or_resume()
    runner.call_hook('before_train')
    return next(work_dir.rglob('*.log')).read_text()


def test_a_full_load_passes_and_is_told(tmp_path, encoder):
    log = begin(tmp_path / 'second', encoder)
    assert '42 of 42 exported tensors landed bit for bit' in log
    assert 'they are 42 of the 42 tensors of the trunk: backbone, neck, voxel_encoder, middle_encoder' in log
    assert re.search(r'settings: equal in the pre-training and here \(\d\d compared\)', log)
    assert 'from scratch: bbox_head' in log


@pytest.mark.parametrize('name', ['backbone.blocks.1.0.weight', 'neck.deblocks.0.1.running_var'])
def test_a_tensor_less_is_an_error(tmp_path, encoder, name):
    content = torch.load(encoder)
    del content['state_dict'][name]
    torch.save(content, encoder)
    with pytest.raises(ExportError, match=rf'not the whole encoder that was exported: {name} is missing'):
        begin(tmp_path / 'second', encoder)
    forge(encoder)  # the file is consistent again, so it is the model that tells
    with pytest.raises(ExportError, match=rf'lacks 1 tensors of the trunk .* of VoxelNet:\n  {name}'):
        begin(tmp_path / 'third', encoder)


def test_another_setting_is_an_error_unless_it_is_named(tmp_path, encoder):
    model = tiny_detector()
    model.voxel_encoder.legacy = False
    model.data_preprocessor.voxel_layer.voxel_size = [0.5, 0.5, 2]
    with pytest.raises(ExportError, match='other settings') as refused:
        begin(tmp_path / 'second', encoder, model)
    assert 'voxel_encoder.legacy: True in the pre-training, False here' in str(refused.value)
    assert 'voxel_layer.voxel_size: [0.5, 0.5, 4] in the pre-training, [0.5, 0.5, 2] here' in str(refused.value)
    with pytest.raises(ExportError, match=r'mean something else:\n  data_preprocessor\.voxel_layer\.voxel_size'):
        begin(tmp_path / 'third', encoder, model, allow_different=['legacy'])
    log = begin(tmp_path / 'fourth', encoder, model, allow_different=['voxel_encoder.legacy', 'voxel_layer.voxel_size'])
    assert 'different by choice: data_preprocessor.voxel_layer.voxel_size' in log


def test_what_mmengine_fetches_from_elsewhere_is_proved_too(tmp_path, encoder):
    hook = HOOKS.build(dict(type='VerifyLoadHook'))
    runner = tiny_runner(tmp_path / 'second', model=tiny_detector(), load_from='s3://bucket/encoder.pth')
    content = torch.load(encoder)
    hook.before_run(runner)
    with pytest.raises(ExportError, match='nothing was loaded'):
        hook.before_train(runner)
    hook.after_load_checkpoint(runner, content)
    runner.model.load_state_dict(content['state_dict'], strict=False)
    hook.before_train(runner)
    content['state_dict']['neck.deblocks.0.1.bias'] += 1
    hook = HOOKS.build(dict(type='VerifyLoadHook'))
    with pytest.raises(ExportError, match='its checksum differs'):
        hook.after_load_checkpoint(runner, content)


def test_a_test_loads_what_it_is_given(tmp_path):
    """``test.py`` sets load_from to a checkpoint of the whole detector, which is not an exported encoder."""
    runner = tiny_runner(tmp_path / 'first', epochs=1, model=tiny_detector())
    checkpoint = tmp_path / 'epoch_1.pth'
    torch.save(dict(meta={}, state_dict=runner.model.state_dict()), checkpoint)
    hook = HOOKS.build(dict(type='VerifyLoadHook'))
    runner = tiny_runner(tmp_path / 'second', model=tiny_detector(), load_from=str(checkpoint))
    with pytest.raises(ExportError, match=r'epoch_1\.pth'):
        hook.before_run(runner)
    runner._val_loop = ValLoop.__new__(ValLoop)  # as the Runner builds its loop before it asks the hooks
    hook.before_run(runner)
    hook.after_load_checkpoint(runner, torch.load(checkpoint))


def test_a_resumed_run_is_left_to_mmengine(tmp_path):
    hooks = dict(model=tiny_detector(), default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)))
    first = tiny_runner(tmp_path, **hooks)
    first.save_checkpoint(str(tmp_path), 'epoch_1.pth', save_param_scheduler=False, save_optimizer=False)
    hook = HOOKS.build(dict(type='VerifyLoadHook'))
    runner = tiny_runner(tmp_path, **hooks, resume=True, load_from=str(tmp_path / 'epoch_1.pth'))
    hook.before_run(runner)
    runner.load_or_resume()
    hook.before_train(runner)


def test_a_partial_load_is_an_error(tmp_path, encoder):
    hooks = [dict(type='TargetUpdateHook'), dict(type='VerifyLoadHook')]
    runner = tiny_runner(tmp_path / 'second', epochs=1, load_from=str(encoder), custom_hooks=hooks)
    with pytest.raises(ExportError, match='not in the model'):
        runner.train()


def test_no_load_and_a_load_of_something_else_are_errors(tmp_path, encoder):
    hooks = [dict(type='VerifyLoadHook')]
    with pytest.raises(ExportError, match='nothing was loaded'):
        tiny_runner(tmp_path / 'a', epochs=1, custom_hooks=hooks).train()
    checkpoint = str(tmp_path / 'first' / 'epoch_1.pth')
    with pytest.raises(ExportError, match='is not an exported encoder'):
        tiny_runner(tmp_path / 'b', epochs=1, custom_hooks=hooks, load_from=checkpoint).train()


def test_frozen_parts_keep_their_parameters_and_statistics(tmp_path):
    part = 'online_encoder.detector.backbone'
    hooks = [dict(type='TargetUpdateHook'), dict(type='FreezeHook', modules=[part])]
    runner = tiny_runner(tmp_path, epochs=2, custom_hooks=hooks)
    runner.model.init_weights()
    runner.model.init_weights = lambda: None
    before = {name: tensor.clone() for name, tensor in runner.model.state_dict().items()}
    runner.train()
    after = runner.model.state_dict()
    frozen = [name for name in before if name.startswith(part)]
    assert any('running_mean' in name for name in frozen)
    for name in frozen:
        assert torch.equal(before[name], after[name]), name
    assert not torch.equal(before['online_projector.0.weight'], after['online_projector.0.weight'])


def test_freezing_something_unknown_is_answered_with_what_there_is(tmp_path):
    runner = tiny_runner(tmp_path, epochs=1, custom_hooks=[dict(type='FreezeHook', modules=['backbon'])])
    with pytest.raises(KeyError, match='online_encoder'):
        runner.train()


def test_strl_is_registered_as_a_model():
    assert MODELS.get('STRL') is not None


def test_a_run_that_was_to_be_resumed_and_found_nothing_is_no_verified_one(tmp_path):
    """As mmdet3d's ``tools/train.py CONFIG --resume`` begins in an empty folder."""
    hooks = [dict(type='VerifyLoadHook')]
    runner = tiny_runner(tmp_path, model=tiny_detector(), resume=True, custom_hooks=hooks)
    runner.call_hook('before_run')
    runner.load_or_resume()
    with pytest.raises(ExportError, match='nothing was loaded: set load_from'):
        runner.call_hook('before_train')


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path, encoder, monkeypatch):
    monkeypatch.setenv('HOME', str(encoder.parent))
    assert '42 of 42 exported tensors landed' in begin(tmp_path / 'second', f'~/{encoder.name}')
