"""The export at the end of whole short runs."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from tiny import tiny_detector, tiny_runner

from strl_mmdet3d.export import ExportError, export_encoder, read_checkpoint, verify_export


def test_the_hook_exports_and_verifies_at_the_end(tmp_path):
    config = tmp_path / 'downstream.py'
    Config(dict(model=tiny_detector())).dump(config)
    hooks = [dict(type='TargetUpdateHook'), dict(type='ExportEncoderHook', verify=str(config))]
    runner = tiny_runner(tmp_path / 'run', epochs=1, custom_hooks=hooks, log_level='INFO')
    runner.train()
    assert 'exported tensors landed bit for bit' in next((tmp_path / 'run').rglob('*.log')).read_text()
    assert verify_export(tmp_path / 'run' / 'encoder.pth', str(config)).landed
    by_hook = torch.load(tmp_path / 'run' / 'encoder.pth')['state_dict']
    by_tool = export_encoder(read_checkpoint(tmp_path / 'run' / 'epoch_1.pth'), 'x')['state_dict']
    assert all(torch.equal(by_hook[name], by_tool[name]) for name in by_tool)


def test_the_hook_verifies_in_the_pretrained_detector_where_no_other_is_named(tmp_path):
    runner = tiny_runner(tmp_path, epochs=1, custom_hooks=[dict(type='ExportEncoderHook')], log_level='INFO')
    runner.train()
    assert 'from scratch: bbox_head' in next(tmp_path.rglob('*.log')).read_text()


def test_the_hook_ends_a_run_whose_export_does_not_land(tmp_path):
    config = tmp_path / 'downstream.py'
    other = Config(dict(model=tiny_detector()))
    other.model.backbone.layer_nums = [0, 0]
    other.dump(config)
    runner = tiny_runner(tmp_path / 'run', custom_hooks=[dict(type='ExportEncoderHook', verify=str(config))])
    with pytest.raises(ExportError, match='not in the model'):
        runner.train()


def test_the_average_of_the_weights_is_exported_as_a_checkpoint_has_it(tmp_path):
    hooks = [dict(type='EMAHook', momentum=0.01), dict(type='ExportEncoderHook')]
    runner = tiny_runner(tmp_path, custom_hooks=hooks)
    runner.train()
    by_hook = torch.load(tmp_path / 'encoder.pth')['state_dict']
    by_tool = export_encoder(read_checkpoint(tmp_path / 'epoch_2.pth'), 'x')['state_dict']
    assert by_hook.keys() == by_tool.keys()
    assert all(torch.equal(by_hook[name], by_tool[name]) for name in by_tool)
    weights = runner.model.online_encoder.detector.state_dict()
    assert any(not torch.equal(by_hook[name], weights[name]) for name in by_hook)
