"""k nearest neighbours against a transcript of the CUDA kernel's heap."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops import QueryAndGroup, knn

import strl_mmdet3d.ops  # noqa: F401


def reheap(heap, size):
    root, child = 0, 1
    while child < size:
        if child + 1 < size and heap[child + 1][0] > heap[child][0]:
            child += 1
        if heap[root][0] > heap[child][0]:
            return
        heap[root], heap[child] = heap[child], heap[root]
        root, child = child, 2 * child + 1


def reference(xyz, centers, k):
    rows = []
    for center in centers:
        dx, dy, dz = (center - xyz).T
        heap = [(np.float32(1e10), 0)] * k
        for candidate in zip(dx * dx + dy * dy + dz * dz, range(len(xyz)), strict=True):
            if candidate[0] < heap[0][0]:
                heap[0] = candidate
                reheap(heap, k)
        for last in range(k - 1, 0, -1):
            heap[0], heap[last] = heap[last], heap[0]
            reheap(heap, last)
        rows.append([index for _, index in heap])
    return np.array(rows).T


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    num_points=st.integers(1, 60),
    num_centers=st.integers(1, 12),
    k=st.integers(1, 25),
    lattice=st.booleans(),
)
def test_agrees_with_the_heap_also_on_ties_and_too_few_points(seed, num_points, num_centers, k, lattice):
    rng = np.random.default_rng(seed)
    clouds = [
        rng.integers(-2, 3, (2, n, 3)) if lattice else rng.normal(size=(2, n, 3)) for n in (num_points, num_centers)
    ]
    xyz, centers = (cloud.astype(np.float32) for cloud in clouds)
    idx = knn(k, torch.from_numpy(xyz), torch.from_numpy(centers))
    assert idx.dtype == torch.int32
    np.testing.assert_array_equal(idx.numpy(), [reference(*cloud, k) for cloud in zip(xyz, centers, strict=True)])


def test_nearest_first():
    torch.manual_seed(0)
    xyz, centers = torch.rand(1, 500, 3), torch.rand(1, 40, 3)
    expected = (centers[0, :, None] - xyz[0]).norm(dim=-1).topk(20, largest=False).indices
    assert torch.equal(knn(20, xyz, centers)[0].T.long(), expected)


def test_points_are_their_own_centers_and_may_be_transposed():
    xyz = torch.rand(2, 30, 3)
    idx = knn(4, xyz)
    assert torch.equal(idx[:, 0], torch.arange(30).expand(2, 30))
    assert torch.equal(knn(4, xyz.transpose(1, 2), xyz.transpose(1, 2), True), idx)


def test_more_channels_are_read_as_triples_from_the_front():
    # The CUDA kernel does this with the features that mmdet3d's DGCNN passes: its pointers assume three channels.
    features = torch.rand(2, 20, 5)
    triples = features.flatten()[: 2 * 20 * 3].view(2, 20, 3)
    assert torch.equal(knn(6, features), knn(6, triples))
    grouped = QueryAndGroup(None, 6)(features, features)
    assert grouped.shape == (2, 5, 20, 6)


@pytest.mark.parametrize('k', [0, 100])
def test_k_out_of_range_is_refused(k):
    with pytest.raises(ValueError, match=f'got k={k}'):
        knn(k, torch.rand(1, 200, 3))


def test_fewer_than_three_channels_are_refused():
    with pytest.raises(ValueError, match='three values per point'):
        knn(1, torch.rand(1, 8, 2))
