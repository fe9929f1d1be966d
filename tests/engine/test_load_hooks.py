"""The hooks of fine-tuning: checked loads, and frozen parts that stay frozen."""

from __future__ import annotations

import pytest
import torch
from mmdet3d.registry import MODELS
from tiny import tiny_runner

from strl_mmdet3d.export import ExportError, export_encoder, read_checkpoint, save_exported


@pytest.fixture
def encoder(tmp_path):
    """The exported encoder of a finished run."""
    runner = tiny_runner(tmp_path / 'first', epochs=1)
    runner.train()
    exported = export_encoder(read_checkpoint(tmp_path / 'first' / 'epoch_1.pth'), 'first')
    path = tmp_path / 'encoder.pth'
    save_exported(exported, path)
    return path


def prefixed(path, prefix):
    """Put the encoder's tensors under other names, so that a further pre-training of the same model loads them."""
    content = torch.load(path)
    metadata = content['state_dict']._metadata
    content['state_dict'] = type(content['state_dict'])((prefix + k, v) for k, v in content['state_dict'].items())
    content['state_dict']._metadata = metadata
    torch.save(content, path)
    return path


def test_a_full_load_passes_and_is_told(tmp_path, encoder, caplog):
    prefixed(encoder, 'online_encoder.detector.')
    hooks = [dict(type='TargetUpdateHook'), dict(type='VerifyLoadHook')]
    runner = tiny_runner(tmp_path / 'second', epochs=1, load_from=str(encoder), custom_hooks=hooks, log_level='INFO')
    runner.train()
    log = next((tmp_path / 'second').rglob('*.log')).read_text()
    assert 'exported tensors landed bit for bit' in log
    assert 'from scratch' in log


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
    with pytest.raises(ExportError, match='not an encoder exported'):
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
