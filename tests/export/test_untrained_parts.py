"""Parts that no gradient has reached: how they are named, that an export leaves them out, and what a load says."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet3d.registry import MODELS
from mmengine.config import Config
from sealing import forge
from tiny_pyramid import DESCRIBED, PART, TENSORS, pyramid_detector, pyramid_strl
from torch import nn

from strl_mmdet3d.export import (
    META_KEY,
    RECORD_KEY,
    UNTRAINED_KEY,
    ExportError,
    check_exported,
    compare_loaded,
    export_encoder,
    is_part_of,
    parts_with_sizes,
    read_checkpoint,
    recorded_untrained,
    save_exported,
    trunk_record,
    untrained_parts,
    verify_export,
)
from strl_mmdet3d.export.provenance import sealed

PATHS = st.sampled_from(['', 'a.', 'b.', 'ab.', 'a.a.', 'a.b.', 'b.ab.', 'a.b.a.', 'a.b.ab.', 'ab.a.b.', 'a.a.a.a.'])


@given(trained=st.dictionaries(st.builds('{}{}'.format, PATHS, st.sampled_from(['v', 'w'])), st.booleans()))
def test_parts_are_the_largest_modules_without_a_trained_parameter(trained):
    names, untrained = list(trained), {name for name in trained if not trained[name]}
    parts = untrained_parts(names, untrained)
    for name in names:
        holders = [part for part in parts if name == part or name.startswith(part + '.')]
        assert len(holders) == (name in untrained)
    for part in parts:
        around = part.rpartition('.')[0]
        others = [name for name in names if name.startswith(around + '.') and name not in untrained]
        assert others or not around, 'the module around it is a larger part'


def test_names_are_compared_by_components():
    assert is_part_of('neck.deblocks.1.1.running_mean', ['neck.deblocks.1'])
    assert is_part_of('neck.scale', ['neck.scale'])
    assert not is_part_of('neck.deblocks.10.weight', ['neck.deblocks.1'])
    assert not is_part_of('neck.deblocks.1', ['neck.deblocks.1.weight'])
    assert not is_part_of('neck', [])


def test_a_part_of_another_detector_is_not_described():
    model = nn.ModuleDict(dict(a=nn.BatchNorm1d(3), b=nn.Linear(1000, 2)))
    lines = ['a (5 tensors, 6 parameters)', 'b (2 tensors, 2,002 parameters)', 'b.bias (1 tensor, 2 parameters)']
    assert parts_with_sizes(['a', 'b', 'b.bias', 'c'], model) == lines


@pytest.fixture
def model():
    return MODELS.build(pyramid_strl())


@pytest.fixture
def checkpoint(model, tmp_path):
    """A checkpoint as the hooks write it."""
    meta = {RECORD_KEY: trunk_record(model, Config(dict(model=pyramid_strl()))), UNTRAINED_KEY: [PART]}
    torch.save(dict(meta=meta, state_dict=model.state_dict()), tmp_path / 'epoch_1.pth')
    return read_checkpoint(tmp_path / 'epoch_1.pth')


DOWNSTREAM = Config(dict(model=pyramid_detector()))


def share_of_trunk(model):
    sizes = {name: p.numel() for name, p in model.online_encoder.detector.named_parameters()}
    return 1 - sum(size for name, size in sizes.items() if name in TENSORS) / sum(sizes.values())


def test_they_are_left_out_with_their_buffers_and_a_load_names_them(model, checkpoint, tmp_path):
    exported = export_encoder(checkpoint, 'x')
    whole = model.online_encoder.detector.state_dict()
    assert [name for name in whole if name not in exported['state_dict']] == TENSORS
    provenance = exported['meta'][META_KEY]
    assert provenance['untrained'] == [PART]
    assert provenance['left_out'] == TENSORS
    save_exported(exported, tmp_path / 'encoder.pth')
    report = verify_export(tmp_path / 'encoder.pth', DOWNSTREAM)
    assert len(report.landed) == len(whole) - 6
    assert report.as_initialised == TENSORS
    assert {name.split('.')[0] for name in report.from_scratch} == {'bbox_head'}
    assert report.left_out == []
    assert report.pretrained == pytest.approx(share_of_trunk(model))
    said = f"{report.pretrained:.1%} of the trunk's parameters start pre-trained; these parts start as initialised, "
    assert f'{said}because no gradient has reached them: {DESCRIBED}' in str(report)
    assert f'they are {len(whole) - 6} of the {len(whole)} tensors of the trunk' in str(report)
    assert 'by choice' not in str(report)


def test_they_are_exported_where_that_is_asked_for_and_are_not_called_pretrained(model, checkpoint, tmp_path):
    exported = export_encoder(checkpoint, 'x', include_untrained=True)
    assert list(exported['state_dict']) == list(model.online_encoder.detector.state_dict())
    assert exported['meta'][META_KEY]['left_out'] == []
    save_exported(exported, tmp_path / 'encoder.pth')
    report = verify_export(tmp_path / 'encoder.pth', DOWNSTREAM)
    assert set(TENSORS) <= set(report.landed)
    assert report.as_initialised == []
    assert report.pretrained == pytest.approx(share_of_trunk(model))
    assert f'no gradient has reached them: {DESCRIBED}' in str(report)


@pytest.mark.parametrize('name', ['neck.fpn_convs.0.conv.weight', 'neck.lateral_convs.1.bn.running_var'])
def test_a_tensor_that_is_missing_beside_them_is_an_error(checkpoint, name, tmp_path):
    path = tmp_path / 'encoder.pth'
    save_exported(export_encoder(checkpoint, 'x'), path)
    content = torch.load(path)
    del content['state_dict'][name]
    torch.save(content, path)
    forge(path)
    with pytest.raises(ExportError, match=rf'lacks 1 tensors of the trunk .* of VoxelNet:\n  {name}\n'):
        verify_export(path, DOWNSTREAM)
    del checkpoint['state_dict'][f'online_encoder.detector.{name}']
    with pytest.raises(ExportError, match=f'does not hold the whole encoder, .*: {name} is missing'):
        export_encoder(checkpoint, 'x')


def test_a_tensor_of_theirs_that_the_checkpoint_lacks_is_an_error_too(checkpoint):
    del checkpoint['state_dict'][f'online_encoder.detector.{TENSORS[3]}']
    with pytest.raises(ExportError, match=f'does not hold the whole encoder, .*: {TENSORS[3]} is missing'):
        export_encoder(checkpoint, 'x')


def test_a_tensor_of_theirs_that_the_export_has_not_left_out_is_an_error(checkpoint):
    exported = export_encoder(checkpoint, 'x')
    exported['meta'][META_KEY]['left_out'].remove(TENSORS[3])
    detector = MODELS.build(pyramid_detector())
    detector.load_state_dict(exported['state_dict'], strict=False)
    with pytest.raises(ExportError, match=rf'lacks 1 tensors of the trunk .*\n  {TENSORS[3]}\n'):
        compare_loaded(exported, detector, 'x')


def test_choice_and_no_gradient_are_told_apart(checkpoint):
    chosen = 'neck.fpn_convs.0.conv.weight'
    exported = export_encoder(checkpoint, 'x', leave_out=[chosen, TENSORS[0]])
    assert exported['meta'][META_KEY]['left_out'] == [chosen, *TENSORS]
    detector = MODELS.build(pyramid_detector())
    detector.load_state_dict(exported['state_dict'], strict=False)
    report = compare_loaded(exported, detector, 'x')
    assert f'left out of the export by choice: {chosen}\n' in str(report)
    assert chosen in report.from_scratch
    assert report.as_initialised == TENSORS


def test_a_trunk_without_any_gradient_is_not_exported(model, checkpoint):
    checkpoint['meta'][UNTRAINED_KEY] = ['voxel_encoder', 'backbone', 'neck']
    count = len(model.online_encoder.detector.state_dict())
    with pytest.raises(ExportError, match=f'nothing is left to export, .*, {count} of them because no gradient'):
        export_encoder(checkpoint, 'x')


def test_where_nothing_is_recorded_nothing_is_claimed(checkpoint):
    del checkpoint['meta'][UNTRAINED_KEY]
    exported = export_encoder(checkpoint, 'x')
    assert set(TENSORS) <= set(exported['state_dict'])
    assert exported['meta'][META_KEY]['untrained'] is None
    detector = MODELS.build(pyramid_detector())
    detector.load_state_dict(exported['state_dict'], strict=False)
    said = "100.0% of the trunk's parameters start pre-trained, if a gradient has reached all of them"
    assert said in str(compare_loaded(exported, detector, 'x'))
    del exported['meta'][META_KEY]['untrained']  # as an earlier version wrote it
    assert said in str(compare_loaded(exported, detector, 'x'))


def test_a_trunk_that_is_trained_in_full_is_said_to_be(checkpoint):
    checkpoint['meta'][UNTRAINED_KEY] = []
    exported = export_encoder(checkpoint, 'x')
    detector = MODELS.build(pyramid_detector())
    detector.load_state_dict(exported['state_dict'], strict=False)
    assert "\n100.0% of the trunk's parameters start pre-trained\n" in str(compare_loaded(exported, detector, 'x'))


@pytest.mark.parametrize('damage', [None, 'abc', 3, [1], [''], ['a\n'], {'a': 1}, [['a']], torch.zeros(2)])
def test_a_damaged_record_is_refused(damage):
    with pytest.raises(ExportError, match=r'epoch_1\.pth.*record.* is damaged'):
        recorded_untrained({UNTRAINED_KEY: damage}, 'epoch_1.pth')
    exported = sealed({'backbone.w': torch.zeros(2)}, ['backbone'], None, [], source='x')
    exported['meta'][META_KEY]['untrained'] = damage
    if damage is not None:
        with pytest.raises(ExportError, match="the encoder's provenance"):
            check_exported(exported, 'x')
