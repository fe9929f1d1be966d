"""Rotation: the angles drawn, and what they do."""

import numpy as np
import pytest
import torch
from mmdet3d.structures import LiDARPoints
from scipy import stats

from strl_mmdet3d.datasets.transforms import RandomRotatePoints


def test_papers_angles_are_uniform_within_15_degrees(points, assert_uniform):
    transform = RandomRotatePoints()
    angles = np.degrees([transform.draw(points) for _ in range(10_000)])
    for axis in range(3):
        assert_uniform(angles[:, axis], -15, 15)
    assert np.abs(np.corrcoef(angles.T) - np.eye(3)).max() < 0.05  # the axes are independent


def test_released_angles_are_normal_and_clipped(points):
    transform = RandomRotatePoints(std=0.06, max_angle=0.18)
    angles = np.array([transform.draw(points) for _ in range(10_000)])
    assert np.abs(angles).max() == 0.18
    inner = np.abs(angles) < 0.18
    assert abs(np.mean(~inner) - 2 * stats.norm.sf(3)) < 0.001  # 3 sigma: 0.27 % are clipped
    for axis in range(3):
        sample = angles[inner[:, axis], axis]
        assert stats.kstest(sample, stats.truncnorm(-3, 3, scale=0.06).cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ('angles', 'expected'),
    [
        ((90, 0, 0), (1, -3, 2)),  # about x: y to z
        ((0, 90, 0), (3, 2, -1)),  # about y: z to x
        ((0, 0, 90), (-2, 1, 3)),  # about z: x to y
        ((90, 90, 0), (2, -3, -1)),  # about x, then about the fixed y
        ((90, 0, 90), (3, 1, 2)),  # about x, then about the fixed z
    ],
)
def test_rotation_by_hand(angles, expected):
    points = LiDARPoints([[1.0, 2.0, 3.0, 0.5]], points_dim=4)
    rotated = RandomRotatePoints().apply(points, np.radians(angles)).tensor
    torch.testing.assert_close(rotated, torch.tensor([[*map(float, expected), 0.5]]))


def test_rotation_is_rigid_and_about_the_origin(points):
    before = points.coord.double()
    after = RandomRotatePoints(prob=1.0)({'points': points})['points'].coord.double()
    torch.testing.assert_close(after.norm(dim=1), before.norm(dim=1), rtol=1e-5, atol=0)
    torch.testing.assert_close(torch.pdist(after[:50]), torch.pdist(before[:50]), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(after, before)
    # no reflection: the triple product of three points keeps its sign
    torch.testing.assert_close(torch.linalg.det(after[:3]), torch.linalg.det(before[:3]), rtol=1e-3, atol=1e-3)
