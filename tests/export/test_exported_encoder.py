"""Export, verification, checked loads and resuming, on checkpoints that a Runner has written."""

from __future__ import annotations

import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from tiny import tiny_detector, tiny_runner, tiny_strl

from strl_mmdet3d.export import (
    ExportError,
    compare_loaded,
    export_encoder,
    read_checkpoint,
    save_exported,
    verify_export,
)


@pytest.fixture
def trained(tmp_path):
    """A finished run, and its last checkpoint."""
    runner = tiny_runner(tmp_path / 'run', epochs=1)
    runner.train()
    return runner, tmp_path / 'run' / 'epoch_1.pth'


@pytest.fixture
def exported(trained, tmp_path):
    path = tmp_path / 'encoder.pth'
    save_exported(export_encoder(read_checkpoint(trained[1]), source=str(trained[1])), path)
    return path


def downstream(**changes) -> Config:
    return Config(dict(model=tiny_detector() | changes))


def test_only_the_online_encoder_under_the_detectors_names_with_metadata(trained, exported):
    runner, _ = trained
    content = torch.load(exported, weights_only=True)
    online = runner.model.online_encoder.detector.state_dict()
    assert list(content['state_dict']) == list(online)
    assert all(torch.equal(content['state_dict'][name], tensor) for name, tensor in online.items())
    assert content['state_dict']._metadata['backbone']['version'] == online._metadata['backbone']['version']
    assert not any('projector' in name or 'predictor' in name for name in content['state_dict'])
    provenance = content['meta']['strl']
    assert provenance['iter'] == 4
    assert provenance['tensors'] == len(online)
    assert 'DetectorEncoder' in provenance['config']


def test_verify_counts_every_tensor_and_names_what_is_from_scratch(exported):
    report = verify_export(exported, downstream())
    assert len(report.landed) == len(torch.load(exported)['state_dict'])
    assert {name.split('.')[0] for name in report.from_scratch} == {'bbox_head'}
    assert 'from scratch: bbox_head' in str(report)


def test_verify_fails_on_another_width_and_names_the_tensor(exported):
    other = downstream()
    other.model.backbone.out_channels = [8, 24]
    other.model.neck.in_channels = [8, 24]
    with pytest.raises(ExportError, match=r'backbone.blocks.1.0.weight: \(16, 8, 3, 3\) in the checkpoint'):
        verify_export(exported, other)


def test_verify_fails_on_another_detector(exported):
    other = downstream()
    other.model.backbone.layer_nums = [0, 0]
    with pytest.raises(ExportError, match='not in the model'):
        verify_export(exported, other)


def test_verify_sees_a_tensor_that_was_skipped_silently(exported, monkeypatch):
    from strl_mmdet3d.engine import export

    def partial(model, path, **kwargs):
        load_checkpoint(model, path, **kwargs)
        with torch.no_grad():
            model.neck.deblocks[0][1].weight.add_(1e-7)

    monkeypatch.setattr(export, 'load_checkpoint', partial)
    with pytest.raises(ExportError, match='the values did not arrive'):
        verify_export(exported, downstream())


def test_what_is_no_pretraining_is_refused(tmp_path, exported):
    with pytest.raises(ExportError, match='exported encoder already'):
        export_encoder(read_checkpoint(exported), 'x')
    detector = MODELS.build(tiny_detector())
    with pytest.raises(ExportError, match='no STRL pre-training'):
        export_encoder(dict(state_dict=detector.state_dict()), 'detector.pth')
    path = tmp_path / 'detector.pth'
    torch.save(dict(state_dict=detector.state_dict()), path)
    with pytest.raises(ExportError, match=r'run tools/export_encoder\.py'):
        verify_export(path, downstream())


def test_a_diverged_run_is_not_exported():
    model = MODELS.build(tiny_strl())
    with torch.no_grad():
        model.online_encoder.detector.neck.deblocks[0][1].weight[0] = torch.nan
    with pytest.raises(ExportError, match=r'neck.deblocks.0.1.weight among them; the run diverged'):
        export_encoder(dict(state_dict=model.state_dict()), 'x')


def test_a_state_dict_without_metadata_is_refused():
    model = MODELS.build(tiny_strl())
    with pytest.raises(ExportError, match='_metadata'):
        export_encoder(dict(state_dict=OrderedDict(model.state_dict().items())), 'x')


