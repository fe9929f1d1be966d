"""Scaling: the factors drawn, and what they do."""

import numpy as np
import pytest
import torch
from mmdet3d.structures import DepthPoints, LiDARPoints

from strl_mmdet3d.datasets.transforms import RandomScalePoints


def test_papers_factors_are_uniform(points, assert_uniform):
    transform = RandomScalePoints()
    assert_uniform(np.array([transform.draw(points) for _ in range(10_000)]), 0.8, 1.25)


def test_scaling_by_hand_leaves_the_further_channels():
    points = LiDARPoints([[1.0, -2.0, 4.0, 0.5]], points_dim=4)
    scaled = RandomScalePoints().apply(points, 1.25).tensor
    torch.testing.assert_close(scaled, torch.tensor([[1.25, -2.5, 5.0, 0.5]]))


def test_the_height_is_scaled_where_asked_for_and_no_other_channel():
    points = DepthPoints([[1.0, -2.0, 4.0, 0.5, 3.0]], points_dim=5, attribute_dims={'height': 3})
    scaled = RandomScalePoints(shift_height=True).apply(points, 1.25).tensor
    torch.testing.assert_close(scaled, torch.tensor([[1.25, -2.5, 5.0, 0.625, 3.0]]))


def test_a_missing_height_is_an_error():
    with pytest.raises(ValueError, match='without a height channel'):
        RandomScalePoints(shift_height=True).apply(DepthPoints([[1.0, 2.0, 3.0]]), 1.25)
