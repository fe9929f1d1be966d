"""The two recipes: their numbers and order, and whole views of small, large and extra-channel clouds."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import LiDARPoints
from mmengine.config import Config

RECIPES = Path(__file__).parents[3] / 'configs' / '_base_' / 'augmentations'

# type -> arguments that the method states. The minimum number of points of crop and cutout is this package's choice.
PAPER = {
    'RandomRotatePoints': {'max_angle': np.radians(15), 'prob': 0.5},
    'RandomTranslatePoints': {'max_shift': 0.1, 'prob': 0.5},
    'RandomScalePoints': {'scale': (0.8, 1.25), 'prob': 0.5},
    'RandomCropPoints': {'volume': (0.6, 1.0), 'aspect_ratio': (0.75, 1.33), 'prob': 0.5},
    'RandomCutoutPoints': {'side': (0.1, 0.4), 'prob': 0.5},
    'RandomDropPoints': {'max_ratio': 0.7, 'overwrite': False, 'at_most': None, 'prob': 1.0},
    'RandomUniformJitterPoints': {'max_offset': 0.05, 'prob': 1.0},
}
RELEASED = {
    'RandomRotatePoints': {'std': 0.06, 'max_angle': 0.18, 'prob': 1.0},
    'RandomTranslatePoints': {'max_shift': 0.1, 'prob': 1.0},
    'RandomScalePoints': {'scale': (0.8, 1.25), 'prob': 1.0},
    'RandomCropPointsBySide': {'side': (0.6, 1.1), 'aspect_ratio': (0.75, 1.33), 'prob': 0.5},
    'RandomCutoutPoints': {'side': (0.3, 0.6), 'prob': 0.5},
    'RandomJitterPoints': {'jitter_std': [0.01] * 3, 'clip_range': [-0.05, 0.05]},
    'RandomDropPoints': {'max_ratio': 0.875, 'overwrite': True, 'prob': 1.0},
}
NORMALIZE = 'NormalizePointsToUnitSphere'


def names(pipeline: list[dict]) -> list[str]:
    return [transform['type'] for transform in pipeline]


def load(recipe: str) -> Config:
    return Config.fromfile(RECIPES / f'strl_{recipe}.py')


@pytest.mark.parametrize(('recipe', 'stated'), [('paper', PAPER), ('released', RELEASED)])
def test_numbers_are_those_stated(recipe, stated):
    config = load(recipe)
    built = {t['type']: TRANSFORMS.build(t) for t in [*config.view_transform, *config.spatial_augmentation]}
    assert {
        name: {argument: getattr(transform, argument) for argument in stated[name]} for name, transform in built.items()
    } == stated


@pytest.mark.parametrize('name', PAPER)
def test_defaults_are_the_papers(name):
    transform = TRANSFORMS.build({'type': name})
    assert {argument: getattr(transform, argument) for argument in PAPER[name]} == PAPER[name]


def test_papers_order_but_for_the_jitter_that_dropped_points_need_not():
    config = load('paper')
    stages = list(PAPER)
    assert names(config.view_transform) == stages[:3]
    assert names(config.spatial_augmentation) == stages[3:]
    assert names(config.depth_augmentation) == stages
    assert names(config.shape_augmentation) == [NORMALIZE, *stages]


def test_released_order_crops_and_cuts_shapes_first():
    config = load('released')
    stages = list(RELEASED)
    assert names(config.view_transform) == stages[:3]
    assert names(config.spatial_augmentation) == stages[3:]
    assert names(config.depth_augmentation) == [NORMALIZE, *stages]
    assert names(config.shape_augmentation) == [NORMALIZE, *stages[3:5], *stages[:3], *stages[5:]]


@pytest.mark.parametrize('recipe', ['paper', 'released'])
def test_a_config_can_take_the_lists_by_reference(recipe, tmp_path):
    child = tmp_path / 'child.py'
    child.write_text(
        f"_base_ = ['{RECIPES / f'strl_{recipe}.py'}']\n"
        "extended = [*_base_.shape_augmentation, dict(type='DownSamplePoints', num_points=8)]\n"
        'whole = {{_base_.depth_augmentation}}\n'
    )
    config, base = Config.fromfile(child), load(recipe)
    assert config.extended == [*base.shape_augmentation, {'type': 'DownSamplePoints', 'num_points': 8}]
    assert config.whole == base.depth_augmentation


@pytest.mark.parametrize('recipe', ['paper', 'released'])
@pytest.mark.parametrize(
    ('kind', 'number', 'channels'), [('shape', 2048, 3), ('depth', 20_000, 4), ('depth', 120_000, 5)]
)
def test_whole_views(recipe, kind, number, channels):
    """Every view is finite, has the number of points that the encoder takes, and keeps the cloud's further channels."""
    cloud = np.random.default_rng(0).normal(0, [10, 10, 1, 1, 1][:channels], (number, channels)).astype(np.float32)
    pipeline = Compose([*load(recipe)[f'{kind}_augmentation'], {'type': 'DownSamplePoints', 'num_points': 2048}])
    for _ in range(5):
        view = pipeline({'points': LiDARPoints(cloud, points_dim=channels)})['points'].tensor
        assert view.shape == (2048, channels)
        assert torch.isfinite(view).all()
        assert np.isin(view[:, 3:].numpy(), cloud[:, 3:]).all()


@pytest.mark.parametrize('recipe', ['paper', 'released'])
def test_shape_views_stay_near_the_unit_sphere(recipe):
    """The largest move is a scale of 1.25, a shift of 10 % of an extent of at most 2 per axis, and the jitter."""
    cloud = np.random.default_rng(0).uniform(-40, 90, (2048, 3)).astype(np.float32)
    pipeline = Compose([*load(recipe).shape_augmentation])
    farthest = max(
        pipeline({'points': LiDARPoints(cloud)})['points'].coord.norm(dim=1).max().item() for _ in range(200)
    )
    assert 1 < farthest <= 1.25 * (1 + 0.2 * 3**0.5) + 0.05 * 3**0.5


def test_released_jitter_is_the_stock_one():
    """mmdetection3d's `RandomJitterPoints` is what the released code does: normal, and clipped at 5 sigma."""
    jitter = next(t for t in load('released').spatial_augmentation if t['type'] == 'RandomJitterPoints')
    points = LiDARPoints(np.zeros((10_000, 4)), points_dim=4)
    offsets = TRANSFORMS.build(jitter)({'points': points})['points'].tensor
    assert offsets[:, :3].abs().max() <= 0.05
    assert offsets[:, :3].std().item() == pytest.approx(0.01, rel=0.02)
    assert (offsets[:, 3] == 0).all()


@pytest.mark.real
@pytest.mark.parametrize('recipe', ['paper', 'released'])
def test_views_of_a_real_scan_keep_points_in_the_detectors_range(recipe, real_data):
    """A LiDAR config's list, as the fragment documents it, on KITTI with the range of the stock PV-RCNN."""
    scan = next((real_data / 'kitti_raw').rglob('velodyne_points/data/*.bin'))
    table = np.fromfile(scan, np.float32).reshape(-1, 4)
    range_filter = {'type': 'PointsRangeFilter', 'point_cloud_range': [0, -40, -3, 70.4, 40, 1]}
    config = load(recipe)
    pipeline = Compose([range_filter, *config.view_transform, range_filter, *config.spatial_augmentation, range_filter])
    for _ in range(20):
        view = pipeline({'points': LiDARPoints(table, points_dim=4)})['points'].tensor
        assert len(view) > 100
        assert torch.isfinite(view).all()
