"""People on foot: their sizes, their gait, their poses, and that no two are alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strl_mmdet3d.simulation.actors.figure import FOREARM, SHIN, THIGH, UPPER_ARM, Build, Pose, figure
from strl_mmdet3d.simulation.actors.people import bystander, pedestrian

# Class: smallest and largest length, width, height in metres. What is pushed, pulled or sat on belongs to the person.
SIZES = {
    'Pedestrian': ([0.15, 0.2, 0.4], [2.9, 1.4, 2.6]),
    'Person_sitting': ([0.4, 0.35, 0.5], [1.7, 0.95, 1.75]),
}


def sample(builder, count, seed):
    rng = np.random.default_rng(seed)
    return [builder(rng) for _ in range(count)]


@pytest.mark.parametrize('builder', [pedestrian, bystander])
def test_extents_are_plausible_and_stand_centred_on_the_origin(builder):
    for kind, shape in sample(builder, 150, seed=0):
        for travelled in (0.0, 0.4, 31.3):
            surface = shape(travelled)
            low, high = surface.bounds
            np.testing.assert_allclose([*(low + high)[:2], low[2]], 0, atol=1e-9)
            assert np.all(high - low >= SIZES[kind][0]), (kind, high - low)
            assert np.all(high - low <= SIZES[kind][1]), (kind, high - low)
            assert np.isfinite(surface.vertices).all()
            assert len(np.unique(surface.faces)) == len(surface.vertices)
            assert len(surface.albedo) == len(surface.opacity) == len(surface.faces) <= 1500
            assert surface.albedo.min() >= 0.03
            assert surface.albedo.max() <= 0.97


def test_walkers_move_their_legs_and_repeat_after_a_pair_of_steps():
    for _, shape in sample(pedestrian, 20, seed=1):
        assert np.abs(shape(0.0).vertices - shape(0.3).vertices).max() > 0.03
        np.testing.assert_array_equal(shape(0.3).vertices, shape(0.3).vertices)


def test_bystanders_are_rigid_and_some_sit():
    people = sample(bystander, 200, seed=2)
    assert {kind for kind, _ in people} == {'Pedestrian', 'Person_sitting'}
    for _, shape in people[:20]:
        np.testing.assert_array_equal(shape(0.0).vertices, shape(5.0).vertices)


def test_walkers_are_children_adults_and_people_with_things():
    extents = np.array([np.ptp(shape(0.0).bounds, axis=0) for _, shape in sample(pedestrian, 400, seed=3)])
    assert (extents[:, 2] < 1.3).mean() > 0.04
    assert (extents[:, 2] > 1.7).mean() > 0.2
    assert (extents[:, 0] > 1.3).mean() > 0.03
    # KITTI's mean pedestrian is 0.84 x 0.66 x 1.76 m, without children to speak of.
    np.testing.assert_allclose(extents.mean(0), [0.84, 0.66, 1.65], rtol=0.12)
    assert len({tuple(row) for row in extents.round(6)}) == 400


def test_some_crouch():
    extents = np.array([np.ptp(shape(0.0).bounds, axis=0) for _, shape in sample(bystander, 400, seed=4)])
    assert 0.1 < (extents[:, 2] < 1.25).mean() < 0.5


def test_a_seed_is_a_person():
    for builder in (pedestrian, bystander):
        first, second = (builder(np.random.default_rng(7))[1](0.2) for _ in range(2))
        np.testing.assert_array_equal(first.vertices, second.vertices)
        np.testing.assert_array_equal(first.albedo, second.albedo)


def upright(build):
    """Return the pose of somebody who stands at attention."""
    tall = build.height
    hips = np.array([0.0, 0.0, (0.04 + 0.999 * (THIGH + SHIN)) * tall])
    ankles = np.array([[0.0, side * 0.05 * tall, 0.04 * tall] for side in (-1, 1)])
    neck = Pose(hips, 0.0, ankles, ankles).neck(build)
    hands = neck + np.array([[0.0, side * build.shoulders, -0.34 * tall] for side in (-1, 1)])
    return Pose(hips, 0.0, ankles, hands)


@given(st.integers(0, 10**6))
def test_a_person_who_stands_upright_is_as_tall_as_the_build_says(seed):
    build = Build.sample(np.random.default_rng(seed), (0.8, 2.0))
    height = np.ptp(figure(build, upright(build)).bounds[:, 2])
    assert 0.95 * build.height < height < 1.08 * build.height  # the hair of a small child adds most


point = st.tuples(*[st.floats(-3, 3)] * 3)


@given(st.integers(0, 10**6), point, point, st.floats(-1.5, 1.5))
def test_hands_and_feet_reach_as_far_as_limbs_are_long_wherever_they_should_go(seed, hand, foot, lean):
    build = Build.adult(np.random.default_rng(seed))
    pose = upright(build)
    pose = Pose(pose.hips, lean, np.array([foot, foot]), np.array([hand, hand]))
    body = figure(build, pose)
    assert np.isfinite(body.vertices).all()
    reach = (max(UPPER_ARM + FOREARM, THIGH + SHIN) + 0.3 + 0.45) * build.height
    assert np.linalg.norm(body.vertices - pose.hips, axis=1).max() < reach
