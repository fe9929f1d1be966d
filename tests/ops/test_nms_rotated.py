"""Rotated NMS against the greedy rule on the full matrix of exact IoUs."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops import box_iou_rotated, nms_rotated
from mmdet3d.models.layers import nms_bev

import strl_mmdet3d.ops  # noqa: F401


def reference(boxes, scores, threshold):
    iou = box_iou_rotated(boxes, boxes)
    keep: list[int] = []
    for i in scores.argsort(descending=True).tolist():
        if all(iou[j, i] <= threshold for j in keep):
            keep.append(i)
    return keep


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    num_boxes=st.integers(1, 120),
    threshold=st.sampled_from([0.0, 0.01, 0.1, 0.5, 0.8]),
    spread=st.sampled_from([0.5, 5.0, 50.0]),
    aspect=st.sampled_from([1.0, 20.0]),
)
def test_is_the_greedy_rule(seed, num_boxes, threshold, spread, aspect):
    rng = np.random.default_rng(seed)
    boxes = np.concatenate(
        [
            rng.uniform(-spread, spread, (num_boxes, 2)),
            rng.uniform(0.5, 4, (num_boxes, 2)) * [aspect, 1],
            rng.uniform(-7, 7, (num_boxes, 1)),
        ],
        axis=1,
    )
    boxes[num_boxes // 2 :] = boxes[: num_boxes - num_boxes // 2] + rng.normal(0, 0.05, boxes[num_boxes // 2 :].shape)
    boxes, scores = torch.from_numpy(boxes).float(), torch.from_numpy(rng.permutation(num_boxes) / num_boxes).float()
    dets, keep = nms_rotated(boxes, scores, threshold)
    assert keep.tolist() == reference(boxes, scores, threshold)
    assert torch.equal(dets, torch.cat([boxes[keep], scores[keep, None]], dim=1))


def test_equal_to_the_threshold_stays_as_on_cuda():
    boxes = torch.tensor([[0.0, 0, 2, 2, 0], [0, 0, 2, 2, 0], [9, 9, 2, 2, 0]])
    assert nms_rotated(boxes, torch.tensor([0.9, 0.8, 0.7]), 1.0)[1].tolist() == [0, 1, 2]
    assert nms_rotated(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.0)[1].tolist() == [0, 2]


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_the_same_box_turned_by_pi_is_dropped(dtype):
    rng = np.random.default_rng(0)
    grid = 8 * np.stack(np.meshgrid(range(15), range(15)), axis=-1).reshape(-1, 2)
    boxes = np.column_stack([grid, rng.uniform(0.5, 5, (225, 2)), rng.uniform(-4, 4, 225)])
    boxes = torch.from_numpy(np.concatenate([boxes, boxes + np.array([0, 0, 0, 0, np.pi])])).to(dtype)
    _, keep = nms_rotated(boxes, torch.arange(450, 0, -1).to(dtype), 0.99)
    assert keep.tolist() == list(range(225))


def test_neighbours_with_a_common_edge_stay():
    """The cells of a grid touch their neighbours and share nothing."""
    cells = np.stack(np.meshgrid(range(6), range(6)), axis=-1).reshape(-1, 2)
    boxes = torch.from_numpy(np.column_stack([cells, np.ones((36, 2)), np.zeros(36)])).float()
    assert len(nms_rotated(boxes, torch.rand(36), 0.0)[1]) == 36


def test_an_equal_share_stays_whatever_the_rounding():
    # Three tenths of a length in common: 0.3 / 1.7, which no floating-point number is.
    angle = np.linspace(0, 3, 50)
    boxes = torch.tensor(
        [[0.7 * np.cos(a) * second, 0.7 * np.sin(a) * second, 1, 2, a] for a in angle for second in (0, 1)]
    )
    for pair in boxes.double().split(2):
        assert len(nms_rotated(pair, torch.tensor([0.9, 0.8]).double(), 0.3 / 1.7)[1]) == 2
        assert len(nms_rotated(pair, torch.tensor([0.9, 0.8]).double(), 0.3 / 1.7 - 1e-6)[1]) == 1


def test_boxes_with_nan_drop_nothing_and_stay():
    boxes = torch.tensor([[np.nan, 0, 1, 1, 0], [0, 0, np.nan, 1, 0], [0, 0, 1, 1, 0], [0, 0, 1, 1, 0]])
    assert nms_rotated(boxes, torch.tensor([0.9, 0.8, 0.7, 0.6]), 0.5)[1].tolist() == [0, 1, 2]


def test_label_column_is_ignored():
    boxes = torch.tensor([[0.0, 0, 2, 2, 0], [0, 0, 2, 2, 0]])
    assert nms_rotated(boxes, torch.tensor([0.1, 0.2]), 0.5, labels=torch.tensor([0, 1]))[1].tolist() == [1]


def test_mmdet3d_nms_bev_uses_it():
    boxes = torch.tensor([[0.0, 0, 2, 2, 0.1], [0, 0, 2.1, 2, 0.1], [5, 5, 7, 7, 1]])
    assert nms_bev(boxes, torch.tensor([0.5, 0.9, 0.3]), 0.3).tolist() == [1, 2]
