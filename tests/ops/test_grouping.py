"""Gathering and grouping against torch's own indexing, and their gradients against finite differences."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops import gather_points, grouping_operation

import strl_mmdet3d.ops  # noqa: F401


def index(num_points, *shape):
    return torch.randint(num_points, shape, dtype=torch.int32)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), b=st.integers(1, 3), c=st.integers(1, 5), n=st.integers(1, 40), m=st.integers(1, 30))
def test_gather_is_torch_gather(seed, b, c, n, m):
    torch.manual_seed(seed)
    features, idx = torch.rand(b, c, n), index(n, b, m)
    expected = features.gather(2, idx.long()[:, None].expand(b, c, m))
    assert torch.equal(gather_points(features, idx), expected)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), b=st.integers(1, 3), c=st.integers(1, 5), n=st.integers(1, 40), m=st.integers(1, 9))
def test_group_is_torch_gather(seed, b, c, n, m):
    torch.manual_seed(seed)
    features, idx = torch.rand(b, c, n), index(n, b, m, 4)
    expected = features.gather(2, idx.long().view(b, 1, -1).expand(b, c, m * 4)).view(b, c, m, 4)
    assert torch.equal(grouping_operation(features, idx), expected)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    sizes=st.lists(st.tuples(st.integers(1, 20), st.integers(0, 9)), min_size=1, max_size=4),
    c=st.integers(1, 5),
)
def test_stacked_group_indexes_each_cloud(seed, sizes, c):
    torch.manual_seed(seed)
    clouds = [torch.rand(n, c) for n, _ in sizes]
    indices = [index(n, m, 3) for n, m in sizes]
    counts = torch.tensor(sizes, dtype=torch.int32)
    out = grouping_operation(torch.cat(clouds), torch.cat(indices), counts[:, 0], counts[:, 1])
    expected = torch.cat([cloud[idx.long()].transpose(1, 2) for cloud, idx in zip(clouds, indices, strict=True)])
    assert torch.equal(out, expected)


def test_gradients():
    torch.manual_seed(0)
    dense = torch.rand(2, 3, 6, dtype=torch.double, requires_grad=True)
    # Repeated indices: their gradients add up.
    picked, grouped = index(6, 2, 9), index(6, 2, 4, 5)
    assert torch.autograd.gradcheck(lambda f: gather_points(f, picked), dense)
    assert torch.autograd.gradcheck(lambda f: grouping_operation(f, grouped), dense)
    stacked = torch.rand(7, 3, dtype=torch.double, requires_grad=True)
    idx = torch.cat([index(2, 3, 4), index(5, 2, 4)])
    counts = (torch.tensor([2, 5], dtype=torch.int32), torch.tensor([3, 2], dtype=torch.int32))
    assert torch.autograd.gradcheck(lambda f: grouping_operation(f, idx, *counts), stacked)


def test_ball_of_an_empty_cloud_is_zero():
    # mmdet3d turns the -1 of an empty ball into 0, but an empty cloud does not have a point 0.
    features = torch.rand(4, 2, requires_grad=True)
    idx = torch.zeros(3, 2, dtype=torch.int32)
    counts = (torch.tensor([4, 0], dtype=torch.int32), torch.tensor([1, 2], dtype=torch.int32))
    out = grouping_operation(features, idx, *counts)
    assert out[1:].eq(0).all()
    out.sum().backward()
    assert features.grad.tolist() == [[2, 2], [0, 0], [0, 0], [0, 0]]


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_reduced_precision_moves_values_exactly_and_sums_in_float32(dtype):
    torch.manual_seed(0)
    features = torch.rand(1, 2, 5).to(dtype).requires_grad_()
    idx = torch.zeros(1, 300, 1, dtype=torch.int32)
    out = grouping_operation(features, idx)
    assert out.dtype == dtype
    assert torch.equal(out[..., 0], features[..., :1].expand(1, 2, 300))
    out.sum().backward()
    # Adding ones one by one in bfloat16 would stop at 256.
    assert features.grad.dtype == dtype
    assert features.grad[0, 0].tolist() == [300, 0, 0, 0, 0]


@pytest.mark.parametrize('bad', [-1, 5])
def test_index_out_of_range_is_refused(bad):
    idx = torch.tensor([[0, bad]], dtype=torch.int32)
    with pytest.raises(IndexError, match='the cloud has 5 points'):
        gather_points(torch.rand(1, 2, 5), idx)
