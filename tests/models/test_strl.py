"""STRL against hand-computed values: the loss, the target, what receives a gradient."""

from __future__ import annotations

import math
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet3d.registry import MODELS
from mmengine.optim import OptimWrapper
from tiny import pair_batch, tiny_strl

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.models.mlp import ProjectionMLP
from strl_mmdet3d.models.strl import STRL, byol_loss, contrastive_loss


@pytest.fixture
def strl():
    model = MODELS.build(tiny_strl())
    model.init_weights()
    return model.train()


def two_views(model, size=3, seed=0):
    return model.data_preprocessor(pair_batch(size, seed), True)


@pytest.mark.parametrize(
    ('angle', 'loss'),
    [(0, 0.0), (60, 1.0), (90, 2.0), (120, 3.0), (180, 4.0)],
)
def test_byol_loss_of_known_angles(angle, loss):
    radians = math.radians(angle)
    prediction = torch.tensor([[3.0, 0.0]])
    projection = 0.2 * torch.tensor([[math.cos(radians), math.sin(radians)]])
    assert byol_loss(prediction, projection).item() == pytest.approx(loss, abs=1e-6)


@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 2**16))
def test_byol_loss_is_the_squared_distance_of_unit_vectors(scale, seed):
    rng = np.random.default_rng(seed)
    a, b = (torch.from_numpy(rng.normal(size=(4, 6))) for _ in range(2))
    unit_a, unit_b = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)
    expected = (unit_a - unit_b).square().sum(dim=1).mean().item()
    assert byol_loss(a * scale, b).item() == pytest.approx(expected, abs=1e-5)


def test_loss_is_what_the_paper_says(strl):
    views = two_views(strl)
    strl.eval()  # no state changes between the two computations
    online = {view: strl.online_projector(strl.online_encoder(views[view])) for view in views}
    target = {view: strl.target_projector(strl.target_encoder(views[view])) for view in views}
    by_hand = 0.0
    for mine, other in (('view_1', 'view_2'), ('view_2', 'view_1')):
        prediction, projection = strl.predictor(online[mine]), target[other]
        cosines = (prediction * projection).sum(1) / (prediction.norm(dim=1) * projection.norm(dim=1))
        by_hand += (2 - 2 * cosines).mean().item()
    assert strl(**views, mode='loss')['loss'].item() == pytest.approx(by_hand, rel=1e-5)


def test_a_local_view_predicts_both_views_and_receives_no_prediction(strl):
    views, local = two_views(strl), two_views(strl, seed=5)['view_1']
    strl.eval()
    target = [strl.target_projector(strl.target_encoder(view)) for view in views.values()]
    prediction = strl.predictor(strl.online_projector(strl.online_encoder(local)))
    by_hand = sum(byol_loss(prediction, projection) for projection in target).item() / 2
    plain = strl(**views, mode='loss')['loss'].item()
    assert strl(**views, local_1=local, mode='loss')['loss'].item() == pytest.approx(plain + by_hand, rel=1e-5)
    twice = strl(**views, local_1=local, local_2=local, mode='loss')['loss'].item()
    assert twice == pytest.approx(plain + 2 * by_hand, rel=1e-5)


def test_the_preprocessor_prepares_local_views_too(strl):
    batch = pair_batch()
    prepared = strl.data_preprocessor(batch | dict(local_1=batch['view_1']), True)
    assert list(prepared) == ['view_1', 'view_2', 'local_1']
    assert torch.equal(prepared['local_1']['voxels']['voxels'], prepared['view_1']['voxels']['voxels'])


def test_a_normalising_projector_centres_its_channels():
    plain, normalising = (ProjectionMLP(16, 32, 8, normalize=flag) for flag in (False, True))
    assert len(plain) == 4
    x = torch.randn(64, 16) + 3
    out = normalising.train()(x)
    torch.testing.assert_close(out.mean(0), torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.std(0, unbiased=False), torch.ones(8), atol=1e-2, rtol=0)
    assert not list(normalising[4].parameters())


def test_swapping_the_views_leaves_the_loss_as_it_is(strl):
    views = two_views(strl)
    loss = strl.loss(views['view_1'], views['view_2'])['loss']
    swapped = strl.loss(views['view_2'], views['view_1'])['loss']
    assert loss.item() == pytest.approx(swapped.item(), rel=1e-6)


