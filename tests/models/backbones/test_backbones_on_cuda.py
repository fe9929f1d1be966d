"""The trunks that take another way on a GPU: its features, gradients and statistics are those of the CPU."""

from __future__ import annotations

import pytest
import torch
from mmdet3d.registry import MODELS

TRUNKS = {
    'PointNet': (dict(type='PointNet', channels=(16, 32)), lambda out: out),
    'DGCNN': (dict(type='DGCNN', channels=(16, 32), out_channels=24, k=8), lambda out: out),
    'FeatureKNNDGCNN': (
        dict(type='FeatureKNNDGCNN', in_channels=3, num_samples=(8, 8, 8), act_cfg=dict(type='ReLU')),
        lambda out: out['pooled'],
    ),
}


def results(name: str, device: str, num_points: int = 60) -> dict[str, torch.Tensor]:
    """Features, gradients and state after one forward and one backward pass in training."""
    config, feature = TRUNKS[name]
    torch.manual_seed(0)
    trunk = MODELS.build(config).to(device).train()
    features = feature(trunk(torch.rand(3, 60, 3)[:, :num_points].to(device)))
    slope = torch.linspace(-1, 1, features.numel()).view_as(features).to(features)
    (features * slope).sum().backward()
    gradients = {f'gradient of {key}': parameter.grad for key, parameter in trunk.named_parameters()}
    return {
        key: tensor.detach().cpu().float()
        for key, tensor in {'features': features, **gradients, **trunk.state_dict()}.items()
    }


def assert_close(found: dict, expected: dict, share: float) -> None:
    """Each tensor, but for a share of its norm; each gradient, but for a share of the largest."""
    assert found.keys() == expected.keys()
    largest = max(tensor.norm() for name, tensor in expected.items() if name.startswith('gradient'))
    for name, tensor in expected.items():
        scale = largest if name.startswith('gradient') else tensor.norm()
        assert (found[name] - tensor).norm() <= share * scale, name


@pytest.mark.parametrize('name', TRUNKS)
def test_a_cloud_without_its_last_point_is_seen(name):
    found = results(name, 'cpu')
    assert_close(results(name, 'cpu'), found, 1e-6)
    with pytest.raises(AssertionError):
        assert_close(results(name, 'cpu', num_points=59), found, 1e-3)


@pytest.mark.cuda
@pytest.mark.parametrize('name', TRUNKS)
def test_a_gpu_gives_what_the_cpu_gives(name, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)
    assert_close(results(name, 'cuda'), results(name, 'cpu'), 1e-3)
