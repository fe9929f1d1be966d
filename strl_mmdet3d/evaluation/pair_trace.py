"""Following the points of a pair through its pipeline: which become part of a view, and what takes the others away.

Each point carries the number of its row as one more channel. No transform of ours looks at further channels, and
draws do not depend on them, so the views are the ones of the training. `PasteMoved` alone adds points: its rows are
carried in the marks meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmdet3d.structures import BasePoints, LiDARPoints
from torch import Tensor

from ..datasets import MultiView
from ..datasets.transforms.base import MARKS_KEY, with_rows
from ..datasets.transforms.cuboid import RandomCuboidTransform
from ..datasets.transforms.cutout import RandomCutoutPoints
from ..datasets.transforms.field_of_view import CutToFieldOfView
from ..datasets.transforms.load_shape import LoadShape
from ..datasets.transforms.mark_moved import MOVED
from ..datasets.transforms.paste_moved import PasteMoved
from ..errors import ConfigError
from .point_motion import Motion, fit_motion

KEPT, OUT_OF_RANGE, CROPPED, CUT_OUT, DROPPED, HIDDEN = range(6)
FATES = ('kept', 'out of range', 'cropped', 'cut out', 'dropped', 'hidden')
"""What becomes of a point; a point that is kept is part of the view, one that is hidden is behind a pasted thing."""

TRACE_KEY = 'point_trace'
MAX_ROWS = 2**24  # float32 counts no farther


class Trace:
    """What becomes of the points of a frame.

    Args:
        coords: The points (N, 3) as they were loaded.
        depth_frame: The depth image that they come from, see `LoadDepthFrame`; None for other frames.
        loader: The transform that has loaded them.
        points_type: mmdet3d's class of the points.

    Attributes:
        coords: The points in the axes of the pair: aligned, if the data set aligns them. Pasted points are the last.
        num_loaded: N; the points behind these were pasted.
        fate: What becomes of each (N,), a number of :data:`FATES`.
        steps: What each transform did: its name, and words.
        sensor: Where the sensor was (3,), in the axes of the pair.
        sensor_in_view: The same after the view's motions.
        marks: What `MarkMoved` says of each point (N,), -1 where it says nothing; None without it.
        regions: The places of the regions (M, 3) in the axes of the pair; None without regions.
        locals: The traces of the local views that are made of the frame.
        unit: The unit of the points: 'm', or '' of shapes, whose unit is their file's own.
    """

    def __init__(
        self, coords: np.ndarray, depth_frame: dict | None = None, loader: Any = None, points_type: type = LiDARPoints
    ) -> None:
        self.coords = coords
        self.points_type = points_type
        self.num_loaded = len(coords)
        self.depth_frame = depth_frame
        self.loader = loader
        self.locals: list[Trace] = []
        self.unit = '' if isinstance(loader, LoadShape) else 'm'
        self.fate = np.full(len(coords), KEPT, np.uint8)
        self.steps: list[tuple[str, str]] = []
        self.sensor = np.zeros(3)
        self.sensor_in_view = np.zeros(3)
        self.marks: np.ndarray | None = None
        self.regions: np.ndarray | None = None
        self.is_ready = False  # loaded, aligned and cut to the range
        self._ready = (self.fate, np.arange(len(coords)))
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
            said += motion.words(self.unit)
            self._move(motion)
        self._now[rows] = coords
        lost = self.lose(rows, fate)
        if lost:
            said.append(f'removed {lost:,} of {len(np.unique(self._rows)):,} points')
        elif not said and len(rows) == len(self._rows) and (rows != self._rows).any():
            said.append('changed the order')
        self._rows = rows
        if said:
            self.steps.append((name, ', '.join(said)))
        return bool(said)

    def lose(self, rows: np.ndarray, fate: int) -> int:
        """Write down what has become of all points but those of some rows, and return how many these are."""
        left = np.zeros(len(self.fate), np.bool_)
        left[rows] = True
        lost = ~left & (self.fate == KEPT)
        self.fate[lost] = fate
        return int(lost.sum())

    def paste(self, name: str, rows: np.ndarray, pasted: np.ndarray) -> np.ndarray:
        """Take over what was pasted.

        Args:
            name: The transform.
            rows: The rows (M,) of the points that are not hidden.
            pasted: The new points (P, 3), in the axes of the pair.

        Returns:
            Their rows (P,).
        """
        hidden = self.lose(rows, HIDDEN)
        new = np.arange(len(self.fate), len(self.fate) + len(pasted))
        self.coords = np.concatenate([self.coords, pasted])
        self._now = np.concatenate([self._now, pasted])
        self.fate = np.concatenate([self.fate, np.full(len(pasted), KEPT, np.uint8)])
        self._rows = np.concatenate([rows, new])
        self.steps.append((name, f'pasted {len(pasted):,} points, which hide {hidden:,}'))
        return new

    def branch(self) -> Trace:
        """Return the trace of a local view, which is made of the frame as it was when it was ready."""
        other = Trace(self.coords, self.depth_frame, self.loader, self.points_type)
        other.fate, other._rows = self._ready[0].copy(), self._ready[1].copy()
        other.sensor, other.sensor_in_view, other.is_ready = self.sensor, self.sensor.copy(), True
        self.locals.append(other)
        return other

    def make_ready(self, view: dict) -> None:
        """Take over what is known of the frame when it is loaded, aligned and cut to the range."""
        self.is_ready = True
        self.coords = self._now.copy()
        motion = view.get('lidar2view_1', view.get('depth_frame', {}).get('camera2view'))
        if motion is not None:
            self.sensor = np.asarray(motion, np.float64)[:3, 3].copy()
        self.sensor_in_view = self.sensor.copy()
        self._ready = (self.fate.copy(), self._rows.copy())
        self.take_marks(view)

    def take_marks(self, view: dict) -> None:
        """Take over what the transforms of both frames have found: marks and regions."""
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
        load[:] = [load[0], Beginning(self.traces, load[0]), *_watched(load[1:])]
        # The alignment and the cut to the range happen between the loading and whatever comes next.
        first = Watcher('alignment and range', OUT_OF_RANGE, is_first=True)
        if stage.pair.transforms:
            watched = [PairWatcher(transform) for transform in stage.pair.transforms]
            stage.pair.transforms[:] = [lambda frames: {name: first(frame) for name, frame in frames.items()}, *watched]
        stage.augment.transforms[:] = [first, *_watched(stage.augment.transforms)]
        stage.pack.transforms[:] = [first, *_watched(stage.pack.transforms)]
        stage.local.transforms[:] = [begin_local, *_watched(stage.local.transforms)]


class Beginning:
    """A transform that numbers the points of a frame that was just loaded.

    Args:
        traces: Where their trace is kept.
        loader: The transform in front of it.
    """

    def __init__(self, traces: list[Trace], loader: Any) -> None:
        self.traces = traces
        self.loader = loader

    def __call__(self, view: dict) -> dict:
        """Number the points.

        Raises:
            ConfigError: If there are more than float32 can count.
        """
        points = view['points']
        if len(points) > MAX_ROWS:
            raise ConfigError(f'a frame of {len(points):,} points is too large to be drawn; at most {MAX_ROWS:,}')
        trace = Trace(points.coord.numpy().copy(), view.get('depth_frame'), self.loader, type(points))
        self.traces.append(trace)
        rows = torch.arange(len(points), dtype=points.tensor.dtype)
        return dict(view, points=with_channel(points, rows), **{TRACE_KEY: trace})


def with_channel(points: BasePoints, values: Tensor) -> BasePoints:
    """Return points (N, C) with one more channel (N,) behind the others."""
    return with_width(points, torch.cat([points.tensor, values.to(points.tensor)[:, None]], dim=1))


def with_width(points: BasePoints, rows: Tensor) -> BasePoints:
    """Return a cloud of other points (N, C), which may have another number of channels; a clone of it has them, too."""
    other = with_rows(points, rows)
    other.points_dim = rows.shape[1]
    return other


def begin_local(view: dict) -> dict:
    """Give a local view a trace of its own."""
    return dict(view, **{TRACE_KEY: view[TRACE_KEY].branch()})


class PairWatcher:
    """Runs a transform of both frames, and writes down what it has found or pasted.

    Args:
        transform: The transform.
    """

    def __init__(self, transform: Any) -> None:
        self.transform = transform

    def __call__(self, frames: dict) -> dict:
        """Run it."""
        pastes = isinstance(self.transform, PasteMoved)
        name = type(self.transform).__name__
        frames = paste_traced(self.transform, frames) if pastes else self.transform(frames)
        for frame in frames.values():
            trace: Trace = frame[TRACE_KEY]
            trace.take_marks(frame)
            if pastes:
                continue
            found = []
            if MARKS_KEY in frame:
                found.append(f'{np.count_nonzero(trace.marks == MOVED):,} points have moved')
            if trace.regions is not None:
                found.append(f'{len(trace.regions)} regions')
            trace.steps.append((name, ', '.join(found) or 'changed nothing'))
        return frames


def paste_traced(transform: PasteMoved, frames: dict) -> dict:
    """Run `PasteMoved`, whose things have no channel for the row, with the rows in the marks, which stay with points.

    A mark m of the point in row r becomes -3 r - 3 + m, which is below 0; the marks of pasted points are not.
    """
    for frame in frames.values():
        points, marks = frame['points'], frame[MARKS_KEY]
        rows = points.tensor[:, -1].numpy().astype(np.int64)
        frame[MARKS_KEY] = marks - 3 * rows - 3
        frame['points'] = with_width(points, points.tensor[:, :-1].contiguous())
    frames = transform(frames)
    for frame in frames.values():
        points, codes, trace = frame['points'], frame[MARKS_KEY], frame[TRACE_KEY]
        old = codes < 0
        rows = np.where(old, -(codes // 3) - 1, 0)
        pasted = points.coord.numpy()[~old].astype(np.float32)
        rows[~old] = trace.paste(type(transform).__name__, rows[old], pasted)
        frame[MARKS_KEY] = np.where(old, codes % 3, codes)
        frame['points'] = with_channel(points, torch.from_numpy(rows))
    return frames


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
    """Return what happens to the points that a transform removes."""
    if type(transform).__name__ == 'PointsRangeFilter':
        return OUT_OF_RANGE
    if isinstance(transform, RandomCutoutPoints):
        return CUT_OUT
    if isinstance(transform, (RandomCuboidTransform, CutToFieldOfView)):
        return CROPPED
    return DROPPED
