"""OpenPCDet's files are read as data only, and the tool converts both ways and tells."""

from __future__ import annotations

import convert_openpcdet as tool
import numpy as np
import pytest
import torch
from trunks import TRUNKS, exported_trunk, random_detector

from strl_mmdet3d.export import ExportError, read_exported, save_exported
from strl_mmdet3d.export.openpcdet import DETECTORS, LAYOUTS, read_openpcdet

STATE = dict(epoch=80, it=37120, version='pcdet+0.6.0')


@pytest.mark.parametrize('zipped', [True, False])
def test_checkpoints_with_an_optimizers_numpy_scalars_are_read(zipped, tmp_path):
    path = tmp_path / 'checkpoint_epoch_80.pth'
    group = dict(lr=np.float64(1e-3), betas=(np.float64(0.95), 0.99), params=[0])
    optimizer = dict(state={0: dict(step=37120, exp_avg=torch.zeros(3))}, param_groups=[group])
    weight = torch.randn(64, 10)
    content = STATE | dict(model_state={'vfe.pfn_layers.0.linear.weight': weight}, optimizer_state=optimizer)
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    read = read_openpcdet(path)
    assert set(read) == {'model_state', 'epoch', 'it'}
    assert (read['epoch'], read['it']) == (80, 37120)
    assert torch.equal(read['model_state']['vfe.pfn_layers.0.linear.weight'], weight)


class Evil:
    """Unpickling it would write a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, 'w')


@pytest.mark.parametrize('zipped', [True, False])
def test_unsafe_and_other_files_are_refused_by_name(zipped, tmp_path):
    mark, path = tmp_path / 'mark', tmp_path / 'pcdet.pth'
    tensors = dict(model_state={'a.weight': torch.ones(1)})
    contents = [
        STATE | tensors | dict(optimizer_state=Evil(mark)),
        STATE | dict(state_dict={}),  # of mmengine
        STATE | dict(model_state=dict(a='b')),
        STATE | tensors | dict(epoch='80'),
        [1],
    ]
    for content in contents:
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(ExportError, match=r'pcdet\.pth'):
            read_openpcdet(path)
    with pytest.raises(ExportError, match='no checkpoint at'):
        read_openpcdet(tmp_path / 'none.pth')
    assert not mark.exists()


def test_the_choices_of_the_tool_are_the_known_ones():
    assert list(tool.DETECTORS) == sorted(DETECTORS)
    assert list(tool.LAYOUTS) == sorted(LAYOUTS)


def test_the_tool_converts_both_ways_verifies_and_tells(tmp_path, capsys):
    config = TRUNKS['pointpillars'].config(**{'voxel_encoder.legacy': False})
    paths = [str(tmp_path / name) for name in ('encoder.pth', 'pcdet.pth', 'back.pth')]
    save_exported(exported_trunk(random_detector(config), config), paths[0])
    tool.main(['to', *paths[:2], '--detector', 'pointpillars'])
    said = capsys.readouterr().out
    assert '120 of 120 tensors renamed: backbone_2d 114, vfe 6\n' in said
    checkpoint = torch.load(paths[1], weights_only=True)
    count = len(checkpoint['model_state'])
    assert f"OpenPCDet's log must say 'Done (loaded {count}/...)'" in said
    assert checkpoint['version'].startswith('strl_mmdet3d+')
    options = ['--detector', 'pointpillars', '--cfg-options', 'model.voxel_encoder.legacy=False']
    tool.main(['from', *paths[1:], *options])
    said = capsys.readouterr().out
    assert f'{count} of {count} exported tensors landed bit for bit' in said
    assert 'from scratch: bbox_head' in said
    first, back = read_exported(paths[0])['state_dict'], read_exported(paths[2])['state_dict']
    assert first.keys() == back.keys()
    assert all(torch.equal(first[name], back[name]) for name in first)


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['from', 'none.pth', 'out.pth', '--detector', 'second'], 'no checkpoint at none.pth'),
        (['to', 'none.pth', 'out.pth', '--detector', 'second'], 'no checkpoint at none.pth'),
        (['from', 'none.pth', 'out.pth', '--detector', 'second', '--config', 'no.py'], 'no config at no.py'),
    ],
)
def test_the_tool_refuses_with_a_message(argv, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=f'^error: {message}'):
        tool.main(argv)
    assert not list(tmp_path.iterdir())


def test_settings_of_what_takes_a_checkpoint_are_refused_on_the_way_there(capsys):
    with pytest.raises(SystemExit, match='2'):
        tool.main(['to', 'a.pth', 'b.pth', '--detector', 'second', '--parts', 'backbone'])
    assert '--config, --parts and --cfg-options describe' in capsys.readouterr().err
