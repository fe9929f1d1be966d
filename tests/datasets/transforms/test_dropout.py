"""Drop-out: the share and the points drawn, and what happens to them."""

import numpy as np
import pytest
import torch
from scipy import stats

from strl_mmdet3d.datasets.transforms import RandomDropPoints


def dropped_by(transform, points):
    """Make a draw, and return the mask of the points that it drops."""
    mask = np.ones(len(points), np.bool_)
    mask[transform.draw(points)] = False
    return mask


@pytest.mark.parametrize('max_ratio', [0.7, 0.875], ids=['paper', 'released'])
def test_share_is_uniform(max_ratio, make_points, assert_uniform):
    transform, points = RandomDropPoints(max_ratio=max_ratio), make_points(5_000)
    assert_uniform(np.array([dropped_by(transform, points).mean() for _ in range(10_000)]), 0, max_ratio)


def test_every_point_is_dropped_as_often(make_points):
    transform, points = RandomDropPoints(), make_points(50)
    masks = np.array([dropped_by(transform, points) for _ in range(10_000)])
    times = masks.sum(axis=0)
    assert stats.chisquare(times).pvalue > 0.01
    # the mean share, 0.35, less half a point by rounding down
    assert masks.mean() == pytest.approx(0.35 - 0.5 / 50, abs=0.01)


def test_papers_drop_out_removes_the_points(points):
    drop = RandomDropPoints()
    staying = drop.draw(points)
    assert drop.apply(points, staying).tensor[:, 3].tolist() == staying.tolist() == sorted(staying)  # in their order


def test_released_drop_out_overwrites_them_with_the_first_point(points):
    drop = RandomDropPoints(max_ratio=0.875, overwrite=True)
    before, staying = points.tensor.clone(), drop.draw(points)
    mask = np.ones(len(points), np.bool_)
    mask[staying] = False
    assert mask.any()
    after = drop.apply(points, staying).tensor
    assert after.shape == before.shape
    assert torch.equal(after[mask], before[:1].expand(int(mask.sum()), -1))
    assert torch.equal(after[~mask], before[~mask])


def test_the_last_point_is_never_dropped(make_points):
    for _ in range(1000):
        assert len(RandomDropPoints(max_ratio=0.999)({'points': make_points(1)})['points']) == 1


def test_dropping_to_a_size_leaves_no_more_and_every_point_as_often(make_points):
    drop, points = RandomDropPoints(at_most=20), make_points(50)
    masks = np.array([dropped_by(drop, points) for _ in range(10_000)])
    kept = (~masks).sum(axis=1)
    assert kept.max() == 20
    # A share above 60 % leaves fewer than 20: one in seven draws of U[0, 0.7], and a little fewer because of rounding.
    assert (kept < 20).mean() == pytest.approx(0.7 / 0.7 - 0.62 / 0.7, abs=0.02)
    assert stats.chisquare(masks.sum(axis=0)).pvalue > 0.01


def test_points_that_are_dropped_to_a_size_are_in_random_order(make_points):
    drop, points = RandomDropPoints(at_most=5), make_points(50)
    for place in (0, 4):
        numbers = [int(drop({'points': points.clone()})['points'].tensor[place, 3]) for _ in range(10_000)]
        assert stats.chisquare(np.bincount(numbers, minlength=50)).pvalue > 0.01


@pytest.mark.parametrize('wrong', [dict(at_most=0), dict(at_most=5, overwrite=True)])
def test_a_size_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match='at_most'):
        RandomDropPoints(**wrong)
