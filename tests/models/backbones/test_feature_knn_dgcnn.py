"""DGCNN's segmentation trunk with neighbours in feature space, compared with mmdet3d's own trunk."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet3d.models import DGCNNBackbone
from mmdet3d.registry import MODELS

from strl_mmdet3d.models.backbones.feature_knn_dgcnn import FeatureKNNDGCNN, FeatureKNNGroup, feature_knn
from strl_mmdet3d.models.encoder import DetectorEncoder

STOCK = 'mmdet3d::dgcnn/dgcnn_4xb32-cosine-100e_s3dis-seg_test-area5.py'


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1), points=st.integers(1, 40), channels=st.integers(1, 70), share=st.floats(0.0, 1.0)
)
def test_neighbours_are_the_nearest_by_hand(seed, points, channels, share):
    features = torch.randn(2, points, channels, generator=torch.Generator().manual_seed(seed))
    k = max(1, round(share * points))
    distances = (features[:, :, None] - features[:, None]).square().sum(-1)
    found = feature_knn(features, k)
    assert found.dtype == torch.int32
    assert found.shape == (2, points, k)
    # Only ties, up to rounding, may differ.
    got = distances.gather(2, found.long())
    torch.testing.assert_close(got, distances.topk(k, largest=False).values, rtol=1e-3, atol=1e-3)


def test_a_cloud_of_too_few_points_is_refused():
    with pytest.raises(ValueError, match='20 points per cloud, got 3'):
        FeatureKNNGroup(20)(*[torch.rand(1, 3, 8)] * 2)


def test_edge_features_by_hand():
    points = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 5.0]]])
    edges = FeatureKNNGroup(2)(points, points)
    # Each point's nearest other: 0 -> 1, 1 -> 0, 2 -> 0.
    assert edges.shape == (1, 2, 3, 2)
    assert edges[0, :, :, 0].abs().max() == 0
    assert edges[0, :, :, 1].T.tolist() == [[1.0, 0.0], [-1.0, 0.0], [0.0, -5.0]]


def backbones() -> tuple[DGCNNBackbone, FeatureKNNDGCNN]:
    """The stock trunk and ours, with the same parameters, in eval mode."""
    config = dict(in_channels=3, num_samples=(8, 8, 8), act_cfg=dict(type='LeakyReLU', negative_slope=0.2))
    stock = MODELS.build(dict(type='DGCNNBackbone', **config)).eval()
    ours = MODELS.build(dict(type='FeatureKNNDGCNN', **config)).eval()
    ours.load_state_dict(stock.state_dict(), strict=True)
    return stock, ours


def test_it_is_the_stock_trunk_but_for_the_graphs_in_feature_space():
    stock, ours = backbones()
    clouds = torch.rand(2, 60, 3)
    theirs, mine = stock(clouds), ours(clouds)
    assert torch.equal(theirs['gf_points'][1], mine['gf_points'][1])
    assert not torch.allclose(theirs['gf_points'][2], mine['gf_points'][2])
    assert mine['fa_points'].shape == theirs['fa_points'].shape == (2, 60, 1024 + 192)
    assert torch.equal(mine['pooled'], mine['fa_points'][:, 0, :1024])
    behind = ours.FA_module.mlps(torch.cat(mine['gf_points'][1:], dim=2).transpose(1, 2))
    assert torch.equal(mine['pooled'], behind.amax(dim=2))


def test_what_is_computed_of_a_cloud_depends_on_it_alone():
    """In the stock trunk they depend on the cloud before: mmcv's knn reads features as triples. See ops/knn.py."""
    stock, ours = backbones()
    one, other, cloud = torch.rand(3, 1, 60, 3)
    pairs = [torch.cat([first, cloud]) for first in (one, other)]
    torch.testing.assert_close(*(ours(pair)['pooled'][1] for pair in pairs))
    assert not torch.allclose(*(stock(pair)['fa_points'][1] for pair in pairs))


def test_the_order_of_points_does_not_matter():
    _, ours = backbones()
    cloud = torch.rand(1, 60, 3)
    torch.testing.assert_close(ours(cloud)['pooled'], ours(cloud[:, torch.randperm(60)])['pooled'])


def test_the_encoder_stacks_the_clouds_of_a_segmentor():
    override = {'backbone.type': 'FeatureKNNDGCNN', 'backbone.in_channels': 3}
    encoder = DetectorEncoder(STOCK, feature='pooled', override=override).train()
    clouds = [torch.rand(64, 3) for _ in range(3)]
    embedding = encoder(dict(points=clouds))
    assert embedding.shape == (3, 1024)
    embedding.square().mean().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())
    assert not [name for name, _ in encoder.named_parameters() if not name.startswith('detector.backbone.')]
