"""Translation: the shifts drawn, and what they do."""

import numpy as np
import torch
from mmdet3d.structures import LiDARPoints

from strl_mmdet3d.datasets.transforms import RandomTranslatePoints


def test_papers_shifts_are_uniform_within_a_tenth(points, assert_uniform):
    transform = RandomTranslatePoints()
    shifts = np.array([transform.draw(points) for _ in range(10_000)])
    for axis in range(3):
        assert_uniform(shifts[:, axis], -0.1, 0.1)
    assert np.abs(np.corrcoef(shifts.T) - np.eye(3)).max() < 0.05


def test_shift_counts_in_the_extent_of_each_axis():
    points = LiDARPoints([[0.0, 10.0, -1.0, 7.0], [4.0, 30.0, -1.0, 8.0]], points_dim=4)  # extents 4, 20, 0
    shifted = RandomTranslatePoints().apply(points, np.array([0.1, -0.05, 0.1]))
    torch.testing.assert_close(shifted.tensor, torch.tensor([[0.4, 9.0, -1.0, 7.0], [4.4, 29.0, -1.0, 8.0]]))


def test_shift_of_a_cloud_stays_within_a_tenth_of_its_extent(points):
    extent = points.coord.amax(0) - points.coord.amin(0)
    before = points.coord.clone()
    for _ in range(100):
        moved = RandomTranslatePoints(prob=1.0)({'points': points.clone()})['points'].coord - before
        assert (moved.std(dim=0) < 1e-5).all()  # one shift for all points
        assert (moved.abs() <= 0.1 * extent + 1e-5).all()