@pytest.mark.parametrize('local', [False, True])
@pytest.mark.parametrize('accumulative_counts', [1, 2, 3])
def test_a_step_of_one_view_at_a_time_has_the_gradient_and_the_statistics_of_the_loss(local, accumulative_counts):
    """Three micro-batches: with accumulative counts of 2, the last step has one alone."""
    batches = [pair_batch(3, seed) for seed in range(3)]
    if local:
        batches = [batch | dict(local_1=batch['view_1'], local_2=batch['view_2']) for batch in batches]
    gradients, states, logs = ([], []), [], ([], [])
    for side, one_at_a_time in enumerate((False, True)):
        torch.manual_seed(0)
        model = MODELS.build(tiny_strl())
        model.init_weights()
        model.train()
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
        optimizer.register_step_pre_hook(
            lambda optimizer, *_, kept=gradients[side]: kept.append(
                torch.cat([p.grad.flatten() for p in optimizer.param_groups[0]['params'] if p.grad is not None])
            )
        )
        wrapper = OptimWrapper(optimizer, accumulative_counts=accumulative_counts)
        wrapper.initialize_count_status(model, 0, len(batches))
        for batch in batches:
            if one_at_a_time:
                logs[side].append(model.train_step(batch, wrapper))
            else:
                logs[side].append(super(STRL, model).train_step(batch, wrapper))  # mmengine's, of the whole loss
        states.append(model.state_dict())
    assert len(gradients[0]) == len(gradients[1]) == math.ceil(3 / accumulative_counts)
    for whole, by_view in zip(*gradients, strict=True):
        assert (by_view - whole).norm() <= 1e-4 * whole.norm()
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, rtol=1e-3, atol=1e-4, msg=name)
    for whole, by_view in zip(*logs, strict=True):
        assert by_view.keys() == whole.keys() == {'loss'}
        assert all(by_view[name].item() == pytest.approx(whole[name].item(), rel=1e-4) for name in whole)


class Marked(torch.autograd.Function):
    """The identity; its token lives as long as the graph that it is part of."""

    tokens: list = []

    class Token:
        pass

    @staticmethod
    def forward(ctx, x):
        ctx.token = Marked.Token()
        Marked.tokens.append(weakref.ref(ctx.token))
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad


def test_a_step_holds_the_graph_of_one_view(strl):
    """When a view is encoded, no graph of a view before it is alive."""
    alive = []
    Marked.tokens.clear()
    strl.online_encoder.register_forward_pre_hook(
        lambda module, inputs: alive.append(sum(token() is not None for token in Marked.tokens))
    )
    strl.online_encoder.register_forward_hook(lambda module, inputs, output: Marked.apply(output))
    batch = pair_batch()
    batch |= dict(local_1=batch['view_1'])
    strl.train_step(batch, OptimWrapper(torch.optim.SGD(strl.parameters(), lr=0.1)))
    assert alive == [0, 0, 0]
    strl.loss(**strl.data_preprocessor(batch, True))
    assert alive[3:] == [0, 1, 2]  # the whole loss keeps them all


def test_the_target_never_receives_a_gradient_and_all_of_the_online_network_does(strl):
    strl.loss(**two_views(strl))['loss'].backward()
    for name, parameter in strl.named_parameters():
        if name.startswith('target_'):
            assert not parameter.requires_grad
            assert parameter.grad is None
        else:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_the_target_starts_as_a_copy_that_shares_no_memory(strl):
    for online, target in ((strl.online_encoder, strl.target_encoder), (strl.online_projector, strl.target_projector)):
        theirs = target.state_dict()
        for name, tensor in online.state_dict().items():
            assert torch.equal(tensor, theirs[name])
            assert tensor.data_ptr() != theirs[name].data_ptr()


@pytest.mark.parametrize('tau', [0.0, 0.3, 0.996, 1.0])
def test_update_target_is_the_moving_average_of_the_parameters(strl, tau):
    with torch.no_grad():
        for parameter in strl.online_encoder.parameters():
            parameter.add_(torch.randn_like(parameter))
    before = {name: tensor.clone() for name, tensor in strl.target_encoder.state_dict().items()}
    strl.online_encoder.detector.backbone.blocks[0][1].running_mean.fill_(5)
    strl.update_target(tau)
    online = strl.online_encoder.state_dict()
    parameters = dict(strl.target_encoder.named_parameters())
    for name, tensor in strl.target_encoder.state_dict().items():
        expected = tau * before[name] + (1 - tau) * online[name] if name in parameters else before[name]
        torch.testing.assert_close(tensor, expected)


