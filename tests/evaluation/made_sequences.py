"""A street that a LiDAR drives through, written as scans with an index: its poses, heights and gaps are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from strl_mmdet3d.datasets import FrameSequence, write_sequence_index

HEIGHT = 1.7  # metres of the sensor above the road
SPEED = 10.0  # metres per second
RATE = 10.0  # Hz


def street(seed: int = 0) -> np.ndarray:
    """Points (N, 3) of a road with walls and boxes at its sides, in the world, metres."""
    rng = np.random.default_rng(seed)
    road = np.column_stack([rng.uniform(-40, 60, 20000), rng.uniform(-15, 15, 20000), rng.normal(0, 0.02, 20000)])
    things = []
    for _ in range(60):
        corner, size = [rng.uniform(-40, 60), rng.choice([-1, 1]) * rng.uniform(5, 15), 0], rng.uniform(0.5, 3, 3)
        box = rng.random((400, 3))
        box[np.arange(400), rng.integers(0, 2, 400)] = rng.integers(0, 2, 400)  # its four walls
        things.append(corner + box * size)
    return np.concatenate([road, *things])


def drive(num_frames: int, turn: float = 0.02) -> np.ndarray:
    """Poses (N, 4, 4) of a car that goes 1 m and turns by an angle, in radians, from frame to frame."""
    poses = np.tile(np.eye(4), (num_frames, 1, 1))
    for n in range(num_frames):
        angle = turn * n
        poses[n, :2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        poses[n, :3, 3] = [n * SPEED / RATE, 0, HEIGHT]
    return poses


def write_drive(
    root: Path,
    num_frames: int = 8,
    written_poses: np.ndarray | None = None,
    timestamps: np.ndarray | None = None,
    intensity: float = 1.0,
    sequence_id: str = 's',
    **metainfo: object,
) -> np.ndarray:
    """Write the scans of a drive and their index ROOT/index.json, and return the true poses."""
    world, poses = street(), drive(num_frames)
    names = []
    for n, pose in enumerate(poses):
        rng = np.random.default_rng(n)
        seen = world[rng.random(len(world)) < 0.4]
        coords = (seen - pose[:3, 3]) @ pose[:3, :3]
        coords = coords[np.hypot(coords[:, 0], coords[:, 1]) < 40]
        rows = np.column_stack([coords, rng.random(len(coords)) * intensity]).astype(np.float32)
        names.append(f'{n:03d}.bin')
        rows.tofile(root / names[-1])
    stated = poses if written_poses is None else written_poses
    times = np.arange(num_frames) / RATE if timestamps is None else timestamps
    sequence = FrameSequence(sequence_id, names, poses=stated, timestamps=times)
    columns = ['x', 'y', 'z', 'intensity']
    write_sequence_index(root / 'index.json', dict(load_dim=4, columns=columns, **metainfo), [sequence])
    return poses
