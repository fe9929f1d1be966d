"""An exported encoder proves itself whole; a checkpoint proves what it must hold."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet3d.registry import MODELS
from mmengine.config import Config
from sealing import forge
from tiny import tiny_detector, tiny_runner, tiny_strl

from strl_mmdet3d.export import (
    RECORD_KEY,
    ExportError,
    check_exported,
    export_encoder,
    read_checkpoint,
    trunk_record,
    verify_export,
)
from strl_mmdet3d.export.manifest import checksum, differences, manifest_of
from strl_mmdet3d.export.provenance import sealed

NAME = 'backbone.blocks.0.0.weight'
ONLINE, TARGET = (f'{network}_encoder.detector.{NAME}' for network in ('online', 'target'))


@pytest.fixture
def model():
    return MODELS.build(tiny_strl())


def test_a_manifest_says_type_and_shape():
    tensors = dict(a=torch.zeros(2, 3), b=torch.tensor(1), c=torch.zeros(0, dtype=torch.bfloat16))
    assert manifest_of(tensors) == dict(a='float32 [2, 3]', b='int64 []', c='bfloat16 [0]')
    assert differences(dict(a='x', b='y', d='z'), dict(a='x', b='w', c='v')) == [
        'd is missing',
        'b is w, not y',
        'c does not belong there',
    ]


def test_the_checksum_is_as_documented():
    import hashlib

    tensors = dict(b=torch.tensor([1.0, -2.0]).view(2, 1).t(), a=torch.tensor(3, dtype=torch.int16))
    values = b'\x03\x00' + b'\x00\x00\x80\x3f' + b'\x00\x00\x00\xc0'
    expected = hashlib.sha256(b'{"epoch": 1, "source": "x"}' + values).hexdigest()
    assert checksum(dict(source='x', epoch=1, sha256='left out'), tensors) == expected


@given(place=st.integers(0, 23), bit=st.integers(0, 7))
def test_every_bit_of_a_tensor_counts(place, bit):
    exported = sealed({'backbone.weight': torch.arange(6.0)}, ['backbone'], None, [], source='x')
    check_exported(exported, 'x')
    exported['state_dict']['backbone.weight'].view(torch.uint8)[place] ^= 1 << bit
    with pytest.raises(ExportError, match='x was changed after its export: its checksum differs'):
        check_exported(exported, 'x')


def test_every_field_of_the_provenance_counts():
    exported = sealed({'backbone.weight': torch.zeros(2)}, ['backbone'], dict(legacy=True), [], source='x')
    for key, value in dict(source='y', left_out=['a'], trunk=['backbone', 'neck'], settings=None).items():
        meta = dict(strl=exported['meta']['strl'] | {key: value})
        with pytest.raises(ExportError, match='its checksum differs'):
            check_exported(dict(exported, meta=meta), 'x')


def test_a_file_of_an_earlier_version_is_refused(exported):
    content = torch.load(exported)
    del content['meta']['strl']['sha256']
    with pytest.raises(ExportError, match=r'by an earlier version, which cannot prove it whole: export it .* again'):
        check_exported(content, 'x')


def test_the_hook_records_the_trunk_in_each_checkpoint(tmp_path):
    hooks = [dict(type='TargetUpdateHook'), dict(type='ExportEncoderHook')]
    runner = tiny_runner(tmp_path, epochs=1, custom_hooks=hooks)
    runner.train()
    record = read_checkpoint(tmp_path / 'epoch_1.pth')['meta'][RECORD_KEY]
    assert record == trunk_record(runner.model, runner.cfg)
    assert record['trunk'] == ['backbone', 'neck', 'voxel_encoder', 'middle_encoder']
    assert record['tensors'] == manifest_of(runner.model.online_encoder.detector.state_dict())
    assert record['settings']['data_preprocessor.voxel_layer.voxel_size'] == [0.5, 0.5, 4]
    provenance = torch.load(tmp_path / 'encoder.pth')['meta']['strl']
    assert {key: provenance[key] for key in record} == record
    assert provenance['compared_with'] == 'what the pre-training recorded'


def test_a_model_without_a_detector_has_no_record():
    assert trunk_record(torch.nn.Linear(2, 2), Config()) is None


@pytest.mark.parametrize('recorded', [True, False])
def test_a_checkpoint_without_a_tensor_is_not_exported(model, recorded):
    config = Config(dict(model=tiny_strl()))
    meta = {RECORD_KEY: trunk_record(model, config)} if recorded else {}
    state_dict = model.state_dict()
    del state_dict[ONLINE]
    with pytest.raises(ExportError, match=rf'x does not hold the whole encoder, .*: {NAME} is missing'):
        export_encoder(dict(meta=meta, state_dict=state_dict), 'x')
    del state_dict[TARGET]
    if recorded:
        with pytest.raises(ExportError, match=rf'compared with what the pre-training recorded: {NAME} is missing'):
            export_encoder(dict(meta=meta, state_dict=state_dict), 'x')


def test_a_tensor_that_both_encoders_lack_is_missed_in_the_detector(model, tmp_path):
    state_dict = model.state_dict()
    del state_dict[ONLINE], state_dict[TARGET]
    torch.save(export_encoder(dict(state_dict=state_dict), 'x'), tmp_path / 'encoder.pth')
    with pytest.raises(ExportError, match=rf'lacks 1 tensors of the trunk .* of VoxelNet:\n  {NAME}\n'):
        verify_export(tmp_path / 'encoder.pth', Config(dict(model=tiny_detector())))


def test_a_part_without_any_tensor_is_still_a_part(model, tmp_path):
    state_dict = model.state_dict()
    for name in [name for name in state_dict if '.detector.neck.' in name]:
        del state_dict[name]
    torch.save(export_encoder(dict(state_dict=state_dict), 'x'), tmp_path / 'encoder.pth')
    with pytest.raises(ExportError, match='lacks 12 tensors of the trunk'):
        verify_export(tmp_path / 'encoder.pth', Config(dict(model=tiny_detector())))


def test_a_forged_manifest_does_not_help(exported):
    content = torch.load(exported)
    del content['state_dict'][NAME]
    torch.save(content, exported)
    forge(exported)
    with pytest.raises(ExportError, match=rf'lacks 1 tensors of the trunk .* of VoxelNet:\n  {NAME}\n'):
        verify_export(exported, Config(dict(model=tiny_detector())))


def test_nothing_left_is_nothing_to_export(model):
    state_dict = model.state_dict()
    names = list(model.online_encoder.detector.state_dict())
    with pytest.raises(ExportError, match='nothing is left to export'):
        export_encoder(dict(state_dict=state_dict), 'x', leave_out=names)


def test_text_of_a_checkpoint_is_kept_as_text(model, tmp_path):
    text = f"a = __import__('pathlib').Path({str(tmp_path / 'mark')!r}).touch()"
    torch.save(dict(meta=dict(cfg=text), state_dict=model.state_dict()), tmp_path / 'epoch_1.pth')
    exported = export_encoder(read_checkpoint(tmp_path / 'epoch_1.pth'), 'x')
    torch.save(exported, tmp_path / 'encoder.pth')
    verify_export(tmp_path / 'encoder.pth', Config(dict(model=tiny_detector())))
    assert exported['meta']['strl']['config'] == text
    assert not Path(tmp_path / 'mark').exists()
