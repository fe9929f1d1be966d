"""Trajectories in text files: TUM's, KITTI's and KITTI-360's layouts, and matrices of 4x4 numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from ..sequence_index import RIGID_TOLERANCE, SequenceIndexError, are_rigid
from .number_rows import NumberRows, read_number_rows
from .time_stamps import in_seconds

WIDTHS = {'tum': (8,), 'kitti': (12,), '4x4': (16, 4), 'auto': (8, 12, 13, 16, 17, 4)}
"""Pose format -> how many numbers a line has: time x y z qx qy qz qw; the upper three rows of a matrix; a whole matrix,
or one of its four rows. A line of 13 or 17 numbers begins with the number of a frame, as in KITTI-360, or a time."""

EXACT = 1e-3  # seconds: a pose this near to a scan is the scan's own; a car moves 3 cm meanwhile
MAX_POSE_GAP = 0.5  # seconds between two poses that a scan's pose is interpolated from


@dataclass
class Trajectory:
    """The poses of a file.

    Attributes:
        rows: The lines that the poses are from.
        poses: Float64 (N, 4, 4), body to world, metres; NaN where the line is broken.
        times: Float64 (N,) in seconds, or None; NaN where the line is broken.
        numbers: Int64 (N,), the numbers of the frames, or None; -1 where the line is broken.
    """

    rows: NumberRows
    poses: np.ndarray
    times: np.ndarray | None = None
    numbers: np.ndarray | None = None

    @property
    def path(self) -> Path:
        """Return the file."""
        return self.rows.path

    def __len__(self) -> int:
        """Return the number of poses, broken ones among them."""
        return len(self.poses)


def read_trajectory(path: Path, pose_format: str = 'auto', num_frames: int | None = None) -> Trajectory:
    """Read a trajectory. Broken lines keep their places, see `NumberRows`.

    Args:
        path: The file.
        pose_format: A key of :data:`WIDTHS`.
        num_frames: The number of poses expected, where it is known.

    Returns:
        The trajectory. It has times if the format is TUM's, or the first of 13 or 17 numbers is not whole or is too
        large for a number of a frame.

    Raises:
        SequenceIndexError: If the file cannot be read or has another format, or no line of it is a pose.
    """
    widths = WIDTHS[pose_format]
    rows = read_number_rows(path, widths, -1 if pose_format == 'tum' else num_frames)
    width = rows.values.shape[1]
    if width == 4:
        rows = _matrices_of_four_rows(path)
    keys = rows.values[:, 0].copy()  # a broken matrix leaves its number
    if width == 8:
        poses = _poses_of_quaternions(rows)
        trajectory = Trajectory(rows, poses, times=in_seconds(keys))
    else:
        trajectory = Trajectory(rows, _poses_of_matrices(rows, rows.values[:, -(rows.values.shape[1] // 4 * 4) :]))
        if width in (13, 17):
            good = np.isfinite(keys)
            if (keys[good] == np.round(keys[good])).all() and (np.abs(keys[good]) < 1e8).all():
                trajectory.numbers = np.where(good, keys, -1).astype(np.int64)
            else:
                trajectory.times = in_seconds(keys)
    require_pose(rows)
    return trajectory


def require_pose(rows: NumberRows) -> None:
    """Raise a SequenceIndexError if all lines of a trajectory are broken."""
    if len(rows.faults) == len(rows):
        raise SequenceIndexError(
            f'{rows.fault(0)}, and no other line holds a pose either. Restore the file, or leave the poses out'
        )


def _matrices_of_four_rows(path: Path) -> NumberRows:
    """Read matrices that take four lines each; empty lines between them do not count."""
    rows = read_number_rows(path, (4,), -1)
    if len(rows) % 4:
        raise SequenceIndexError(
            f'{path} has {len(rows)} lines of 4 numbers, which are no whole 4x4 matrices. Restore it'
        )
    merged = NumberRows(path, rows.values.reshape(-1, 16), rows.lines[::4], {})
    for row in sorted(rows.faults):
        merged.add_fault(row // 4, f'{rows.faults[row]} in line {rows.lines[row]}')
    return merged


def _poses_of_quaternions(rows: NumberRows) -> np.ndarray:
    """Return the poses (N, 4, 4) of rows of time, x, y, z, qx, qy, qz and qw."""
    norms = np.linalg.norm(rows.values[:, 4:], axis=1)
    for row in np.flatnonzero(np.abs(norms - 1) > 1e-2):
        rows.add_fault(int(row), f'a quaternion of length {norms[row]:.3g}')
    poses = np.full((len(rows), 4, 4), np.nan)
    good = np.flatnonzero(np.isfinite(rows.values).all(axis=1))
    poses[good] = np.eye(4)
    if len(good):
        poses[good, :3, :3] = Rotation.from_quat(rows.values[good, 4:]).as_matrix()
        poses[good, :3, 3] = rows.values[good, 1:4]
    return poses


def _poses_of_matrices(rows: NumberRows, entries: np.ndarray) -> np.ndarray:
    """Return the poses (N, 4, 4) of rows of 12 or 16 numbers, and mark the rows that are not rigid motions."""
    poses = np.full((len(rows), 4, 4), np.nan)
    poses[:, :3] = entries[:, :12].reshape(-1, 3, 4)
    poses[:, 3] = entries[:, 12:] if entries.shape[1] == 16 else (0, 0, 0, 1)
    for row in range(len(rows)):
        if row not in rows.faults and not are_rigid(poses[row : row + 1]):
            is_transposed = are_rigid(poses[row : row + 1].transpose(0, 2, 1))
            rows.add_fault(
                row,
                'a matrix that is stored by columns. Write it by rows'
                if is_transposed
                else f'not a rotation and a translation (R R^T is the identity within {RIGID_TOLERANCE:g})',
            )
    poses[list(rows.faults)] = np.nan
    return poses


def poses_at(trajectory: Trajectory, times: np.ndarray, max_gap: float = MAX_POSE_GAP) -> tuple[np.ndarray, np.ndarray]:
    """Return the poses at given times.

    A pose within :data:`EXACT` is taken as it is. Otherwise the pose is interpolated between the neighbours in time:
    linearly in its translation, spherically in its rotation.

    Args:
        trajectory: A trajectory with times, in any order.
        times: (N,) in seconds, by the same clock.
        max_gap: The longest time between two neighbours to interpolate from, in seconds.

    Returns:
        The poses (N, 4, 4), NaN where there is none, and whether each was interpolated, bool (N,).
    """
    assert trajectory.times is not None
    good = np.flatnonzero(np.isfinite(trajectory.times) & np.isfinite(trajectory.poses).all(axis=(1, 2)))
    stamps, first = np.unique(trajectory.times[good], return_index=True)
    known = trajectory.poses[good[first]]
    poses = np.full((len(times), 4, 4), np.nan)
    after = np.searchsorted(stamps, times).clip(1, max(len(stamps) - 1, 1))
    before = after - 1
    after = after.clip(max=len(stamps) - 1)
    nearest = np.where(np.abs(stamps[before] - times) <= np.abs(stamps[after] - times), before, after)
    exact = np.abs(stamps[nearest] - times) <= EXACT
    poses[exact] = known[nearest[exact]]
    between = ~exact & (stamps[before] < times) & (times < stamps[after]) & (stamps[after] - stamps[before] <= max_gap)
    if between.any():
        wanted = times[between]
        poses[between] = np.eye(4)
        poses[between, :3, :3] = Slerp(stamps, Rotation.from_matrix(known[:, :3, :3]))(wanted).as_matrix()
        for axis in range(3):
            poses[between, axis, 3] = np.interp(wanted, stamps, known[:, axis, 3])
    return poses, between
