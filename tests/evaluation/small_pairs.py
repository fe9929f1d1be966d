"""Small clouds with an index, and the config of pairs of them."""

from __future__ import annotations

import numpy as np
from mmengine.config import Config

from strl_mmdet3d.datasets import FrameSequence, write_sequence_index


def config_of(root, load, augment=(dict(type='PointSample', num_points=30),), views=(), **dataset):
    view = dict(type='MultiView', load=[load], augment=list(augment), **dict(views))
    pairs = dict(type='TemporalPairDataset', data_root=str(root), ann_file='index.json', window=2, pipeline=[view])
    loader = dict(dataset=pairs | dataset, sampler=dict(type='PairSampler'))
    return Config(dict(train_dataloader=loader, randomness=dict(seed=4)))


def write_clouds(root, sequence_id='s', suffix='.bin'):
    names = [f'{i}{suffix}' for i in range(4)]
    for i, name in enumerate(names):
        np.random.default_rng(i).normal(0, 5, (100 + i, 4)).astype(np.float32).tofile(root / name)
    write_sequence_index(root / 'index.json', {'load_dim': 4}, [FrameSequence(sequence_id, names)])
