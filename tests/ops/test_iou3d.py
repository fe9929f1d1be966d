"""Overlaps and suppression of 3D boxes against polygons and the greedy rule."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops import boxes_iou3d, boxes_overlap_bev, nms3d, nms3d_normal
from rotated_boxes import as_polygons
from shapely import LineString, Point, Polygon, area, intersection

import strl_mmdet3d.ops  # noqa: F401


def random_boxes(rng, num, spread=3.0):
    """(x, y, z, x_size, y_size, z_size, yaw), float64 (N, 7)."""
    return np.column_stack(
        [rng.uniform(-spread, spread, (num, 3)), rng.uniform(0.5, 4, (num, 3)), rng.uniform(-7, 7, num)]
    )


def from_above(boxes):
    return as_polygons(boxes[:, [0, 1, 3, 4, 6]])


def shared_areas(first, second):
    return area(intersection(from_above(first)[:, None], from_above(second)))


def corners(box):
    """The corners (4, 2), in turn, of (x, y, w, h, angle)."""
    x, y, w, h, angle = box
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2 @ turn + [x, y]


def area_as_on_cuda(first, second, margin=1e-2):
    """mmcv's rule, from its source: crossings of sides, and corners within a margin, joined by their angles."""
    sides = [LineString([a, b]) for a, b in zip(corners(first), np.roll(corners(first), -1, 0), strict=True)]
    others = [LineString([a, b]) for a, b in zip(corners(second), np.roll(corners(second), -1, 0), strict=True)]
    points = [tuple(np.ravel(one.intersection(two).coords)) for one in sides for two in others if one.crosses(two)]
    for box, foreign in ((first, corners(second)), (second, corners(first))):
        wider = Polygon(corners([*box[:2], box[2] + 2 * margin, box[3] + 2 * margin, box[4]]))
        points += [tuple(corner) for corner in foreign if wider.contains(Point(corner))]
    if len(points) < 3:
        return 0.0
    xy = np.array(points)
    x, y = xy[np.argsort(np.arctan2(*(xy - xy.mean(axis=0)).T[::-1]))].T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def areas_as_on_cuda(first, second):
    rectangles = [boxes[:, [0, 1, 3, 4, 6]] for boxes in (first, second)]
    return np.array([[area_as_on_cuda(one, two) for two in rectangles[1]] for one in rectangles[0]])


def greedy(iou, scores, threshold):
    keep: list[int] = []
    for i in scores.argsort(descending=True).tolist():
        if all(iou[j, i] <= threshold for j in keep):
            keep.append(i)
    return keep


@pytest.mark.parametrize(('dtype', 'atol'), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_areas_and_volumes(dtype, atol):
    rng = np.random.default_rng(0)
    first, second = random_boxes(rng, 14), random_boxes(rng, 10)
    second[:5] = first[:5]
    second[:5, 6] += np.pi
    areas = areas_as_on_cuda(first, second)
    sides = np.add.outer(first[:, 3:5].sum(axis=1), second[:, 3:5].sum(axis=1))
    assert (np.abs(areas - shared_areas(first, second)) <= 0.01 * sides).all()
    tensors = torch.from_numpy(first).to(dtype), torch.from_numpy(second).to(dtype)
    got = boxes_overlap_bev(*tensors)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, areas, atol=atol)

    (low1, high1), (low2, high2) = ((b[:, 2] - b[:, 5] / 2, b[:, 2] + b[:, 5] / 2) for b in (first, second))
    heights = (np.minimum.outer(high1, high2) - np.maximum.outer(low1, low2)).clip(0)
    volumes = np.add.outer(first[:, 3:6].prod(axis=1), second[:, 3:6].prod(axis=1))
    expected = areas * heights / (volumes - areas * heights)
    np.testing.assert_allclose(boxes_iou3d(*tensors), expected, atol=atol)
    np.testing.assert_allclose(boxes_iou3d(*tensors).diagonal()[:5], 1, atol=atol)


