"""Dynamic scatter against a dictionary of voxels."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops import DynamicScatter, dynamic_scatter

import strl_mmdet3d.ops  # noqa: F401

REDUCE = {'max': np.max, 'sum': np.sum, 'mean': np.mean}


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), num_points=st.integers(1, 60), reduce_type=st.sampled_from(sorted(REDUCE)))
def test_agrees_with_a_dictionary(seed, num_points, reduce_type):
    rng = np.random.default_rng(seed)
    coors = rng.integers(-1, 3, (num_points, 3)).astype(np.int32)
    feats = rng.normal(size=(num_points, 4))
    voxels: dict[tuple, list] = {}
    for coor, feat in zip(coors, feats, strict=True):
        if coor.min() >= 0:
            voxels.setdefault(tuple(coor.tolist()), []).append(feat)
    out, out_coors = dynamic_scatter(torch.from_numpy(feats), torch.from_numpy(coors), reduce_type)
    assert [tuple(coor) for coor in out_coors.tolist()] == sorted(voxels)
    expected = [REDUCE[reduce_type](voxels[coor], axis=0) for coor in sorted(voxels)]
    np.testing.assert_allclose(out.numpy(), np.reshape(expected, (-1, 4)), rtol=1e-12)


@pytest.mark.parametrize('reduce_type', sorted(REDUCE))
def test_gradients(reduce_type):
    torch.manual_seed(0)
    feats = torch.rand(12, 2, dtype=torch.double, requires_grad=True)
    coors = torch.randint(-1, 2, (12, 3), dtype=torch.int32)
    assert torch.autograd.gradcheck(lambda f: dynamic_scatter(f, coors, reduce_type)[0], feats)


def test_gradient_of_a_shared_maximum_goes_to_its_first_point():
    feats = torch.tensor([[1.0], [3], [3], [2]], requires_grad=True)
    coors = torch.zeros(4, 3, dtype=torch.int32)
    dynamic_scatter(feats, coors, 'max')[0].sum().backward()
    assert feats.grad.tolist() == [[0], [1], [0], [0]]


def test_no_points_and_no_valid_points():
    empty, coors = dynamic_scatter(torch.zeros(0, 2), torch.zeros(0, 3, dtype=torch.int32), 'max')
    assert empty.shape == (0, 2)
    assert coors.shape == (0, 3)
    feats = torch.rand(3, 2, requires_grad=True)
    for reduce_type in sorted(REDUCE):
        out, coors = dynamic_scatter(feats, torch.full((3, 3), -1, dtype=torch.int32), reduce_type)
        assert out.shape == (0, 2)
        out.sum().backward()
        assert feats.grad.eq(0).all()


def test_bfloat16_sums_in_float32():
    feats = torch.ones(300, 1, dtype=torch.bfloat16)
    out, _ = dynamic_scatter(feats, torch.zeros(300, 3, dtype=torch.int32), 'sum')
    assert out.dtype == torch.bfloat16
    assert out.item() == 300


def test_stock_module_over_a_batch():
    coors = torch.tensor([[0, 0, 0, 1], [0, 0, 0, 1], [1, 0, 0, 1]], dtype=torch.int32)
    out, out_coors = DynamicScatter([1, 1, 1], [0, 0, 0, 4, 4, 4], average_points=True)(
        torch.tensor([[1.0], [3], [5]]), coors
    )
    assert out.tolist() == [[2], [5]]
    assert out_coors.tolist() == [[0, 0, 0, 1], [1, 0, 0, 1]]
