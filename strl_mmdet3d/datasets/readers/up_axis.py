"""Which way is up in the world of a walk's poses: the normal of the floor, or of another large level surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

AXES = {'x': (1, 0, 0), '-x': (-1, 0, 0), 'y': (0, 1, 0), '-y': (0, -1, 0), 'z': (0, 0, 1), '-z': (0, 0, -1)}

MAX_TILT = 45.0  # degrees between up and the upper side of the cameras, averaged over the walk
MIN_AGREEMENT = 0.5  # length of the cameras' mean upper side; random rotations have about 0
MIN_AGREEMENT_ALONE = 0.7  # the same, where no plane is found; cameras that look down by 30 degrees have 0.87
NUM_CANDIDATES = 400
THICKNESS = 0.04  # metres from the plane; a Kinect's depth steps by 3 cm at 3 m
MIN_SHARE = 0.04  # of the points, on the plane
MIN_SHARE_OF_FRAME = 0.02  # of a frame's points, for a frame that shows the plane
MIN_FRAMES = 2
# Of the points near a true surface, most have its normal; of those in a slice through noise or clutter, few.
MAX_NORMAL_ERROR = 20.0  # degrees
MIN_SHARE_ALIGNED = 0.4


@dataclass
class UpEvidence:
    """An up direction, and what speaks for it.

    Attributes:
        up: Unit vector (3,) in the world of the poses.
        share: Share of the points on the plane; 0 if no plane was found, and the cameras' upper side is taken.
        num_seen: How many of the frames show the plane.
        num_frames: How many frames were looked at.
        height: Metres of the cameras above the plane, their median.
        tilt: Degrees between up and the cameras' mean upper side.
    """

    up: np.ndarray
    share: float
    num_seen: int
    num_frames: int
    height: float
    tilt: float

    @property
    def has_plane(self) -> bool:
        """Return whether a plane was found."""
        return self.share > 0

    def __str__(self) -> str:
        """Describe the evidence in one line."""
        up = ', '.join(f'{entry:.3f}' for entry in self.up)
        if not self.has_plane:
            return f'up is ({up}), the upper side of the cameras; no floor was seen'
        return (
            f'up is ({up}): a plane with {100 * self.share:.0f} % of the points in {self.num_seen} of '
            f'{self.num_frames} frames, {self.height:.2f} m below the cameras, {self.tilt:.0f} degrees from their '
            'upper side'
        )


def find_up(grids: list[np.ndarray], poses: np.ndarray) -> UpEvidence | None:
    """Look for the floor of a walk, or another level surface, by RANSAC with a fixed seed.

    The candidates are planes through single points, by the local normals there. Only planes within :data:`MAX_TILT` of
    the cameras' upper side count, which excludes walls, and ceilings, since normals point towards the cameras.

    Args:
        grids: For each of F frames, points (H, W, 3) in the camera's axes, metres; NaN where nothing was seen. A grid
            of 60 x 80 points is enough.
        poses: (F, 4, 4), camera to world.

    Returns:
        The evidence. Without a plane, ``up`` is the cameras' mean upper side. None if the cameras do not agree.
    """
    upper = -poses[:, :3, 1].mean(axis=0)  # y points down in a camera's axes
    agreement = float(np.linalg.norm(upper))
    if agreement < MIN_AGREEMENT:
        return None
    upper /= agreement
    found = _find_plane(grids, poses, upper)
    if found is None:
        if agreement < MIN_AGREEMENT_ALONE:
            return None
        return UpEvidence(upper, 0.0, 0, len(grids), float('nan'), 0.0)
    normal, offset, on_plane, frame_of = found
    counts = np.bincount(frame_of, minlength=len(grids))
    seen = np.bincount(frame_of[on_plane], minlength=len(grids))
    return UpEvidence(
        normal,
        float(on_plane.mean()),
        int((seen > MIN_SHARE_OF_FRAME * np.maximum(counts, 1)).sum()),
        len(grids),
        float(np.median(poses[:, :3, 3] @ normal - offset)),
        float(np.degrees(np.arccos(np.clip(normal @ upper, -1, 1)))),
    )


def _find_plane(
    grids: list[np.ndarray], poses: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, float, np.ndarray, np.ndarray] | None:
    """Return the normal and offset of the largest level plane, which points are on it, and the points' frames."""
    rng = np.random.default_rng(0)
    points, normals, frames = [], [], []
    for number, (grid, pose) in enumerate(zip(grids, poses, strict=True)):
        known = np.isfinite(grid[1:-1, 1:-1]).all(axis=2)
        with np.errstate(invalid='ignore', divide='ignore'):
            across, down = grid[1:-1, 2:] - grid[1:-1, :-2], grid[2:, 1:-1] - grid[:-2, 1:-1]
            normal = np.cross(down, across)  # of a surface ahead, towards the camera
            normal /= np.linalg.norm(normal, axis=2, keepdims=True)
        points.append(grid[1:-1, 1:-1][known] @ pose[:3, :3].T + pose[:3, 3])
        normals.append(normal[known] @ pose[:3, :3].T)
        frames.append(np.full(int(known.sum()), number))
    at, facing, frame_of = np.concatenate(points), np.concatenate(normals), np.concatenate(frames)
    least = np.cos(np.radians(MAX_TILT))
    level = np.flatnonzero(facing @ upper > least)  # NaN, at the edge of what was seen, is not
    if not len(level):
        return None
    chosen = rng.choice(level, min(NUM_CANDIDATES, len(level)), replace=False)
    sample = at[rng.choice(len(at), min(4000, len(at)), replace=False)]
    distances = np.abs(sample @ facing[chosen].T - (at[chosen] * facing[chosen]).sum(axis=1))
    best = chosen[int((distances < THICKNESS).sum(axis=0).argmax())]
    normal, offset = facing[best], float(facing[best] @ at[best])
    for thickness in (2 * THICKNESS, THICKNESS, THICKNESS):
        on_plane = np.abs(at @ normal - offset) < thickness
        centre = at[on_plane].mean(axis=0)
        normal = np.linalg.eigh(np.cov((at[on_plane] - centre).T))[1][:, 0]
        normal, offset = (normal, float(normal @ centre)) if normal @ upper > 0 else (-normal, float(-normal @ centre))
        if not normal @ upper > least:
            return None
    on_plane = np.abs(at @ normal - offset) < THICKNESS
    seen = np.bincount(frame_of[on_plane], minlength=len(grids))
    shows = seen > MIN_SHARE_OF_FRAME * np.maximum(np.bincount(frame_of, minlength=len(grids)), 1)
    is_surface = (facing[on_plane] @ normal > np.cos(np.radians(MAX_NORMAL_ERROR))).mean() >= MIN_SHARE_ALIGNED
    if not is_surface or on_plane.mean() < MIN_SHARE or shows.sum() < min(MIN_FRAMES, len(grids)):
        return None
    return normal, offset, on_plane, frame_of


def turn_to_z(up: np.ndarray) -> np.ndarray:
    """Return the smallest rotation (4, 4) that turns a unit vector (3,) to z; half a turn about x for -z."""
    turn = np.eye(4)
    cosine = float(up[2])
    if cosine < -1 + 1e-12:
        turn[:3, :3] = np.diag([1.0, -1.0, -1.0])
        return turn
    axis = np.cross(up, (0.0, 0.0, 1.0))
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn[:3, :3] = np.eye(3) + skew + skew @ skew / (1 + cosine)
    return turn


def parse_up(text: str) -> np.ndarray:
    """Return the unit vector (3,) for a word of :data:`AXES` or three numbers 'x,y,z', or raise a ValueError."""
    if text in AXES:
        return np.array(AXES[text], dtype=np.float64)
    vector = np.array([float(word) for word in text.split(',')])
    length = float(np.linalg.norm(vector))
    if vector.shape != (3,) or not 0 < length < np.inf:
        raise ValueError(f'{text!r} is not one of {", ".join(AXES)}, or three numbers x,y,z')
    return vector / length
