"""Rotated IoU against polygons, above all where corners or edges coincide."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops import box_iou_rotated
from mmdet3d.structures import LiDARInstance3DBoxes
from rotated_boxes import as_polygons, degenerate_pairs, random_boxes, shares
from shapely import area, intersection

import strl_mmdet3d.ops  # noqa: F401


@pytest.mark.parametrize('spread', [1.5, 5])
def test_random_pairs(spread):
    rng = np.random.default_rng(0)
    first, second = random_boxes(rng, 5000, spread), random_boxes(rng, 5000, spread)
    expected = shares(first, second, area(intersection(as_polygons(first), as_polygons(second))))
    assert (expected[0] > 0).mean() > 0.25
    for mode, values in zip(('iou', 'iof'), expected, strict=True):
        got = box_iou_rotated(torch.from_numpy(first), torch.from_numpy(second), mode, aligned=True)
        np.testing.assert_allclose(got, values, rtol=0, atol=1e-13)


def test_degenerate_pairs():
    first, second, shared = degenerate_pairs(np.random.default_rng(1), 2000)
    for mode, values in zip(('iou', 'iof'), shares(first, second, shared), strict=True):
        pairs = torch.from_numpy(first), torch.from_numpy(second)
        np.testing.assert_allclose(box_iou_rotated(*pairs, mode, aligned=True), values, rtol=0, atol=1e-12)
        # 50 m from the origin float32 moves the edges of a box of 0.3 m by a hundred-thousandth of its size.
        pairs = pairs[0].float(), pairs[1].float()
        np.testing.assert_allclose(box_iou_rotated(*pairs, mode, aligned=True), values, rtol=0, atol=5e-5)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(0, 12), st.integers(0, 12), st.sampled_from(['iou', 'iof']), st.booleans()
)
def test_every_box_with_every_other(seed, num_first, num_second, mode, clockwise):
    rng = np.random.default_rng(seed)
    first, second = random_boxes(rng, num_first, 3), random_boxes(rng, num_second, 3)
    got = box_iou_rotated(torch.from_numpy(first), torch.from_numpy(second), mode, clockwise=clockwise)
    assert got.shape == (num_first, num_second)
    assert got.dtype == torch.float64
    turned = [1, 1, 1, 1, 1 if clockwise else -1]
    shared = area(intersection(as_polygons(first * turned)[:, None], as_polygons(second * turned)))
    areas = first[:, None, 2] * first[:, None, 3], second[:, 2] * second[:, 3]
    base = areas[0] + areas[1] - shared if mode == 'iou' else areas[0] + 0 * areas[1]
    np.testing.assert_allclose(got, shared / base, rtol=0, atol=1e-13)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(-3, 3), min_size=4, max_size=4),
    st.lists(st.integers(1, 4), min_size=4, max_size=4),
    st.lists(st.integers(-4, 4), min_size=2, max_size=2),
)
def test_boxes_on_a_grid_share_whole_cells(centers, sizes, quarters):
    """Upright boxes with whole numbers, turned by quarters of a circle: nearly all pairs are degenerate."""
    pair = [[*centers[2 * n : 2 * n + 2], *sizes[2 * n : 2 * n + 2], quarters[n] * np.pi / 2] for n in (0, 1)]
    spans = []
    for x, y, w, h, angle in pair:
        w, h = (h, w) if round(angle / (np.pi / 2)) % 2 else (w, h)
        spans.append([(x - w / 2, x + w / 2), (y - h / 2, y + h / 2)])
    sides = [max(0, min(a[1], b[1]) - max(a[0], b[0])) for a, b in zip(*spans, strict=True)]
    shared = sides[0] * sides[1]
    expected = shared / (pair[0][2] * pair[0][3] + pair[1][2] * pair[1][3] - shared)
    first, second = torch.tensor(pair, dtype=torch.double)[:, None]
    assert box_iou_rotated(first, second).item() == pytest.approx(expected, abs=1e-14)
    assert box_iou_rotated(first.float(), second.float()).item() == pytest.approx(expected, abs=1e-6)
    assert box_iou_rotated(second, first).item() == pytest.approx(expected, abs=1e-14)


def test_never_more_than_the_whole():
    boxes = torch.from_numpy(random_boxes(np.random.default_rng(2), 2000, 100))
    turned = boxes + torch.tensor([0, 0, 0, 0, np.pi], dtype=torch.double)
    for mode in ('iou', 'iof'):
        share = box_iou_rotated(boxes, turned, mode, aligned=True)
        assert share.max() <= 1
        assert share.min() > 1 - 1e-13


def test_long_and_far_boxes():
    # Two bars of 1 mm x 10 km cross 5000 km from the origin.
    bars = torch.tensor([[5e6, 5e6, 1e4, 1e-3, 0.3], [5e6, 5e6, 1e-3, 1e4, 0.3]], dtype=torch.double)
    assert box_iou_rotated(bars[:1], bars[1:]).item() == pytest.approx(1e-6 / (20 - 1e-6), rel=1e-9)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_result_has_the_type_of_the_boxes(dtype):
    boxes = torch.tensor([[0, 0, 2, 2, 0], [1, 0, 2, 2, 0]], dtype=dtype)
    iou = box_iou_rotated(boxes, boxes)
    assert torch.equal(iou, torch.tensor([[1, 1 / 3], [1 / 3, 1]], dtype=dtype))


def test_boxes_without_area_share_nothing():
    """As in mmcv's CUDA kernel: an area below 1e-14 counts as none, and two negative sizes make a positive area."""
    boxes = torch.tensor([[0.0, 0, 0, 2, 0], [0, 0, 1e-8, 1e-8, 0], [0, 0, -2, 2, 0], [0, 0, -2, -2, 0]])
    other = torch.tensor([[0.0, 0, 2, 2, 0]])
    assert box_iou_rotated(boxes, other).flatten().tolist() == [0, 0, 0, 1]
    assert box_iou_rotated(other, boxes, mode='iof').flatten().tolist() == [0, 0, 0, 1]


def test_nan_and_infinite_boxes():
    """As in mmcv: a box at NaN shares nothing, a box of the size NaN shares NaN."""
    boxes = torch.tensor([[np.nan, 0, 1, 1, 0], [0, 0, 1, 1, np.nan], [0, 0, np.nan, 1, 0], [0, 0, np.inf, 1, 0]])
    iou = box_iou_rotated(boxes, torch.tensor([[0.0, 0, 2, 2, 0.5]])).flatten()
    assert iou[:2].tolist() == [0, 0]
    assert iou[2].isnan()
    assert not iou[3] > 0


def test_what_does_not_fit_is_refused():
    boxes = torch.zeros(2, 5)
    with pytest.raises(ValueError, match='aligned boxes are pairs, got 2 and 3'):
        box_iou_rotated(boxes, torch.zeros(3, 5), aligned=True)
    with pytest.raises(ValueError, match=r'\(x, y, w, h, angle\), got an array of shape \(2, 7\)'):
        box_iou_rotated(torch.zeros(2, 7), boxes)
    with pytest.raises(TypeError, match='floating-point'):
        box_iou_rotated(boxes.long(), boxes.long())


def test_mmdet3d_boxes_use_it():
    box = torch.tensor([[20.0, 3, -1, 4.25, 1.5, 2, 0.4]])
    turned = LiDARInstance3DBoxes(box + torch.tensor([0, 0, 0, 0, 0, 0, np.pi]))
    assert turned.overlaps(LiDARInstance3DBoxes(box), turned).item() == pytest.approx(1, abs=1e-6)