def test_update_target_averages_the_buffers_where_asked_to(strl):
    norm = strl.online_encoder.detector.backbone.blocks[0][1]
    norm.running_mean.fill_(5)
    norm.num_batches_tracked.fill_(7)
    strl.update_target(0.8, buffers=True)
    target = strl.target_encoder.detector.backbone.blocks[0][1]
    torch.testing.assert_close(target.running_mean, torch.full_like(target.running_mean, 1.0))
    assert target.num_batches_tracked == 7


def test_a_batch_of_one_is_refused_with_the_remedy(strl):
    with pytest.raises(ValueError, match=r'batch_size >= 2'):
        strl(**two_views(strl, size=1), mode='loss')


def test_a_projector_of_another_width_is_refused_with_the_remedy():
    model = MODELS.build(tiny_strl(projector=dict(type='ProjectionMLP', in_channels=99)))
    with pytest.raises(ValueError, match=r'set projector.in_channels=16'):
        model.loss(**two_views(model))


def test_tensor_mode_embeds_and_predict_mode_is_refused(strl):
    first, second = strl(**two_views(strl))
    assert first.shape == second.shape == (3, 16)
    with pytest.raises(RuntimeError, match='predict'):
        strl(**two_views(strl), mode='predict')


def test_a_batch_without_two_views_is_refused(strl):
    with pytest.raises(KeyError, match='view_2'):
        strl.data_preprocessor({'view_1': {}}, True)


def test_a_subclass_with_another_loss_is_refused():
    with pytest.raises(TypeError, match='override terms'):

        class Silent(STRL):
            def loss(self, view_1, view_2):
                return dict(loss=torch.zeros(()))


def test_a_subclass_with_other_terms_is_trained_on_them(strl):
    class Doubled(STRL):
        def terms(self, view_1, view_2, **local_views):
            for term in super().terms(view_1, view_2, **local_views):
                yield 2 * term

    batch = pair_batch(3)
    optimizers = [OptimWrapper(torch.optim.SGD(strl.parameters(), lr=0.0)) for _ in range(2)]
    plain = strl.train_step(batch, optimizers[0])['loss'].item()
    strl.__class__ = Doubled
    assert strl.train_step(batch, optimizers[1])['loss'].item() == pytest.approx(2 * plain, rel=1e-5)


def test_an_optimizer_wrapper_with_a_backward_of_its_own_is_refused(strl):
    class Own(OptimWrapper):
        def backward(self, loss, **kwargs):
            loss.backward()

    with pytest.raises(ConfigError, match=r'which Own does not allow: set optim_wrapper\.type'):
        strl.train_step(pair_batch(3), Own(torch.optim.SGD(strl.parameters(), lr=0.1)))


def test_the_projections_of_the_latest_batch_are_kept_for_hooks(strl):
    batch = pair_batch(3)
    batch |= dict(local_1=batch['view_1'])
    views = strl.data_preprocessor(batch, True)
    strl.eval()
    strl.loss(**views)
    assert set(strl.projections) == {'view_1', 'view_2', 'local_1'}
    for name, projection in strl.projections.items():
        assert not projection.requires_grad
        assert torch.equal(projection, strl.online_projector(strl.online_encoder(views[name])))
    assert not any('projections' in name for name in strl.state_dict())


def test_the_losses_are_of_float32_under_autocast():
    """Vectors that are nearly alike differ in digits that half precision drops."""
    prediction = torch.randn(1, 32) + 0.03 * torch.randn(16, 32)
    projection = prediction + 0.03 * torch.randn(16, 32)

    def gradient(loss, amp):
        leaf = prediction.clone().requires_grad_()
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=amp):
            value = loss(leaf)
        value.backward()  # outside, as in `train_term_by_term`
        return leaf.grad

    for loss in (lambda p: byol_loss(p, projection), lambda p: contrastive_loss(p, projection, 0.2)):
        torch.testing.assert_close(gradient(loss, amp=True), gradient(loss, amp=False), rtol=0, atol=0)
