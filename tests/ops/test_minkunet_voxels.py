"""MinkUNet's voxels: mmdet3d's own, with its moves to CUDA left out, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet3d.models import Det3DDataPreprocessor
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample, PointData


def preprocessor(**changes):
    layer = dict(max_num_points=-1, point_cloud_range=[-9, -9, -9, 9, 9, 9], voxel_size=[0.5] * 3, max_voxels=(-1, -1))
    config = dict(type='Det3DDataPreprocessor', voxel=True, voxel_type='minkunet', voxel_layer=layer)
    return MODELS.build(config | changes)


def samples(clouds):
    return [Det3DDataSample(gt_pts_seg=PointData(pts_semantic_mask=torch.arange(len(cloud)))) for cloud in clouds]


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    seed=st.integers(0, 99),
    training=st.booleans(),
    batch_first=st.booleans(),
    most=st.sampled_from([None, 5]),
)
def test_as_mmdet3d_makes_them(sizes, seed, training, batch_first, most):
    generator = torch.Generator().manual_seed(seed)
    clouds = [torch.rand(size, 4, generator=generator) * 3 - 1.5 for size in sizes]
    model = preprocessor(batch_first=batch_first, max_voxels=most).train(training)
    mine, theirs = samples(clouds), samples(clouds)
    np.random.seed(seed)
    result = model.voxelize(clouds, mine)
    np.random.seed(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, 'cuda', lambda tensor: tensor)
        expected = Det3DDataPreprocessor.voxelize.__wrapped__(model, clouds, theirs)
    assert result.keys() == expected.keys()
    for name in expected:
        assert torch.equal(result[name], expected[name])
        assert result[name].dtype == expected[name].dtype
    for one, other in zip(mine, theirs, strict=True):
        assert torch.equal(one.point2voxel_map, other.point2voxel_map)
        assert torch.equal(one.batch_idx, other.batch_idx)
        assert torch.equal(one.gt_pts_seg.voxel_semantic_mask, other.gt_pts_seg.voxel_semantic_mask)


def test_by_hand():
    cloud = torch.tensor([[1.0, 1, 1, 7], [1.1, 1, 1, 8], [2, 1, 1, 9]])
    sample = Det3DDataSample()
    result = preprocessor().voxelize([cloud], [sample])
    assert result['coors'].tolist() == [[0, 0, 0, 0], [0, 2, 0, 0]]
    assert result['voxels'][:, 3].tolist() == [7, 9]
    assert sample.point2voxel_map.tolist() == [0, 0, 1]


def test_other_voxels_take_mmdet3ds_own():
    model = preprocessor(voxel_type='dynamic')
    cloud = torch.tensor([[1.0, 1, 1, 7]])
    assert model.voxelize([cloud], None)['coors'].tolist() == [[0, 20, 20, 20]]
