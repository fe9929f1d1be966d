"""Pooling against loops over the clouds."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from spconv.pytorch import SparseConvTensor

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.models.pooling import pool_clouds
from strl_mmdet3d.models.rows import LeftOut, known_rows


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
    clouds = torch.arange(2).repeat_interleave(6)
    torch.testing.assert_close(pool_clouds(features, 2, known_rows=[torch.zeros(9), clouds]), expected)


@pytest.mark.parametrize('counts', [(300, 100), (1, 3), (2, 2)])
@pytest.mark.parametrize('pool', ['max', 'mean', 'max_mean'])
def test_voxels_are_pooled_by_their_own_clouds_and_not_in_equal_parts(counts, pool):
    features = torch.randn(sum(counts), 4)
    of_voxels = torch.arange(2).repeat_interleave(torch.tensor(counts))
    first, second = features.split(counts)
    parts = dict(max=[first.amax(0), second.amax(0)], mean=[first.mean(0), second.mean(0)])
    expected = torch.cat([torch.stack(parts[part]) for part in pool.split('_')], dim=1)
    torch.testing.assert_close(pool_clouds(features, 2, pool, [of_voxels]), expected)
    shuffled = torch.randperm(len(features))
    torch.testing.assert_close(pool_clouds(features[shuffled], 2, pool, [of_voxels[shuffled]]), expected)


def test_rows_of_unknown_clouds_are_refused():
    features = torch.randn(400, 4)
    for known in ([], [torch.zeros(399, dtype=torch.int64)]):
        with pytest.raises(ConfigError, match='400 rows, and which of the 2 clouds each belongs to is unknown'):
            pool_clouds(features, 2, known_rows=known)
    of_voxels = torch.arange(2).repeat_interleave(torch.tensor([300, 100]))
    of_points = torch.arange(2).repeat_interleave(200)
    with pytest.raises(ConfigError, match='as many as two of the points, voxels and key points'):
        pool_clouds(features, 2, known_rows=[of_points, of_voxels])
    torch.testing.assert_close(pool_clouds(features, 1), features.amax(0, keepdim=True))
    with pytest.raises(ConfigError, match='holds 2 clouds, the batch 1'):
        pool_clouds(features, 1, known_rows=[of_voxels])
    with pytest.raises(ConfigError, match='no voxel'):
        pool_clouds(features, 3, known_rows=[of_voxels])


def test_what_tells_the_clouds_of_rows():
    points = [torch.zeros(3, 4), torch.zeros(2, 4)]
    coors = torch.tensor([[0, 7, 7, 7], [1, 8, 8, 8]])
    of_points, of_voxels = known_rows(dict(points=points, voxels=dict(coors=coors)), [])
    assert of_points.tolist() == [0, 0, 0, 1, 1]
    assert of_voxels.tolist() == [0, 1]
    keypoints = torch.tensor([[0, 0.5, 0, 0], [1, 0, 0, 0.5], [1, 0, 0, 0]])
    assert [each.tolist() for each in known_rows(dict(points=points), dict(keypoints=keypoints))][1:] == [[0, 1, 1]]
    assert known_rows(dict(points=points, voxels=dict(coors=coors.flip(1))), (), -1)[1].tolist() == [0, 1]


def test_what_is_left_out_hands_on_features_with_their_coordinates():
    features, coors = torch.randn(4, 3), torch.tensor([[0, 1, 1, 1], [1, 1, 1, 1], [1, 2, 2, 2], [1, 3, 3, 3]])
    handed_on = LeftOut()(LeftOut()(features, coors, 2))
    torch.testing.assert_close(pool_clouds(handed_on, 2), torch.stack([features[0], features[1:].amax(0)]))
    assert LeftOut()(features, 2) is features


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
