"""The indoor half, end to end and by its tools: walks -> index -> VoteNet pre-trained -> export -> stock configs."""

from __future__ import annotations

import create_sequence_index
import export_encoder
import numpy as np
import pytest
import torch
import train
from mmdet3d.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from strl_mmdet3d.simulation import ScanNetSimulation

pytestmark = pytest.mark.long

PRETRAIN = 'configs/strl/votenet_scannet_pretrain.py'
FIRST_LAYER = 'backbone.SA_modules.0.mlps.0.layer0.conv.weight'
TENSORS = 96
IN_PROCESS = ['train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False']


@pytest.fixture(scope='module')
def rooms(tmp_path_factory):
    """A walk of four frames and three labelled views of a coarse camera."""
    root = tmp_path_factory.mktemp('rooms') / 'sim'
    root.mkdir()
    simulation = ScanNetSimulation(seed=0, scenes=1, frames_per_scene=4, train=2, val=1, width=160)
    assert sum(simulation.write(root)) == simulation.total
    out = root / 'frames' / 'sequences.json'
    create_sequence_index.main(['scannet', '--root', str(root / 'frames'), '--out', str(out)])
    return root


@pytest.fixture(scope='module')
def pretrained(rooms, tmp_path_factory):
    """Two epochs of two batches."""
    work_dir = tmp_path_factory.mktemp('pretrain')
    options = [*IN_PROCESS, 'train_dataloader.batch_size=2', 'train_dataloader.dataset.window=4']
    options += ['train_cfg.max_epochs=2', 'default_hooks.logger.interval=1', 'default_hooks.collapse.interval=1']
    options.append('train_dataloader.dataset.pipeline.pack.0.num_points=4000')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('SCANNET_FRAMES_ROOT', str(rooms / 'frames'))
        runner = train.main([PRETRAIN, '--work-dir', str(work_dir), '--cfg-options', *options])
    return work_dir, runner


def test_pretraining_runs_without_collapse(pretrained):
    work_dir, runner = pretrained
    assert runner.iter == 4
    assert 0 < runner.message_hub.get_scalar('train/loss').current() < 8
    assert 0.1 < runner.message_hub.get_scalar('train/spread').current() < 1.2
    assert (work_dir / 'encoder.pth').is_file()


@pytest.mark.parametrize('dataset', ['sunrgbd', 'scannet'])
def test_every_tensor_lands_in_the_geometry_only_detectors(pretrained, dataset, capsys):
    config = f'configs/downstream/votenet_{dataset}_from_strl.py'
    export_encoder.main([str(pretrained[0] / 'encoder.pth'), '--verify', config])
    assert f'{TENSORS} of {TENSORS} exported tensors landed bit for bit: backbone' in capsys.readouterr().out


@pytest.mark.parametrize('stock', ['votenet_8xb16_sunrgbd-3d', 'votenet_8xb8_scannet-3d'])
def test_the_height_channel_of_the_stock_detectors_is_an_explicit_choice(pretrained, stock, tmp_path, capsys):
    stock, out = f'mmdet3d::votenet/{stock}.py', str(tmp_path / 'encoder.pth')
    with pytest.raises(SystemExit, match=rf'1 of {TENSORS} tensors of .* did not land') as refused:
        export_encoder.main([str(pretrained[0] / 'encoder.pth'), '--verify', stock])
    assert f'{FIRST_LAYER}: (64, 3, 1, 1) in the checkpoint, (64, 4, 1, 1) in the model' in str(refused.value)
    checkpoint = str(pretrained[0] / 'epoch_2.pth')
    export_encoder.main([checkpoint, out, '--leave-out', FIRST_LAYER, '--verify', stock])
    said = capsys.readouterr().out
    assert f'{TENSORS - 1} of {TENSORS - 1} exported tensors landed bit for bit' in said
    assert f'left out of the export by choice: {FIRST_LAYER}' in said


def test_votenet_is_fine_tuned_and_validated(rooms, pretrained, tmp_path, monkeypatch):
    monkeypatch.setenv('SUNRGBD_ROOT', str(rooms / 'sunrgbd'))
    options = ['train_dataloader.num_workers=0', f'load_from={pretrained[0] / "encoder.pth"}']
    options += ['train_dataloader.batch_size=2', 'train_dataloader.dataset.times=1', 'train_cfg.max_epochs=1']
    options.append('val_dataloader.num_workers=0')
    config = 'configs/downstream/votenet_sunrgbd_from_strl.py'
    runner = train.main([config, '--work-dir', str(tmp_path), '--cfg-options', *options])
    assert runner.iter == 1
    assert np.isfinite(runner.message_hub.get_scalar('train/loss').current())
    assert 0 <= runner.message_hub.get_scalar('val/mAP_0.25').current() <= 1
    loaded = torch.load(pretrained[0] / 'encoder.pth')['state_dict']
    assert any(not torch.equal(tensor, runner.model.state_dict()[name]) for name, tensor in loaded.items())


def losses_of(config: Config) -> dict:
    """Run one batch of a downstream config's own training data through its own model."""
    dataset = DATASETS.build(config.train_dataloader.dataset)
    model = MODELS.build(config.model).train()
    batch = model.data_preprocessor(pseudo_collate([dataset[0], dataset[len(dataset) - 1]]), True)
    return model(**batch, mode='loss')


@pytest.mark.parametrize('variant', ['scratch', 'from_strl', 'height_scratch', 'height_from_strl'])
def test_every_sunrgbd_config_runs_on_the_simulated_views(rooms, variant, monkeypatch):
    monkeypatch.setenv('SUNRGBD_ROOT', str(rooms / 'sunrgbd'))
    losses = losses_of(Config.fromfile(f'configs/downstream/votenet_sunrgbd_{variant}.py'))
    assert all(torch.isfinite(loss).all() for loss in losses.values())


@pytest.mark.parametrize('variant', ['scratch', 'from_strl', 'height_scratch', 'height_from_strl'])
def test_every_scannet_config_runs_on_the_real_sample(real_data, variant, monkeypatch):
    monkeypatch.setenv('SCANNET_ROOT', str(real_data / 'mmdet3d_samples' / 'scannet'))
    config = Config.fromfile(f'configs/downstream/votenet_scannet_{variant}.py')
    config.train_dataloader.dataset.dataset.ann_file = 'scannet_infos.pkl'
    losses = losses_of(config)
    assert all(torch.isfinite(loss).all() for loss in losses.values())
