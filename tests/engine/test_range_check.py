"""A range of the data, the config or a part of the detector that differs from another one is refused, both named."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.runner.runner import _SlicedDataset
from tiny import RANGE, tiny_detector, tiny_strl
from torch.utils.data import ConcatDataset

from strl_mmdet3d.datasets import TemporalPairDataset
from strl_mmdet3d.engine.range_check import check_detector, check_ranges
from strl_mmdet3d.errors import ConfigError

OTHER = [0.0, -8.0, -3.0, 16.0, 8.0, 2.0]


@pytest.fixture
def model():
    return MODELS.build(tiny_strl())


def data(point_cloud_range):
    """A data set of pairs, as far as the check looks at it."""
    dataset = TemporalPairDataset.__new__(TemporalPairDataset)
    dataset.point_cloud_range = point_cloud_range
    return dataset


@pytest.mark.parametrize('at_top', [None, RANGE])
def test_equal_ranges_pass(model, at_top):
    check_ranges(Config(dict(point_cloud_range=at_top)), model, data(tuple(RANGE)))


def test_data_without_a_range_passes(model):
    check_ranges(Config(dict()), model, data(None))


def test_data_of_another_range_is_refused(model):
    with pytest.raises(ConfigError, match=r'the data .*16\.0, 8\.0, 2\.0.*detector.*16\.0, 8\.0, 1\.0'):
        check_ranges(Config(dict()), model, data(OTHER))


@pytest.mark.parametrize('wrapped', [lambda data: data, lambda data: _SlicedDataset(data, 2)])
def test_within_wrappers_too(model, wrapped):
    """The second is mmengine's for ``num_batch_per_epoch``."""
    dataset = SimpleNamespace(datasets=[data(RANGE), SimpleNamespace(dataset=wrapped(data(OTHER)))])
    with pytest.raises(ConfigError, match='the data has'):
        check_ranges(Config(dict()), model, dataset)


@pytest.mark.parametrize('of_data', [RANGE, None])
def test_a_range_at_the_top_of_the_config_that_reaches_nothing_is_refused(model, of_data):
    message = r'at the top of the config reaches nothing.*Set train_dataloader\.dataset\.point_cloud_range'
    with pytest.raises(ConfigError, match=message):
        check_ranges(Config(dict(point_cloud_range=OTHER)), model, data(of_data))


def detector_of(**changes):
    config = Config(dict(model=tiny_detector()))
    config.merge_from_dict(changes)
    return MODELS.build(config.model)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'model.voxel_encoder.point_cloud_range': OTHER}, r'voxel_encoder \[0\.0, -8\.0, -3\.0, 16\.0, 8\.0, 2\.0\]'),
        ({'model.middle_encoder.output_shape': [32, 31]}, r'\[1, 32, 32\] cells .*has \[32, 31\]'),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(changes, message):
    detector = detector_of(**changes)
    with pytest.raises(ConfigError, match=message):
        check_detector(detector, detector.data_preprocessor)


@pytest.mark.parametrize(
    'name',
    [
        'pv_rcnn/pv_rcnn_8xb2-80e_kitti-3d-3class.py',
        'second/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py',
        'pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py',
        'parta2/parta2_hv_secfpn_8xb2-cyclic-80e_kitti-3d-3class.py',
        'centerpoint/centerpoint_voxel01_second_secfpn_8xb4-cyclic-20e_nus-3d.py',
        'centerpoint/centerpoint_pillar02_second_secfpn_8xb4-cyclic-20e_nus-3d.py',
        'votenet/votenet_8xb16_sunrgbd-3d.py',
    ],
)
def test_stock_detectors_pass(name):
    detector = MODELS.build(get_config(f'mmdet3d::{name}').model)
    check_detector(detector, detector.data_preprocessor)


@pytest.mark.parametrize(
    ('name', 'part', 'key', 'small', 'message'),
    [
        (
            'second/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py',
            'middle_encoder',
            'sparse_shape',
            [41, 1600, 1400],
            r'\[40, 1600, 1408\] cells .*has \[41, 1600, 1400\]',
        ),
        (
            'centerpoint/centerpoint_voxel01_second_secfpn_8xb4-cyclic-20e_nus-3d.py',
            'pts_middle_encoder',
            'sparse_shape',
            [41, 1024, 1000],
            r'\[40, 1024, 1024\] cells .*has \[41, 1024, 1000\]',
        ),
        (
            'centerpoint/centerpoint_pillar02_second_secfpn_8xb4-cyclic-20e_nus-3d.py',
            'pts_middle_encoder',
            'output_shape',
            [512, 500],
            r'\[1, 512, 512\] cells .*has \[512, 500\]',
        ),
    ],
)
def test_a_grid_that_is_too_small_is_refused(name, part, key, small, message):
    config = get_config(f'mmdet3d::{name}').model
    config[part][key] = small
    detector = MODELS.build(config)
    with pytest.raises(ConfigError, match=message):
        check_detector(detector, detector.data_preprocessor)


def test_a_concatenation_names_the_part_that_differs(model):
    dataset = ConcatDataset.__new__(ConcatDataset)
    dataset.datasets = [data(RANGE), data(OTHER)]
    with pytest.raises(ConfigError, match='2\\.0'):
        check_ranges(Config(dict()), model, dataset)
