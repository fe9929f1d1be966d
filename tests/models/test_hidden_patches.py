"""Which patches are hidden, what the detector sees, and the grids over x and y."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample, PointData
from tiny import RANGE, pair_batch, tiny_detector

from strl_mmdet3d.errors import ConfigError, ConfigKeyError
from strl_mmdet3d.models.hidden_patches import HidingPreprocessor, at_cells, cells_of, is_within


def hiding(**changes):
    settings = dict(area=RANGE, patch=2.0, share=0.6) | changes
    return HidingPreprocessor(MODELS.build(tiny_detector().data_preprocessor), **settings)


@given(st.integers(-50, 200), st.integers(-120, 120))
def test_a_point_outside_belongs_to_the_nearest_cell(x, y):
    x, y = x / 10 + 0.05, y / 10 + 0.05  # not on a border, where float32 rounds
    cell = cells_of(torch.tensor([[x, y, 0.0]]), RANGE, (4, 8)).item()
    row = min(max(math.floor((y + 8) / 4), 0), 3)
    column = min(max(math.floor(x / 2), 0), 7)
    assert cell == row * 8 + column


def test_cells_find_their_patches():
    patches = torch.tensor([[[True, False], [False, True]]])
    assert at_cells(patches, (4, 2)).int().tolist() == [[[1, 0], [1, 0], [0, 1], [0, 1]]]


def test_the_area_is_half_open():
    points = torch.tensor([[0.0, -8, -3], [16, 0, 0], [15.9, 7.9, 0.9], [1, 1, 1], [-0.1, 0, 0]])
    assert is_within(points, RANGE).tolist() == [True, False, True, False, False]


def test_the_detector_sees_nothing_of_the_hidden_patches():
    preprocessor, batch = hiding(), pair_batch()
    prepared = preprocessor(batch, True)
    assert preprocessor.grid == (8, 8)
    for name, view in prepared.items():
        assert 0.3 < view['hidden'].float().mean() < 0.9
        for cloud, points in enumerate(view['points']):
            hidden = view['hidden'][cloud].flatten()
            everything = batch[name]['inputs']['points'][cloud]
            assert not hidden[cells_of(points, RANGE, preprocessor.grid)].any()
            assert len(points) == (~hidden[cells_of(everything, RANGE, preprocessor.grid)]).sum() < len(everything)
            assert torch.equal(view['whole'][cloud], everything)
        # The voxels hold the visible points alone.
        assert view['voxels']['num_points'].sum() <= sum(len(points) for points in view['points'])
    assert not torch.equal(prepared['view_1']['hidden'], prepared['view_2']['hidden'])


def test_nothing_is_hidden_with_a_share_of_0():
    for view in hiding(share=0)(pair_batch(), True).values():
        assert not view['hidden'].any()
        for points, everything in zip(view['points'], view['whole'], strict=True):
            assert torch.equal(points, everything)


def test_a_cloud_that_would_be_hidden_as_a_whole_is_not_hidden():
    preprocessor, batch = hiding(share=0.9), pair_batch(size=2)
    batch['view_1']['inputs']['points'] = [points[:1] for points in batch['view_1']['inputs']['points']]
    for seed in range(5):
        torch.manual_seed(seed)
        assert all(len(points) == 1 for points in preprocessor(batch, True)['view_1']['points'])


def test_marks_are_handed_on():
    batch = pair_batch(size=2)
    for view in batch.values():
        view['data_samples'] = [
            Det3DDataSample(gt_pts_seg=PointData(pts_semantic_mask=torch.arange(len(points)) % 3))
            for points in view['inputs']['points']
        ]
    prepared = hiding()(batch, True)
    for view in prepared.values():
        for marks, points in zip(view['marks'], view['whole'], strict=True):
            assert torch.equal(marks, torch.arange(len(points)) % 3)


def test_a_batch_without_a_pair_is_refused():
    with pytest.raises(ConfigKeyError, match='needs a TemporalPairDataset'):
        hiding()(dict(view_1=pair_batch()['view_1']))


@pytest.mark.parametrize('wrong', [dict(patch=0), dict(share=1), dict(share=-0.1)])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        hiding(**wrong)
