"""A tiny stock detector, random pairs, and a Runner around both, for tests that train in milliseconds."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import numpy as np
import torch
from mmdet3d.registry import DATASETS
from mmengine.config import ConfigDict
from mmengine.runner import Runner
from torch.utils.data import Dataset

from strl_mmdet3d.datasets import PairKey
from strl_mmdet3d.safe_loading import load_safely

RANGE = [0.0, -8.0, -3.0, 16.0, 8.0, 1.0]


def tiny_detector() -> ConfigDict:
    """A stock PointPillars, head included, on a 32 x 32 grid: milliseconds on a CPU."""
    return ConfigDict(
        type='VoxelNet',
        data_preprocessor=dict(
            type='Det3DDataPreprocessor',
            voxel=True,
            voxel_layer=dict(
                max_num_points=8, point_cloud_range=RANGE, voxel_size=[0.5, 0.5, 4], max_voxels=(1024, 1024)
            ),
        ),
        voxel_encoder=dict(
            type='PillarFeatureNet',
            in_channels=4,
            feat_channels=[8],
            voxel_size=[0.5, 0.5, 4],
            point_cloud_range=RANGE,
        ),
        middle_encoder=dict(type='PointPillarsScatter', in_channels=8, output_shape=[32, 32]),
        backbone=dict(type='SECOND', in_channels=8, layer_nums=[1, 1], layer_strides=[2, 2], out_channels=[8, 16]),
        neck=dict(type='SECONDFPN', in_channels=[8, 16], upsample_strides=[1, 2], out_channels=[8, 8]),
        bbox_head=dict(
            type='Anchor3DHead',
            num_classes=1,
            in_channels=16,
            feat_channels=16,
            anchor_generator=dict(
                type='AlignedAnchor3DRangeGenerator',
                ranges=[[0, -8, -1, 16, 8, -1]],
                sizes=[[4, 2, 1.5]],
                rotations=[0],
            ),
            bbox_coder=dict(type='DeltaXYZWLHRBBoxCoder'),
        ),
    )


def tiny_strl(**changes) -> ConfigDict:
    """STRL around the tiny detector."""
    config = dict(
        type='STRL',
        encoder=dict(type='DetectorEncoder', detector=tiny_detector(), feature='0'),
        projector=dict(type='ProjectionMLP', in_channels=16, hidden_channels=32, out_channels=8),
        predictor=dict(type='ProjectionMLP', in_channels=8, hidden_channels=32, out_channels=8),
    )
    return ConfigDict(config | changes)


def random_cloud(rng: np.random.Generator, points: int = 300) -> torch.Tensor:
    """(N, 4) points inside of `RANGE`, with a reflectance."""
    low, high = np.array([*RANGE[:3], 0.0]), np.array([*RANGE[3:], 1.0])
    return torch.from_numpy(rng.uniform(low + 1e-3, high - 1e-3, (points, 4)).astype(np.float32))


def pair_batch(size: int = 3, seed: int = 0) -> dict:
    """A collated batch of pairs, as the dataloader gives it."""
    rng = np.random.default_rng(seed)
    return {
        view: dict(inputs=dict(points=[random_cloud(rng) for _ in range(size)]), data_samples=None)
        for view in ('view_1', 'view_2')
    }


@DATASETS.register_module(force=True)
class RandomPairs(Dataset):
    """Pairs of a random cloud and the same cloud, jittered; a pure function of the index, or of the key."""

    METAINFO: dict = {}

    def __init__(self, length: int = 8) -> None:
        self.length, self.metainfo = length, {}

    def full_init(self) -> None:
        """Nothing to read."""

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int | PairKey) -> dict:
        key = (index.seed, index.epoch, index.place) if isinstance(index, PairKey) else index
        rng = np.random.default_rng(key)
        cloud = random_cloud(rng)
        other = cloud + torch.from_numpy(rng.normal(0, 1e-3, cloud.shape).astype(np.float32))
        return {'view_1': dict(inputs=dict(points=cloud)), 'view_2': dict(inputs=dict(points=other))}


def tiny_config(**changes) -> dict:
    """A config that trains the tiny detector on four random pairs."""
    config = dict(
        default_scope='mmdet3d',
        model=tiny_strl(),
        train_dataloader=dict(
            batch_size=2,
            num_workers=0,
            drop_last=True,
            dataset=dict(type='RandomPairs', length=4),
            sampler=dict(type='PairSampler', shuffle=True),
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1)),
    )
    return config | changes


def tiny_runner(
    work_dir: Path, epochs: int = 2, accumulate: int = 1, length: int = 8, batch: int = 2, **changes
) -> Runner:
    """A Runner that pre-trains the tiny detector, as tools/train.py would build it."""
    load_safely()
    config = dict(
        model=tiny_strl(),
        work_dir=str(work_dir),
        # Runners of one name share one logger, also those of two tests in the same second.
        experiment_name=f'tiny_{uuid4().hex}',
        default_scope='mmdet3d',
        train_dataloader=dict(
            batch_size=batch,
            num_workers=0,
            dataset=dict(type='RandomPairs', length=length),
            sampler=dict(type='DefaultSampler', shuffle=True),
            collate_fn=dict(type='collate_pairs'),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(
            type='OptimWrapper', optimizer=dict(type='LARS', lr=0.5, momentum=0.9), accumulative_counts=accumulate
        ),
        custom_hooks=[dict(type='TargetUpdateHook', tau_start=0.9)],
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=1), checkpoint=dict(type='CheckpointHook', interval=1)
        ),
        randomness=dict(seed=0),
        log_level='WARNING',
    )
    return Runner.from_cfg(ConfigDict(config | changes))
