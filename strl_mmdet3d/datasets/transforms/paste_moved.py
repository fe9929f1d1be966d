"""Pasting things that have moved elsewhere into a marked scan, as detectors paste labelled objects in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from mmdet3d.registry import TRANSFORMS

from ...errors import ConfigError
from ..moved_things import MovedThings
from .base import MARKS_KEY, THINGS_KEY, DescribedTransform, with_rows
from .draw_regions import is_above_ground
from .lidar_rays import num_cells, place_of_sensor, rays_to
from .mark_moved import MOVED

ROOM = 0.3
"""Metres that stay free around a pasted thing."""

NEAR = 0.5
"""A return that is nearer by more than this, in metres, hides a point."""

RING = 1.0
"""A thing is put on ground whose distance from the sensor is the thing's own up to this, in metres."""


class NumberedRays(NamedTuple):
    """The rays from a sensor to points, with one number for a cell: each thing is compared with the whole scan.

    Attributes:
        cell: (N,), int64, the number of the ray's cell of azimuth and elevation.
        distance: (N,), metres.
    """

    cell: np.ndarray
    distance: np.ndarray


@TRANSFORMS.register_module()
class PasteMoved(DescribedTransform):
    """Paste things that have moved in other frames into both frames of a pair, and mark them as moved.

    A street shows few things that move, on the lanes, and many parked cars beside them, which have not. A head that
    learns what has moved would learn places instead of looks. Pasted things stand anywhere, and there are as many as
    one likes. Labelled objects are pasted alike in the training of most detectors (Yan et al., SECOND, 2018).

    A thing is turned about the sensor, mirrored or not, so it keeps its distance and the rays that hit it, and is put
    on the ground there. It needs free ground, and at least half of it must be in sight. What is hidden of it is
    dropped, and the scan's points behind it as well. The two frames get different things. Draws come from NumPy's
    global random state.

    It stands in the ``pair`` of :class:`MultiView`, behind :class:`MarkMoved`.

    Required Keys:

    - view_1, view_2 (dict)

        - points (:obj:`LiDARPoints`): (N, 3 + C), metres
        - lidar2view_1 (np.ndarray): (4, 4)
        - pts_semantic_mask, pts_instance_mask (np.ndarray): (N,), see `MarkMoved`

    Modified Keys:

    - view_1, view_2: points, pts_semantic_mask, pts_instance_mask

    Args:
        things (str): The collection, made by ``tools/collect_moved_things.py``.
        number (int): How many things are drawn for a frame; those for which there is no room are left out. At least 1.
            Defaults to 8.
        cell (tuple[float, float]): As of `MarkMoved`.
        sensor (Sequence[float]): As of `MarkMoved`.
        ground_cell (float): As of `DrawRegions`. Defaults to 2.
        ground_height (float): As of `DrawRegions`. Defaults to 0.3.

    Raises:
        ConfigError: If the collection cannot be read or has other channels than the points, an argument is out of its
            range, or the frames are not marked.
    """

    def __init__(
        self,
        things: str,
        number: int = 8,
        cell: tuple[float, float] = (0.4, 0.5),
        sensor: Sequence[float] = (0.0, 0.0, 0.0),
        ground_cell: float = 2.0,
        ground_height: float = 0.3,
    ) -> None:
        if number < 1:
            raise ConfigError(f'PasteMoved: number must be at least 1, got {number}')
        self.things = things
        self.number = number
        self.cell = cell
        self.sensor = sensor
        self.ground_cell = ground_cell
        self.ground_height = ground_height
        self._collection = MovedThings.load(things)

    def transform(self, frames: dict) -> dict:
        """Paste into both frames, each by itself."""
        for frame in frames.values():
            if MARKS_KEY not in frame or 'lidar2view_1' not in frame:
                raise ConfigError('PasteMoved stands behind MarkMoved, in `pair` of MultiView')
            self.paste(frame, place_of_sensor(frame, self.sensor).astype(np.float32))
        return frames

    def paste(self, frame: dict, sensor: np.ndarray) -> None:
        """Paste drawn things into a frame whose LiDAR is at ``sensor`` (3,)."""
        rows = frame['points'].tensor.numpy().copy()
        if rows.shape[1] != self._collection.points.shape[1]:
            raise ConfigError(
                f'{self.things} has points of {self._collection.points.shape[1]} values, the frames of {rows.shape[1]}'
            )
        rows[:, :3] -= sensor
        marks, numbers = frame[MARKS_KEY], frame[THINGS_KEY]
        above = is_above_ground(rows[:, :3].astype(np.float64), self.ground_cell, self.ground_height)
        ground, solid = rows[~above, :3], rows[above, :2]
        rays = self.rays_of(rows)
        for _ in range(self.number):
            thing = self.place(self._collection[np.random.randint(len(self._collection))], ground)
            if thing is None or not is_free(thing, solid):
                continue
            own = self.rays_of(thing)
            visible, behind = compare(own, rays)
            if 2 * visible.sum() <= len(thing):
                continue
            thing, kept = thing[visible], ~behind
            rows = np.concatenate([rows[kept], thing])
            rays = NumberedRays(
                *(np.concatenate([old[kept], new[visible]]) for old, new in zip(rays, own, strict=True))
            )
            marks = np.concatenate([marks[kept], np.full(len(thing), MOVED)])
            numbers = np.concatenate([numbers[kept], np.full(len(thing), numbers.max(initial=-1) + 1)])
            solid = np.concatenate([solid, thing[:, :2]])
        rows[:, :3] += sensor
        frame['points'] = with_rows(frame['points'], torch.from_numpy(rows))
        frame[MARKS_KEY], frame[THINGS_KEY] = marks, numbers

    def place(self, thing: np.ndarray, ground: np.ndarray) -> np.ndarray | None:
        """Turn a thing (N, 3 + C) about the sensor, and put it on drawn ground (M, 3 + C); None without any."""
        thing = thing.copy()
        if np.random.rand() < 0.5:
            thing[:, 1] *= -1
        middle = (thing[:, :2].min(axis=0) + thing[:, :2].max(axis=0)) / 2
        within = np.flatnonzero(np.abs(np.hypot(*ground[:, :2].T) - np.hypot(*middle)) < RING)
        if not len(within):
            return None
        x, y, z = ground[within[np.random.randint(len(within))], :3]
        angle = np.arctan2(y, x) - np.arctan2(middle[1], middle[0])
        cos, sin = np.cos(angle), np.sin(angle)
        thing[:, :2] = thing[:, :2] @ np.array([[cos, sin], [-sin, cos]], dtype=thing.dtype)
        thing[:, 2] += z - thing[:, 2].min()
        return thing

    def rays_of(self, rows: np.ndarray) -> NumberedRays:
        """Return the rays from the sensor, at the origin, to points (N, 3 + C)."""
        row, column, distance = rays_to(rows[:, :3], self.cell)
        return NumberedRays(np.ravel_multi_index((row, column), num_cells(self.cell)), distance)


def compare(thing: NumberedRays, scan: NumberedRays) -> tuple[np.ndarray, np.ndarray]:
    """Return which points of a thing (N,) are in sight, and which of a scan (M,) are behind it: two masks."""
    cells, places = np.unique(thing.cell, return_inverse=True)
    found = np.searchsorted(cells, scan.cell).clip(max=len(cells) - 1)
    met = np.flatnonzero(cells[found] == scan.cell)
    nearest_of_thing, nearest = (np.full(len(cells), np.inf) for _ in range(2))
    np.minimum.at(nearest_of_thing, places, thing.distance)
    np.minimum.at(nearest, found[met], scan.distance[met])
    behind = np.zeros(len(scan.cell), np.bool_)
    behind[met] = scan.distance[met] > nearest_of_thing[found[met]]
    return nearest[places] > thing.distance - NEAR, behind


def is_free(thing: np.ndarray, solid: np.ndarray) -> bool:
    """Return whether no solid point (M, 2) is in or near the upright rectangle around a thing (N, 3 + C)."""
    low, high = thing[:, :2].min(axis=0) - ROOM, thing[:, :2].max(axis=0) + ROOM
    return not ((solid > low) & (solid < high)).all(axis=1).any()
