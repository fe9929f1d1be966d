"""A room as depth images with poses, in a world whose up is chosen, and the files of the RGB-D data sets."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

CAMERA = np.array([[60.0, 0, 39.5], [0, 62.0, 29.5], [0, 0, 1]])
SHAPE = (60, 80)


def level_walk(number: int, up_turn: np.ndarray | None = None, pitch: float = 0.5) -> np.ndarray:
    """Return poses (N, 4, 4) of a camera that walks and turns 1.4 m above the floor, looking down by ``pitch`` radians.

    Args:
        number: N.
        up_turn: The rotation (3, 3) of the z-up world into the one of the poses.
    """
    poses = []
    for k in range(number):
        yaw = 0.4 * k
        forward = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), -np.sin(pitch)])
        right = np.array([np.sin(yaw), -np.cos(yaw), 0])
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
        pose[:3, 3] = 0.1 * k, -0.05 * k, 1.4
        if up_turn is not None:
            pose[:3] = up_turn @ pose[:3]
        poses.append(pose)
    return np.array(poses)


def room_depth(pose: np.ndarray, half: float = 4.0, height: float = 3.0) -> np.ndarray:
    """Return the depth (60, 80) in metres of a box-shaped room in a z-up world: floor at 0, ceiling, four walls."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    rays = np.stack([columns, rows, np.ones(SHAPE)], axis=2) @ np.linalg.inv(CAMERA).T @ pose[:3, :3].T
    with np.errstate(divide='ignore'):
        ends = np.where(rays > 0, [half, half, height], [-half, -half, 0.0])
        return ((ends - pose[:3, 3]) / rays).min(axis=2)


def write_png(path: Path, values: np.ndarray) -> np.ndarray:
    """Write a depth image as a 16-bit PNG, and return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.asarray(np.round(values), dtype=np.uint16)
    Image.fromarray(image).save(path)
    return image


def write_sens(
    path: Path, images: list[np.ndarray], poses: np.ndarray, packed: bool = True, scale: float = 1000.0
) -> list[int]:
    """Write ScanNet's .sens, version 4, as its README and reader describe it; return where the frames begin."""
    matrix = np.eye(4, dtype='<f4')
    matrix[:3, :3] = CAMERA
    identity = np.eye(4, dtype='<f4').tobytes()
    name = b'StructureSensor'
    content = struct.pack('<IQ', 4, len(name)) + name + identity * 2 + matrix.tobytes() + identity
    height, width = images[0].shape
    content += struct.pack('<iiIIIIfQ', 2, int(packed), 4, 3, width, height, scale, len(images))
    places = []
    for k, (image, pose) in enumerate(zip(images, poses, strict=True)):
        depth = image.astype('<u2').tobytes()
        depth = zlib.compress(depth) if packed else depth
        colour = b'jpeg' * k
        places.append(len(content))
        content += pose.astype('<f4').tobytes() + struct.pack('<QQQQ', 0, 33_333 * k, len(colour), len(depth))
        content += colour + depth
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content + struct.pack('<Q', 0))  # no IMU frames
    return places
