"""Walks with a depth camera in the layout of ScanNet's exported frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.rooms.camera_walk import FRAME_RATE, CameraWalk
from strl_mmdet3d.simulation.rooms.depth_camera import DepthCamera
from strl_mmdet3d.simulation.rooms.room import CAMERA_CLEARANCE, Room


def write_scene(
    folder: Path, kind: str, frames: int, frame_step: int, camera: DepthCamera, seed: np.random.SeedSequence
) -> None:
    """Draw a room, and write the frames of a camera that is carried through it.

    Args:
        folder: Folder of the scene, which must not exist. It gets ``depth/%06d.png`` (16-bit millimetres, 0 where
            nothing was measured), ``pose/%06d.txt`` (4 x 4, camera to world: x right, y down, z forward to a world
            with z up) and ``intrinsics_depth.txt`` (4 x 4).
        kind: The kind of room.
        frames: Number of frames.
        frame_step: Distance of two written frames, in frames of the recording at 30 Hz. The files are named by the
            number of the frame in the recording.
        camera: The camera.
        seed: Seed of everything random.
    """
    depth_folder, pose_folder = folder / 'depth', folder / 'pose'
    depth_folder.mkdir(parents=True)
    pose_folder.mkdir()
    intrinsics = np.eye(4)
    intrinsics[:3, :3] = camera.intrinsics
    np.savetxt(folder / 'intrinsics_depth.txt', intrinsics, fmt='%.6f')

    room_seed, walk_seed, *noise_seeds = seed.spawn(2 + frames)
    room = Room.sample(np.random.default_rng(room_seed), kind)
    walk = CameraWalk.sample(np.random.default_rng(walk_seed), room.size, CAMERA_CLEARANCE)
    caster = RayCaster(room.surface)
    for number, noise_seed in enumerate(noise_seeds):
        frame = number * frame_step
        pose = walk.pose(frame / FRAME_RATE)
        image = camera.look(caster, room.surface, pose, np.random.default_rng(noise_seed))
        # The fastest compression: a higher level does not make noise smaller.
        Image.fromarray(image.depth).save(depth_folder / f'{frame:06d}.png', compress_level=1)
        np.savetxt(pose_folder / f'{frame:06d}.txt', pose, fmt='%.8f')
