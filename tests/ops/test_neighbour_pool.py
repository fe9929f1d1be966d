"""Maximum and sum over neighbours, against gathering every edge."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from thread_counts import with_one_and_three_threads

from strl_mmdet3d.ops import neighbour_pool
from strl_mmdet3d.ops.neighbour_pool import neighbour_max, neighbour_sum

POOLS = {'max': (neighbour_max, lambda edges: edges.max(dim=2).values), 'sum': (neighbour_sum, lambda e: e.sum(dim=2))}


def inputs(clouds, points, queries, k, channels, seed=0, device='cpu'):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(clouds, points, channels, generator=generator).to(device).requires_grad_()
    neighbours = torch.randint(points, (clouds, queries, k), generator=generator).to(device)
    return features, neighbours, torch.randn(clouds, queries, channels, generator=generator).to(device)


def all_edges(features, neighbours):
    """(B, M, k, C)."""
    return torch.stack([cloud[rows] for cloud, rows in zip(features, neighbours, strict=True)])


def assert_plain(name, features, neighbours, grad):
    """Values and gradients are those of the computation that makes each edge."""
    pool, plain = POOLS[name]
    mine, expected = pool(features, neighbours), plain(all_edges(features, neighbours))
    torch.testing.assert_close(mine, expected)
    found, wanted = (torch.autograd.grad(out, features, grad)[0] for out in (mine, expected))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('name', POOLS)
@settings(max_examples=25, deadline=None)
@given(
    clouds=st.integers(1, 9),
    points=st.integers(1, 20),
    queries=st.integers(1, 20),
    k=st.integers(1, 6),
    channels=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_values_and_gradients_are_those_of_all_edges(name, clouds, points, queries, k, channels, seed):
    assert_plain(name, *inputs(clouds, points, queries, k, channels, seed))


@pytest.mark.parametrize('name', POOLS)
@pytest.mark.parametrize('at_a_time', [1, 500, 2**27])
@pytest.mark.parametrize('device', ['cpu', pytest.param('cuda', marks=pytest.mark.cuda)])
def test_what_a_gpu_computes_is_the_same_however_many_clouds_at_a_time(name, at_a_time, device, monkeypatch):
    monkeypatch.setattr(neighbour_pool, '_has_kernels', lambda tensor: False)
    monkeypatch.setattr(neighbour_pool, 'EDGES_AT_A_TIME', at_a_time)
    assert_plain(name, *inputs(5, 30, 20, 6, 7, device=device))


@pytest.mark.parametrize('name', POOLS)
def test_threads_do_not_matter(name):
    features, neighbours, grad = inputs(20, 40, 40, 8, 16)

    def compute():
        out = POOLS[name][0](features, neighbours)
        return out, *torch.autograd.grad(out, features, grad)

    results = with_one_and_three_threads(compute)
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize('name', POOLS)
def test_a_gradient_that_is_a_view_of_one_number_passes(name):
    features, neighbours, _ = inputs(2, 9, 9, 3, 4)
    mine, plain = POOLS[name]
    results = [
        torch.autograd.grad(out.sum(), features)[0]
        for out in (mine(features, neighbours), plain(all_edges(features, neighbours)))
    ]
    torch.testing.assert_close(*results)


def test_of_equal_neighbours_the_first_gets_the_gradient():
    features = torch.ones(1, 3, 2, requires_grad=True)
    neighbour_max(features, torch.tensor([[[2, 0, 1], [1, 2, 0]]])).sum().backward()
    assert features.grad.tolist() == [[[0, 0], [1, 1], [1, 1]]]


def test_a_nan_passes_to_the_points_that_have_it_as_neighbour():
    features = torch.zeros(1, 3, 1)
    features[0, 1] = float('nan')
    out = neighbour_max(features, torch.tensor([[[0, 1], [0, 2], [1, 1]]]))
    assert out.isnan().flatten().tolist() == [True, False, True]
