"""tools/export_encoder.py from the command line."""

from __future__ import annotations

import export_encoder
import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from tiny import tiny_detector, tiny_strl
from tiny_pyramid import DESCRIBED, PART, TENSORS, pyramid_detector, pyramid_strl

from strl_mmdet3d.export import UNTRAINED_KEY, trunk_record


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


def test_the_record_of_a_checkpoint_is_compared(checkpoint, downstream, tmp_path, capsys):
    content, config = torch.load(checkpoint), Config(dict(model=tiny_strl()))
    content['meta']['strl_trunk'] = trunk_record(MODELS.build(config.model), config)
    torch.save(content, checkpoint)
    out = tmp_path / 'encoder.pth'
    export_encoder.main([str(checkpoint), str(out)])
    assert 'none is missing, compared with what the pre-training recorded' in capsys.readouterr().out
    other = Config.fromfile(downstream)
    other.model.data_preprocessor.voxel_layer.voxel_size = [0.5, 0.5, 2]
    other.model.voxel_encoder.legacy = False
    other.dump(downstream)
    verify = [str(out), '--verify', str(downstream)]
    with pytest.raises(SystemExit, match=r'voxel_layer\.voxel_size: \[0\.5, 0\.5, 4\] in the pre-training'):
        export_encoder.main(verify)
    with pytest.raises(SystemExit, match=r'something else:\n  voxel_encoder\.legacy: True in the pre-training, False'):
        export_encoder.main([*verify, '--allow-different', 'voxel_size'])
    export_encoder.main([*verify, '--allow-different', 'voxel_size', 'voxel_encoder.legacy'])
    assert 'settings: different by choice: data_preprocessor.voxel_layer.voxel_size' in capsys.readouterr().out


def test_parts_without_a_gradient_are_left_out_unless_they_are_asked_for(tmp_path, capsys):
    path, out, config = (str(tmp_path / name) for name in ('epoch_1.pth', 'encoder.pth', 'downstream.py'))
    torch.save(dict(meta={UNTRAINED_KEY: [PART]}, state_dict=MODELS.build(pyramid_strl()).state_dict()), path)
    Config(dict(model=pyramid_detector())).dump(config)
    for options, how in (([], 'left out; --include-untrained exports'), (['--include-untrained'], 'included as init')):
        export_encoder.main([path, out, '--verify', config, *options])
        said = capsys.readouterr().out
        assert f'no gradient has reached {PART}: {how}' in said
        assert f'these parts start as initialised, because no gradient has reached them: {DESCRIBED}' in said
        assert (set(TENSORS) <= set(torch.load(out)['state_dict'])) == bool(options)


def test_nothing_is_overwritten_that_should_stay(checkpoint, tmp_path):
    before = checkpoint.read_bytes()
    with pytest.raises(SystemExit, match='is the checkpoint itself'):
        export_encoder.main([str(checkpoint), str(checkpoint)])
    assert checkpoint.read_bytes() == before
    with pytest.raises(SystemExit, match='is not a file that can be replaced'):
        export_encoder.main([str(checkpoint), str(tmp_path)])
    with pytest.raises(SystemExit, match=r'error: the encoder cannot be written to .*epoch_1\.pth/encoder\.pth'):
        export_encoder.main([str(checkpoint), str(checkpoint / 'encoder.pth')])


def test_options_that_would_reach_nothing_are_refused(checkpoint, downstream, tmp_path, capsys):
    for options, said in (
        (['--verify', str(downstream), '--leave-out', 'a'], '--leave-out needs OUT'),
        (['--verify', str(downstream), '--include-untrained'], '--include-untrained needs OUT'),
        ([str(tmp_path / 'out.pth'), '--allow-different', 'a'], '--allow-different needs --verify CONFIG'),
    ):
        with pytest.raises(SystemExit, match='2'):
            export_encoder.main([str(checkpoint), *options])
        assert said in capsys.readouterr().err


def test_a_downstream_config_without_a_model_is_told(checkpoint, tmp_path):
    config = tmp_path / 'empty.py'
    config.write_text('work_dir = None')
    with pytest.raises(SystemExit, match='the downstream config has no model'):
        export_encoder.main([str(checkpoint), str(tmp_path / 'out.pth'), '--verify', str(config)])


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


def test_something_must_be_asked_for(checkpoint, capsys):
    with pytest.raises(SystemExit, match='2'):
        export_encoder.main([str(checkpoint)])
    assert 'give OUT to export, --verify CONFIG to verify, or both' in capsys.readouterr().err
