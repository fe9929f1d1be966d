"""Making two views from a pair of frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import BasePoints
from mmengine.dataset import Compose

from ...errors import ConfigError
from ..readers.frame_file import UnusablePairError, check_distances
from .base import MARKS_KEY, THINGS_KEY, DescribedTransform
from .point_kernels import move
from .range_cut import cut_to_range
from .regions import keep_common

VIEWS = ('view_1', 'view_2')

# The origin of a view, and the pairs that could not be used before it; kept in its data sample's metainfo.
PROVENANCE_KEYS = ('sequence_id', 'frame_path', 'frame_index', 'num_redraws', 'skipped')


class EmptyViewError(UnusablePairError):
    """A view that a transform left without points."""


@TRANSFORMS.register_module()
class MultiView(DescribedTransform):
    """Make each view by running ordinary transform lists on its frame.

    Each view has a separate result dict, so mmdetection3d's stock transforms work inside. The stages run in this order:

    1. ``load`` loads the view's ``points``;
    2. if the view has ``lidar2view_1``, its points are moved into the axes of the first view's frame (a depth frame is
       back-projected directly into the axes of its view), and with a ``point_cloud_range`` the frame is cut to it;
    3. ``pair``, if given, runs once on both frames together, ``{'view_1': ..., 'view_2': ...}``, which are now in the
       same axes: it draws the regions of the pair (:class:`DrawRegions`), at places that both frames saw, or marks the
       points that have moved (:class:`MarkMoved`);
    4. ``augment`` (view transform, spatial augmentation) runs unless the pair says ``augment=False``. Its draws are
       independent for the two views;
    5. ``pack`` brings the view into the form that the model takes, usually with range filters and ``Pack3DDetInputs``.

    Regions go through the stages as labelled boxes do, under the same keys, and ``pack`` must hand them on:
    ``Pack3DDetInputs(keys=['points', 'gt_bboxes_3d', 'gt_labels_3d'])``. In the end both views keep the regions that
    both hold within the range, in the same order. Marks of the points (:class:`MarkMoved`) go through the stages as a
    semantic mask does, under ``pts_semantic_mask``.

    Both frames of a pair may be the same one, such as a single shape. Then the two augmented views are the synthetic
    sequence of the STRL paper (Eq. 2).

    The paper has these two views and no others. ``num_local`` adds local views, alternately of the first and the second
    frame: on the points after stage 2, ``local`` runs instead of stages 4 and 5. `STRL` predicts both views from each
    local view. Local views have no regions.

    Required Keys:

    - view_1, view_2 (dict): The two result dicts

        - lidar_points or depth_frame (dict): The file, and the other settings that its loading needs
        - lidar2view_1 (np.ndarray, optional): 4x4, from the frame's axes to the axes of the first view's frame, metres
        - sequence_id, frame_path, frame_index, num_redraws, skipped (optional): The origin of the view

    - augment (bool, optional): Whether to run ``augment``. Defaults to True.
    - aligned (bool, optional): Whether the frames are in the same axes after stage 2, as ``pair`` needs it. Defaults
      to True.

    Modified Keys:

    - view_1, view_2 (and local_1, ...): The packed view, ``{'inputs': {'points': (N, C)}, 'data_samples':
      Det3DDataSample}``; the origin of the view is added to the data sample's metainfo

    Args:
        load (Sequence[dict | Callable]): The transforms that load a frame.
        augment (Sequence[dict | Callable]): The transforms that make a view from the frame. Defaults to none.
        pack (Sequence[dict | Callable]): The transforms that follow, with the packing last. Defaults to
            ``[dict(type='Pack3DDetInputs', keys=['points'])]``.
        num_local (int): Number of local views. Pairs with ``augment=False`` get none. Defaults to 0.
        local (Sequence[dict | Callable]): The transforms that make a local view from a frame, with the packing last.

        point_cloud_range (Sequence[float], optional): (x_min, y_min, z_min, x_max, y_max, z_max) in metres.
            `TemporalPairDataset` fills in its own. Defaults to None, no cut.
        pair (Sequence[dict | Callable]): The transforms of both frames together. Defaults to none.

    Raises:
        ConfigError: If only one of ``num_local`` and ``local`` is given, or ``num_local`` and ``pair`` together; when
            transforming, if ``pair`` is given and the frames are not aligned, or ``pack`` does not hand on the
            regions or marks.
        EmptyViewError: When transforming, if one of the transforms leaves a view without points.
        NoRegionError: When transforming, if ``pair`` is given and no region is left that both views hold.
        CorruptFrameError: When transforming, if a loader refuses a frame, or a pose puts its points beyond any sensor.
    """

    def __init__(
        self,
        load: Sequence[dict | Callable],
        augment: Sequence[dict | Callable] = (),
        pack: Sequence[dict | Callable] = ({'type': 'Pack3DDetInputs', 'keys': ['points']},),
        num_local: int = 0,
        local: Sequence[dict | Callable] = (),
        point_cloud_range: Sequence[float] | None = None,
        pair: Sequence[dict | Callable] = (),
    ) -> None:
        if (num_local > 0) != (len(local) > 0) or num_local < 0:
            raise ConfigError(f'MultiView: num_local={num_local} and {len(local)} transforms in local; give both')
        if num_local > 0 and len(pair) > 0:
            raise ConfigError('MultiView: local views have no regions, so give num_local or pair, not both')
        self.load = Compose(load)
        self.pair = Compose(pair)
        self.augment = Compose(augment)
        self.pack = Compose(pack)
        self.num_local = num_local
        self.local = Compose(local)
        self.point_cloud_range = point_cloud_range

    def transform(self, results: dict) -> dict:
        """Turn a pair into ``{'view_1': packed, 'view_2': packed}``, and then ``local_1`` and so on."""
        augment = results.get('augment', True)
        origins = {name: {key: results[name][key] for key in PROVENANCE_KEYS if key in results[name]} for name in VIEWS}
        local_names = [f'local_{number + 1}' for number in range(self.num_local if augment else 0)]
        frames = self._frames(results, origins)  # one by one, unless `pair` needs both
        made = {}
        for number, (name, frame) in enumerate(zip(VIEWS, frames, strict=True)):
            with _at_fault(origins[name]):
                views = self._make_views(name, local_names[number :: len(VIEWS)], frame, augment)
            for view in views.values():
                view['data_samples'].set_metainfo(origins[name])
            made.update(views)
        if self.pair.transforms:
            if all(MARKS_KEY in frame for frame in frames):
                require_marks([made[name] for name in VIEWS])
            if all('gt_bboxes_3d' in frame for frame in frames):
                with _at_fault(origins['view_1']):
                    keep_common([made[name]['data_samples'] for name in VIEWS], self.point_cloud_range)
        return {name: made[name] for name in (*VIEWS, *local_names)}

    def _frames(self, results: dict, origins: dict[str, dict]) -> Iterable[dict]:
        """Yield the loaded frames: one at a time, unless there are transforms that need both."""
        frames = self._loaded(results, origins)
        if not self.pair.transforms:
            return frames
        if not results.get('aligned', True):
            raise ConfigError(
                'MultiView has `pair`, whose regions need both frames in the same axes: set align_poses=True, which '
                "needs poses in the sequence index, or mode='spatial'"
            )
        both = dict(zip(VIEWS, frames, strict=True))
        with _at_fault(origins['view_1']):
            return list(self.pair(both).values())

    def _loaded(self, results: dict, origins: dict[str, dict]) -> Iterator[dict]:
        """Load and align the frames, one by one."""
        for name in VIEWS:
            with _at_fault(origins[name]):
                frame = self._load(name, results[name])
            yield frame

    def _load(self, name: str, view: dict) -> dict:
        """Load a frame, move it into the axes of the first view's frame, and cut it to the range."""
        view = self._run(self.load, name, view)
        if 'lidar2view_1' in view:
            align_points(view['points'], view['lidar2view_1'])
            check_distances(view['points'].coord.numpy(), _path(view), 'Check its pose, and rebuild the sequence index')
        if self.point_cloud_range is not None and not len(cut_to_range(view['points'], self.point_cloud_range)):
            raise EmptyViewError(
                f'{name} of {_path(view)} has no point within the range {list(self.point_cloud_range)}. '
                'Check the range against the data (tools/browse_pairs.py shows both)'
            )
        return view

    def _make_views(self, name: str, local_names: list[str], view: dict, augment: bool) -> dict[str, dict]:
        """Augment and pack one frame's view and its local views."""
        frames = [dict(view, points=view['points'].clone()) for _ in local_names]  # transforms may work in place
        if augment:
            view = self._run(self.augment, name, view)
        packed = {name: self._run(self.pack, name, view)}
        for local_name, frame in zip(local_names, frames, strict=True):
            packed[local_name] = self._run(self.local, local_name, frame)
        return packed

    def _run(self, transforms: Compose, name: str, view: dict) -> dict:
        """Run the transforms of one stage, and raise an EmptyViewError at one that leaves no points."""
        path = _path(view)
        for transform in transforms.transforms:
            view = transform(view)
            # A stock transform returns None if it finds nothing that fits.
            if view is None or len(view.get('inputs', view)['points']) == 0:
                raise EmptyViewError(
                    f'{name} of {path} was left without points by {transform!r}. '
                    'Check its range against the data (tools/browse_pairs.py shows both)'
                )
        return view


