"""Upright boxes around points: of rectangles and Ls that are known."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from strl_mmdet3d.models.rectangles import SMALLEST_SIDE, upright_boxes


def upright_box(points):
    """The box of one group."""
    (box,) = upright_boxes(points, torch.zeros(len(points), dtype=torch.int64), 1)
    return box


def two_sides(length, width, yaw, x, y):
    """Points on one long and one short side of a rectangle, 1.5 m high, as a LiDAR sees a car."""
    share = torch.linspace(-0.5, 0.5, 40)
    long = torch.stack([share * length, torch.full_like(share, -width / 2)], dim=1)
    short = torch.stack([torch.full_like(share, length / 2), share * width], dim=1)
    outline = torch.cat([long, short])
    turn = torch.tensor([[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]])
    places = outline @ turn.T + torch.tensor([x, y])
    return torch.cat([torch.column_stack([places, torch.full((80,), z)]) for z in (-1.5, 0.0)])


@given(st.floats(2, 6), st.floats(0.5, 1.8), st.integers(0, 59), st.floats(-30, 30), st.floats(-30, 30))
def test_the_box_of_an_l_is_that_of_the_whole_car(length, width, step, x, y):
    yaw = math.radians(3 * step)  # one of the angles that are tried
    box = upright_box(two_sides(length, width, yaw, x, y))
    expected = torch.tensor([x, y, -0.75, length, width, 1.5])
    torch.testing.assert_close(box[:6], expected, atol=2e-4, rtol=1e-4)
    assert abs(math.sin(2 * (box[6].item() - yaw))) < 1e-3
    assert abs(math.sin(box[6].item() - yaw)) < 1e-3  # along the longer side


def test_one_point_has_a_box():
    box = upright_box(torch.tensor([[3.0, -2.0, 1.0, 0.5]]))
    assert box[:3].tolist() == pytest.approx([3, -2, 1])
    assert box[3:6].tolist() == pytest.approx([SMALLEST_SIDE] * 3)


def test_a_row_of_points_is_as_long_as_it_is():
    x = torch.linspace(0, 4, 9)
    box = upright_box(torch.stack([x, x, 0 * x], dim=1))
    assert box[3].item() == pytest.approx(4 * math.sqrt(2))
    assert box[6].item() == pytest.approx(math.pi / 4)


@given(st.integers(0, 2**32 - 1))
def test_each_group_has_its_own_box_in_any_order_of_the_points(seed):
    drawn = torch.Generator().manual_seed(seed)
    group = torch.cat([torch.arange(4), torch.randint(4, (50,), generator=drawn)])[torch.randperm(54, generator=drawn)]
    points = torch.randn(54, 4, generator=drawn) * torch.tensor([4.0, 2.0, 1.0, 1.0])
    boxes = upright_boxes(points, group, 4)
    for number, box in enumerate(boxes):
        torch.testing.assert_close(box, upright_box(points[group == number]))


def test_no_group_has_no_box():
    assert upright_boxes(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), 0).shape == (0, 7)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_boxes_are_the_same_under_autocast(dtype):
    """A person 40 m away is smaller than what half precision keeps of such a coordinate."""
    points = torch.rand(40, 3) * torch.tensor([0.7, 0.5, 1.7]) + torch.tensor([40.0, -12.0, -1.5])
    with torch.autocast('cpu', dtype=dtype):
        box = upright_box(points)
    torch.testing.assert_close(box, upright_box(points), rtol=0, atol=0)
