"""Marking the points of a pair that have moved: places which the other frame's rays pass through."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmdet3d.registry import TRANSFORMS
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ...errors import ConfigError
from .base import MARKS_KEY, THINGS_KEY, DescribedTransform
from .draw_regions import SMALLEST_CELL, is_above_ground
from .lidar_rays import is_around, nearest_returns, place_of_sensor, rays_to

STAYS, MOVED, UNKNOWN = 0, 1, 2
"""What a point is marked as."""

FEWEST_POINTS = 5
"""A thing with fewer points that moved does not count."""

DOUBTFUL_SHARE = 0.1
"""Of a thing that stays, at most this share of the known points looks as if it had moved (measured on simulated drives:
0.05 to 0.15 at their edges, rarely)."""


@TRANSFORMS.register_module()
class MarkMoved(DescribedTransform):
    """Mark each point of a pair of aligned scans: does the other frame see its place empty, or occupied?

    A LiDAR's ray proves that the air up to its return is empty. So a point has moved if the other frame's rays in its
    direction all return from farther away. It stays if one of them returns from its distance. Behind a nearer return,
    where no ray returns, on the ground (see `DrawRegions`), and on the car that carries the LiDAR, it is unknown. No
    label is needed, only poses. The rule is ours; detectors without labels find their objects by the like (You et al.,
    MODEST, CVPR 2022).

    Rays are compared in cells of azimuth and elevation, each point with its own cell and the eight around it, since two
    scans never take the same rays. A cell is about as high as the beams are apart. On eight simulated drives, frames
    0.3 and 0.8 s apart, within 40 m, these shares of the points marked as moved had moved, and these of what had moved
    were found: 64 beams 99 % and 74 to 77 %; 32 beams 96 % and 79 % with the default cells, 98 % and 77 to 79 % with
    (0.4, 1.4).

    Things move as a whole. Points above the ground whose cells touch, seen from above, are one thing. A thing moves if
    more than ``share`` of its known points have, and then all of its points have, those too that a long car covers
    before and after. Otherwise its moved points are unknown, as is a thing that moves a little, and whatever is too
    large to be one thing. On simulated drives, 0.3 s and 0.8 s apart, 86 to 100 % of the points that have moved are on
    things that move as a whole (8 drives).

    It stands in the ``pair`` of :class:`MultiView`, where the frames are in the same axes. The marks are a semantic
    mask of the points, which mmdet3d's filters and shuffling carry along. ``pack`` must hand them on:
    ``Pack3DDetInputs(keys=['points', 'pts_semantic_mask', 'pts_instance_mask'])``.

    Required Keys:

    - view_1, view_2 (dict)

        - points (:obj:`LiDARPoints`): (N, 3 + C), metres
        - lidar2view_1 (np.ndarray): (4, 4), which `TemporalPairDataset` adds with ``align_poses``

    Added Keys:

    - view_1, view_2 (dict)

        - pts_semantic_mask (np.ndarray): (N,), int64: 0 stays, 1 moved, 2 unknown
        - pts_instance_mask (np.ndarray): (N,), int64: the number of the thing that moves, -1 for all other points

    Args:
        cell (tuple[float, float]): Azimuth and elevation of a cell in degrees, above 0. Defaults to (0.4, 0.5), about
            as coarse as the beams of a 64-beam LiDAR.
        sensor (Sequence[float]): The LiDAR's place in a frame's own axes, metres. Defaults to their origin; data in the
            axes of a vehicle needs it.
        margin (float): How much farther away, in metres, a ray must return to have passed through. To it comes 1 % of
            the distance. Defaults to 0.5.
        near (float): Within this distance, in metres, a return is from the same thing. Defaults to 0.3.
        ground_cell (float): As of `DrawRegions`. Defaults to 2.
        ground_height (float): As of `DrawRegions`. Defaults to 0.3.
        touch (float): Side in metres of the cells by which points are one thing. Defaults to 0.3.
        largest (float): Extent in metres above which touching points are not one thing. Defaults to 12.
        share (float): See above, in (0, 1). Defaults to 0.3.

    Raises:
        ConfigError: If an argument is out of its range; when marking, if the frames come without ``lidar2view_1``.
    """

    def __init__(
        self,
        cell: tuple[float, float] = (0.4, 0.5),
        sensor: Sequence[float] = (0.0, 0.0, 0.0),
        margin: float = 0.5,
        near: float = 0.3,
        ground_cell: float = 2.0,
        ground_height: float = 0.3,
        touch: float = 0.3,
        largest: float = 12.0,
        share: float = 0.3,
    ) -> None:
        if not all(0 < side <= 10 for side in cell):
            raise ConfigError(f'MarkMoved: cell must hold two angles in (0, 10] degrees, got {cell}')
        if not margin >= near > 0:
            raise ConfigError(f'MarkMoved: margin and near must be 0 < near <= margin, got {near} and {margin}')
        if not touch >= SMALLEST_CELL or not 0 < share < 1:
            raise ConfigError(
                f'MarkMoved: touch must be at least {SMALLEST_CELL} m and share in (0, 1), got {touch} and {share}'
            )
        self.cell = cell
        self.sensor = sensor
        self.margin = margin
        self.near = near
        self.ground_cell = ground_cell
        self.ground_height = ground_height
        self.touch = touch
        self.largest = largest
        self.share = share

    def transform(self, frames: dict) -> dict:
        """Mark the points of both frames, each by the rays of the other."""
        clouds, sensors = [], []
        for frame in frames.values():
            if 'lidar2view_1' not in frame:
                raise ConfigError('MarkMoved needs the poses of lidar scans: set align_poses=True of the data set')
            clouds.append(frame['points'].coord.numpy().astype(np.float64))
            sensors.append(place_of_sensor(frame, self.sensor))
        around = [is_around(cloud - sensor) for cloud, sensor in zip(clouds, sensors, strict=True)]
        others = [(cloud[mask], sensor) for cloud, mask, sensor in zip(clouds, around, sensors, strict=True)][::-1]
        for frame, own, mask, (other, sensor) in zip(frames.values(), clouds, around, others, strict=True):
            above = is_above_ground(own, self.ground_cell, self.ground_height) & mask
            frame[MARKS_KEY], frame[THINGS_KEY] = np.full(len(own), UNKNOWN), np.full(len(own), -1)
            marks = self.mark(own[above], other, sensor)
            frame[MARKS_KEY][above], frame[THINGS_KEY][above] = self.as_things(own[above], marks)
        return frames

    def as_things(self, coords: np.ndarray, marks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Let things move as a whole.

        Args:
            coords: (N, 3), metres, the points above the ground.
            marks: (N,), of each by itself.

        Returns:
            The marks (N,), and the number (N,) of the thing that moves, -1 for other points.
        """
        numbers = touching(coords[:, :2], self.touch)
        moved, stay = (np.bincount(numbers, marks == kind) for kind in (MOVED, STAYS))
        low, high = np.full((2, len(moved)), np.inf), np.full((2, len(moved)), -np.inf)
        for axis in range(2):
            np.minimum.at(low[axis], numbers, coords[:, axis])
            np.maximum.at(high[axis], numbers, coords[:, axis])
        share = moved / np.maximum(moved + stay, 1)
        moves = (share > self.share) & (moved >= FEWEST_POINTS) & ((high - low).max(axis=0) < self.largest)
        doubtful = (share > DOUBTFUL_SHARE) & ~moves & ((high - low).max(axis=0) < self.largest)
        marks = np.where(doubtful[numbers] | (marks == MOVED), UNKNOWN, marks)
        marks[moves[numbers]] = MOVED
        return marks, np.where(moves, np.cumsum(moves) - 1, -1)[numbers]

    def mark(self, coords: np.ndarray, other: np.ndarray, sensor: np.ndarray) -> np.ndarray:
        """Mark points, each by itself, by the rays of another scan in the same axes.

        Args:
            coords: (N, 3), metres.
            other: (M, 3), the returns of the other scan.
            sensor: (3,), where its rays began.

        Returns:
            Int64 (N,): 0 stays, 1 moved, 2 unknown.
        """
        nearest = nearest_returns(rays_to(other - sensor, self.cell), self.cell)
        row, column, distance = rays_to(coords - sensor, self.cell)
        rays = np.zeros(len(coords), np.int64)
        passed = np.ones(len(coords), np.bool_)
        met = np.zeros(len(coords), np.bool_)
        beyond = distance + self.margin + 0.01 * distance
        for up in (-1, 0, 1):
            for left in (-1, 0, 1):
                rows = np.clip(row + up, 0, nearest.shape[0] - 1)
                returned = nearest[rows, (column + left) % nearest.shape[1]]
                rays += np.isfinite(returned)
                passed &= returned > beyond
                met |= np.abs(returned - distance) < self.near
        marks = np.full(len(coords), UNKNOWN)
        marks[passed & (rays >= 3)] = MOVED  # one stray return through a gap proves nothing
        marks[met] = STAYS
        return marks


def touching(places: np.ndarray, cell: float) -> np.ndarray:
    """Number the groups of points whose cells touch, by a side or a corner.

    Args:
        places: (N, 2), metres, at any distance: only the cells that hold points take memory.
        cell: Side of a cell, metres.

    Returns:
        Int64 (N,), from 0.
    """
    if not len(places):
        return np.empty(0, np.int64)
    cells = np.floor(places / cell).astype(np.int64)
    cells -= cells.min(axis=0)
    width = int(cells[:, 1].max()) + 2  # the last column stays empty: no cell touches one of another row's end
    keys, place = np.unique(cells[:, 0] * width + cells[:, 1], return_inverse=True)
    links = []
    for step in (1, width - 1, width, width + 1):  # the neighbours behind a cell; those before it count from theirs
        found = np.searchsorted(keys, keys + step).clip(max=len(keys) - 1)
        touches = np.flatnonzero(keys[found] == keys + step)
        links.append(np.stack([touches, found[touches]]))
    pairs = np.concatenate(links, axis=1)
    graph = coo_matrix((np.ones(pairs.shape[1], np.bool_), tuple(pairs)), shape=(len(keys), len(keys)))
    _, groups = connected_components(graph, directed=False)
    return groups[place].astype(np.int64)
