"""RoI-aware and RoI-point pooling against loops over boxes, voxels and points."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops import RoIAwarePool3d, RoIPointPool3d
from mmcv.ops.roiaware_pool3d import RoIAwarePool3dFunction

import strl_mmdet3d.ops  # noqa: F401
from strl_mmdet3d.ops.roi_pool import roiaware_pool3d_forward

POOL = {'max': np.max, 'avg': np.mean}


def local_coordinates(points, box):
    x, y, z, *_, yaw = box
    dx, dy, dz = (points - [x, y, z]).T
    return np.cos(yaw) * dx + np.sin(yaw) * dy, np.cos(yaw) * dy - np.sin(yaw) * dx, dz


def inside(points, box):
    along, across, up = local_coordinates(points, box)
    return (abs(along) < box[3] / 2) & (abs(across) < box[4] / 2) & (up >= 0) & (up <= box[5])


def voxels(points, box, out_size, limit):
    """The points of each voxel of a box, the first `limit` by index."""
    along, across, up = local_coordinates(points, box)
    lists = {}
    for i in inside(points, box).nonzero()[0]:
        share = np.array([along[i] / box[3] + 0.5, across[i] / box[4] + 0.5, up[i] / box[5]])
        voxel = tuple(np.minimum(np.floor(share * out_size), np.array(out_size) - 1).astype(int))
        if len(lists.setdefault(voxel, [])) < limit:
            lists[voxel].append(i)
    return lists


def scene(seed, num_points=300, num_boxes=4, channels=3):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-4, 4, (num_points, 3))
    boxes = np.hstack(
        [rng.uniform(-3, 3, (num_boxes, 3)), rng.uniform(1, 5, (num_boxes, 3)), rng.uniform(-4, 4, (num_boxes, 1))]
    )
    return points, boxes, rng.normal(size=(num_points, channels))


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    out_size=st.tuples(*[st.integers(1, 4)] * 3),
    limit=st.integers(1, 6),
    mode=st.sampled_from(sorted(POOL)),
)
def test_roiaware_agrees_with_loops(seed, out_size, limit, mode):
    points, boxes, features = scene(seed)
    layer = RoIAwarePool3d(out_size, max_pts_per_voxel=limit + 1, mode=mode)
    leaf = torch.from_numpy(features).requires_grad_()
    pooled = layer(torch.from_numpy(boxes), torch.from_numpy(points), leaf)
    expected, expected_grad = np.zeros(pooled.shape), np.zeros(features.shape)
    weight = np.random.default_rng(seed).normal(size=pooled.shape)
    for m, box in enumerate(boxes):
        for voxel, members in voxels(points, box, out_size, limit).items():
            expected[(m, *voxel)] = POOL[mode](features[members], axis=0)
            if mode == 'avg':
                expected_grad[members] += weight[(m, *voxel)] / len(members)
            else:
                first = np.array(members)[features[members].argmax(axis=0)]
                expected_grad[first, range(features.shape[1])] += weight[(m, *voxel)]
    np.testing.assert_allclose(pooled.detach().numpy(), expected, rtol=1e-12)
    pooled.backward(torch.from_numpy(weight))
    np.testing.assert_allclose(leaf.grad.numpy(), expected_grad, rtol=1e-9, atol=1e-12)


def test_roiaware_lists_the_points_and_the_first_maximum():
    # One box of two voxels: three points in the first, with a shared maximum, and none in the second.
    rois = torch.tensor([[0.0, 0, 0, 2, 2, 2, 0]])
    pts = torch.tensor([[9.0, 9, 9], [-0.5, 0, 1], [-0.2, 0, 2], [-0.9, 0, 0]])
    features = torch.tensor([[7.0], [-3], [-1], [-1]])
    argmax, places = torch.zeros(1, 2, 1, 1, 1, dtype=torch.int32), torch.zeros(1, 2, 1, 1, 4, dtype=torch.int32)
    pooled = torch.zeros(1, 2, 1, 1, 1)
    roiaware_pool3d_forward(rois, pts, features, argmax, places, pooled, pool_method=0)
    assert places.flatten(0, 3).tolist() == [[3, 1, 2, 3], [0, 0, 0, 0]]
    assert argmax.flatten().tolist() == [2, -1]
    assert pooled.flatten().tolist() == [-1, 0]


@pytest.mark.parametrize('mode', sorted(POOL))
def test_roiaware_in_half_precision(mode):
    points, boxes, features = (torch.from_numpy(array).to(torch.bfloat16) for array in scene(0))
    layer = RoIAwarePool3d(2, mode=mode)
    pooled = layer(boxes, points, features)
    assert pooled.dtype == torch.bfloat16
    expected = layer(boxes.float(), points.float(), features.float())
    assert expected.any()
    assert torch.equal(pooled, expected.bfloat16())


def test_roiaware_without_boxes_points_or_height():
    layer = RoIAwarePool3d(2)
    assert layer(torch.zeros(0, 7), torch.rand(5, 3), torch.rand(5, 4)).shape == (0, 2, 2, 2, 4)
    assert layer(torch.rand(3, 7), torch.zeros(0, 3), torch.zeros(0, 4)).eq(0).all()
    flat = torch.tensor([[0.0, 0, 1, 2, 2, 0, 0]])
    pooled = layer(flat, torch.tensor([[0.5, 0.5, 1], [0.5, 0.5, 1.1]]), torch.tensor([[3.0], [4.0]]))
    assert pooled.flatten().tolist() == [0, 0, 0, 0, 0, 0, 3, 0]


def test_a_point_with_a_nan_is_in_no_box():
    box, point = torch.tensor([[0.0, 0, 0, 2, 2, 2, 0]]), torch.tensor([[0.1, 0.1, torch.nan], [torch.nan, 0.1, 1]])
    assert RoIAwarePool3d(1)(box, point, torch.ones(2, 1)).eq(0).all()
    assert RoIPointPool3d(1)(point[None], torch.ones(1, 2, 1), box[None])[1].item() == 1


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), num_samples=st.integers(1, 40))
def test_roipoint_agrees_with_loops(seed, num_samples):
    clouds = [scene(seed + b, num_points=100) for b in range(2)]
    points, boxes, features = (torch.from_numpy(np.stack(arrays)) for arrays in zip(*clouds, strict=True))
    pooled, empty = RoIPointPool3d(num_samples)(points, features, boxes)
    assert pooled.shape == (2, 4, num_samples, 6)
    assert empty.dtype == torch.int32
    for b, (cloud, cloud_boxes, cloud_features) in enumerate(clouds):
        for m, box in enumerate(cloud_boxes):
            members = inside(cloud, box).nonzero()[0][:num_samples]
            assert empty[b, m] == (len(members) == 0)
            rows = np.hstack([cloud, cloud_features])[np.resize(members, num_samples)] if len(members) else 0
            np.testing.assert_array_equal(pooled[b, m].numpy(), np.broadcast_to(rows, (num_samples, 6)))


@pytest.mark.parametrize(
    ('op', 'message'),
    [
        (lambda: RoIAwarePool3d(2)(torch.rand(1, 7), torch.rand(5, 3), torch.rand(4, 2)), 'got 5 points and 4 rows'),
        (lambda: RoIAwarePool3d(2)(torch.rand(1, 6), torch.rand(5, 3), torch.rand(5, 2)), 'a box has 7 numbers'),
        (lambda: RoIAwarePool3d(2)(torch.rand(1, 7), torch.rand(5, 2), torch.rand(5, 2)), 'three coordinates'),
        (lambda: RoIAwarePool3d(2, 0)(torch.rand(1, 7), torch.rand(5, 3), torch.rand(5, 2)), 'are at least 1'),
        (lambda: RoIPointPool3d(2)(torch.rand(1, 5, 3), torch.rand(1, 4, 2), torch.rand(1, 1, 7)), '4 rows'),
        (lambda: RoIPointPool3d(2)(torch.rand(2, 5, 3), torch.rand(1, 5, 2), torch.rand(2, 1, 7)), 'number of clouds'),
    ],
)
def test_shapes_that_do_not_fit_are_refused(op, message):
    with pytest.raises(ValueError, match=message):
        op()


def test_threads_do_not_change_the_gradient():
    points, boxes, features = (torch.from_numpy(array).float() for array in scene(3, channels=16))
    gradients = []
    threads = torch.get_num_threads()
    for num_threads in (1, 3):
        torch.set_num_threads(num_threads)
        for mode in (0, 1):
            leaf = features.clone().requires_grad_()
            RoIAwarePool3dFunction.apply(boxes, points, leaf, 3, 20, mode).square().sum().backward()
            gradients.append(leaf.grad)
    torch.set_num_threads(threads)
    assert torch.equal(gradients[0], gradients[2])
    assert torch.equal(gradients[1], gradients[3])
    assert gradients[0].any()
