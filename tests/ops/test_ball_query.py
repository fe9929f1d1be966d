"""Ball query through a hashed grid against the exhaustive scan of the CUDA kernel."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops import ball_query

import strl_mmdet3d.ops  # noqa: F401


def reference(xyz, centers, min_radius, max_radius, num_samples, mark_empty=False):
    """One cloud, as the CUDA kernel scans it, in its float32 arithmetic."""
    min2, max2 = np.float32(min_radius) ** 2, np.float32(max_radius) ** 2
    idx = np.zeros((len(centers), num_samples), np.int32)
    for row, (x, y, z) in zip(idx, centers, strict=True):
        dx, dy, dz = x - xyz[:, 0], y - xyz[:, 1], z - xyz[:, 2]
        d2 = dx * dx + dy * dy + dz * dz
        hits = np.flatnonzero((d2 == 0) | ((d2 >= min2) & (d2 < max2)))[:num_samples]
        if len(hits):
            row[:] = hits[0]
            row[: len(hits)] = hits
        elif mark_empty:
            row[0] = -1
    return idx


def draw(rng, num, lattice, spread):
    points = rng.integers(-3, 4, (num, 3)) if lattice else rng.normal(size=(num, 3))
    return (points * spread).astype(np.float32)


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    num_points=st.integers(1, 200),
    num_centers=st.integers(1, 30),
    num_samples=st.integers(1, 20),
    min_radius=st.sampled_from([0.0, 0.5, 1.0]),
    # On the unit lattice these give points exactly at the radius, points inside it, and empty balls.
    width=st.sampled_from([0.25, 0.5, 1.0, 2.0, 100.0]),
    lattice=st.booleans(),
    spread=st.sampled_from([1.0, 1e-2, 1e3]),
)
def test_agrees_with_the_exhaustive_scan(
    seed, num_points, num_centers, num_samples, min_radius, width, lattice, spread
):
    rng = np.random.default_rng(seed)
    xyz = np.stack([draw(rng, num_points, lattice, spread) for _ in range(2)])
    centers = np.stack([draw(rng, num_centers, lattice, spread) for _ in range(2)])
    max_radius = min_radius + width
    idx = ball_query(min_radius, max_radius, num_samples, torch.from_numpy(xyz), torch.from_numpy(centers))
    assert idx.dtype == torch.int32
    expected = [reference(*cloud, min_radius, max_radius, num_samples) for cloud in zip(xyz, centers, strict=True)]
    np.testing.assert_array_equal(idx.numpy(), expected)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.tuples(st.integers(0, 80), st.integers(0, 12)), min_size=1, max_size=4),
    num_samples=st.integers(1, 10),
    radius=st.sampled_from([0.3, 1.0, 2.5]),
    lattice=st.booleans(),
)
def test_stacked_agrees_with_the_exhaustive_scan_of_each_cloud(seed, sizes, num_samples, radius, lattice):
    rng = np.random.default_rng(seed)
    clouds = [draw(rng, num_points, lattice, 1.0) for num_points, _ in sizes]
    centers = [draw(rng, num_centers, lattice, 1.0) for _, num_centers in sizes]
    counts = torch.tensor(sizes, dtype=torch.int32)
    idx = ball_query(
        0,
        radius,
        num_samples,
        torch.from_numpy(np.concatenate(clouds)),
        torch.from_numpy(np.concatenate(centers)),
        counts[:, 0].contiguous(),
        counts[:, 1].contiguous(),
    )
    expected = [
        reference(cloud, cloud_centers, 0, radius, num_samples, mark_empty=True)
        for cloud, cloud_centers in zip(clouds, centers, strict=True)
    ]
    np.testing.assert_array_equal(idx.numpy(), np.concatenate(expected))


def test_by_hand():
    xyz = torch.tensor([[[9.0, 0, 0], [0.5, 0, 0], [1, 0, 0], [0, 0, 0], [0.25, 0, 0]]])
    centers = torch.tensor([[[0.0, 0, 0], [20, 0, 0]]])
    # The point at the radius is out, the point at the center is in, the rest is filled with the first.
    assert ball_query(0, 1.0, 5, xyz, centers).tolist() == [[[1, 3, 4, 1, 1], [0, 0, 0, 0, 0]]]
    # With an inner radius the point on it is in, and so is the center itself.
    assert ball_query(0.5, 1.1, 5, xyz, centers).tolist() == [[[1, 2, 3, 1, 1], [0, 0, 0, 0, 0]]]


@pytest.mark.parametrize('offset', [0.0, 1e4, -1e6])
def test_far_outliers_and_large_coordinates(offset):
    rng = np.random.default_rng(1)
    xyz = (rng.uniform(-40, 40, (3000, 3)) + offset).astype(np.float32)
    xyz[::500] = 1e15
    centers = xyz[1::50].copy()
    idx = ball_query(0, 4.8, 16, torch.from_numpy(xyz)[None], torch.from_numpy(centers)[None])
    np.testing.assert_array_equal(idx[0].numpy(), reference(xyz, centers, 0, 4.8, 16))


def test_non_finite_points_are_in_no_ball():
    xyz = torch.tensor([[[float('nan'), 0, 0], [float('inf'), 0, 0], [0, 0, 0], [0.1, 0, 0]]])
    centers = torch.tensor([[[0.0, 0, 0], [float('nan'), 0, 0], [float('inf'), 0, 0]]])
    assert ball_query(0, 1.0, 2, xyz, centers).tolist() == [[[2, 3], [0, 0], [0, 0]]]
