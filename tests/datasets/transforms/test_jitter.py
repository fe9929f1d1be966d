"""Jitter: the offsets drawn, and what they do."""

import numpy as np
import torch
from mmdet3d.structures import LiDARPoints

from strl_mmdet3d.datasets.transforms import RandomUniformJitterPoints


def test_papers_offsets_are_uniform_for_every_coordinate(make_points, assert_uniform):
    offsets = RandomUniformJitterPoints().draw(make_points(10_000))
    assert offsets.shape == (10_000, 3)
    for axis in range(3):
        assert_uniform(offsets[:, axis], 0, 0.05)
    assert np.abs(np.corrcoef(offsets.T) - np.eye(3)).max() < 0.05


def test_offsets_are_added_to_the_coordinates_alone():
    points = LiDARPoints([[1.0, 2.0, 3.0, 0.5], [4.0, 5.0, 6.0, 0.25]], points_dim=4)
    jittered = RandomUniformJitterPoints().apply(points, np.array([[0.01, 0.02, 0.03], [0, 0, 0.05]])).tensor
    torch.testing.assert_close(jittered, torch.tensor([[1.01, 2.02, 3.03, 0.5], [4.0, 5.0, 6.05, 0.25]]))
