"""Points in boxes against the box's own frame in float64."""

import numpy as np
import torch
from mmcv.ops import points_in_boxes_all, points_in_boxes_part
from mmdet3d.structures import LiDARInstance3DBoxes

import strl_mmdet3d.ops  # noqa: F401


def reference(points, boxes):
    inside = np.zeros((len(points), len(boxes)), np.int32)
    for t, (x, y, z, x_size, y_size, z_size, yaw) in enumerate(boxes):
        dx, dy, dz = (points - [x, y, z]).T
        along, across = np.cos(yaw) * dx + np.sin(yaw) * dy, np.cos(yaw) * dy - np.sin(yaw) * dx
        inside[:, t] = (abs(along) < x_size / 2) & (abs(across) < y_size / 2) & (dz >= 0) & (dz <= z_size)
    return inside


def scene(batch_size=2, num_boxes=6):
    rng = np.random.default_rng(0)
    points = rng.uniform(-4, 4, (batch_size, 3000, 3)).astype(np.float32)
    boxes = np.concatenate(
        [
            rng.uniform(-3, 3, (batch_size, num_boxes, 3)),
            rng.uniform(1, 4, (batch_size, num_boxes, 3)),
            rng.uniform(-4, 4, (batch_size, num_boxes, 1)),
        ],
        axis=2,
    ).astype(np.float32)
    return points, boxes


def test_all_and_part():
    points, boxes = scene()
    expected = np.stack([reference(*cloud) for cloud in zip(points, boxes, strict=True)])
    in_all = points_in_boxes_all(torch.from_numpy(points), torch.from_numpy(boxes))
    np.testing.assert_array_equal(in_all.numpy(), expected)
    assert expected.sum(axis=2).max() > 1  # boxes overlap, so that "the first" has a meaning
    first = np.where(expected.any(axis=2), expected.argmax(axis=2), -1)
    in_part = points_in_boxes_part(torch.from_numpy(points), torch.from_numpy(boxes))
    np.testing.assert_array_equal(in_part.numpy(), first)
    assert in_all.dtype == in_part.dtype == torch.int32


def test_borders():
    # z counts from the bottom center and its borders are in; the borders of x and y are out.
    boxes = torch.tensor([[[0.0, 0, 0, 2, 2, 2, 0]]])
    points = torch.tensor([[[0.0, 0, 0], [0, 0, 2], [0, 0, 2.1], [1, 0, 1], [0, -1, 1], [0.9, -0.9, 1]]])
    assert points_in_boxes_part(points, boxes).tolist() == [[0, 0, -1, -1, -1, 0]]


def test_no_boxes():
    assert points_in_boxes_part(torch.rand(2, 4, 3), torch.zeros(2, 0, 7)).eq(-1).all()
    assert points_in_boxes_all(torch.rand(2, 4, 3), torch.zeros(2, 0, 7)).shape == (2, 4, 0)


def test_mmdet3d_boxes_use_them():
    points, boxes = scene(batch_size=1)
    stock = LiDARInstance3DBoxes(torch.from_numpy(boxes[0]))
    expected = reference(points[0], boxes[0])
    np.testing.assert_array_equal(stock.points_in_boxes_all(torch.from_numpy(points[0])).numpy(), expected)
    in_part = stock.points_in_boxes_part(torch.from_numpy(points[0])).numpy()
    np.testing.assert_array_equal(in_part, np.where(expected.any(axis=1), expected.argmax(axis=1), -1))
