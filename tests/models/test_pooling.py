"""Pooling against loops over the clouds."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from spconv.pytorch import SparseConvTensor

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.models.pooling import pool_clouds


@given(counts=st.lists(st.integers(1, 9), min_size=1, max_size=5), seed=st.integers(0, 999))
def test_sparse_voxels_of_unequal_clouds(counts, seed):
    torch.manual_seed(seed)
    clouds = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    features = torch.randn(len(clouds), 3)  # of both signs: an empty cell must not count as zero
    indices = torch.cat([clouds[:, None], torch.arange(len(clouds))[:, None].repeat(1, 3)], dim=1).int()
    sparse = SparseConvTensor(features, indices, [64, 64, 64], len(counts))
    rows = [features[clouds == cloud] for cloud in range(len(counts))]
    maxima = torch.stack([row.max(0).values for row in rows])
    means = torch.stack([row.mean(0) for row in rows])
    torch.testing.assert_close(pool_clouds(sparse, len(counts), 'max'), maxima)
    torch.testing.assert_close(pool_clouds(sparse, len(counts), 'mean'), means)
    torch.testing.assert_close(pool_clouds(sparse, len(counts), 'max_mean'), torch.cat([maxima, means], 1))


def test_a_cloud_without_voxels_is_an_error():
    sparse = SparseConvTensor(torch.ones(1, 3), torch.zeros(1, 4).int(), [4, 4, 4], 2)
    with pytest.raises(ValueError, match='no voxel'):
        pool_clouds(sparse, 2)


def test_points_and_planes():
    points, plane = torch.randn(2, 5, 7), torch.randn(2, 5, 3, 4)
    torch.testing.assert_close(pool_clouds(points, 2), points.max(dim=2).values)
    torch.testing.assert_close(pool_clouds(plane, 2, 'mean'), plane.mean(dim=(2, 3)))


def test_key_points_of_all_clouds_in_one_list():
    features = torch.randn(2 * 6, 5)
    expected = torch.stack([features[:6].max(0).values, features[6:].max(0).values])
    torch.testing.assert_close(pool_clouds(features, 2), expected)
    with pytest.raises(ValueError, match='do not divide'):
        pool_clouds(features, 5)


def test_vectors_stay_as_they_are():
    vectors = torch.randn(4, 5)
    assert pool_clouds(vectors, 4) is vectors


def test_the_gradient_goes_to_the_maximum_only():
    features = torch.tensor([[1.0], [3.0], [2.0]], requires_grad=True)
    sparse = SparseConvTensor(features, torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0]]).int(), [1, 1, 2], 2)
    pool_clouds(sparse, 2).sum().backward()
    assert features.grad.flatten().tolist() == [0, 1, 1]


def test_other_things_are_refused():
    with pytest.raises(ConfigError, match='feature="0"'):
        pool_clouds([torch.zeros(2, 3)], 2)
    with pytest.raises(ValueError, match='holds 3 clouds'):
        pool_clouds(torch.zeros(3, 4, 5), 2)
