"""PointNet: the layers of the released model, compared with convolutions, for any order of the points."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from mmdet3d.registry import MODELS

from strl_mmdet3d.models import PointNet
from strl_mmdet3d.models.backbones.pointnet import PointLayer


def trained(backbone):
    """Give BatchNorm other statistics and scales than a new layer has; some scales are negative."""
    for name, tensor in backbone.state_dict().items():
        if 'bn' in name and tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5 if 'var' in name else torch.randn_like(tensor))
    return backbone


def test_the_layers_are_those_of_the_released_model():
    backbone = MODELS.build(dict(type='PointNet'))
    shapes = [tuple(weight.shape) for weight in backbone.parameters() if weight.ndim == 2]
    assert shapes == [(64, 3), (64, 64), (64, 64), (128, 64), (1024, 128)]
    assert len(backbone.state_dict()) == 5 * 6
    assert backbone(torch.randn(2, 50, 3)).shape == (2, 1024)


def test_it_computes_convolutions_batchnorm_relu_and_the_maximum():
    backbone = trained(PointNet(channels=(8, 16))).eval()
    points = torch.randn(3, 20, 3)
    x = points.transpose(1, 2)
    weights = [weight for weight in backbone.parameters() if weight.ndim == 2]
    norms = [module for module in backbone.modules() if isinstance(module, torch.nn.BatchNorm1d)]
    for weight, norm in zip(weights, norms, strict=True):
        x = F.conv1d(x, weight[..., None])
        x = F.relu(F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias))
    torch.testing.assert_close(backbone(points), x.amax(dim=2))


def test_in_training_batchnorm_counts_the_points_of_all_clouds():
    backbone = PointNet(channels=(4,)).train()
    points = torch.randn(2, 30, 3)
    backbone(points)
    weight = next(weight for weight in backbone.parameters() if weight.ndim == 2)
    norm = next(module for module in backbone.modules() if isinstance(module, torch.nn.BatchNorm1d))
    torch.testing.assert_close(norm.running_mean, 0.1 * (points.flatten(0, 1) @ weight.T).mean(dim=0))


def test_neither_the_order_of_the_points_nor_a_repetition_matters():
    backbone = trained(PointNet()).eval()
    points = torch.randn(2, 40, 3)
    repeated = torch.cat([points, points[:, :7]], dim=1)[:, torch.randperm(47)]
    torch.testing.assert_close(backbone(repeated), backbone(points))


def test_every_parameter_gets_a_gradient():
    backbone = PointNet()
    backbone(torch.randn(4, 40, 3)).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in backbone.parameters())


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('momentum', [0.1, None])
def test_the_maximum_behind_batchnorm_is_that_of_the_layer_as_it_is_written(training, momentum):
    layer = trained(PointLayer(5, 12)).train(training)
    layer.bn.momentum = momentum
    layer.bn.weight.data[:6] *= -1
    other = copy.deepcopy(layer)
    clouds, grad = torch.randn(3, 20, 5), torch.randn(3, 12)
    mine, theirs = (clouds.clone().requires_grad_() for _ in range(2))
    for _ in range(2):  # the second time the running statistics count
        out = layer.max_over_points(mine)
        expected = other(theirs.flatten(0, 1)).unflatten(0, (3, 20)).max(dim=1).values
        torch.testing.assert_close(out, expected)
    out.backward(grad)
    expected.backward(grad)
    torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-5, rtol=1e-4)
    for one, same in zip(layer.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one.grad, same.grad, atol=1e-5, rtol=1e-4)
    for name, tensor in layer.state_dict().items():
        torch.testing.assert_close(tensor, other.state_dict()[name])
