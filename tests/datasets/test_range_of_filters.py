"""The range, stated once: it reaches every filter, and two ranges are refused."""

from __future__ import annotations

import copy

import pytest
import torch
from mmdet3d.registry import DATASETS

from strl_mmdet3d.datasets import PairKey
from strl_mmdet3d.datasets.range_of_filters import with_range
from strl_mmdet3d.errors import ConfigError

RANGE = [0, -40, -3, 70.4, 40, 1]
FILTER = dict(type='PointsRangeFilter')
PIPELINE = dict(
    type='MultiView',
    load=[dict(type='LoadFrame')],
    augment=[FILTER, dict(type='RandomFlip3D', flip_ratio_bev_horizontal=0.5), FILTER],
    pack=[FILTER, dict(type='Pack3DDetInputs', keys=['points'])],
)


def ranges(config):
    """The ranges of all that cuts in a config."""
    if isinstance(config, dict):
        own = [config['point_cloud_range']] if config.get('type') in ('PointsRangeFilter', 'MultiView') else []
        return own + [found for value in config.values() for found in ranges(value)]
    return [found for value in config for found in ranges(value)] if isinstance(config, list) else []


def test_every_filter_gets_the_range_and_the_config_stays():
    before = copy.deepcopy(PIPELINE)
    assert ranges(with_range([PIPELINE], RANGE)) == [RANGE] * 4
    assert before == PIPELINE


def test_the_same_range_twice_is_allowed():
    assert ranges(with_range([dict(FILTER, point_cloud_range=RANGE)], RANGE)) == [RANGE]


def test_another_range_is_refused_with_both_named():
    with pytest.raises(ConfigError, match=r'69\.12.*70\.4.*train_dataloader\.dataset\.point_cloud_range'):
        with_range([dict(FILTER, point_cloud_range=[0, -39.68, -3, 69.12, 39.68, 1])], RANGE)


def test_a_filter_without_a_range_is_refused():
    with pytest.raises(ConfigError, match=r'set train_dataloader\.dataset\.point_cloud_range'):
        with_range([PIPELINE], None)


def test_transforms_that_are_objects_stay():
    transform = torch.nn.Identity()
    assert with_range([transform], RANGE) == [transform]


def test_the_data_set_cuts_to_its_range(make_sequences):
    data = make_sequences(4)
    small = [0, 0, 0, 6, 6, 6]
    for cut in (small, [-1e4] * 3 + [1e4] * 3):
        config = dict(PIPELINE, augment=[], pack=[dict(type='Pack3DDetInputs', keys=['points'])])
        dataset = DATASETS.build(
            dict(
                type='TemporalPairDataset',
                data_root=str(data.root),
                ann_file=str(data.index),
                window=2,
                pipeline=config,
                point_cloud_range=cut,
            )
        )
        points = dataset[PairKey(0, 0, 0)]['view_1']['inputs']['points'][:, :3]
        assert len(points)
        assert bool((points < 6).all()) == (cut is small)
