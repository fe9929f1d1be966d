"""Furthest point sampling against a thread-by-thread copy of the CUDA block."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops import PointsSampler, furthest_point_sample, furthest_point_sample_with_dist

import strl_mmdet3d.ops  # noqa: F401


def cuda_block(num_points: int) -> int:
    block = 1
    while 2 * block <= min(num_points, 1024):
        block *= 2
    return block


def reference(distance_to, num_points: int, num_samples: int) -> list[int]:
    """The CUDA kernel for one cloud; ``distance_to(i)`` gives every point's squared distance to point i."""
    block = cuda_block(num_points)
    near = np.full(num_points, 1e10, np.float32)
    samples = [0]
    while len(samples) < num_samples:
        near = np.minimum(near, distance_to(samples[-1]))
        threads = []
        for thread in range(block):
            best, index = np.float32(-1), 0
            for k in range(thread, num_points, block):
                if near[k] > best:
                    best, index = near[k], k
            threads.append((best, index))
        while len(threads) > 1:
            half = len(threads) // 2
            threads = [b if b[0] > a[0] else a for a, b in zip(threads[:half], threads[half:], strict=True)]
        samples.append(threads[0][1])
    return samples


def by_position(cloud: np.ndarray):
    def distance_to(i: int) -> np.ndarray:
        dx, dy, dz = (cloud - cloud[i]).T
        return dx * dx + dy * dy + dz * dz

    return distance_to


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    batch_size=st.integers(1, 3),
    num_points=st.integers(1, 70),
    num_samples=st.integers(1, 80),
    lattice=st.booleans(),
)
def test_agrees_with_the_cuda_block_also_on_ties_and_too_few_points(seed, batch_size, num_points, num_samples, lattice):
    rng = np.random.default_rng(seed)
    shape = (batch_size, num_points, 3)
    points = rng.integers(-2, 3, shape) if lattice else rng.normal(size=shape)
    points = points.astype(np.float32)
    idx = furthest_point_sample(torch.from_numpy(points), num_samples)
    assert idx.dtype == torch.int32
    assert idx.tolist() == [reference(by_position(cloud), num_points, num_samples) for cloud in points]


def test_tie_goes_to_the_even_thread_as_in_the_block_reduction():
    # Points 1 and 2 are equally far from 0 and 3. A plain argmax takes 1; the CUDA tree compares thread 0 with 2 and
    # 1 with 3 first, then lets the even side win.
    points = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]])
    assert furthest_point_sample(points, 3).tolist() == [[0, 3, 2]]


def test_agrees_beyond_one_block_of_1024():
    points = np.random.default_rng(0).integers(0, 20, (1, 2500, 3)).astype(np.float32)
    expected = reference(by_position(points[0]), 2500, 12)
    assert furthest_point_sample(torch.from_numpy(points), 12)[0].tolist() == expected


def test_identical_points_repeat_the_first():
    assert furthest_point_sample(torch.ones(1, 5, 3), 4).tolist() == [[0, 0, 0, 0]]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), num_points=st.integers(1, 40), num_samples=st.integers(1, 45))
def test_with_distances_given(seed, num_points, num_samples):
    rng = np.random.default_rng(seed)
    # The matrix need not be symmetric; few different values make ties.
    distances = rng.integers(0, 4, (2, num_points, num_points)).astype(np.float32)
    idx = furthest_point_sample_with_dist(torch.from_numpy(distances), num_samples)
    assert idx.tolist() == [reference(lambda i, d=d: d[i], num_points, num_samples) for d in distances]


@pytest.mark.parametrize('mode', ['D-FPS', 'F-FPS'])
def test_stock_sampler_never_repeats_a_point(mode):
    sample = PointsSampler([8], [mode], [-1])
    for cloud in sample(torch.rand(2, 50, 3), torch.rand(2, 4, 50)).tolist():
        assert len(set(cloud)) == 8


def test_empty_cloud_is_refused():
    with pytest.raises(ValueError, match='empty cloud'):
        furthest_point_sample(torch.zeros(1, 0, 3), 2)
