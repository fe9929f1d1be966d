"""Options that may be faster, all off by default: what they change of a step's loss and gradient, and what not."""

from __future__ import annotations

import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.registry import OPTIM_WRAPPERS
from tiny import pair_batch, tiny_strl


@pytest.fixture
def model():
    built = MODELS.build(tiny_strl())
    built.init_weights()
    return built.train()


def one_step(model, batch=None, wrapper='OptimWrapper'):
    """Make a step that leaves the parameters as they are; give its loss and gradient."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    kept = OPTIM_WRAPPERS.build(dict(type=wrapper, optimizer=optimizer))
    kept.zero_grad = lambda **kwargs: None  # ahead of who reads the gradient
    logs = model.train_step(batch or pair_batch(4), kept)
    gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad])
    optimizer.zero_grad(set_to_none=True)
    return logs['loss'].item(), gradient


def tiny_pointnet_strl():
    """STRL around a narrow PointNet."""
    return dict(
        type='STRL',
        encoder=dict(
            type='DetectorEncoder',
            detector=dict(
                type='ShapeClassifier',
                backbone=dict(type='PointNet', channels=(8, 16)),
                cls_head=dict(type='ShapeClsHead', num_classes=2, in_channels=16),
            ),
        ),
        projector=dict(type='ProjectionMLP', in_channels=16, hidden_channels=32, out_channels=8),
        predictor=dict(type='ProjectionMLP', in_channels=8, hidden_channels=32, out_channels=8),
    )


def shape_batch(size, points):
    generator = torch.Generator().manual_seed(0)
    return {
        view: dict(inputs=dict(points=[torch.randn(points, 3, generator=generator) for _ in range(size)]))
        for view in ('view_1', 'view_2')
    }


@pytest.mark.parametrize(
    'backbone',
    [dict(type='PointNet', channels=(8, 16)), dict(type='DGCNN', channels=(8, 8), out_channels=8, k=5)],
    ids=lambda backbone: backbone['type'],
)
def test_shapes_train_in_bfloat16(backbone):
    config = tiny_pointnet_strl()
    config['encoder']['detector']['backbone'] = backbone
    model, views = MODELS.build(config), shape_batch(8, points=64)
    model.init_weights()
    (loss, gradient), (half_loss, half_gradient) = (
        one_step(model.train(), views, wrapper) for wrapper in ('OptimWrapper', 'BFloat16OptimWrapper')
    )
    assert half_loss == pytest.approx(loss, rel=0.05)
    assert half_loss != loss
    assert torch.cosine_similarity(half_gradient, gradient, dim=0) > 0.8


def test_bfloat16_changes_the_loss_by_its_rounding(model):
    """With the wrapper of `--amp` on a CPU."""
    loss, gradient = one_step(model)
    half_loss, half_gradient = one_step(model, wrapper='BFloat16OptimWrapper')
    assert half_loss == pytest.approx(loss, rel=0.02)
    assert half_loss != loss
    assert torch.cosine_similarity(half_gradient, gradient, dim=0) > 0.9  # measured: 0.94; some maxima are other points


def test_a_compiled_step_is_the_step():
    """mmengine's own `compile`, with the backend that traces and differentiates as any other but writes no C++."""
    views = shape_batch(4, points=64)
    eager = MODELS.build(tiny_pointnet_strl())
    eager.init_weights()
    compiled = MODELS.build(tiny_pointnet_strl())
    compiled.load_state_dict(eager.state_dict())
    compiled.train_step = torch.compile(compiled.train_step, backend='aot_eager')  # as the Runner does it
    made = [one_step(model.train(), views) for model in (eager, compiled)]
    assert made[1][0] == pytest.approx(made[0][0], rel=1e-5)
    torch.testing.assert_close(made[1][1], made[0][1], rtol=1e-3, atol=1e-5)
