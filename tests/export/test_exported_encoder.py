"""The export, of checkpoints that a Runner has written."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from mmdet3d.registry import MODELS
from tiny import tiny_detector, tiny_strl

from strl_mmdet3d.export import ExportError, export_encoder, read_checkpoint


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
    assert list(provenance['tensors']) == list(online)
    assert provenance['tensors']['backbone.blocks.0.0.weight'] == 'float32 [8, 8, 3, 3]'
    assert provenance['trunk'] == ['backbone', 'neck', 'voxel_encoder']  # the scatter has neither tensors nor modules
    assert provenance['compared_with'] == 'the target encoder in the checkpoint'
    assert 'DetectorEncoder' in provenance['config']


def test_what_is_no_pretraining_is_refused(exported):
    with pytest.raises(ExportError, match='exported encoder already'):
        export_encoder(read_checkpoint(exported), 'x')
    detector = MODELS.build(tiny_detector())
    with pytest.raises(ExportError, match='not an STRL pre-training'):
        export_encoder(dict(state_dict=detector.state_dict()), 'detector.pth')


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
