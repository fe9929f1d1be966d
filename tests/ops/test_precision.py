"""Every kernel in its input's precision, against brute force in float64; what it cannot compute it refuses.

The clouds of `far_cloud` are 0.1 mm wide and lie 1000 km from the origin: float32 would see a single point.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops import (
    ball_query,
    furthest_point_sample,
    furthest_point_sample_with_dist,
    gather_points,
    grouping_operation,
    knn,
    nms_rotated,
    points_in_boxes_all,
    points_in_boxes_part,
    three_interpolate,
    three_nn,
)

from strl_mmdet3d.ops.arrays import write_array
from strl_mmdet3d.ops.ball_query import ball_query_forward, stack_ball_query_forward
from strl_mmdet3d.ops.grouping import gather_points_backward, group
from strl_mmdet3d.ops.interpolate import three_interpolate_backward
from strl_mmdet3d.ops.linear_max import linear_max
from strl_mmdet3d.ops.scatter import dynamic_point_to_voxel_forward

HALF = [torch.float16, torch.bfloat16]
SEEDS = st.integers(0, 2**32 - 1)


def far_cloud(seed: int, points: int, batch: int = 2) -> torch.Tensor:
    """(B, N, 3), float64."""
    return torch.from_numpy(1e6 + 1e-4 * np.random.default_rng(seed).random((batch, points, 3)))


def squared_distances(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """(B, N, M), summed as the kernels sum."""
    dx, dy, dz = (first[:, :, None] - second[:, None]).unbind(-1)
    return dx * dx + dy * dy + dz * dz


@settings(max_examples=20)
@given(SEEDS, st.integers(1, 20), st.integers(3, 150))
def test_three_nn_of_float64_points(seed, num_unknown, num_known):
    unknown, known = far_cloud(seed, num_unknown), far_cloud(seed + 1, num_known)
    assert len(known[0].float().unique(dim=0)) == 1
    dist, idx = three_nn(unknown, known)
    d2 = squared_distances(unknown, known)
    expected = d2.sort(dim=2, stable=True).indices[..., :3]
    assert torch.equal(idx.long(), expected)
    assert dist.dtype == torch.float64
    torch.testing.assert_close(dist, d2.gather(2, expected).sqrt(), rtol=1e-12, atol=0)


@settings(max_examples=20)
@given(SEEDS, st.integers(1, 60), st.integers(1, 20))
def test_knn_of_float64_points(seed, num_points, k):
    xyz, centers = far_cloud(seed, num_points), far_cloud(seed + 1, 5)
    found = min(k, num_points)
    idx = knn(k, xyz, centers).transpose(1, 2).long()
    assert torch.equal(idx[..., :found], squared_distances(centers, xyz).argsort(dim=2)[..., :found])
    assert idx[..., found:].eq(0).all()


@settings(max_examples=20)
@given(SEEDS, st.integers(2, 60), st.integers(1, 30))
def test_furthest_points_of_float64_positions_and_distances(seed, num_points, num_samples):
    xyz = far_cloud(seed, num_points)
    d2 = squared_distances(xyz, xyz)
    expected = []
    for cloud in d2:
        near, samples = torch.full((num_points,), 1e10, dtype=torch.double), [0]
        while len(samples) < num_samples:
            near = torch.minimum(near, cloud[samples[-1]])
            samples.append(int(near.argmax()) if near.max() > 0 else 0)
        expected.append(samples)
    assert furthest_point_sample(xyz, num_samples).tolist() == expected
    assert furthest_point_sample_with_dist(d2.contiguous(), num_samples).tolist() == expected


@settings(max_examples=20)
@given(SEEDS, st.integers(1, 80), st.floats(1e-6, 1e-4), st.booleans())
def test_ball_query_of_float64_points(seed, num_points, radius, hollow):
    xyz, centers = far_cloud(seed, num_points), far_cloud(seed + 1, 6)
    inner = radius / 2 if hollow else 0
    idx = ball_query(inner, radius, 8, xyz, centers)
    for row, d2 in zip(idx.flatten(0, 1).tolist(), squared_distances(centers, xyz).flatten(0, 1), strict=True):
        inside = ((d2 == 0) | (d2 >= inner**2) & (d2 < radius**2)).nonzero().flatten().tolist()[:8]
        assert row == (inside + inside[:1] * (8 - len(inside)) or [0] * 8)


def test_a_radius_is_not_rounded_for_float64_points():
    # 0.2 in float32 is 0.200000003: the point would be in the ball.
    xyz = torch.tensor([[[0.2 + 1e-9, 0, 0]]], dtype=torch.double)
    idx = torch.full((1, 1, 1), -7, dtype=torch.int32)
    ball_query_forward(torch.zeros(1, 1, 3, dtype=torch.double), xyz, idx, 0.0, 0.2)
    assert idx.item() == -7


def test_points_in_float64_boxes_far_away():
    generator = torch.Generator().manual_seed(0)
    points = far_cloud(0, 400)
    boxes = torch.cat([far_cloud(1, 5), 1e-4 * torch.rand(2, 5, 4, dtype=torch.double, generator=generator)], dim=2)
    boxes[..., 6] *= 3e4
    inside = points_in_boxes_all(points, boxes)
    for b, t in np.ndindex(2, 5):
        (cx, cy, cz, dx, dy, dz, yaw), (x, y, z) = boxes[b, t].tolist(), points[b].T.numpy()
        along = (x - cx) * np.cos(yaw) + (y - cy) * np.sin(yaw)
        across = (y - cy) * np.cos(yaw) - (x - cx) * np.sin(yaw)
        expected = (abs(along) < dx / 2) & (abs(across) < dy / 2) & (z >= cz) & (z <= cz + dz)
        assert (inside[b, :, t].numpy() == expected).mean() > 0.99, 'all but points on a face, up to rounding'
    assert inside.any(dim=1).sum() > 5
    assert inside.dtype == torch.int32
    first = torch.where(inside.any(dim=2), inside.argmax(dim=2), -1)
    assert torch.equal(points_in_boxes_part(points, boxes), first.int())


def test_float64_boxes_hold_what_float32_boxes_hold():
    generator = torch.Generator().manual_seed(0)
    points = 4 * torch.rand(2, 500, 3, generator=generator) - 2
    boxes = torch.cat([points[:, :6] - 0.3, 1 + torch.rand(2, 6, 4, generator=generator)], dim=2)
    assert torch.equal(points_in_boxes_all(points, boxes), points_in_boxes_all(points.double(), boxes.double()))


def test_nms_of_float64_boxes_far_away_is_that_of_the_same_boxes_at_the_origin():
    generator = torch.Generator().manual_seed(0)
    near = torch.rand(60, 5, dtype=torch.double, generator=generator) * torch.tensor([6, 6, 3, 3, 3.0])
    near[:, 2:4] += 0.5
    scores = torch.rand(60, generator=generator)
    far = near + torch.tensor([5e6, 5e5, 0, 0, 0])  # metres, as in a UTM grid
    kept = nms_rotated(near.float(), scores, 0.3)[1]
    assert torch.equal(nms_rotated(far, scores.double(), 0.3)[1], kept)
    assert 1 < len(kept) < 60


def test_the_linear_maximum_of_float64_features():
    generator = torch.Generator().manual_seed(0)
    points = 1e6 + torch.rand(3, 7, 2, dtype=torch.double, generator=generator).mul_(1e-4)
    weight = torch.rand(5, 2, dtype=torch.double, generator=generator)
    out = linear_max(points.requires_grad_(), weight.requires_grad_())
    assert torch.equal(out, (points @ weight.T).amax(dim=1))
    assert linear_max(points, weight.float()).dtype == torch.float64
    spread_out = torch.rand(3, 7, 2, dtype=torch.double, generator=generator).requires_grad_()
    assert torch.autograd.gradcheck(linear_max, (spread_out, weight))


@pytest.mark.parametrize('position', range(4))
def test_a_nan_is_the_linear_maximum_as_in_torch(position):
    points = torch.rand(2, 4, 3, generator=torch.Generator().manual_seed(0))
    points[1, position, 0] = torch.nan
    out = linear_max(points, torch.rand(5, 3))
    assert out[1].isnan().all()
    assert out[0].isfinite().all()


@pytest.mark.parametrize('dtype', HALF)
def test_half_precision_is_computed_in_float32(dtype):
    generator = torch.Generator().manual_seed(0)
    narrow = torch.rand(2, 50, 3, generator=generator).to(dtype)
    wide = narrow.float()
    for op in (
        lambda xyz: knn(5, xyz),
        lambda xyz: furthest_point_sample(xyz, 9),
        lambda xyz: ball_query(0, 0.3, 8, xyz, xyz[:, :7].contiguous()),
        lambda xyz: three_nn(xyz, xyz[:, :9].contiguous())[1],
        lambda xyz: points_in_boxes_all(xyz, torch.cat([xyz, xyz, xyz[..., :1]], dim=2)),
        lambda xyz: linear_max(xyz, xyz[0]),
        lambda xyz: dynamic_point_to_voxel_forward(xyz[0], (4 * xyz[0]).int(), 'max')[0].float(),
    ):
        assert torch.equal(op(narrow), op(wide))


def test_a_mixture_of_precisions_is_computed_in_the_wider():
    unknown, known = far_cloud(0, 6), torch.rand(2, 9, 3)
    assert torch.equal(three_nn(unknown, known)[1], three_nn(unknown, known.double())[1])
    assert torch.equal(knn(3, known, unknown), knn(3, known.double(), unknown))


WHOLE = torch.ones(2, 5, 3, dtype=torch.int64)


@pytest.mark.parametrize(
    'op',
    [
        lambda: three_nn(WHOLE, WHOLE),
        lambda: knn(2, WHOLE),
        lambda: furthest_point_sample(WHOLE, 2),
        lambda: ball_query(0, 1, 2, WHOLE, WHOLE),
    ],
)
def test_whole_numbers_are_no_points(op):
    with pytest.raises(TypeError, match=r'points are floating-point numbers, got torch.int64: convert them'):
        op()


@pytest.mark.parametrize('dtype', [torch.int32, torch.int64])
def test_indices_may_be_int32_or_int64(dtype):
    features, idx = torch.rand(2, 4, 6), torch.randint(6, (2, 5, 3))
    expected = features.gather(2, idx.flatten(1)[:, None].expand(-1, 4, -1)).view(2, 4, 5, 3)
    assert torch.equal(grouping_operation(features, idx.to(dtype)), expected)
    assert torch.equal(gather_points(features, idx[..., 0].contiguous().to(dtype)), expected[..., 0])
    weight = torch.ones(2, 5, 3)
    torch.testing.assert_close(three_interpolate(features, idx.to(dtype), weight), expected.sum(-1))


@pytest.mark.parametrize('dtype', [torch.float32, torch.bool, torch.int16, torch.uint8])
def test_other_indices_are_refused(dtype):
    features, idx = torch.rand(2, 4, 6), torch.ones(2, 5, 3, dtype=dtype)
    message = f'point indices are int32 or int64, got {dtype}'
    with pytest.raises(TypeError, match=message):
        grouping_operation(features, idx)
    with pytest.raises(TypeError, match=message):
        gather_points(features, idx[..., 0].contiguous())
    with pytest.raises(TypeError, match=message):
        three_interpolate(features, idx, torch.ones(2, 5, 3))


INDICES = torch.zeros(1, 5, 3, dtype=torch.int32)


@pytest.mark.parametrize(
    'op',
    [
        lambda: three_nn(torch.rand(2, 5, 3), torch.rand(1, 5, 3)),
        lambda: knn(2, torch.rand(1, 5, 3), torch.rand(2, 5, 3)),
        lambda: ball_query(0, 1, 2, torch.rand(1, 5, 3), torch.rand(2, 5, 3)),
        lambda: grouping_operation(torch.rand(2, 4, 6), INDICES),
        lambda: gather_points(torch.rand(2, 4, 6), INDICES[..., 0].contiguous()),
        lambda: three_interpolate(torch.rand(2, 4, 6), INDICES, torch.ones(1, 5, 3)),
        lambda: gather_points_backward(torch.rand(2, 4, 5), INDICES[..., 0], torch.zeros(2, 4, 6)),
    ],
)
def test_different_numbers_of_clouds_are_refused(op):
    with pytest.raises(ValueError, match=r'hold the same number of clouds, got \[[12], [12]'):
        op()


@pytest.mark.parametrize(
    'op',
    [
        lambda: three_nn(torch.rand(1, 5, 2), torch.rand(1, 5, 3)),
        lambda: ball_query(0, 1, 2, torch.rand(1, 5, 2), torch.rand(1, 5, 3)),
        lambda: furthest_point_sample(torch.rand(1, 5, 2), 2),
    ],
)
def test_two_coordinates_are_refused(op):
    with pytest.raises(ValueError, match=r'a position has three coordinates, got a tensor of shape \(1, 5, 2\)'):
        op()


def test_a_gradient_to_a_point_outside_of_the_cloud_is_refused():
    wrong = torch.full((1, 5, 3), 6, dtype=torch.int32)
    with pytest.raises(IndexError, match='the cloud has 6 points'):
        gather_points_backward(torch.rand(1, 4, 5), wrong[..., 0], torch.zeros(1, 4, 6))
    with pytest.raises(IndexError, match='the cloud has 6 points'):
        three_interpolate_backward(torch.rand(1, 4, 5), wrong, torch.ones(1, 5, 3), torch.zeros(1, 4, 6))


def test_weights_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r'one shape \(B, N, 3\), got \(1, 5, 3\) and \(1, 4, 3\)'):
        three_interpolate(torch.rand(1, 4, 6), INDICES, torch.ones(1, 4, 3))


def test_counts_of_stacked_clouds_that_do_not_add_up_are_refused():
    counts, idx = torch.tensor([2, 2], dtype=torch.int32), torch.zeros(5, 2, dtype=torch.int32)
    with pytest.raises(ValueError, match=r'add up to their 5 rows, got \[2, 2\]'):
        stack_ball_query_forward(torch.rand(5, 3), counts, torch.rand(4, 3), counts, idx, 1.0, 2)
    with pytest.raises(ValueError, match=r'add up to their 4 rows, got \[2, -1\]'):
        group(SimpleNamespace(), torch.rand(4, 3), idx, torch.tensor([2, -1]), counts)
    with pytest.raises(TypeError, match=r'point indices are whole numbers, got torch\.float32'):
        group(SimpleNamespace(), torch.rand(4, 3), torch.rand(4, 2), counts, counts)


@pytest.mark.parametrize(('inner', 'outer'), [(-0.1, 1.0), (1.0, 0.5), (0.0, float('nan'))])
def test_impossible_balls_are_refused(inner, outer):
    with pytest.raises(ValueError, match='0 <= min_radius <= max_radius'):
        ball_query_forward(torch.rand(1, 2, 3), torch.rand(1, 4, 3), INDICES[:, :2], inner, outer)


def test_a_ball_without_places_is_left_alone():
    assert ball_query(0, 1, 0, torch.rand(1, 4, 3), torch.rand(1, 4, 3)).shape == (1, 4, 0)


def test_empty_clouds():
    nothing, some = torch.zeros(2, 0, 3), torch.rand(2, 4, 3)
    dist, idx = three_nn(some, nothing)
    assert dist.isinf().all()
    assert idx.eq(0).all()
    assert three_nn(nothing, some)[1].shape == (2, 0, 3)
    assert knn(3, nothing, some).eq(0).all()
    assert ball_query(0, 1, 3, nothing, some).eq(0).all()
    assert points_in_boxes_part(some, torch.zeros(2, 0, 7, dtype=torch.double)).eq(-1).all()
    assert knn(3, some[:0], some[:0]).shape == (0, 3, 4)
    with pytest.raises(IndexError, match='the cloud has 0 points'):
        three_interpolate(torch.zeros(2, 4, 0), idx, dist)
    with pytest.raises(ValueError, match='linear_max needs at least one point per cloud'):
        linear_max(nothing, torch.rand(5, 3))


def test_a_point_with_a_nan_is_no_neighbour_and_has_none():
    xyz = torch.rand(1, 6, 3)
    xyz[0, 2, 1] = torch.nan
    dist, idx = three_nn(xyz, xyz)
    assert not idx[0, [0, 1, 3, 4, 5]].eq(2).any()
    assert dist[0, 2].isinf().all()
    assert not knn(5, xyz)[0, :, [0, 1, 3, 4, 5]].eq(2).any()
    assert not ball_query(0, 9, 6, xyz, xyz)[0].eq(2).any()
    # Of furthest point sampling the CUDA kernel makes it the farthest point for good.
    assert furthest_point_sample(xyz, 3).tolist() == [[0, 2, 2]]


def test_inputs_of_any_layout_give_the_same():
    xyz = torch.rand(2, 3, 30)
    turned, packed = xyz.transpose(1, 2), xyz.transpose(1, 2).contiguous()
    outs = []
    for cloud in (turned, packed):
        idx = torch.zeros(2, 4, 30, dtype=torch.int32).transpose(1, 2)
        ball_query_forward(cloud, cloud, idx, 0.0, 0.5)
        outs.append(idx)
    assert torch.equal(*outs)
    assert outs[0].any()
    assert torch.equal(linear_max(turned, packed[0]), linear_max(packed, packed[0]))


@pytest.mark.parametrize('dtype', [torch.float16, torch.float32, torch.float64, torch.int32])
def test_what_is_written_to_a_turned_tensor_arrives(dtype):
    tensor = torch.zeros(3, 4, dtype=dtype).T
    with write_array(tensor) as array:
        array.reshape(-1)[:] = np.arange(12)
    assert tensor.flatten().tolist() == list(range(12))
