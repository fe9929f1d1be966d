"""Three nearest neighbours against a stable sort, interpolation against torch's indexing."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops import three_interpolate, three_nn

import strl_mmdet3d.ops  # noqa: F401


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    num_unknown=st.integers(1, 40),
    num_known=st.one_of(st.integers(3, 40), st.integers(60, 200)),
    lattice=st.booleans(),
)
def test_three_nn_is_a_stable_sort(seed, num_unknown, num_known, lattice):
    rng = np.random.default_rng(seed)
    clouds = [
        rng.integers(-2, 3, (2, n, 3)) if lattice else rng.normal(size=(2, n, 3)) for n in (num_unknown, num_known)
    ]
    unknown, known = (cloud.astype(np.float32) for cloud in clouds)
    dx, dy, dz = np.moveaxis(unknown[:, :, None] - known[:, None], -1, 0)
    d2 = dx * dx + dy * dy + dz * dz
    expected = np.argsort(d2, axis=2, kind='stable')[..., :3]
    dist, idx = three_nn(torch.from_numpy(unknown), torch.from_numpy(known))
    np.testing.assert_array_equal(idx.numpy(), expected)
    np.testing.assert_allclose(dist.numpy(), np.sqrt(np.take_along_axis(d2, expected, axis=2)), rtol=1e-6)


@pytest.mark.parametrize('num_known', [1, 2])
def test_missing_neighbours_are_the_first_point_at_infinity(num_known):
    dist, idx = three_nn(torch.rand(1, 4, 3), torch.rand(1, num_known, 3))
    assert dist[..., num_known:].isinf().all()
    assert idx[..., num_known:].eq(0).all()
    assert dist[..., :num_known].isfinite().all()


def test_interpolation_and_its_gradient():
    torch.manual_seed(0)
    features = torch.rand(2, 3, 6, dtype=torch.double, requires_grad=True)
    idx = torch.randint(6, (2, 5, 3), dtype=torch.int32)
    weight = torch.rand(2, 5, 3, dtype=torch.double)
    neighbours = features.gather(2, idx.long().view(2, 1, -1).expand(2, 3, 15)).view(2, 3, 5, 3)
    torch.testing.assert_close(three_interpolate(features, idx, weight), (neighbours * weight[:, None]).sum(-1))
    assert torch.autograd.gradcheck(lambda f: three_interpolate(f, idx, weight), features)


def test_bfloat16_features_with_float32_weights():
    torch.manual_seed(0)
    features = torch.rand(1, 2, 6).bfloat16().requires_grad_()
    idx, weight = torch.randint(6, (1, 5, 3), dtype=torch.int32), torch.rand(1, 5, 3)
    wide = features.detach().float().requires_grad_()
    out, expected = three_interpolate(features, idx, weight), three_interpolate(wide, idx, weight)
    assert torch.equal(out, expected.bfloat16())
    out.float().sum().backward()
    expected.sum().backward()
    assert torch.equal(features.grad, wide.grad.bfloat16())


def test_index_out_of_range_is_refused():
    idx = torch.full((1, 1, 3), 4, dtype=torch.int32)
    with pytest.raises(IndexError, match='the cloud has 4 points'):
        three_interpolate(torch.rand(1, 1, 4), idx, torch.ones(1, 1, 3))
