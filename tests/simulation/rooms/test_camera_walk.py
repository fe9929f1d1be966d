"""The camera moves smoothly and stays clear of the walls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strl_mmdet3d.simulation.rooms.camera_walk import CameraWalk, camera_pose

angles = st.floats(-1.5, 1.5)


@given(st.floats(-4, 4), angles, angles)
def test_pose_is_a_rotation_that_looks_along_yaw_and_pitch(yaw, pitch, roll):
    pose = camera_pose(np.array([1.0, 2.0, 3.0]), yaw, pitch, roll)
    rotation = pose[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    np.testing.assert_allclose(
        rotation[:, 2], [np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), -np.sin(pitch)], atol=1e-12
    )
    np.testing.assert_array_equal(pose[:, 3], [1, 2, 3, 1])
    # A clockwise roll lowers the right-hand side.
    assert rotation[2, 0] == pytest.approx(-np.sin(roll) * np.cos(pitch), abs=1e-12)


def test_level_pose_by_hand():
    pose = camera_pose(np.zeros(3), 0.0, 0.0, 0.0)
    # Looking along +x of the world: right is -y, down is -z.
    np.testing.assert_allclose(pose[:3, :3], [[0, 0, 1], [-1, 0, 0], [0, -1, 0]], atol=1e-12)


@pytest.mark.parametrize('seed', range(8))
def test_walk(seed):
    size = np.array([4.0, 3.0, 2.5])
    walk = CameraWalk.sample(np.random.default_rng(seed), size, clearance=0.75)
    poses = np.array([walk.pose(frame / 30) for frame in range(900)])
    positions, rotations = poses[:, :3, 3], poses[:, :3, :3]
    assert np.all((positions[:, :2] >= 0.75) & (positions[:, :2] <= size[:2] - 0.75))
    assert np.all((positions[:, 2] > 1.25) & (positions[:, 2] < 1.75))
    # It looks down, by 8 to 38 degrees.
    assert np.all((rotations[:, 2, 2] < -np.sin(np.radians(7))) & (rotations[:, 2, 2] > -np.sin(np.radians(39))))

    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    assert steps.mean() > 0.001
    assert steps.max() < 0.03
    relative = np.einsum('nji,njk->nik', rotations[:-1], rotations[1:])
    turns = np.degrees(np.arccos(np.clip((np.trace(relative, axis1=1, axis2=2) - 1) / 2, -1, 1)))
    assert turns.max() < 1.5
