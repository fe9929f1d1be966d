"""The compiled loops against NumPy, in double precision where rounding matters."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from strl_mmdet3d.datasets.transforms.point_kernels import bounds, inside_box, keep_rows, move, normalize

coordinates = st.floats(-100, 100, width=32)
clouds = hnp.arrays(np.float32, st.tuples(st.integers(1, 40), st.integers(3, 6)), elements=coordinates)
corners = hnp.arrays(np.float32, 3, elements=coordinates)
masks = hnp.arrays(np.bool_, 40)


@settings(max_examples=200, deadline=None)
@given(cloud=clouds)
def test_bounds(cloud):
    lower, upper = bounds(torch.from_numpy(cloud))
    assert (lower == cloud[:, :3].min(axis=0)).all()
    assert (upper == cloud[:, :3].max(axis=0)).all()


@settings(max_examples=200, deadline=None)
@given(cloud=clouds, origin=corners, lower=corners, upper=corners)
def test_inside_box(cloud, origin, lower, upper):
    offsets = cloud[:, :3] - origin
    expected = ((offsets >= lower) & (offsets <= upper)).all(axis=1)
    assert inside_box(torch.from_numpy(cloud), origin, lower, upper).tolist() == expected.tolist()


@settings(max_examples=200, deadline=None)
@given(cloud=clouds, mask=masks)
def test_keep_rows(cloud, mask):
    expected = cloud[mask[: len(cloud)]].tolist()
    kept = keep_rows(torch.from_numpy(cloud), torch.from_numpy(mask[: len(cloud)]))
    assert kept.numpy().tolist() == expected
    assert kept.is_contiguous()


@settings(max_examples=200, deadline=None)
@given(cloud=clouds, matrix=hnp.arrays(np.float64, (3, 3), elements=st.floats(-2, 2)), shift=corners)
def test_move(cloud, matrix, shift):
    points = torch.from_numpy(cloud.copy())
    move(points, matrix, shift)
    expected = cloud.astype(np.float64)
    expected[:, :3] = expected[:, :3] @ matrix.T + shift
    np.testing.assert_allclose(points.numpy(), expected, rtol=1e-5, atol=1e-3)
    assert (points.numpy()[:, 3:] == cloud[:, 3:]).all()


def test_a_move_by_nothing_leaves_every_bit():
    cloud = torch.randn(100, 4)
    points = cloud.clone()
    move(points)
    assert torch.equal(points, cloud)


@settings(max_examples=200, deadline=None)
@given(cloud=clouds)
def test_normalize(cloud):
    points = torch.from_numpy(cloud.copy())
    normalize(points)
    coords = cloud[:, :3].astype(np.float64)
    offsets = coords - coords.mean(axis=0).astype(np.float32)
    radius = np.linalg.norm(offsets, axis=1).max()
    if radius > 1e-3:  # below it, float32 decides
        np.testing.assert_allclose(points.numpy()[:, :3], offsets / radius, atol=1e-2 if radius < 1 else 1e-4)
    assert (points.numpy()[:, 3:] == cloud[:, 3:]).all()


@pytest.mark.parametrize('number', [0, 1, 300_000])
def test_large_and_empty_masks(number):
    cloud = torch.randn(300_000, 3)
    mask = torch.zeros(300_000, dtype=torch.bool)
    mask[torch.randperm(300_000)[:number]] = True
    assert torch.equal(keep_rows(cloud, mask), cloud[mask])


def test_memory_in_another_order():
    """A cloud that is stored column by column, such as a transposed array, is read and changed correctly."""
    cloud = torch.randn(100, 4)
    columns = cloud.T.contiguous().T
    assert not columns.is_contiguous()
    for one, other in zip(bounds(columns), bounds(cloud), strict=True):
        assert (one == other).all()
    mask = inside_box(columns, np.zeros(3, np.float32), np.float32([-1] * 3), np.float32([1] * 3))
    assert torch.equal(keep_rows(columns, mask), cloud[(cloud[:, :3].abs() <= 1).all(dim=1)])
    move(columns, 2 * np.eye(3))
    move(cloud, 2 * np.eye(3))
    assert torch.equal(columns, cloud)
    normalize(columns)
    normalize(cloud)
    assert torch.equal(columns, cloud)
