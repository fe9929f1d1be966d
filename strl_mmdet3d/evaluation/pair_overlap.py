"""How well two frames of a sequence meet: unaligned, aligned by their poses, and by other readings of the poses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ..datasets.transforms.draw_regions import is_above_ground

NEAR = {'lidar': 0.3, 'depth': 0.05}  # metres
NUM_ASKED = 4000  # points of a frame whose neighbour is looked for
MOVED = {'lidar': 2.0, 'depth': 0.2}  # metres; from there on a wrong pose shows
TURNED = 10.0  # degrees
MAX_AHEAD = 50  # frames

# From the axes of a camera (x right, y down, z forward) to a vehicle's (x forward, y left, z up), and the way back.
CAMERA_TO_VEHICLE = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])

AS_GIVEN = 'as given'
READINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    AS_GIVEN: lambda pose: pose,
    'inverted (world to sensor)': np.linalg.inv,
    'as poses of a camera with x right, y down, z forward': lambda pose: _turned(pose, CAMERA_TO_VEHICLE),
    'as poses of a vehicle with x forward, y left, z up': lambda pose: _turned(pose, CAMERA_TO_VEHICLE.T),
}
"""What else poses may mean -> how to make the pose of the frame's own axes of it."""


@dataclass
class Overlap:
    """How two frames meet.

    Attributes:
        frames: The paths of both.
        moved: How far apart the sensor was, metres.
        unaligned: The share of the first frame's points that have a point of the second within ``NEAR``.
        aligned: The same when both are in the same axes, by each of the :data:`READINGS`.
    """

    frames: tuple[str, str]
    moved: float
    unaligned: float
    aligned: dict[str, float]

    @property
    def as_given(self) -> float:
        """The share by the poses as they are."""
        return self.aligned[AS_GIVEN]

    @property
    def best(self) -> str:
        """The reading that fits best."""
        return max(self.aligned, key=lambda reading: self.aligned[reading])


def choose_partner(poses: np.ndarray, frame: int, kind: str) -> int | None:
    """Return the nearest frame after one from which the sensor has moved far enough to tell right poses from wrong.

    Args:
        poses: (N, 4, 4).
        frame: The frame.
        kind: 'lidar' or 'depth'.

    Returns:
        The other frame's number, or None if the sensor stays where it is for :data:`MAX_AHEAD` frames.
    """
    ahead = poses[frame + 1 : frame + 1 + MAX_AHEAD]
    moved = np.linalg.norm(ahead[:, :3, 3] - poses[frame, :3, 3], axis=1)
    cosines = (np.einsum('ij,nij->n', poses[frame, :3, :3], ahead[:, :3, :3]) - 1) / 2
    enough = (moved >= MOVED[kind]) | (np.degrees(np.arccos(np.clip(cosines, -1, 1))) >= TURNED)
    return frame + 1 + int(enough.argmax()) if enough.any() else None


def measure_overlap(
    clouds: tuple[np.ndarray, np.ndarray], poses: tuple[np.ndarray, np.ndarray], kind: str
) -> tuple[float, dict[str, float]] | None:
    """Measure the overlap of two frames.

    Args:
        clouds: Their points (N_i, 3), metres, in each frame's own axes.
        poses: Their poses (4, 4), from these axes to the world.
        kind: 'lidar', where the ground is left out, since it meets itself under any pose along the road; or 'depth'.

    Returns:
        The unaligned share, and the aligned one by each of the :data:`READINGS`; None if a frame has nothing to
        compare, such as a scan of nothing but ground.
    """
    if kind == 'lidar':
        clouds = tuple(cloud[is_above_ground(cloud, 2.0, 0.3)] for cloud in clouds)
    if not all(len(cloud) for cloud in clouds):
        return None
    first, second = clouds
    asked = first[:: max(1, len(first) // NUM_ASKED)].astype(np.float64)
    tree = cKDTree(second)
    aligned = {}
    for name, read in READINGS.items():
        to_second = np.linalg.inv(read(poses[1])) @ read(poses[0])
        aligned[name] = _share_near(tree, asked @ to_second[:3, :3].T + to_second[:3, 3], NEAR[kind])
    return _share_near(tree, asked, NEAR[kind]), aligned


def _share_near(tree: cKDTree, places: np.ndarray, distance: float) -> float:
    """Return the share of places (N, 3) that have a point of the tree within the distance."""
    return float(np.isfinite(tree.query(places, distance_upper_bound=distance)[0]).mean())


def _turned(pose: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Return a pose (4, 4) of axes that are turned against the frame's own by a rotation (3, 3)."""
    own_to_posed = np.eye(4)
    own_to_posed[:3, :3] = turn.T
    return pose @ own_to_posed
