"""What all random transforms promise."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import DepthPoints, LiDARPoints
from scipy import stats

from strl_mmdet3d.datasets import transforms
from strl_mmdet3d.datasets.transforms import RandomScalePoints
from strl_mmdet3d.datasets.transforms.base import draw_sample, draw_subset

ALL = [
    {'type': 'NormalizePointsToUnitSphere'},
    {'type': 'RandomRotatePoints', 'prob': 1.0},
    {'type': 'RandomTranslatePoints', 'prob': 1.0},
    {'type': 'RandomScalePoints', 'prob': 1.0},
    {'type': 'RandomCropPoints', 'prob': 1.0, 'min_points': 1},
    {'type': 'RandomCropPointsBySide', 'prob': 1.0, 'min_points': 1},
    {'type': 'RandomCropPointsXY', 'prob': 1.0, 'min_points': 1},
    {'type': 'RandomCutoutPoints', 'prob': 1.0, 'min_points': 1},
    {'type': 'RandomUniformJitterPoints'},
    {'type': 'RandomDropPoints'},
    {'type': 'RandomDropPoints', 'overwrite': True},
    {'type': 'RandomDropByRange', 'far': 5.0},
    {'type': 'RandomDropBeams', 'every': (1, 2, 4)},
    {'type': 'DownSamplePoints', 'num_points': 300},
]
NAMES = [config['type'] for config in ALL]


@pytest.mark.parametrize('config', ALL, ids=NAMES)
def test_registered_with_mmdet3d_and_described(config):
    transform = TRANSFORMS.build(config)
    assert isinstance(transform, getattr(transforms, config['type']))
    for name, value in config.items():
        assert (f'{value}(' if name == 'type' else f'{name}={value}') in repr(transform)


@pytest.mark.parametrize('config', ALL, ids=NAMES)
@pytest.mark.parametrize('points_type', [LiDARPoints, DepthPoints])
def test_further_channels_go_with_their_point(config, points_type):
    """Row i holds i in both further channels; after any transform both still name the same row."""
    rng = np.random.default_rng(0)
    number = np.arange(500, dtype=np.float32)
    table = np.column_stack([rng.uniform(-3, 3, (500, 3)).astype(np.float32), number, number])
    for _ in range(20):
        points = points_type(table, points_dim=5, attribute_dims={'height': 3, 'intensity': 4})
        result = TRANSFORMS.build(config)({'points': points})['points']
        assert type(result) is points_type
        assert result.attribute_dims == {'height': 3, 'intensity': 4}
        assert result.tensor.dtype == torch.float32
        assert torch.isfinite(result.tensor).all()
        origin = result.tensor[:, 3].long()
        assert torch.equal(result.tensor[:, 3], result.tensor[:, 4])
        if config['type'].startswith(('RandomCrop', 'RandomCutout', 'RandomDrop', 'DownSample')):
            assert torch.equal(result.coord, torch.from_numpy(table)[origin, :3])
        else:
            assert torch.equal(origin, torch.arange(500))


@pytest.mark.parametrize('config', ALL, ids=NAMES)
def test_empty_cloud_is_an_error_that_names_the_transform(config):
    with pytest.raises(ValueError, match=f'{config["type"]} got an empty point cloud'):
        TRANSFORMS.build(config)({'points': LiDARPoints(np.zeros((0, 4)), points_dim=4)})


@pytest.mark.parametrize('config', ALL, ids=NAMES)
@pytest.mark.parametrize('number', [1, 5])
def test_cloud_without_extent_stays_finite_and_keeps_points(config, number):
    """One point, or one point repeated: no division by a zero extent, no empty result."""
    for _ in range(20):
        points = LiDARPoints(np.full((number, 3), 0.1))
        result = TRANSFORMS.build(config)({'points': points})['points']
        assert len(result) >= 1
        assert torch.isfinite(result.tensor).all()


@pytest.mark.parametrize('prob', [0.0, 0.5, 1.0])
def test_probability(prob):
    transform = RandomScalePoints(scale=(2, 2), prob=prob)
    changed = [
        float(transform({'points': LiDARPoints(np.ones((1, 3)))})['points'].coord[0, 0]) == 2 for _ in range(10_000)
    ]
    # 4 standard deviations of a binomial share
    assert abs(np.mean(changed) - prob) <= 4 * np.sqrt(prob * (1 - prob) / 10_000)


@pytest.mark.parametrize('config', ALL, ids=NAMES)
def test_draws_come_from_numpys_global_state(config, make_points):
    """The dataset seeds that state to make a view reproducible."""
    views = []
    for seed in (7, 7, 8):
        np.random.seed(seed)
        views.append(TRANSFORMS.build(config)({'points': make_points(500)})['points'].tensor)
    assert torch.equal(views[0], views[1])
    assert config['type'] == 'NormalizePointsToUnitSphere' or not torch.equal(views[0], views[2])


@pytest.mark.parametrize(
    'config',
    [
        {'type': 'RandomRotatePoints', 'prob': 1.5},
        {'type': 'RandomRotatePoints', 'max_angle': -1.0},
        {'type': 'RandomRotatePoints', 'std': -0.1},
        {'type': 'RandomTranslatePoints', 'max_shift': -0.1},
        {'type': 'RandomScalePoints', 'scale': (1.25, 0.8)},
        {'type': 'RandomScalePoints', 'scale': (-1, 1)},
        {'type': 'RandomCropPoints', 'volume': (0.6, 1.1)},
        {'type': 'RandomCropPoints', 'volume': (0.0, 1.0)},
        {'type': 'RandomCropPoints', 'aspect_ratio': (1.1, 1.3)},
        {'type': 'RandomCropPoints', 'min_points': 0},
        {'type': 'RandomCropPointsBySide', 'side': (1.1, 0.6)},
        {'type': 'RandomCropPointsBySide', 'aspect_ratio': (0, 1.33)},
        {'type': 'RandomCropPointsXY', 'area': (0.0, 1.0)},
        {'type': 'RandomCropPointsXY', 'area': (0.6, 1.1)},
        {'type': 'RandomCropPointsXY', 'aspect_ratio': (0.0, 1.33)},
        {'type': 'RandomCropPointsXY', 'aspect_ratio': (0.5, 0.9)},
        {'type': 'RandomCropPointsXY', 'min_points': 0},
        {'type': 'RandomDropByRange', 'max_ratio': 1.0},
        {'type': 'RandomDropByRange', 'far': 0.0},
        {'type': 'RandomDropBeams', 'every': ()},
        {'type': 'RandomDropBeams', 'every': (0, 2)},
        {'type': 'RandomDropBeams', 'num_beams': 0},
        {'type': 'RandomDropBeams', 'ring_dim': 2},
        {'type': 'CutToFieldOfView', 'horizontal': (10, -10)},
        {'type': 'CutToFieldOfView', 'vertical': (-90, 10)},
        {'type': 'DrawHeading', 'max_angle': 3.2},
        {'type': 'DrawHeading', 'directions': ()},
        {'type': 'RandomCutoutPoints', 'side': (0.1, 1.4)},
        {'type': 'RandomCutoutPoints', 'max_tries': 0},
        {'type': 'RandomUniformJitterPoints', 'max_offset': -0.05},
        {'type': 'RandomDropPoints', 'max_ratio': 1.0},
        {'type': 'DownSamplePoints', 'num_points': 0},
    ],
    ids=str,
)
def test_arguments_out_of_range_are_refused_by_name(config):
    with pytest.raises(ValueError, match=config['type']):
        TRANSFORMS.build(config)


@pytest.mark.parametrize('draw', [draw_subset, draw_sample])
@given(size=st.sampled_from([1, 2, 60, 10_001, 20_000]), share=st.floats(0, 1), seed=st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_a_subset_is_of_different_indices_and_follows_numpys_global_state(draw, size, share, seed):
    number = round(share * size)
    np.random.seed(seed)
    drawn = draw(size, number)
    assert len(set(drawn.tolist())) == len(drawn) == number
    assert number == 0 or 0 <= drawn.min() <= drawn.max() < size
    assert draw is draw_sample or (np.diff(drawn) > 0).all()
    np.random.seed(seed)
    np.testing.assert_array_equal(drawn, draw(size, number))


@pytest.mark.parametrize('draw', [draw_subset, draw_sample])
def test_every_index_is_as_likely_in_a_subset(draw):
    for size, number, times in ((20, 5, 4000), (20, 15, 4000), (20_000, 5000, 40)):
        chosen = np.concatenate([draw(size, number) for _ in range(times)])
        assert stats.chisquare(np.bincount(chosen * 20 // size, minlength=20)).pvalue > 0.01


@pytest.mark.parametrize('number', [2, 3])
def test_every_subset_is_as_likely(number):
    drawn = [tuple(draw_subset(5, number)) for _ in range(20_000)]
    counts = np.unique(drawn, axis=0, return_counts=True)[1]
    assert len(counts) == 10
    assert stats.chisquare(counts).pvalue > 0.01


def test_every_order_of_every_subset_is_as_likely():
    counts = np.unique([draw_sample(4, 2) for _ in range(20_000)], axis=0, return_counts=True)[1]
    assert len(counts) == 12
    assert stats.chisquare(counts).pvalue > 0.01
