"""The cuboid, and the redraw of cuboids that leave too few points."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mmdet3d.structures import LiDARPoints

from strl_mmdet3d.datasets.transforms import RandomCropPoints, RandomCropPointsBySide, RandomCutoutPoints
from strl_mmdet3d.datasets.transforms.cuboid import Cuboid

coordinates = st.floats(-100, 100, width=32)
clouds = hnp.arrays(np.float32, st.tuples(st.integers(1, 40), st.just(3)), elements=coordinates)
fractions = hnp.arrays(np.float64, 3, elements=st.floats(0, 1))
sides = hnp.arrays(np.float64, 3, elements=st.floats(0.05, 1.5))


def reference_faces(cloud: np.ndarray, cuboid: Cuboid) -> tuple[np.ndarray, np.ndarray]:
    """The cuboid's faces in the cloud's coordinates, in double precision."""
    box_lower, box_upper = cloud.min(0).astype(float), cloud.max(0).astype(float)
    side = cuboid.sides * (box_upper - box_lower)
    lower = box_lower + cuboid.position * (box_upper - box_lower - side)
    return lower, lower + side


@settings(max_examples=300, deadline=None)
@given(cloud=clouds, sides=sides, position=fractions)
def test_contains_agrees_with_the_faces_point_by_point(cloud, sides, position):
    cuboid = Cuboid(sides, position)
    inside = cuboid.contains(LiDARPoints(cloud))
    lower, upper = reference_faces(cloud, cuboid)
    for point, found in zip(cloud.astype(float), inside.tolist(), strict=True):
        margin = np.minimum(point - lower, upper - point).min()
        if abs(margin) > 1e-4:  # on a face, single precision decides
            assert found == (margin > 0)


@settings(max_examples=200, deadline=None)
@given(cloud=clouds, position=fractions, side=st.floats(1, 1.5))
def test_a_cuboid_as_large_as_the_box_contains_every_point(cloud, position, side):
    """At every position, and with any rounding."""
    assert Cuboid(np.full(3, side), position).contains(LiDARPoints(cloud)).all()


@settings(max_examples=200, deadline=None)
@given(cloud=clouds, sides=hnp.arrays(np.float64, 3, elements=st.floats(0.05, 1)), position=fractions)
def test_a_cuboid_no_larger_than_the_box_lies_in_it(cloud, sides, position):
    lower, upper = reference_faces(cloud, Cuboid(sides, position))
    box = cloud.astype(np.float64)  # in float32 the tolerance would be rounded away
    assert (lower >= box.min(0) - 1e-9).all()
    assert (upper <= box.max(0) + 1e-9).all()


def test_share_of_a_filled_box_is_the_volume_share():
    """If points fill a box of unequal sides, the cuboid's share of the points is its share of the volume."""
    filled = LiDARPoints(np.random.uniform([0, -4, -3], [70, 4, -1], (100_000, 3)))
    transform = RandomCropPoints()
    for _ in range(30):
        cuboid = transform.draw(filled)
        share = cuboid.contains(filled).double().mean().item()
        assert share == pytest.approx(np.prod(cuboid.sides), abs=0.01)


def test_position_is_uniform(points, assert_uniform):
    transform = RandomCutoutPoints()
    positions = np.array([transform.draw(points).position for _ in range(10_000)])
    for axis in range(3):
        assert_uniform(positions[:, axis], 0, 1)


class ScriptedCrop(RandomCropPoints):
    """A crop along x with given sides, which keeps that share of a row of points."""

    def __init__(self, shares: list[float], **kwargs) -> None:
        super().__init__(prob=1.0, **kwargs)
        self.shares = iter(shares)

    def draw_sides(self) -> np.ndarray:
        return np.array([next(self.shares), 1, 1])


@pytest.fixture
def row() -> LiDARPoints:
    """100 points in a row along x."""
    return LiDARPoints(np.column_stack([np.linspace(0, 1, 100), np.zeros((100, 2))]))


def test_too_small_a_crop_is_drawn_again(row):
    crop = ScriptedCrop([0.1, 0.3, 0.7, 0.9], min_points=50, max_tries=4)
    assert 65 <= len(crop({'points': row})['points']) <= 75
    assert list(crop.shares) == [0.9]  # the third was taken, the fourth never drawn


def test_after_the_last_try_the_cloud_is_left_whole(row):
    crop = ScriptedCrop([0.1, 0.3, 0.2, 0.9], min_points=50, max_tries=3)
    before = row.tensor.clone()
    assert torch.equal(crop({'points': row})['points'].tensor, before)
    assert list(crop.shares) == [0.9]


@pytest.mark.parametrize(('min_points', 'left'), [(1, 1), (2, 3)], ids=['just enough', 'one too few'])
def test_exactly_the_least_number_of_points_will_do(min_points, left):
    """At every position, 60 % of the row hold the middle point and neither end."""
    points = LiDARPoints([[0.0, 0, 0], [0.5, 0, 0], [1.0, 0, 0]])
    crop = ScriptedCrop([0.6], min_points=min_points, max_tries=1)
    assert len(crop({'points': points})['points']) == left


@pytest.mark.parametrize('transform', [RandomCropPoints, RandomCropPointsBySide, RandomCutoutPoints])
@pytest.mark.parametrize('number', [20, 100, 130, 400])
def test_never_fewer_points_than_allowed(transform, number, make_points):
    cut = transform(min_points=100, prob=1.0)
    for _ in range(100):
        left = len(cut({'points': make_points(number)})['points'])
        assert left >= min(100, number)
