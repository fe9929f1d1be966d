"""PAConv's assembly against its definition, and its gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops import assign_score_withk

import strl_mmdet3d.ops  # noqa: F401


def reference(scores, points, centers, idx):
    """The definition, with all neighbours' features in memory."""
    batch = torch.arange(len(points))[:, None, None]
    neighbours, center = points[batch, idx], centers[batch, idx[..., :1]]
    return torch.einsum('bnkm,bnkmc->bcnk', scores, neighbours - center)


def inputs(seed=0, dtype=torch.double):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(2, 5, 4, 3, dtype=dtype, generator=generator)
    points, centers = torch.rand(2, 2, 7, 3, 6, dtype=dtype, generator=generator)
    idx = torch.randint(7, (2, 5, 4), generator=generator)
    return scores, points, centers, idx


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(['sum', 'avg', 'max']))
def test_agrees_with_the_definition(seed, aggregate):
    *leaves, idx = inputs(seed)
    leaves = [leaf.requires_grad_() for leaf in leaves]
    out, expected = assign_score_withk(*leaves, idx, aggregate), reference(*leaves, idx)
    torch.testing.assert_close(out, expected)
    weight = torch.linspace(-1, 1, out.numel(), dtype=torch.double).view_as(out)
    gradients = torch.autograd.grad(out, leaves, weight)
    for got, wanted in zip(gradients, torch.autograd.grad(expected, leaves, weight), strict=True):
        torch.testing.assert_close(got, wanted)


def test_gradients_are_the_slopes():
    *leaves, idx = inputs()
    assert torch.autograd.gradcheck(lambda *x: assign_score_withk(*x, idx), [leaf.requires_grad_() for leaf in leaves])


def test_a_neighbour_outside_of_the_cloud_gives_zero_and_no_gradient():
    scores, points, centers, idx = inputs()
    leaves = [leaf.requires_grad_() for leaf in (scores, points, centers)]
    idx[0, 1, 2], idx[1, 3] = 7, -1
    out = assign_score_withk(*leaves, idx)
    known = (idx >= 0) & (idx < 7)
    assert out[(~known)[:, None].expand_as(out)].eq(0).all()
    expected = reference(*leaves, idx.clamp(0, 6)) * known[:, None]
    torch.testing.assert_close(out, expected)
    for got, wanted in zip(
        torch.autograd.grad(out.sum(), leaves), torch.autograd.grad(expected.sum(), leaves), strict=True
    ):
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    *leaves, idx = inputs(dtype=torch.float)
    narrow = [leaf.to(dtype) for leaf in leaves]
    out = assign_score_withk(*narrow, idx.int())
    assert torch.equal(out, assign_score_withk(*(leaf.float() for leaf in narrow), idx).to(dtype))


def test_a_center_outside_of_the_cloud_is_refused():
    scores, points, centers, idx = inputs()
    idx[1, 0, 0] = 7
    with pytest.raises(IndexError, match='outside the cloud of 7 points'):
        assign_score_withk(scores, points, centers, idx)


def test_shapes_that_do_not_fit_are_refused():
    scores, points, centers, idx = inputs()
    with pytest.raises(ValueError, match=r'got \(2, 5, 4, 3\), \(2, 7, 3, 6\), \(2, 6, 3, 6\) and \(2, 5, 4\)'):
        assign_score_withk(scores, points, centers[:, :6], idx)
    with pytest.raises(ValueError, match='the same number of clouds'):
        assign_score_withk(scores, points, centers, idx[:1])
    with pytest.raises(TypeError, match=r'whole numbers, got torch\.float32'):
        assign_score_withk(scores, points, centers, idx.float())
