"""The encoders of a probe: a checkpoint is loaded in full, or refused."""

from __future__ import annotations

import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from tiny_shapes import tiny_model, tiny_shape_strl

from strl_mmdet3d.evaluation.probed_encoders import pretrained_encoder, random_encoder
from strl_mmdet3d.export import RECORD_KEY, ExportError, export_encoder, save_exported, trunk_record


@pytest.fixture
def trained():
    model = MODELS.build(tiny_shape_strl())
    for tensor in model.state_dict().values():
        tensor.add_(1)
    return model


@pytest.fixture
def checkpoint(trained, tmp_path):
    path = tmp_path / 'epoch_1.pth'
    torch.save(dict(meta=dict(epoch=1), state_dict=trained.state_dict()), path)
    return path


def test_a_training_checkpoint_and_its_export_are_the_online_encoder(trained, checkpoint, tmp_path):
    exported = tmp_path / 'encoder.pth'
    save_exported(export_encoder(torch.load(checkpoint), 'epoch_1.pth'), exported)
    for path in (checkpoint, exported):
        encoder = pretrained_encoder(tiny_model(), path)
        assert not encoder.training
        for name, tensor in trained.online_encoder.state_dict().items():
            assert torch.equal(encoder.state_dict()[name], tensor), name


def test_an_encoder_of_another_width_is_refused(checkpoint):
    with pytest.raises(ExportError, match='did not land in TinyShapeModel'):
        pretrained_encoder(tiny_model(width=8), checkpoint)


def test_an_encoder_in_parts_is_refused(checkpoint, tmp_path):
    part = tmp_path / 'part.pth'
    save_exported(export_encoder(torch.load(checkpoint), 'epoch_1.pth', leave_out=['backbone.0.weight']), part)
    with pytest.raises(ExportError, match=r'lacks 1: backbone\.0\.weight'):
        pretrained_encoder(tiny_model(), part)


def test_an_encoder_that_was_changed_or_has_other_settings_is_refused(trained, checkpoint, tmp_path):
    path = tmp_path / 'encoder.pth'
    content = torch.load(checkpoint)
    config = Config(dict(model=tiny_shape_strl()))
    exported = export_encoder(dict(content, meta={RECORD_KEY: trunk_record(trained, config)}), 'epoch_1.pth')
    save_exported(exported, path)
    voxels = dict(type='Det3DDataPreprocessor', voxel_type='dynamic')
    with pytest.raises(ExportError, match=r"data_preprocessor\.voxel_type: 'hard' in the pre-training, 'dynamic' here"):
        pretrained_encoder(tiny_model(data_preprocessor=voxels), path)
    exported['state_dict']['backbone.0.weight'] += 1
    save_exported(exported, path)
    with pytest.raises(ExportError, match='its checksum differs'):
        pretrained_encoder(tiny_model(), path)


def test_a_file_that_is_neither_is_refused(tmp_path):
    path = tmp_path / 'supervised.pth'
    torch.save(dict(meta={}, state_dict=MODELS.build(tiny_model()).state_dict()), path)
    with pytest.raises(ExportError, match=r'supervised\.pth is not an STRL pre-training'):
        pretrained_encoder(tiny_model(), path)


def test_random_weights_are_those_of_the_seed_and_torchs_state_is_left_alone():
    state = torch.get_rng_state()
    first, again, other = (random_encoder(tiny_model(), seed).detector.backbone[0].weight for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
