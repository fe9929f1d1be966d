"""DGCNN: its edge convolution, compared edge by edge; its graph in feature space; its two poolings."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from mmdet3d.registry import MODELS
from torch import nn

from strl_mmdet3d.models.backbones.dgcnn import DGCNN, EdgeConv


def trained(module):
    """Give BatchNorm other statistics and scales than a new layer has; some scales are negative."""
    for name, tensor in module.state_dict().items():
        if 'bn' in name and tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5 if 'var' in name else torch.randn_like(tensor))
    return module


def parts_of(layer: EdgeConv):
    """The weight and the normalisation of an edge convolution."""
    norms = [module for module in layer.modules() if isinstance(module, nn.BatchNorm1d)]
    return next(weight for weight in layer.parameters() if weight.ndim == 2), norms[0]


def nearest_of(cloud: torch.Tensor, k: int) -> torch.Tensor:
    """(N, k): the k nearest points of each point, by sorting all distances."""
    rows = [sorted(range(len(cloud)), key=lambda j: float((cloud[j] - point).square().sum()))[:k] for point in cloud]
    return torch.tensor(rows)


def edges_of(cloud: torch.Tensor, k: int) -> torch.Tensor:
    """(N, k, 2C): for each point and each of its k nearest ones (x_j - x_i, x_i)."""
    neighbours = cloud[nearest_of(cloud.detach(), k)]
    points = cloud[:, None].expand_as(neighbours)
    return torch.cat([neighbours - points, points], dim=2)


@pytest.mark.parametrize('channels', [3, 5])
def test_an_edge_convolution_is_what_the_paper_says_edge_by_edge(channels):
    layer = trained(EdgeConv(channels, 7, k=4)).eval()
    weight, norm = parts_of(layer)
    x = torch.randn(2, 12, channels)
    edges = torch.stack([edges_of(cloud, 4) for cloud in x]) @ weight.T  # (2, 12, 4, 7)
    normal = F.batch_norm(edges.flatten(0, 2), norm.running_mean, norm.running_var, norm.weight, norm.bias)
    expected = F.leaky_relu(normal, 0.2).view_as(edges).amax(dim=2)
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_in_training_batchnorm_counts_all_edges():
    layer = EdgeConv(3, 5, k=4).train()
    weight, norm = parts_of(layer)
    x = torch.randn(2, 12, 3)
    layer(x)
    edges = torch.cat([edges_of(cloud, 4) for cloud in x]).flatten(0, 1) @ weight.T
    torch.testing.assert_close(norm.running_mean, 0.1 * edges.mean(dim=0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * edges.var(dim=0), rtol=1e-4, atol=1e-5)


def dense(layer: EdgeConv, x: torch.Tensor) -> torch.Tensor:
    """An edge convolution in training that makes and normalises every edge."""
    weight, norm = parts_of(layer)
    edges = torch.stack([edges_of(cloud, layer.k) for cloud in x]) @ weight.T  # (B, N, k, D)
    normal = F.batch_norm(edges.flatten(0, 2), None, None, norm.weight, norm.bias, training=True)
    return F.leaky_relu(normal, 0.2).view_as(edges).amax(dim=2)


@pytest.mark.parametrize('scale', [1.0, 30.0])
def test_in_training_values_and_gradients_are_those_of_all_edges(scale):
    layer = trained(EdgeConv(4, 6, k=5)).double().train()
    assert 0 < (layer.bn.weight < 0).sum() < 6
    x = (torch.randn(2, 15, 4, dtype=torch.float64) * scale + 3).requires_grad_()
    slope = torch.randn(2, 15, 6, dtype=torch.float64)
    results = []
    for out in (layer(x), dense(layer, x)):
        results.append((out, *torch.autograd.grad((out * slope).sum(), (x, *layer.parameters()))))
    for mine, expected in zip(*results, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-6, atol=1e-8)


def test_float32_has_enough_digits_where_neighbours_are_close():
    layer = EdgeConv(3, 16, k=8).train()
    x = torch.randn(2, 400, 3) * torch.tensor([1, 1, 1e-3]) + 5
    exact = EdgeConv(3, 16, k=8).train()
    exact.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(x), exact.double()(x.double()).float(), rtol=1e-3, atol=1e-3)


def test_a_synchronised_batchnorm_sees_each_edge():
    layer = trained(EdgeConv(3, 5, k=4)).eval()
    x = torch.randn(2, 12, 3)
    expected = layer(x)
    layer = nn.SyncBatchNorm.convert_sync_batchnorm(layer)
    assert type(layer.bn) is nn.SyncBatchNorm
    torch.testing.assert_close(layer.eval()(x), expected, rtol=1e-4, atol=1e-5)


def test_the_layers_are_those_of_the_released_model():
    backbone = MODELS.build(dict(type='DGCNN', k=5))
    shapes = [tuple(weight.shape) for weight in backbone.parameters() if weight.ndim == 2]
    assert shapes == [(64, 6), (64, 128), (128, 128), (256, 256), (1024, 512)]
    assert len(backbone.state_dict()) == 5 * 6


def test_the_feature_is_the_maximum_then_the_mean():
    feature = DGCNN(k=5).eval()(torch.randn(2, 30, 3))
    assert feature.shape == (2, 2048)
    assert (feature[:, :1024] > feature[:, 1024:]).all()


def test_the_order_of_the_points_does_not_matter():
    backbone = trained(DGCNN(k=5)).eval()
    points = torch.randn(2, 30, 3)
    shuffled = points[:, torch.randperm(30)]
    torch.testing.assert_close(backbone(shuffled), backbone(points), rtol=1e-3, atol=1e-4)


def test_clouds_of_a_batch_have_graphs_of_their_own():
    backbone = DGCNN(k=5).eval()
    points = torch.randn(3, 30, 3)
    torch.testing.assert_close(backbone(points)[1:2], backbone(points[1:2]), rtol=1e-4, atol=1e-5)


def test_every_parameter_gets_a_gradient():
    backbone = DGCNN(k=5)
    backbone(torch.randn(3, 30, 3)).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in backbone.parameters())


def test_too_few_points_for_the_graph_are_refused():
    with pytest.raises(ValueError, match='a graph of 20 neighbours needs 20 points per cloud, got 10'):
        DGCNN(k=20)(torch.randn(2, 10, 3))
