"""Walks are written as ScanNet's exported frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial import cKDTree

from strl_mmdet3d.simulation.rooms.depth_camera import DepthCamera
from strl_mmdet3d.simulation.rooms.room import Room
from strl_mmdet3d.simulation.rooms.scannet_frames import write_scene

SEED = 3


@pytest.fixture(scope='module')
def scene(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('frames') / 'scene0000_00'
    seed = np.random.SeedSequence(SEED)
    write_scene(folder, 'bedroom', 4, 10, DepthCamera(80), seed)
    return folder


def _in_world(scene: Path, frame: int) -> np.ndarray:
    """Back-project a frame from its files alone to ``(N, 3)`` points."""
    depth = np.asarray(Image.open(scene / 'depth' / f'{frame:06d}.png')) / 1000
    pose = np.loadtxt(scene / 'pose' / f'{frame:06d}.txt')
    intrinsics = np.loadtxt(scene / 'intrinsics_depth.txt')
    row, column = np.nonzero(depth)
    pixels = np.stack([column, row, np.ones(len(row))]) * depth[row, column]
    return (pose[:3, :3] @ np.linalg.solve(intrinsics[:3, :3], pixels)).T + pose[:3, 3]


def test_layout(scene):
    names = ['000000', '000010', '000020', '000030']
    assert sorted(path.name for path in scene.iterdir()) == ['depth', 'intrinsics_depth.txt', 'pose']
    assert sorted(path.name for path in (scene / 'depth').iterdir()) == [f'{name}.png' for name in names]
    assert sorted(path.name for path in (scene / 'pose').iterdir()) == [f'{name}.txt' for name in names]
    image = Image.open(scene / 'depth' / '000010.png')
    assert (image.mode, image.size) == ('I;16', (80, 60))
    intrinsics = np.loadtxt(scene / 'intrinsics_depth.txt')
    np.testing.assert_allclose(intrinsics, [[72.23375, 0, 39.5, 0], [0, 72.23375, 29.5, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def test_frames_lie_in_the_room(scene):
    # The room is the first thing that is drawn from the scene's seed.
    room = Room.sample(np.random.default_rng(np.random.SeedSequence(SEED).spawn(1)[0]), 'bedroom')
    points = np.concatenate([_in_world(scene, frame) for frame in (0, 10, 20, 30)])
    assert len(points) > 10000
    # Five deviations of the noise at 5 m.
    assert np.all((points > -0.2) & (points < room.size + 0.2))
    # The floor is seen, and is where it should be.
    assert np.mean(np.abs(points[:, 2]) < 0.03) > 0.05


@pytest.mark.parametrize(('apart', 'least'), [(10, 0.9), (30, 0.7)])
def test_frames_overlap_in_the_world(scene, apart, least):
    early, late = _in_world(scene, 0), _in_world(scene, apart)
    # Pixels of this small picture are 4 cm apart at 3 m.
    distance, _ = cKDTree(early).query(late)
    assert np.mean(distance < 0.1) > least
    # Not because the camera stands still.
    assert (
        np.linalg.norm(np.loadtxt(scene / 'pose' / f'{apart:06d}.txt') - np.loadtxt(scene / 'pose' / '000000.txt'))
        > 0.01
    )
