"""tools/export_encoder.py from the command line."""

from __future__ import annotations

import export_encoder
import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from tiny import tiny_detector, tiny_strl


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    torch.save(dict(meta=dict(epoch=1, iter=4), state_dict=MODELS.build(tiny_strl()).state_dict()), path)
    return path


@pytest.fixture
def downstream(tmp_path):
    path = tmp_path / 'downstream.py'
    Config(dict(model=tiny_detector())).dump(path)
    return path


def test_export_and_verify_in_one_call_then_verify_alone(checkpoint, downstream, tmp_path, capsys):
    out = tmp_path / 'deep' / 'encoder.pth'
    export_encoder.main([str(checkpoint), str(out), '--verify', str(downstream)])
    said = capsys.readouterr().out
    assert f'written to {out}' in said
    assert 'exported tensors landed bit for bit' in said
    assert 'from scratch: bbox_head' in said
    export_encoder.main([str(out), '--verify', str(downstream)])
    assert 'landed bit for bit' in capsys.readouterr().out


def test_a_checkpoint_of_another_detector_is_refused(checkpoint, tmp_path):
    out = tmp_path / 'encoder.pth'
    stock = 'mmdet3d::pv_rcnn/pv_rcnn_8xb2-80e_kitti-3d-3class.py'
    with pytest.raises(SystemExit, match='did not land in PointVoxelRCNN'):
        export_encoder.main([str(checkpoint), str(out), '--verify', stock])


def test_wrong_files_are_told_by_name(checkpoint, tmp_path):
    with pytest.raises(SystemExit, match='no checkpoint at'):
        export_encoder.main([str(tmp_path / 'none.pth'), str(tmp_path / 'out.pth')])
    with pytest.raises(SystemExit, match=r'nowhere\.py'):
        export_encoder.main([str(checkpoint), str(tmp_path / 'out.pth'), '--verify', 'nowhere.py'])


def test_something_must_be_asked_for(checkpoint):
    with pytest.raises(SystemExit):
        export_encoder.main([str(checkpoint)])
