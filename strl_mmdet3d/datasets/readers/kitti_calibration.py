"""The calibration files of KITTI's raw, odometry and object releases and of KITTI-360, and the motions in them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..sequence_index import SequenceIndexError, are_rigid
from .whole_file import read_text

LIDAR_TO_CAMERA = ('Tr', 'Tr_velo_to_cam', 'Tr_velo_cam', 'Tr_velodyne_to_cam', 'Tr_velodyne_to_camera')
"""How the releases, and the tools that rewrite them, name the motion from the lidar to the left grey camera."""

RECTIFICATION = ('R0_rect', 'R_rect', 'R_rect_00')
"""How they name the rotation of that camera's axes into the rectified ones, which the poses are of."""


def read_calibration(path: Path) -> dict[str, np.ndarray]:
    """Read a calibration file of lines ``NAME: v1 v2 ...``; the colon may be missing.

    Returns:
        Name -> float64 values. Lines whose values are not numbers, such as ``calib_time``, are left out. A line without
        a name, as in KITTI-360, has the name ''.

    Raises:
        SequenceIndexError: If the file cannot be read.
    """
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SequenceIndexError(
            f'{path} cannot be read ({error}), but the poses need it. Add the calibration files of the data set, or '
            'build the index with --no-poses'
        ) from error
    values = {}
    for line in lines:
        named = re.match(r'\s*([A-Za-z]\w*)\s*[:=\s]', line)
        name, numbers = (named[1], line[named.end() :]) if named else ('', line)
        try:
            found = np.array(numbers.replace(',', ' ').split(), dtype=np.float64)
        except ValueError:
            continue
        if found.size:
            values[name] = found
    return values


def lidar_to_camera(path: Path) -> np.ndarray:
    """Read the motion (4, 4) from the lidar to the rectified left grey camera from a sequence's ``calib.txt``.

    Its name is one of :data:`LIDAR_TO_CAMERA`, with 12 or 16 numbers. A file that has a rectification beside it, as in
    the object release, has the motion to the unrectified camera, and both are applied.

    Raises:
        SequenceIndexError: If the file cannot be read, or has no such motion.
    """
    calibration = read_calibration(path)
    name = next((name for name in LIDAR_TO_CAMERA if calibration.get(name, np.empty(0)).size in (12, 16)), None)
    if name is None:
        raise SequenceIndexError(
            f'{path} has no Tr of 12 or 16 numbers, nor {", ".join(LIDAR_TO_CAMERA[1:])}. Restore it, or use --no-poses'
        )
    motion = as_motion(calibration[name], path)
    rotation = next((calibration[key] for key in RECTIFICATION if calibration.get(key, np.empty(0)).size == 9), None)
    if rotation is None or name == 'Tr':
        return motion
    return as_motion(rigid_motion(rotation, np.zeros(3)), path) @ motion


def lidar_to_body(path: Path) -> np.ndarray:
    """Read the motion (4, 4) from the lidar to another sensor: the ``Tr`` of a calibration file, or a matrix.

    The matrix is 12 or 16 numbers in any number of lines.

    Raises:
        SequenceIndexError: If the file cannot be read, or holds something else.
    """
    try:
        numbers = np.array(read_text(path).replace(',', ' ').split(), dtype=np.float64)
    except (OSError, ValueError):  # a name before the numbers
        return lidar_to_camera(path)
    if numbers.size not in (12, 16):
        raise SequenceIndexError(f'{path} holds {numbers.size} numbers, expected the 12 or 16 of a matrix by rows')
    return as_motion(numbers, path)


def as_motion(numbers: np.ndarray, path: Path) -> np.ndarray:
    """Return the rigid motion (4, 4) that 12 or 16 numbers by rows are.

    Raises:
        SequenceIndexError: If they are not a rotation and a translation. The message names the file.
    """
    matrix = np.vstack([numbers.reshape(-1, 4)[:3], (0, 0, 0, 1)])
    if not are_rigid(matrix[None]) or not are_rigid(numbers.reshape(-1, 4, 4) if numbers.size == 16 else matrix[None]):
        raise SequenceIndexError(
            f'{path} holds what is not a rotation and a translation. Restore it, or use --no-poses'
        )
    return matrix


def rigid_motion(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Make a homogeneous matrix (4, 4) from a rotation (9,) or (3, 3) and a translation (3,)."""
    motion = np.eye(4)
    motion[:3, :3] = rotation.reshape(3, 3)
    motion[:3, 3] = translation
    return motion


def relative_to_first(poses: np.ndarray) -> np.ndarray:
    """Return poses (N, 4, 4) in a world whose axes are the first frame's."""
    return np.linalg.inv(poses[0]) @ poses
