"""Shapes, end to end and by the tools: index -> PointNet pre-trained -> export -> fine-tuned -> accuracy."""

from __future__ import annotations

import create_sequence_index
import numpy as np
import pytest
import torch
import train

CLASSES = ['ball', 'box', 'plane', 'rod']
TRAIN, TEST = 24, 8  # shapes a class
IN_PROCESS = [
    f'{name}_dataloader.{key}' for name in ('train', 'val') for key in ('num_workers=0', 'persistent_workers=False')
]
POINTS = 160


def surface_points(kind, rng):
    """160 points (160, 3) of one of the four kinds, of any size, place and proportions."""
    points = rng.normal(size=(POINTS, 3))
    if kind == 'ball':
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    elif kind == 'box':
        points /= np.abs(points).max(axis=1, keepdims=True)
    else:
        points = rng.uniform(-1, 1, (POINTS, 3)) * ([1, 1, 0.02] if kind == 'plane' else [0.02, 0.02, 1])
    return points * rng.uniform(0.8, 1.2, 3) * rng.uniform(0.5, 2) + rng.uniform(-1, 1, 3)


@pytest.fixture(scope='module')
def shapes(tmp_path_factory):
    """Labelled shapes in two splits, their indices, and that of the unlabelled training shapes."""
    root = tmp_path_factory.mktemp('shapes')
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(len(CLASSES)), TRAIN + TEST)
    points = np.stack([surface_points(CLASSES[label], rng) for label in labels]).astype(np.float32)
    split = np.repeat(['train', 'test'], [len(CLASSES) * TRAIN, len(CLASSES) * TEST])
    np.savez(root / 'shapes.npz', points=points, label=labels, classes=np.array(CLASSES), split=split)
    for name, *options in (('sequences', 'train', '--no-labels'), ('train', 'train'), ('test', 'test')):
        index = ['shapes', '--root', str(root), '--out', str(root / f'{name}.json'), '--split', *options]
        create_sequence_index.main(index)
    return root


@pytest.fixture(scope='module')
def pretrained(shapes, tmp_path_factory):
    """Three epochs of six batches."""
    work_dir = tmp_path_factory.mktemp('pretrain')
    options = [*IN_PROCESS[:2], 'train_dataloader.batch_size=16', 'train_cfg.max_epochs=3']
    options += ['default_hooks.collapse.interval=1', 'default_hooks.checkpoint.interval=3']
    options.append('train_dataloader.dataset.pipeline.pack.0.num_points=128')
    # These shapes have 160 points, the recipe's thresholds are those of 2048.
    options += [f'train_dataloader.dataset.pipeline.augment.{i}.min_points=80' for i in (4, 5)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('SHAPENET_ROOT', str(shapes))
        config = 'configs/strl/pointnet_shapenet_pretrain.py'
        runner = train.main([config, '--work-dir', str(work_dir), '--cfg-options', *options])
    return work_dir, runner


def fine_tune(shapes, work_dir, config, *options):
    options = [*IN_PROCESS, 'train_dataloader.batch_size=16', 'train_cfg.max_epochs=6', *options]
    options.append('default_hooks.checkpoint.interval=6')
    options.append('train_dataloader.dataset.pipeline.3.num_points=128')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('SHAPES_ROOT', str(shapes))
        return train.main([f'configs/downstream/{config}.py', '--work-dir', str(work_dir), '--cfg-options', *options])


def test_pretraining_runs_without_collapse(pretrained):
    work_dir, runner = pretrained
    assert runner.iter == 18
    assert 0 < runner.message_hub.get_scalar('train/loss').current() < 8
    assert 0.1 < runner.message_hub.get_scalar('train/spread').current() < 1.2
    assert (work_dir / 'encoder.pth').is_file()


def test_the_pretrained_encoder_is_fine_tuned_and_tells_the_shapes_apart(shapes, pretrained, tmp_path):
    encoder = pretrained[0] / 'encoder.pth'
    runner = fine_tune(shapes, tmp_path, 'pointnet_shapes_from_strl', f'load_from={encoder}')
    assert runner.iter == 36
    accuracy = runner.message_hub.get_scalar('val/accuracy')
    assert accuracy.current() > 60  # chance: 25
    assert accuracy.current() == runner.message_hub.get_scalar('val/mean_class_accuracy').current()
    assert len(accuracy.data[0]) == 1, 'the test shapes are looked at once, after the last epoch'
    loaded = torch.load(encoder, weights_only=True)['state_dict']
    moved = [name for name, tensor in loaded.items() if not torch.equal(tensor, runner.model.state_dict()[name])]
    assert len(moved) == len(loaded), 'the whole trunk is fine-tuned'


def test_without_an_encoder_fine_tuning_refuses_to_begin(shapes, tmp_path):
    with pytest.raises(SystemExit, match='nothing was loaded'):
        fine_tune(shapes, tmp_path, 'pointnet_shapes_from_strl', 'load_from=None')


@pytest.mark.parametrize('backbone', ['pointnet', 'dgcnn'])
def test_every_config_from_scratch_trains_and_is_tested(shapes, backbone, tmp_path):
    options = ['train_cfg.max_epochs=1', 'train_dataloader.dataset.indices=16', 'val_dataloader.dataset.indices=4']
    options.append('val_dataloader.dataset.pipeline.2.num_points=128')
    runner = fine_tune(shapes, tmp_path, f'{backbone}_shapes_scratch', *options)
    assert np.isfinite(runner.message_hub.get_scalar('train/loss').current())
    assert 0 <= runner.message_hub.get_scalar('val/accuracy').current() <= 100
