"""LARS and mixed precision in the Runner."""

from __future__ import annotations

import pytest
import pytorch_optimizer
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet3d.registry import OPTIM_WRAPPERS, OPTIMIZERS
from tiny import tiny_runner

from strl_mmdet3d.engine.optimizers import bf16_optim_wrapper


def test_lars_by_hand_and_vectors_left_alone():
    matrix = torch.nn.Parameter(torch.tensor([[3.0, 4.0]]))
    vector = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    matrix.grad, vector.grad = torch.tensor([[0.6, 0.8]]), torch.tensor([0.1, 0.1])
    config = dict(type='LARS', params=[matrix, vector], lr=2.0, momentum=0.9, weight_decay=0.5, trust_coefficient=0.01)
    OPTIMIZERS.build(config).step()
    # trust = 0.01 * |w| / (|g| + 0.5 |w|) = 0.01 * 5 / 3.5; update = trust * (g + 0.5 w)
    trust = 0.01 * 5 / 3.5
    expected = [[3 - 2 * trust * (0.6 + 1.5), 4 - 2 * trust * (0.8 + 2)]]
    torch.testing.assert_close(matrix.detach(), torch.tensor(expected))
    torch.testing.assert_close(vector.detach(), torch.tensor([0.8, 1.8]))  # plain SGD, no weight decay


RECIPE = dict(type='LARS', lr=0.2, momentum=0.9, weight_decay=1.5e-6, trust_coefficient=1e-3)


def lars(*parameters, **changes):
    return OPTIMIZERS.build(RECIPE | dict(params=list(parameters)) | changes)


def weight(gradient, seed=0, shape=(4, 3)):
    made = torch.nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(seed)))
    made.grad = None if gradient is None else torch.full(shape, gradient)
    return made


@pytest.mark.parametrize('foreach', [None, True, False])
@pytest.mark.parametrize('nesterov', [False, True])
@pytest.mark.parametrize('gradient', [None, 0.0])
@pytest.mark.parametrize('decay', [0.0, 1.5e-6, 0.1])
def test_lars_leaves_a_weight_without_gradient_alone(foreach, nesterov, gradient, decay):
    idle, moving, alone = weight(gradient), weight(0.5, 1), weight(0.5, 1)
    start = idle.detach().clone()
    options = dict(foreach=foreach, nesterov=nesterov, weight_decay=decay)
    both, one = lars(idle, moving, **options), lars(alone, **options)
    for _ in range(3):
        both.step()
        one.step()
        for parameter in (moving, alone):
            parameter.grad = torch.full_like(parameter, 0.5)
    assert torch.equal(idle, start)
    assert torch.equal(moving, alone), 'the other weights step as without it'
    assert [len(group['params']) for group in both.param_groups] == [2]
    assert both.param_groups[0]['step'] == 3
    assert both.param_groups[0]['weight_decay'] == decay


def test_what_pytorch_optimizer_makes_of_a_weight_without_gradient():
    """The reason for our subclass; once this fails, it may go."""
    idle = weight(0.0)
    start = idle.detach().clone()
    theirs = pytorch_optimizer.LARS([idle], **{key: value for key, value in RECIPE.items() if key != 'type'})
    theirs.step()
    torch.testing.assert_close(idle.detach(), (1 - 0.2 * 1e-3) * start)


def test_the_momentum_goes_on_without_a_gradient():
    moved = weight(0.5)
    start = moved.detach().clone()
    optimizer = lars(moved)
    optimizer.step()
    step = moved.detach() - start
    for number in (1, 2, 3):
        moved.grad = torch.zeros_like(moved)
        before = moved.detach().clone()
        optimizer.step()
        torch.testing.assert_close(moved.detach() - before, 0.9**number * step, rtol=1e-3, atol=1e-6)
        moved.grad = None
        optimizer.step()  # without any gradient, the momentum rests
        torch.testing.assert_close(moved.detach() - before, 0.9**number * step, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize('value', [0.3, -1e-30, float('nan')])
def test_one_value_in_a_gradient_of_zeros_counts(value):
    ours, theirs = weight(0.0), weight(0.0)
    for parameter in (ours, theirs):
        parameter.grad[2, 1] = value
    lars(ours).step()
    pytorch_optimizer.LARS([theirs], **{key: value for key, value in RECIPE.items() if key != 'type'}).step()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)


