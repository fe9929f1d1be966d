"""The differentiable rotated IoU: values against the exact IoU, gradients against finite differences."""

import numpy as np
import pytest
import torch
from mmcv.ops import box_iou_rotated, diff_iou_rotated_2d, diff_iou_rotated_3d
from mmcv.ops.diff_iou_rotated import box2corners, box_in_box, box_intersection, build_vertices
from mmdet3d.models.losses import RotatedIoU3DLoss
from rotated_boxes import degenerate_pairs, random_boxes, shares

from strl_mmdet3d.ops.diff_iou import sort_vertices_forward


def pairs_of(first, second, dtype=torch.float64):
    return torch.from_numpy(first)[None].to(dtype), torch.from_numpy(second)[None].to(dtype)


@pytest.mark.parametrize(('dtype', 'atol'), [(torch.float32, 1e-5), (torch.float64, 1e-7)])
def test_random_pairs(dtype, atol):
    rng = np.random.default_rng(0)
    pairs = pairs_of(random_boxes(rng, 2000, 2), random_boxes(rng, 2000, 2), dtype)
    expected = box_iou_rotated(pairs[0][0], pairs[1][0], aligned=True)
    torch.testing.assert_close(diff_iou_rotated_2d(*pairs)[0], expected, rtol=0, atol=atol)
    assert (expected > 0).sum() > 800


def test_degenerate_pairs():
    """Where mmcv's CUDA kernel takes a wrong corner."""
    first, second, shared = degenerate_pairs(np.random.default_rng(1), 2000)
    second[:, :2] -= first[:, :2]
    first[:, :2] = 0
    expected = shares(first, second, shared)[0]
    for dtype in (torch.float32, torch.float64):
        pairs = pairs_of(first, second, dtype)
        got = diff_iou_rotated_2d(pairs[0].requires_grad_(), pairs[1])
        np.testing.assert_allclose(got[0].detach(), expected, rtol=0, atol=2e-5)
        (gradient,) = torch.autograd.grad(got.sum(), pairs[0])
        assert gradient.isfinite().all()


def test_a_corner_at_the_height_of_the_mean():
    square, diamond = torch.tensor([[[0.0, 0, 2, 2, 0]]]), torch.tensor([[[0.0, 0, 1, 1, np.pi / 4]]])
    assert diff_iou_rotated_2d(square, diamond).item() == pytest.approx(1 / 4, abs=1e-6)


def test_gradients_of_2d_boxes():
    rng = np.random.default_rng(2)
    first, second = random_boxes(rng, 12, 1), random_boxes(rng, 12, 1)
    pairs = [boxes.requires_grad_() for boxes in pairs_of(first, second)]
    assert (diff_iou_rotated_2d(*pairs) > 0).sum() > 6
    assert torch.autograd.gradcheck(diff_iou_rotated_2d, pairs)


def test_gradients_of_3d_boxes_and_of_the_loss():
    rng = np.random.default_rng(3)

    def boxes():
        flat = random_boxes(rng, 10, 1)
        return np.column_stack(
            [flat[:, :2], rng.uniform(-0.5, 0.5, 10), flat[:, 2:4], rng.uniform(1, 3, 10), flat[:, 4]]
        )

    pairs = [boxes.requires_grad_() for boxes in pairs_of(boxes(), boxes())]
    assert (diff_iou_rotated_3d(*pairs) > 0).sum() > 4
    assert torch.autograd.gradcheck(diff_iou_rotated_3d, pairs)
    loss = RotatedIoU3DLoss()(pairs[0][0], pairs[1][0])
    loss.backward()
    assert loss.item() == pytest.approx(1 - diff_iou_rotated_3d(*pairs).mean().item())
    assert pairs[0].grad.abs().sum() > 0


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_corners_are_ordered_and_padded_as_on_cuda(dtype):
    """Counter-clockwise from the x axis, the first once more, and then the first invalid crossing."""
    rng = np.random.default_rng(4)
    corners = [box2corners(boxes) for boxes in pairs_of(random_boxes(rng, 300, 2), random_boxes(rng, 300, 2), dtype)]
    vertices, mask = build_vertices(*corners, *box_in_box(*corners), *box_intersection(*corners))
    num_valid = mask.sum(dim=2).int()
    vertices = vertices - (vertices * mask[..., None]).sum(dim=2, keepdim=True) / num_valid[..., None, None]
    idx = sort_vertices_forward(vertices, mask, num_valid)
    assert idx.dtype == torch.int32
    assert idx.shape == (1, 300, 9)
    lengths = set()
    for polygon, valid, row in zip(vertices[0].numpy(), mask[0].numpy(), idx[0].tolist(), strict=True):
        order = valid.nonzero()[0]
        angles = np.arctan2(polygon[order, 1], polygon[order, 0]) % (2 * np.pi)
        closed = order[angles.argsort()][[*range(len(order)), 0]].tolist() if len(order) else []
        padding = 8 + valid[8:].argmin()
        assert row == closed + [padding] * (9 - len(closed))
        lengths.add(len(closed))
    assert lengths >= {0, 4, 5, 6, 7, 8}


def test_no_pairs_and_other_shapes():
    none = torch.zeros(2, 0, 24, 2), torch.zeros(2, 0, 24, dtype=torch.bool), torch.zeros(2, 0)
    assert sort_vertices_forward(*none).shape == (2, 0, 9)
    with pytest.raises(ValueError, match='vertices are'):
        sort_vertices_forward(torch.zeros(2, 5, 24, 2), *none[1:])
