"""S3DIS: rooms in mmdet3d's format, one area to learn from, Area 6 to validate on; from scratch and from an encoder."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.runner import Runner

from strl_mmdet3d.engine.console import QuietRunner
from strl_mmdet3d.export import ExportError, export_encoder, save_exported
from strl_mmdet3d.safe_loading import load_safely

SCRATCH, FROM_STRL = 'configs/downstream/dgcnn_s3dis_scratch.py', 'configs/downstream/dgcnn_s3dis_from_strl.py'


def write_area(root: Path, area: int, rooms: list[str]) -> None:
    """The index of an area's rooms, and how often each is sampled, as mmdet3d's converter writes them."""
    infos = [
        dict(
            lidar_points=dict(num_pts_feats=6, lidar_path=f'{room}.bin'),
            pts_semantic_mask_path=f'{room}.bin',
            pts_instance_mask_path=f'{room}.bin',
            instances=[],
        )
        for room in rooms
    ]
    content = dict(metainfo=dict(DATASET='S3DIS'), data_list=infos)
    (root / f's3dis_infos_Area_{area}.pkl').write_bytes(pickle.dumps(content))
    (root / 'seg_info').mkdir(exist_ok=True)
    np.save(root / f'seg_info/Area_{area}_resampled_scene_idxs.npy', np.arange(len(rooms)).repeat(2))


def write_room(root: Path, name: str, seed: int) -> None:
    """A 1.5 m x 1.5 m room of floor, ceiling and clutter, whose colours are noise."""
    rng = np.random.default_rng(seed)
    xyz = rng.uniform(0, [1.5, 1.5, 3.0], (1200, 3))
    labels = rng.choice([0, 1, 12], 1200)
    xyz[labels == 0, 2], xyz[labels == 1, 2] = 3.0, 0.0
    points = np.concatenate([xyz, rng.uniform(0, 255, xyz.shape)], axis=1).astype(np.float32)
    for folder, values in (
        ('points', points),
        ('semantic_mask', labels.astype(np.int64)),
        ('instance_mask', np.zeros(1200, np.int64)),
    ):
        (root / folder).mkdir(exist_ok=True)
        values.tofile(root / folder / f'{name}.bin')


@pytest.fixture
def rooms(tmp_path):
    """Area 2 with two made-up rooms, Area 6 with one."""
    root = tmp_path / 's3dis'
    root.mkdir()
    for seed, name in enumerate(['Area_2_a', 'Area_2_b', 'Area_6_a']):
        write_room(root, name, seed)
    write_area(root, 2, ['Area_2_a', 'Area_2_b'])
    write_area(root, 6, ['Area_6_a'])
    return root


@pytest.fixture
def real_room(real_data, tmp_path):
    """The real sample, 100 points of a room, as both areas."""
    root = tmp_path / 's3dis'
    shutil.copytree(real_data / 'mmdet3d_samples/s3dis', root)
    for area in (2, 6):
        write_area(root, area, ['Area_1_office_2'])
    return root


def small_runner(path: str, root: Path, monkeypatch, **changes) -> Runner:
    """A Runner of a config, with the areas of `root` and few points; the model is whole."""
    monkeypatch.setenv('S3DIS_ROOT', str(root))
    monkeypatch.setenv('S3DIS_TRAIN_AREA', '2')
    config = Config.fromfile(path)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
    config.train_dataloader.batch_size = 2
    config.train_dataloader.dataset.pipeline[3].num_points = 128
    config.model.test_cfg.update(num_points=128, sample_rate=1.0, batch_size=4)
    config.train_cfg.update(max_epochs=1, val_interval=1)
    config.update(work_dir=str(root / 'run'), experiment_name=f's3dis_{uuid4().hex}', log_level='WARNING', **changes)
    return QuietRunner.from_cfg(config)


def check_run(runner: Runner, iterations: int) -> None:
    """It learns from every block, and validates on Area 6."""
    before = {name: tensor.clone() for name, tensor in runner.model.named_parameters()}
    runner.train()
    assert runner.iter == iterations
    still = [name for name, tensor in runner.model.named_parameters() if torch.equal(tensor, before[name])]
    assert not still
    assert np.isfinite(runner.message_hub.get_scalar('train/loss').current())
    assert 0 <= runner.message_hub.get_scalar('val/miou').current() <= 1
    assert runner.val_dataloader.dataset.get_data_info(0)['lidar_path'].startswith(str(runner.cfg.data_root))


def test_made_up_rooms_from_scratch(rooms, monkeypatch):
    load_safely()
    check_run(small_runner(SCRATCH, rooms, monkeypatch), iterations=2)
    # mmdet3d's data sets of segmentation describe themselves by mmengine's ConfigDict, which is no plain value.
    checkpoint = rooms / 'run/epoch_1.pth'
    assert torch.load(checkpoint, weights_only=True)['meta']['dataset_meta']['label2cat'][12] == 'clutter'
    resumed = small_runner(SCRATCH, rooms, monkeypatch, resume=True, load_from=str(checkpoint))
    resumed.train()  # nothing is left to do
    assert (resumed.epoch, resumed.iter) == (1, 2)
    (log,) = (rooms / 'run' / resumed.timestamp).glob('*.log')
    assert 'metainfo' not in log.read_text()


def test_a_real_room_from_scratch(real_room, monkeypatch):
    check_run(small_runner(SCRATCH, real_room, monkeypatch), iterations=1)


@pytest.fixture
def encoder(tmp_path):
    """An exported encoder of the pre-training, untrained."""
    model = MODELS.build(Config.fromfile('configs/strl/dgcnn_seg_scannet_pretrain.py').model)
    path = tmp_path / 'encoder.pth'
    save_exported(export_encoder(dict(meta={}, state_dict=model.state_dict()), 'x'), path)
    return path


def test_made_up_rooms_from_an_encoder(rooms, encoder, monkeypatch):
    runner = small_runner(FROM_STRL, rooms, monkeypatch, load_from=str(encoder))
    Runner.load_or_resume(runner)  # ours comes after the optimizer is built
    exported = torch.load(encoder)['state_dict']
    assert len(exported) == 36
    assert all(torch.equal(runner.model.state_dict()[name], tensor) for name, tensor in exported.items())
    check_run(runner, iterations=2)


def test_an_encoder_of_another_width_is_refused(rooms, encoder, monkeypatch):
    content = torch.load(encoder)
    name = 'backbone.FA_module.mlps.layer0.conv.weight'
    content['state_dict'][name] = content['state_dict'][name][:512]
    torch.save(content, encoder)
    with pytest.raises(ExportError, match=name):
        small_runner(FROM_STRL, rooms, monkeypatch, load_from=str(encoder)).train()


@pytest.mark.parametrize('area', [1, 2, 3, 4, 5])
@pytest.mark.parametrize('path', [SCRATCH, FROM_STRL])
def test_the_area_comes_from_the_environment(path, area, monkeypatch):
    monkeypatch.setenv('S3DIS_TRAIN_AREA', str(area))
    config = Config.fromfile(path)
    assert config.train_dataloader.dataset.ann_files == [f's3dis_infos_Area_{area}.pkl']
    assert config.train_dataloader.dataset.scene_idxs == [f'seg_info/Area_{area}_resampled_scene_idxs.npy']
    for loader in (config.val_dataloader, config.test_dataloader):
        assert loader.dataset.ann_files == 's3dis_infos_Area_6.pkl'
    assert config.work_dir.endswith(f'{Path(path).stem}_area{area}')


def without_scopes(config):
    """The same, without the marks."""
    if isinstance(config, dict):
        return {key: without_scopes(value) for key, value in config.items() if key != '_scope_'}
    return [without_scopes(value) for value in config] if isinstance(config, list) else config


def test_the_rest_is_the_stock_config():
    stock = get_config('mmdet3d::dgcnn/dgcnn_4xb32-cosine-100e_s3dis-seg_test-area6.py')
    config = Config.fromfile(SCRATCH)
    stock.model.backbone.update(type='FeatureKNNDGCNN', in_channels=3)
    stock.model.test_cfg.use_normalized_coord = False
    for name in (
        'model',
        'optim_wrapper',
        'param_scheduler',
        'train_cfg',
        'val_evaluator',
        'default_hooks',
        'metainfo',
    ):
        # Where another package's config is a base, mmengine marks what has a type with its scope.
        assert without_scopes(config[name]) == stock[name]
    assert config.train_dataloader.batch_size == stock.train_dataloader.batch_size == 32
    sample = config.train_dataloader.dataset.pipeline[3]
    assert (sample.type, sample.num_points, sample.block_size) == ('IndoorPatchPointSample', 4096, 1.0)
    for name in ('train_pipeline', 'test_pipeline', 'eval_pipeline', 'tta_pipeline'):
        mine = [step.type for step in config[name]]
        assert mine == [step.type for step in stock[name] if step.type != 'NormalizePointsColor']
        assert config[name][0].use_dim == [0, 1, 2]
