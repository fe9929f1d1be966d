"""tools/test.py: the metrics of a checkpoint of a whole detector, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import create_sequence_index
import numpy as np
import pytest
import test
import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.runner import CheckpointLoader

CONFIG = str(Path('configs/downstream/pointnet_shapes_scratch.py').resolve())
LOADER = [f'test_dataloader.{option}' for option in ('batch_size=2', 'num_workers=0', 'persistent_workers=False')]


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Four labelled shapes to test on, and the tensors of a PointNet that calls all of them sticks."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((4, 2048, 3)).astype(np.float32)
    classes = np.array(['ball', 'stick'])
    np.savez(tmp_path / 'shapes.npz', points=points, label=[0, 1, 1, 1], classes=classes, split=['test'] * 4)
    create_sequence_index.main(
        ['shapes', '--root', str(tmp_path), '--out', str(tmp_path / 'test.json'), '--split', 'test']
    )
    monkeypatch.setenv('SHAPES_ROOT', str(tmp_path))
    monkeypatch.chdir(tmp_path)
    tensors = MODELS.build(Config.fromfile(CONFIG).model).state_dict()
    last = [name for name in tensors if name.startswith('cls_head.')][-1]
    assert tensors[last].shape == (40,)
    tensors[last] = torch.where(torch.arange(40) == 1, 1e6, 0.0)
    return tensors


def run(*arguments: str) -> dict:
    return test.main([CONFIG, *arguments, '--cfg-options', *LOADER])


def test_the_metrics_are_of_the_checkpoint_which_is_read_once(weights, tmp_path, monkeypatch):
    torch.save(dict(meta={}, state_dict=weights), tmp_path / 'epoch_1.pth')
    read = []
    load = CheckpointLoader.load_checkpoint
    monkeypatch.setattr(CheckpointLoader, 'load_checkpoint', lambda *args: read.append(args[0]) or load(*args))
    metrics = run('epoch_1.pth', '--work-dir', 'tested')
    assert read == ['epoch_1.pth']
    assert metrics['accuracy'] == pytest.approx(75)
    torch.save(dict(state_dict={f'module.{name}': tensor for name, tensor in weights.items()}), tmp_path / 'ranks.pth')
    assert run('ranks.pth')['accuracy'] == pytest.approx(75)
    assert list((tmp_path / 'tested').iterdir())


def test_a_checkpoint_of_a_part_or_of_another_detector_is_refused(weights, tmp_path):
    trunk = {name: tensor for name, tensor in weights.items() if name.startswith('backbone.')}
    torch.save(dict(meta={}, state_dict=trunk), tmp_path / 'encoder.pth')
    with pytest.raises(SystemExit, match=rf'encoder\.pth lacks \d+ of the {len(weights)} tensors .* cls_head\.'):
        run('encoder.pth')
    other = {name: torch.zeros(7) for name in weights}
    torch.save(dict(meta={}, state_dict=other), tmp_path / 'other.pth')
    with pytest.raises(SystemExit, match=r'other\.pth does not fit the detector'):
        run('other.pth')


def test_what_cannot_be_tested_is_told_before_anything_is_built(tmp_path):
    with pytest.raises(SystemExit, match=r'^error: no checkpoint at nowhere\.pth'):
        test.main([CONFIG, 'nowhere.pth'])
    pretraining = CONFIG.replace('downstream/pointnet_shapes_scratch', 'strl/pointnet_shapenet_pretrain')
    with pytest.raises(SystemExit, match=r'^error: .*pretrain\.py has no test: name a downstream config'):
        test.main([pretraining, 'epoch_1.pth'])
