"""What `--size tiny` changes: a step or two of everything, so that each table runs through on a CPU in about a minute.

Its numbers say nothing about the method. What is changed is length, batch size and the number of points; the networks
stay as they are.
"""

from __future__ import annotations

from .tables import Detection, FineTuning

TINY_DATA = {
    'shapes': ['--train', '3', '--test', '2'],
    'scannet': ['--scenes', '1', '--frames-per-scene', '10', '--train', '2', '--val', '1', '--width', '160'],
    'kitti': [
        *('--drives', '1', '--frames-per-drive', '4', '--train', '2', '--val', '1', '--test', '1'),
        *('--azimuth-steps', '400'),
    ],
    's3dis': ['--rooms', '1', '--points', '2000'],
}
"""Options of ``tools/simulate_data.py``."""


def in_process(*loaders: str) -> list[str]:
    """Return settings by which data loaders start no processes."""
    return [f'{name}_dataloader.{key}' for name in loaders for key in ('num_workers=0', 'persistent_workers=False')]


def of_data(config: str) -> list[str]:
    """Return the setting of the points that a pre-trained network takes, or of the window in a short drive."""
    if 'kitti' in config:
        return ['train_dataloader.dataset.window=4']
    points = 2048 if 'votenet' in config else 128  # VoteNet's first layer samples 2048
    return [f'train_dataloader.dataset.pipeline.pack.0.num_points={points}']


def tiny_pretraining(config: str) -> list[str]:
    """Return the settings of a pre-training of two steps."""
    return [
        *in_process('train'),
        'train_dataloader.batch_size=2',
        'train_dataloader.dataset.indices=4',
        *of_data(config),
        'train_cfg.max_epochs=1',
        'default_hooks.report=None',
    ]


def tiny_fine_tuning(evaluation: FineTuning) -> list[str]:
    """Return the settings of a fine-tuning of shapes or of rooms."""
    settings = [*in_process('train', 'val', 'test'), 'train_dataloader.dataset.pipeline.3.num_points=128']
    if evaluation.area:
        test = [f'model.test_cfg.{key}' for key in ('num_points=128', 'sample_rate=1.0', 'batch_size=8')]
        return [*settings, *test, 'train_dataloader.batch_size=2']
    return [
        *settings,
        *(f'{name}_dataloader.dataset.pipeline.2.num_points=128' for name in ('val', 'test')),
        'train_dataloader.batch_size=8',
    ]


def tiny_detection(evaluation: Detection) -> list[str]:
    """Return the settings of a detector's training."""
    return [*in_process('train', 'test'), f'train_dataloader.batch_size={1 if "kitti" in evaluation.config else 2}']