@given(seed=st.integers(0, 99), steps=st.integers(1, 4))
def test_lars_with_gradients_is_that_of_pytorch_optimizer(seed, steps):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(4, 3), (3,), (2, 3, 2), (1, 1), (0, 3)]
    ours, theirs = ([weight(0.0, seed, shape) for shape in shapes] for _ in range(2))
    groups = [[dict(params=some[:2], weight_decay=0.1), dict(params=some[2:])] for some in (ours, theirs)]
    settings = {key: value for key, value in RECIPE.items() if key != 'type'}
    both = OPTIMIZERS.build(dict(RECIPE, params=groups[0])), pytorch_optimizer.LARS(groups[1], **settings)
    for _ in range(steps):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn(mine.shape, generator=generator)
            other.grad = mine.grad.clone()
        for optimizer in both:
            optimizer.step()
    assert all(torch.equal(mine, other) for mine, other in zip(ours, theirs, strict=True))
    states = [optimizer.state_dict() for optimizer in both]
    assert states[0]['param_groups'] == states[1]['param_groups']
    for key, state in states[1]['state'].items():
        assert torch.equal(states[0]['state'][key]['momentum_buffer'], state['momentum_buffer'])


def test_lars_takes_a_closure_and_stays_whole_after_an_error(monkeypatch):
    idle, moving = weight(None), weight(None, 1)
    optimizer = lars(idle, moving)

    def closure():
        loss = (0 * idle).sum() + moving.square().sum()
        loss.backward()
        return loss

    start = idle.detach().clone()
    assert optimizer.step(closure).item() > 0
    assert torch.equal(idle, start)
    assert moving.grad.any()
    monkeypatch.setattr(pytorch_optimizer.LARS, 'init_group', lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError, match='division by zero'):
        optimizer.step()
    assert [len(group['params']) for group in optimizer.param_groups] == [2]


@pytest.mark.parametrize('accumulate', [1, 2])
def test_bfloat16_runs_in_half_precision_and_trains_in_single(tmp_path, accumulate):
    wrapper = dict(
        type='BFloat16OptimWrapper', optimizer=dict(type='LARS', lr=0.5, momentum=0.9), accumulative_counts=accumulate
    )
    runner = tiny_runner(tmp_path, epochs=1, optim_wrapper=wrapper)
    kinds = set()
    runner.model.online_projector[0].register_forward_hook(lambda module, args, out: kinds.add(out.dtype))
    before = runner.model.online_projector[0].weight.clone()
    runner.train()
    assert kinds == {torch.bfloat16}
    assert runner.model.online_projector[0].weight.dtype == torch.float32
    assert not torch.equal(before, runner.model.online_projector[0].weight)
    assert runner.message_hub.get_scalar('train/loss').current() > 0


def test_accumulated_gradients_are_those_of_their_mean(tmp_path):
    """Two equal micro-batches make the same step as one of them."""
    weights = []
    for accumulate in (1, 2):
        runner = tiny_runner(tmp_path / str(accumulate), epochs=accumulate, length=2, batch=2, accumulate=accumulate)
        runner.train()
        weights.append(runner.model.predictor[0].weight.detach().clone())
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(('capability', 'warns'), [('AVX2', True), ('AVX512', False), ('DEFAULT', False)])
def test_bfloat16_warns_where_the_cpu_is_slow_at_it(monkeypatch, capability, warns):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(torch.backends.cpu, 'get_cpu_capability', lambda: capability)
    said = []
    monkeypatch.setattr(bf16_optim_wrapper, 'print_log', lambda message, **kwargs: said.append(message))
    parameter = torch.nn.Parameter(torch.ones(1))
    OPTIM_WRAPPERS.build(dict(type='BFloat16OptimWrapper', optimizer=torch.optim.SGD([parameter], lr=0.1)))
    assert ['Train without --amp' in message for message in said] == [True] * warns
