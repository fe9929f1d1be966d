"""Normalisation to the unit sphere."""

import numpy as np
import pytest
import torch
from mmdet3d.structures import LiDARPoints

from strl_mmdet3d.datasets.transforms import NormalizePointsToUnitSphere


def test_centroid_at_the_origin_and_farthest_point_at_1(points):
    before = points.coord.double()
    after = NormalizePointsToUnitSphere()({'points': points})['points'].coord.double()
    torch.testing.assert_close(after.mean(dim=0), torch.zeros(3).double(), rtol=0, atol=1e-6)
    assert after.norm(dim=1).max().item() == pytest.approx(1, abs=1e-6)
    # one factor for all axes
    torch.testing.assert_close(
        torch.pdist(after[:50]) / torch.pdist(before[:50]),
        torch.full((1225,), (torch.pdist(after[:2]) / torch.pdist(before[:2])).item()).double(),
        rtol=1e-4,
        atol=0,
    )


def test_by_hand():
    points = LiDARPoints([[1.0, 1.0, 1.0, 9.0], [1.0, 1.0, 5.0, 8.0]], points_dim=4)
    normalized = NormalizePointsToUnitSphere()({'points': points})['points'].tensor
    assert torch.equal(normalized, torch.tensor([[0.0, 0, -1, 9], [0, 0, 1, 8]]))


@pytest.mark.parametrize('number', [1, 3, 7, 1000])
def test_one_point_repeated_is_moved_to_the_origin(number):
    """Its distances from the mean are rounding errors, which must not be scaled up to 1."""
    points = LiDARPoints(np.full((number, 3), [0.1, 123.456, -7.7]))
    assert torch.equal(NormalizePointsToUnitSphere()({'points': points})['points'].coord, torch.zeros(number, 3))
