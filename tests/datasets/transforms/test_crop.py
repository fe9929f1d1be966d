"""Cropping: the sides drawn, and what they do."""

import itertools

import numpy as np
import pytest
import torch
from mmdet3d.structures import LiDARPoints

from strl_mmdet3d.datasets.transforms import RandomCropPoints, RandomCropPointsBySide
from strl_mmdet3d.datasets.transforms.cuboid import Cuboid


@pytest.fixture
def papers_sides() -> np.ndarray:
    transform = RandomCropPoints()
    return np.array([transform.draw_sides() for _ in range(10_000)])


def test_papers_volume_is_uniform_from_60_to_100_percent(papers_sides, assert_uniform):
    assert_uniform(papers_sides.prod(axis=1).round(12), 0.6, 1.0)


def test_papers_aspect_ratios_hold_for_any_two_sides(papers_sides):
    ratios = np.stack([papers_sides[:, i] / papers_sides[:, j] for i, j in itertools.permutations(range(3), 2)])
    assert ratios.min() >= 0.75
    assert ratios.max() <= 1.33
    assert ratios.max() > 1.32  # and the range is used


def test_papers_crop_never_sticks_out_of_the_cloud(papers_sides):
    assert papers_sides.max() <= 1


def test_no_axis_is_preferred(papers_sides):
    np.testing.assert_allclose(papers_sides.mean(axis=0), papers_sides.mean(), atol=0.003)
    longest = np.bincount(papers_sides.argmax(axis=1), minlength=3)
    np.testing.assert_allclose(longest, 10_000 / 3, atol=4 * np.sqrt(10_000 * 2 / 9))


@pytest.mark.parametrize('volume', [0.6, 0.75, 0.9, 0.999, 1.0])
def test_volume_is_exact_at_every_size(volume):
    transform = RandomCropPoints(volume=(volume, volume))
    for _ in range(100):
        sides = transform.draw_sides()
        assert sides.prod() == pytest.approx(volume, rel=1e-12)
        assert sides.max() / sides.min() <= min(1.33, 1 / volume) * (1 + 1e-12)


def test_a_one_sided_aspect_ratio_holds_either_way_up():
    transform = RandomCropPoints(aspect_ratio=(0.9, 2.0))
    sides = np.array([transform.draw_sides() for _ in range(1000)])
    assert (sides.min(axis=1) / sides.max(axis=1)).min() >= 0.9


def test_released_sides(assert_uniform):
    transform = RandomCropPointsBySide()
    sides = np.array([transform.draw_sides() for _ in range(10_000)])
    assert_uniform(sides[:, 0], 0.6, 1.1)
    assert_uniform((sides[:, 1] / sides[:, 0]).round(12), 0.75, 1.33)
    np.testing.assert_allclose(sides[:, 0] / sides[:, 2], sides[:, 1] / sides[:, 0])
    np.testing.assert_allclose(sides.prod(axis=1), sides[:, 0] ** 3)
    assert abs(np.corrcoef(sides[:, 0], sides[:, 1] / sides[:, 0])[0, 1]) < 0.05


@pytest.mark.parametrize('transform', [RandomCropPoints, RandomCropPointsBySide])
def test_crop_by_hand_keeps_order_and_channels(transform):
    """In a 10 x 10 x 10 box, the cuboid of sides 6, 10, 10 flush with the upper x face holds x from 4 to 10."""
    table = torch.tensor([[9.0, 9, 9, 1], [0, 0, 0, 2], [4.5, 0, 3, 3], [10, 10, 10, 4], [3.5, 5, 5, 5]])
    points = LiDARPoints(table, points_dim=4)
    cropped = transform().apply(points, Cuboid(sides=np.array([0.6, 1, 1]), position=np.array([1.0, 0.5, 0.5])))
    assert torch.equal(cropped.tensor, table[[0, 2, 3]])
