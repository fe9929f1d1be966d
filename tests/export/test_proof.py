"""The proof that an exported encoder was loaded: it passes only if every tensor was."""

from __future__ import annotations

import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from tiny import tiny_detector

from strl_mmdet3d.export import (
    ExportError,
    compare_loaded,
    export_encoder,
    proof,
    read_checkpoint,
    save_exported,
    verify_export,
)


def downstream(**changes) -> Config:
    return Config(dict(model=tiny_detector() | changes))


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
    def partial(model, path, **kwargs):
        load_checkpoint(model, path, **kwargs)
        with torch.no_grad():
            model.neck.deblocks[0][1].weight.add_(1e-7)

    monkeypatch.setattr(proof, 'load_checkpoint', partial)
    with pytest.raises(ExportError, match='the values did not arrive'):
        verify_export(exported, downstream())


def test_a_file_that_is_not_an_export_is_refused(tmp_path):
    path = tmp_path / 'detector.pth'
    torch.save(dict(state_dict=MODELS.build(tiny_detector()).state_dict()), path)
    with pytest.raises(ExportError, match=r'is not an exported encoder: export it .* by tools/export_encoder\.py'):
        verify_export(path, downstream())


def test_compare_loaded_ignores_nothing():
    model = torch.nn.Linear(2, 2)
    meta = dict(strl=dict(left_out=[], trunk=['weight', 'bias'], settings=None))
    assert compare_loaded(dict(meta=meta, state_dict=model.state_dict()), model, 'x').from_scratch == []
    with pytest.raises(ExportError, match='1 of 1 tensors'):
        compare_loaded(dict(meta=meta, state_dict={'weight': torch.zeros(2, 2)}), model, 'x')
    with pytest.raises(ExportError, match=r'x lacks 1 tensors of the trunk \(weight, bias\) of Linear:\n  bias\n'):
        compare_loaded(dict(meta=meta, state_dict={'weight': model.weight}), model, 'x')
    weight = dict(meta=meta, state_dict={'weight': model.weight})
    assert compare_loaded(weight, model, 'x', allow_different=['bias']).from_scratch == ['bias']


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
