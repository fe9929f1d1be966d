"""Cutout: the sides drawn, and what they do."""

import numpy as np
import pytest
import torch
from mmdet3d.structures import LiDARPoints

from strl_mmdet3d.datasets.transforms import RandomCropPoints, RandomCutoutPoints
from strl_mmdet3d.datasets.transforms.cuboid import Cuboid


@pytest.mark.parametrize('side', [(0.1, 0.4), (0.3, 0.6)], ids=['paper', 'released'])
def test_sides_are_uniform_each_by_itself(side, assert_uniform):
    transform = RandomCutoutPoints(side=side)
    sides = np.array([transform.draw_sides() for _ in range(10_000)])
    for axis in range(3):
        assert_uniform(sides[:, axis], *side)
    assert np.abs(np.corrcoef(sides.T) - np.eye(3)).max() < 0.05


def test_papers_side_is_the_default():
    assert RandomCutoutPoints().side == (0.1, 0.4)


def test_cutout_by_hand_keeps_order_and_channels():
    """In a 10 x 10 x 10 box, the cuboid of side 4 in the middle holds 3 to 7 along each axis."""
    table = torch.tensor([[5.0, 5, 5, 1], [0, 0, 0, 2], [5, 5, 8, 3], [10, 10, 10, 4], [3.5, 6.5, 5, 5]])
    points = LiDARPoints(table, points_dim=4)
    left = RandomCutoutPoints().apply(points, Cuboid(sides=np.full(3, 0.4), position=np.full(3, 0.5)))
    assert torch.equal(left.tensor, table[[1, 2, 3]])


def test_cutout_removes_what_a_crop_would_keep(points):
    cutout = RandomCutoutPoints()
    for _ in range(100):
        cuboid = cutout.draw(points)
        outside, inside = cutout.apply(points, cuboid), RandomCropPoints().apply(points, cuboid)
        both = torch.cat([outside.tensor[:, 3], inside.tensor[:, 3]])
        assert torch.equal(both.sort().values, points.tensor[:, 3])


def test_a_cloud_that_every_cutout_would_empty_is_left_whole():
    points = LiDARPoints(np.ones((2000, 3)))
    assert len(RandomCutoutPoints(prob=1.0)({'points': points})['points']) == 2000
