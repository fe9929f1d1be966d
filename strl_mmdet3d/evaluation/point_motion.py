"""What a transform did to a cloud, measured: a turn, a mirroring, a scale, a shift, and what remains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

MIRRORS = {
    'x': np.diag([-1.0, 1, 1]),
    'y': np.diag([1.0, -1, 1]),
    'z': np.diag([1.0, 1, -1]),
}
SMALLEST_TURN = 0.01  # degrees
SMALLEST_MOVE = 1e-3  # of the points' own unit, metres
MAX_FITTED = 5000  # points
NOISE = 0.3
"""Where more than this share of the points' way is not explained by a motion, each has moved by itself."""


@dataclass
class Motion:
    """The similarity that maps points to where they are afterwards: ``scale * matrix x + shift``.

    Attributes:
        matrix: (3, 3), orthogonal; with a determinant of -1 it mirrors.
        scale: Above 0.
        shift: (3,).
        rest: Root mean square of what the similarity does not explain.
        total: Root mean square of how far the points have moved.
    """

    matrix: np.ndarray
    scale: float
    shift: np.ndarray
    rest: float
    total: float

    def apply(self, coords: np.ndarray) -> np.ndarray:
        """Return where points (N, 3) are afterwards."""
        return self.scale * coords @ self.matrix.T + self.shift

    def words(self, unit: str = 'm') -> list[str]:
        """Say what it does, a phrase for each thing.

        Args:
            unit: The unit of the points, '' if it has no name.
        """
        if self.rest > NOISE * self.total:  # what fits noise best means nothing
            return [f'each point moved by {self.total:.3g} {unit}'.rstrip()]
        said = []
        matrix = self.matrix
        if np.linalg.det(matrix) < 0:
            axis = min(MIRRORS, key=lambda name: Rotation.from_matrix(matrix @ MIRRORS[name]).magnitude())
            said.append(f'mirrored {axis}')
            matrix = matrix @ MIRRORS[axis]
        turn = np.degrees(Rotation.from_matrix(matrix).as_rotvec())
        angle = float(np.linalg.norm(turn))
        if angle > SMALLEST_TURN:
            around = turn / angle
            if abs(around[2]) > 0.9999:
                said.append(f'turned by {angle * np.sign(around[2]):.2f} degrees about z')
            else:
                said.append(f'turned by {angle:.2f} degrees about {_written(around, 2)}')
        if abs(self.scale - 1) > SMALLEST_MOVE:
            said.append(f'scaled by {self.scale:.3f}')
        if np.abs(self.shift).max() > SMALLEST_MOVE:
            said.append(f'shifted by {_written(self.shift, 3)} {unit}'.rstrip())
        if self.rest > SMALLEST_MOVE:
            said.append(f'each point moved by {self.rest:.3g} {unit}'.rstrip())
        return said


def fit_motion(before: np.ndarray, after: np.ndarray) -> Motion | None:
    """Return the similarity that fits points best (Umeyama, 1991), with a mirroring if that fits better.

    Args:
        before: (N, 3).
        after: The same points afterwards (N, 3).

    Returns:
        The motion; None if the points have not moved, or are too few to tell.
    """
    if len(before) < 4 or np.allclose(before, after, rtol=0, atol=1e-6):
        return None
    step = max(1, len(before) // MAX_FITTED)
    before, after = before[::step].astype(np.float64), after[::step].astype(np.float64)
    middle, target = before.mean(axis=0), after.mean(axis=0)
    left, sizes, right = np.linalg.svd((after - target).T @ (before - middle))
    spread = float(np.square(before - middle).sum())
    if spread == 0:
        return Motion(np.eye(3), 1.0, target - middle, 0.0, float(np.linalg.norm(target - middle)))
    matrix, scale = left @ right, float(sizes.sum()) / spread
    shift = target - scale * matrix @ middle
    rest = after - (scale * before @ matrix.T + shift)
    return Motion(matrix, scale, shift, _mean_length(rest), _mean_length(after - before))


def _mean_length(vectors: np.ndarray) -> float:
    """Return the root mean square of the lengths of vectors (N, 3)."""
    return float(np.sqrt(np.square(vectors).sum(axis=1).mean()))


def _written(vector: np.ndarray, digits: int) -> str:
    """Write a vector with a number of digits behind the point, without trailing zeros and -0."""
    return f'({", ".join(f"{round(float(part), digits) + 0.0:g}" for part in vector)})'
