"""Following the points of a pair through its pipeline: which become part of a view, and what takes the others away.

Each point carries the number of its row as one more channel. No transform of ours looks at further channels, and
draws do not depend on them, so the views are the ones of the training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..datasets import MultiView
from ..datasets.transforms.base import MARKS_KEY, with_rows
from ..datasets.transforms.cuboid import RandomCuboidTransform
from ..datasets.transforms.cutout import RandomCutoutPoints
from ..datasets.transforms.field_of_view import CutToFieldOfView
from ..errors import ConfigError
from .point_motion import Motion, fit_motion

KEPT, OUT_OF_RANGE, CROPPED, CUT_OUT, DROPPED = range(5)
FATES = ('kept', 'out of range', 'cropped', 'cut out', 'dropped')
"""What becomes of a point; a point that is kept is part of the view."""

TRACE_KEY = 'point_trace'
MAX_ROWS = 2**24  # float32 counts no farther


class Trace:
    """What becomes of the points of a frame.

    Args:
        coords: The points (N, 3) as they were loaded.

    Attributes:
        coords: The points in the axes of the pair: aligned, if the data set aligns them.
        fate: What becomes of each (N,), a number of :data:`FATES`.
        steps: What each transform did: its name, and words.
        sensor: Where the sensor was (3,), in the axes of the pair.
        sensor_in_view: The same after the view's motions.
        marks: What `MarkMoved` says of each point (N,), -1 where it says nothing; None without it.
        regions: The places of the regions (M, 3) in the axes of the pair; None without regions.
    """

    def __init__(self, coords: np.ndarray) -> None:
        self.coords = coords
        self.fate = np.full(len(coords), KEPT, np.uint8)
        self.steps: list[tuple[str, str]] = []
        self.sensor = np.zeros(3)
        self.sensor_in_view = np.zeros(3)
        self.marks: np.ndarray | None = None
        self.regions: np.ndarray | None = None
        self.is_ready = False  # loaded, aligned and cut to the range
        self._now = coords.copy()
        self._rows = np.arange(len(coords))

    def follow(self, name: str, rows: np.ndarray, coords: np.ndarray, fate: int) -> bool:
        """Compare the points with the ones before a transform.

        Args:
            name: The transform.
            rows: The rows (M,) of the points that are left.
            coords: Their coordinates (M, 3).
            fate: What has become of the others.

        Returns:
            Whether anything has changed; only then a step is added.
        """
        said: list[str] = []
        motion = fit_motion(self._now[rows], coords)
        if motion is not None:
            said += motion.words()
            self._move(motion)
        self._now[rows] = coords
        left = np.zeros(len(self.fate), np.bool_)
        left[rows] = True
        lost = ~left & (self.fate == KEPT)
        self.fate[lost] = fate
        if lost.any():
            said.append(f'removed {lost.sum():,} of {len(np.unique(self._rows)):,} points')
        elif not said and len(rows) == len(self._rows) and (rows != self._rows).any():
            said.append('changed the order')
        self._rows = rows
        if said:
            self.steps.append((name, ', '.join(said)))
        return bool(said)

    def make_ready(self, view: dict) -> None:
        """Take over what is known of the frame when it is loaded, aligned and cut to the range."""
        self.is_ready = True
        self.coords = self._now.copy()
        motion = view.get('lidar2view_1', view.get('depth_frame', {}).get('camera2view'))
        if motion is not None:
            self.sensor = np.asarray(motion, np.float64)[:3, 3].copy()
        self.sensor_in_view = self.sensor.copy()
        if MARKS_KEY in view:
            self.marks = np.full(len(self.coords), -1)
            self.marks[self._rows] = view[MARKS_KEY]
        if 'gt_bboxes_3d' in view:
            self.regions = view['gt_bboxes_3d'].tensor[:, :3].numpy().copy()

    def _move(self, motion: Motion) -> None:
        """Move the points that are gone, and the sensor, as the others."""
        self._now = motion.apply(self._now).astype(np.float32)
        self.sensor_in_view = motion.apply(self.sensor_in_view[None])[0]


class PairTracer:
    """Traces the frames of pairs.

    Attributes:
        traces: One for each frame, in the order of loading. The last two belong to the last pair.
    """

    def __init__(self) -> None:
        self.traces: list[Trace] = []

    def watch(self, stage: MultiView) -> None:
        """Put watchers between the transforms of a `MultiView`."""
        load = stage.load.transforms
        load[:] = [load[0], self.begin, *_watched(load[1:])]
        # The alignment and the cut to the range happen between the loading and whatever comes next.
        first = Watcher('alignment and range', OUT_OF_RANGE, is_first=True)
        stage.augment.transforms[:] = [first, *_watched(stage.augment.transforms)]
        stage.pack.transforms[:] = [first, *_watched(stage.pack.transforms)]

    def begin(self, view: dict) -> dict:
        """Number the points of a frame that was just loaded."""
        points = view['points']
        if len(points) > MAX_ROWS:
            raise ConfigError(f'a frame of {len(points):,} points is too large to be traced. Draw it without --html')
        rows = torch.arange(len(points), dtype=points.tensor.dtype)[:, None]
        trace = Trace(points.coord.numpy().copy())
        self.traces.append(trace)
        return dict(view, points=with_rows(points, torch.cat([points.tensor, rows], dim=1)), **{TRACE_KEY: trace})


class Watcher:
    """A transform that changes nothing, and compares the points with the ones before.

    Args:
        name: The transform in front of it.
        fate: What becomes of points that it removes.
        is_first: Whether it stands behind the alignment and the cut, and not behind a transform.
    """

    def __init__(self, name: str, fate: int, is_first: bool = False) -> None:
        self.name = name
        self.fate = fate
        self.is_first = is_first

    def __call__(self, view: dict) -> dict:
        """Compare; a view that is packed is left alone, and so is an empty one, which `MultiView` refuses."""
        trace: Trace | None = view.get(TRACE_KEY) if view is not None else None
        if trace is None or (self.is_first and trace.is_ready) or not len(view['points']):
            return view
        values = view['points'].tensor.numpy()
        changed = trace.follow(self.name, values[:, -1].astype(np.int64), values[:, :3], self.fate)
        if self.is_first:
            trace.make_ready(view)
        if not changed:
            trace.steps.append((self.name, 'changed nothing'))
        return view


def _watched(transforms: list[Callable]) -> list[Callable]:
    """Return transforms with a watcher behind each."""
    watched: list[Callable] = []
    for transform in transforms:
        watched += [transform, Watcher(type(transform).__name__, fate_by(transform))]
    return watched


def fate_by(transform: Any) -> int:
    """Return what becomes of the points that a transform removes."""
    if type(transform).__name__ == 'PointsRangeFilter':
        return OUT_OF_RANGE
    if isinstance(transform, RandomCutoutPoints):
        return CUT_OUT
    if isinstance(transform, (RandomCuboidTransform, CutToFieldOfView)):
        return CROPPED
    return DROPPED