class Evil:
    """Unpickling it would write a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, 'w')


def test_unsafe_and_broken_files_are_refused_by_name(tmp_path):
    mark = tmp_path / 'mark'
    evil, truncated, missing = tmp_path / 'evil.pth', tmp_path / 'truncated.pth', tmp_path / 'missing.pth'
    torch.save(dict(state_dict=Evil(mark)), evil)
    torch.save(dict(state_dict={}), truncated)
    truncated.write_bytes(truncated.read_bytes()[:100])
    plain = tmp_path / 'plain.pkl'
    plain.write_bytes(pickle.dumps(Evil(mark)))
    for path in (evil, truncated, missing, plain):
        with pytest.raises(ExportError, match=path.name):
            read_checkpoint(path)
    assert not mark.exists()


def test_saving_leaves_no_unfinished_file(exported):
    assert [path.name for path in exported.parent.iterdir() if 'tmp' in path.name] == []


def test_compare_loaded_ignores_nothing():
    model = torch.nn.Linear(2, 2)
    meta = dict(strl=dict(left_out=[]))
    assert compare_loaded(dict(meta=meta, state_dict=model.state_dict()), model, 'x').from_scratch == []
    with pytest.raises(ExportError, match='1 of 1 tensors'):
        compare_loaded(dict(meta=meta, state_dict={'weight': torch.zeros(2, 2)}), model, 'x')


def test_a_tensor_is_left_out_by_choice_only_and_that_is_told(trained, tmp_path):
    name, wider = 'backbone.blocks.0.0.weight', downstream()
    wider.model.voxel_encoder.feat_channels = [16]
    wider.model.middle_encoder.in_channels = 16
    wider.model.backbone.in_channels = 16
    checkpoint, path = read_checkpoint(trained[1]), tmp_path / 'encoder.pth'
    pillars = [key for key in export_encoder(checkpoint, 'x')['state_dict'] if key.startswith('voxel_encoder')]
    save_exported(export_encoder(checkpoint, 'x', leave_out=pillars), path)
    with pytest.raises(ExportError, match=name):
        verify_export(path, wider)
    save_exported(export_encoder(checkpoint, 'x', leave_out=[name, *pillars]), path)
    report = verify_export(path, wider)
    assert report.left_out == [name, *pillars]
    assert name in report.from_scratch
    assert f'left out of the export by choice: {name}' in str(report)
    with pytest.raises(ExportError, match=r'no tensor backbone\.blocks\.0\.0\.wait to leave out; .*0\.weight'):
        export_encoder(checkpoint, 'x', leave_out=['backbone.blocks.0.0.wait'])


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
    other = downstream()
    other.model.backbone.layer_nums = [0, 0]
    other.dump(config)
    runner = tiny_runner(tmp_path / 'run', custom_hooks=[dict(type='ExportEncoderHook', verify=str(config))])
    with pytest.raises(ExportError, match='not in the model'):
        runner.train()


def test_resume_goes_on_where_the_run_stopped(tmp_path):
    whole = tiny_runner(tmp_path / 'whole', epochs=3)
    whole.train()
    stopped = tiny_runner(tmp_path / 'stopped', epochs=3)
    stopped.train_loop._max_epochs = 2
    stopped.train()
    resumed = tiny_runner(tmp_path / 'stopped', epochs=3, resume=True)
    resumed.train()
    assert resumed.iter == whole.iter == 12
    for name, tensor in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], tensor, msg=name)
    assert resumed.message_hub.get_scalar('train/tau').current() == whole.message_hub.get_scalar('train/tau').current()


def test_resume_keeps_weights_only(tmp_path):
    runner = tiny_runner(tmp_path, epochs=1)
    runner.train()
    mark = tmp_path / 'mark'
    checkpoint = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)
    checkpoint['message_hub']['extra'] = Evil(mark)
    torch.save(checkpoint, tmp_path / 'epoch_1.pth')
    with pytest.raises(pickle.UnpicklingError):
        tiny_runner(tmp_path, epochs=2, resume=True).train()
    assert not mark.exists()
    assert np.isfinite(runner.message_hub.get_scalar('train/loss').current())
