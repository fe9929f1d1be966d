"""Down-sampling to a number of points."""

import numpy as np
import pytest
from scipy import stats

from strl_mmdet3d.datasets.transforms import DownSamplePoints


@pytest.mark.parametrize('number', [512, 513, 2000])
def test_enough_points_are_picked_without_replacement(number, make_points):
    sampled = DownSamplePoints(512)({'points': make_points(number)})['points'].tensor
    assert sampled.shape == (512, 4)
    assert len(set(sampled[:, 3].tolist())) == 512


@pytest.mark.parametrize('number', [1, 100, 511])
def test_too_few_points_are_all_kept_and_some_repeated(number, make_points):
    sampled = DownSamplePoints(512)({'points': make_points(number)})['points'].tensor
    assert sampled.shape == (512, 4)
    assert set(sampled[:, 3].tolist()) == set(range(number))


@pytest.mark.parametrize('number', [30, 8], ids=['fewer', 'more'])
def test_every_point_is_as_likely(number, make_points):
    transform, points = DownSamplePoints(12), make_points(number)
    times = np.bincount(np.concatenate([transform.draw(points) for _ in range(10_000)]), minlength=number)
    assert stats.chisquare(times).pvalue > 0.01


def test_the_chosen_points_are_taken(points):
    assert DownSamplePoints(3).apply(points, np.array([5, 1, 1])).tensor[:, 3].tolist() == [5, 1, 1]
