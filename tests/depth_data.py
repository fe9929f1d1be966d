"""Small scenes in ScanNet's layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

INTRINSICS = np.array([[40.0, 0, 19.5], [0, 42.0, 14.5], [0, 0, 1]])
SHAPE = (30, 40)


def camera_pose(number: int) -> np.ndarray:
    """A pose (4, 4), another one for each number, metres from ScanNet's origin."""
    pose = np.eye(4)
    pose[:3, :3] = Rotation.random(random_state=number).as_matrix()
    pose[:3, 3] = np.random.default_rng(number).uniform(1, 5, 3)
    return pose


def depth_image(number: int) -> np.ndarray:
    """A depth image (30, 40) in millimetres, with holes."""
    rng = np.random.default_rng(number)
    depth = rng.integers(500, 4000, SHAPE, dtype=np.uint16)
    depth[rng.random(SHAPE) < 0.2] = 0
    return depth


def write_scene(scene: Path, numbers: range, extracted_from_sens: bool = False) -> Path:
    """Write a scene's depth images, poses and intrinsics."""
    (scene / 'depth').mkdir(parents=True)
    (scene / 'pose').mkdir()
    matrix = np.eye(4)
    matrix[:3, :3] = INTRINSICS
    for number in numbers:
        name = str(number) if extracted_from_sens else f'{number:06d}'
        Image.fromarray(depth_image(number)).save(scene / f'depth/{name}.png')
        np.savetxt(scene / f'pose/{name}.txt', camera_pose(number))
    if extracted_from_sens:
        (scene / 'intrinsic').mkdir()
    np.savetxt(scene / ('intrinsic/intrinsic_depth.txt' if extracted_from_sens else 'intrinsics_depth.txt'), matrix)
    return scene
