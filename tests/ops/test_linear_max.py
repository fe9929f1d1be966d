"""A linear layer and the maximum over points in one, against the plain product and maximum."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from thread_counts import with_one_and_three_threads

from strl_mmdet3d.ops.linear_max import linear_max


def inputs(clouds, points, channels, out, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(clouds, points, channels, generator=generator, requires_grad=True)
    weight = torch.randn(out, channels, generator=generator, requires_grad=True)
    return features, weight, torch.randn(clouds, out, generator=generator)


@settings(max_examples=25, deadline=None)
@given(
    clouds=st.integers(1, 19),
    points=st.integers(1, 30),
    channels=st.integers(1, 9),
    out=st.integers(1, 12),
    seed=st.integers(0, 99),
)
def test_values_and_gradients_are_those_of_the_plain_computation(clouds, points, channels, out, seed):
    features, weight, grad = inputs(clouds, points, channels, out, seed)
    mine = linear_max(features, weight)
    plain = (features @ weight.T).max(dim=1).values
    torch.testing.assert_close(mine, plain)
    for one, other in zip(
        torch.autograd.grad(mine, (features, weight), grad),
        torch.autograd.grad(plain, (features, weight), grad),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_threads_do_not_matter():
    features, weight, grad = inputs(20, 40, 16, 64)

    def compute():
        out = linear_max(features, weight)
        return out, *torch.autograd.grad(out, (features, weight), grad)

    results = with_one_and_three_threads(compute)
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_of_equal_points_the_first_gets_the_gradient():
    features = torch.ones(1, 3, 2, requires_grad=True)
    linear_max(features, torch.ones(4, 2)).sum().backward()
    assert features.grad.tolist() == [[[4, 4], [0, 0], [0, 0]]]


def test_bfloat16_is_computed_in_float32_and_gets_its_gradient_in_bfloat16():
    features, weight, _ = inputs(2, 5, 4, 6)
    narrow = features.detach().bfloat16().requires_grad_()
    out = linear_max(narrow, weight)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, linear_max(narrow.detach().float(), weight))
    out.sum().backward()
    assert (narrow.grad.dtype, weight.grad.dtype) == (torch.bfloat16, torch.float32)


def test_autocast_does_not_reach_it():
    features, weight, _ = inputs(2, 5, 4, 6)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        inside = linear_max(features, weight)
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, linear_max(features, weight))


def test_there_is_no_second_derivative():
    features, weight, _ = inputs(2, 5, 4, 6)
    (grad,) = torch.autograd.grad(linear_max(features, weight).square().sum(), features, create_graph=True)
    with pytest.raises(RuntimeError, match='once_differentiable'):
        grad.sum().backward()