@pytest.mark.parametrize(('gap', 'shared'), [(0.005, 0.01), (0.02, 0.0), (-0.5, 1.0)])
def test_a_gap_within_the_margin_counts_as_shared(gap, shared):
    # Two squares of 2 m, a gap of 5 mm between them: 2 m x 5 mm.
    boxes = torch.tensor([[0.0, 0, 0, 2, 2, 2, 0], [2 + gap, 0, 0, 2, 2, 2, np.pi / 2]], dtype=torch.float64)
    np.testing.assert_allclose(boxes_overlap_bev(boxes[:1], boxes[1:]).item(), shared, atol=1e-12)


def test_no_boxes():
    boxes, none = torch.rand(3, 7), torch.zeros(0, 7)
    assert boxes_overlap_bev(none, boxes).shape == (0, 3)
    assert boxes_iou3d(boxes, none).shape == (3, 0)
    for nms in (nms3d, nms3d_normal):
        assert nms(none, torch.zeros(0), 0.5).tolist() == []


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 10),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_nms_is_the_greedy_rule(seed, num_boxes, threshold, dtype):
    rng = np.random.default_rng(seed)
    boxes, scores = random_boxes(rng, num_boxes, spread=1.5), torch.from_numpy(rng.permutation(num_boxes) / num_boxes)
    upright = boxes * [1, 1, 1, 1, 1, 1, 0]
    for nms, seen, shared in (
        (nms3d, boxes, areas_as_on_cuda(boxes, boxes)),
        (nms3d_normal, upright, shared_areas(upright, upright)),
    ):
        areas = seen[:, 3] * seen[:, 4]
        iou = shared / (np.add.outer(areas, areas) - shared)
        keep = nms(torch.from_numpy(boxes).to(dtype), scores.to(dtype), threshold)
        assert keep.dtype == torch.int64
        assert keep.tolist() == greedy(iou, scores, threshold)


def test_as_many_of_mmcvs_own_boxes_stay_as_in_its_tests():
    """By their exact areas, as by shapely's polygons, 179 would stay."""
    rng = np.random.RandomState(42)
    boxes, scores = rng.rand(555, 7).astype(np.float32), rng.rand(555).astype(np.float32)
    assert len(nms3d(torch.from_numpy(boxes), torch.from_numpy(scores), 0.3)) == 176
    assert len(nms3d_normal(torch.from_numpy(boxes), torch.from_numpy(scores), 0.3)) == 148


@pytest.mark.parametrize('nms', [nms3d, nms3d_normal])
def test_equal_to_the_threshold_stays_as_on_cuda(nms):
    # Half of a side in common: IoU 1/3. In float32 it is the same number as the threshold.
    boxes = torch.tensor([[0.0, 0, 0, 2, 2, 2, 0], [1, 0, 0, 2, 2, 2, 0], [0, 0, 5, 2, 2, 2, 0]])
    scores = torch.tensor([0.9, 0.8, 0.7])
    assert nms(boxes, scores, 1 / 3).tolist() == [0, 1]
    assert nms(boxes, scores, 0.333).tolist() == [0]
    assert nms(boxes, scores, 1.0).tolist() == [0, 1, 2]


@pytest.mark.parametrize('nms', [nms3d, nms3d_normal])
def test_boxes_without_area_and_nan_stay(nms):
    boxes = torch.tensor(
        [[0.0, 0, 0, 0, 0, 2, 0], [0, 0, 0, 0, 2, 2, 0], [np.nan, 0, 0, 2, 2, 2, 0], [0, 0, 0, 2, 2, 2, 0]]
    )
    assert nms(boxes, torch.tensor([0.9, 0.8, 0.7, 0.6]), 0.0).tolist() == [0, 1, 2, 3]


def test_only_nms3d_turns_the_boxes():
    # Two bars that cross: 1 of 39 square metres in common, but the same place without their yaws.
    boxes = torch.tensor([[0.0, 0, 0, 20, 1, 2, 0], [0, 0, 0, 20, 1, 2, np.pi / 2]])
    scores = torch.tensor([0.9, 0.8])
    assert nms3d(boxes, scores, 0.1).tolist() == [0, 1]
    assert nms3d_normal(boxes, scores, 0.1).tolist() == [0]


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r'z_size, yaw\), got a tensor of shape \(2, 5\)'):
        boxes_overlap_bev(torch.zeros(2, 5), torch.zeros(2, 5))
    with pytest.raises(TypeError, match='floating-point'):
        boxes_overlap_bev(torch.zeros(2, 7).long(), torch.zeros(2, 7).long())
