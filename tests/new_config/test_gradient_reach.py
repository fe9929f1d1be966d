"""The walk through autograd's graph, against a backward pass."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from strl_mmdet3d.new_config.gradient_reach import parameters_behind, shares_reached


def with_a_gradient(result: torch.Tensor, module: nn.Module) -> set[int]:
    """The parameters that a backward pass gives a gradient."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not parameters:
        return set()
    gradients = torch.autograd.grad(result.sum(), parameters, allow_unused=True)
    return {id(part) for part, gradient in zip(parameters, gradients, strict=True) if gradient is not None}


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.sets(st.integers(0, 5)), st.booleans())
def test_it_finds_what_a_backward_pass_finds(order, frozen, both):
    """Layers in any order, some used twice, some frozen, some not at all, and a branch that joins again."""
    layers = nn.ModuleList(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.ReLU()) for _ in range(6))
    for place in frozen:
        layers[place].requires_grad_(False)
    x = torch.randn(4, 3, requires_grad=True)  # as a leaf that is no parameter
    for place in order:
        x = layers[place](x) + (x if both else 0)
    found, operations = parameters_behind(x)
    assert operations >= len(order)
    assert found & {id(part) for part in layers.parameters()} == with_a_gradient(x, layers)


def test_a_result_without_a_graph():
    assert parameters_behind(torch.zeros(3)) == (set(), 0)
    with torch.no_grad():
        assert parameters_behind(nn.Linear(2, 2)(torch.zeros(1, 2))) == (set(), 0)
    leaf = torch.zeros(3, requires_grad=True)
    assert parameters_behind(leaf) == ({id(leaf)}, 0)


def test_shares_count_values_and_leave_out_children_without_parameters():
    module = nn.ModuleDict(dict(one=nn.Linear(2, 3), two=nn.ReLU(), three=nn.Linear(3, 1)))
    reached = {id(module['one'].weight), id(module['three'].weight), id(module['three'].bias)}
    assert shares_reached(module, ['one', 'two', 'three'], reached) == dict(one=6 / 9, three=1.0)
