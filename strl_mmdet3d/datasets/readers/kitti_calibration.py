"""The calibration files of KITTI's raw and odometry releases, and the motions in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..sequence_index import SequenceIndexError
from .whole_file import read_text


def read_calibration(path: Path) -> dict[str, np.ndarray]:
    """Read a calibration file of lines ``NAME: v1 v2 ...``.

    Returns:
        Name -> float64 values. Lines whose values are not numbers, such as ``calib_time``, are left out.

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
        name, _, numbers = line.partition(':')
        try:
            values[name] = np.array(numbers.split(), dtype=np.float64)
        except ValueError:
            continue
    return values


def rigid_motion(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Make a homogeneous matrix (4, 4) from a rotation (9,) or (3, 3) and a translation (3,)."""
    motion = np.eye(4)
    motion[:3, :3] = rotation.reshape(3, 3)
    motion[:3, 3] = translation
    return motion


def relative_to_first(poses: np.ndarray) -> np.ndarray:
    """Return poses (N, 4, 4) in a world whose axes are the first frame's."""
    return np.linalg.inv(poses[0]) @ poses