def require_marks(views: Iterable[dict]) -> None:
    """Check that packed views have one mark for each of their points, see `MarkMoved`.

    Raises:
        ConfigError: If the marks were not packed, or a transform changed the points and not their marks.
    """
    for view in views:
        marks = view['data_samples'].gt_pts_seg.get(MARKS_KEY)
        if marks is None:
            raise ConfigError(
                'MultiView has MarkMoved in `pair`, but its `pack` hands on no marks: set '
                f"Pack3DDetInputs(keys=['points', '{MARKS_KEY}', '{THINGS_KEY}'])"
            )
        if len(marks) != len(view['inputs']['points']):
            raise ConfigError(
                f'MultiView has {len(view["inputs"]["points"])} points with {len(marks)} marks: a transform of '
                f"`augment` or `pack` changed the points and not their '{MARKS_KEY}'"
            )


@contextmanager
def _at_fault(origin: dict) -> Iterator[None]:
    """Name the frame of an origin in an UnusablePairError of the block that names none, such as one of its sweeps."""
    try:
        yield
    except UnusablePairError as error:
        error.frame_path = error.frame_path or origin.get('frame_path', '')
        raise


def _path(view: dict) -> str:
    """Return the file that a view is loaded from."""
    return view['depth_frame']['depth_path'] if 'depth_frame' in view else view['lidar_points']['lidar_path']


def align_points(points: BasePoints, lidar2view_1: np.ndarray) -> None:
    """Move points (N, 3 + C) by the rigid motion (4, 4) from their frame's axes to the other axes, in place; metres."""
    move(points.tensor, lidar2view_1[:3, :3], lidar2view_1[:3, 3])
