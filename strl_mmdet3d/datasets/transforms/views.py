"""Making two views from a pair of frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import BasePoints
from mmengine.dataset import Compose

from ...errors import ConfigError
from ..readers.frame_file import UnusablePairError, check_distances
from .base import DescribedTransform
from .point_kernels import move
from .range_cut import cut_to_range

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
    3. ``augment`` (view transform, spatial augmentation) runs unless the pair says ``augment=False``. Its draws are
       independent for the two views;
    4. ``pack`` brings the view into the form that the model takes, usually with range filters and ``Pack3DDetInputs``.

    Both frames of a pair may be the same one, such as a single shape. Then the two augmented views are the synthetic
    sequence of the STRL paper (Eq. 2).

    The paper has these two views and no others. ``num_local`` adds local views, alternately of the first and the second
    frame: on the points after stage 2, ``local`` runs instead of stages 3 and 4. `STRL` predicts both views from each
    local view.

    Required Keys:

    - view_1, view_2 (dict): The two result dicts

        - lidar_points or depth_frame (dict): The file, and the other settings that its loading needs
        - lidar2view_1 (np.ndarray, optional): 4x4, from the frame's axes to the axes of the first view's frame, metres
        - sequence_id, frame_path, frame_index, num_redraws, skipped (optional): The origin of the view

    - augment (bool, optional): Whether to run ``augment``. Defaults to True.

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

    Raises:
        ConfigError: If only one of ``num_local`` and ``local`` is given.
        EmptyViewError: When transforming, if one of the transforms leaves a view without points.
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
    ) -> None:
        if (num_local > 0) != (len(local) > 0) or num_local < 0:
            raise ConfigError(f'MultiView: num_local={num_local} and {len(local)} transforms in local; give both')
        self.load = Compose(load)
        self.augment = Compose(augment)
        self.pack = Compose(pack)
        self.num_local = num_local
        self.local = Compose(local)
        self.point_cloud_range = point_cloud_range

    def transform(self, results: dict) -> dict:
        """Turn a pair into ``{'view_1': packed, 'view_2': packed}``, and then ``local_1`` and so on."""
        augment = results.get('augment', True)
        local_names = [f'local_{number + 1}' for number in range(self.num_local if augment else 0)]
        made = {}
        for number, name in enumerate(VIEWS):
            made.update(self._make_views(name, local_names[number :: len(VIEWS)], results[name], augment))
        return {name: made[name] for name in (*VIEWS, *local_names)}

    def _make_views(self, name: str, local_names: list[str], view: dict, augment: bool) -> dict[str, dict]:
        """Run all stages on one frame, and return its view and its local views."""
        provenance = {key: view[key] for key in PROVENANCE_KEYS if key in view}
        try:
            packed = self._run_stages(name, local_names, view, augment)
        except UnusablePairError as error:
            error.frame_path = provenance.get('frame_path', '')
            raise
        for one in packed.values():
            one['data_samples'].set_metainfo(provenance)
        return packed

    def _run_stages(self, name: str, local_names: list[str], view: dict, augment: bool) -> dict[str, dict]:
        """Load and align a frame, then augment and pack its views."""
        view = self._run(self.load, name, view)
        if 'lidar2view_1' in view:
            align_points(view['points'], view['lidar2view_1'])
            check_distances(view['points'].coord.numpy(), _path(view), 'Check its pose, and rebuild the sequence index')
        if self.point_cloud_range is not None and not len(cut_to_range(view['points'], self.point_cloud_range)):
            raise EmptyViewError(
                f'{name} of {_path(view)} has no point within the range {list(self.point_cloud_range)}. '
                'Check the range against the data (tools/browse_pairs.py shows both)'
            )
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


def _path(view: dict) -> str:
    """Return the file that a view is loaded from."""
    return view['depth_frame']['depth_path'] if 'depth_frame' in view else view['lidar_points']['lidar_path']


def align_points(points: BasePoints, lidar2view_1: np.ndarray) -> None:
    """Move points (N, 3 + C) by the rigid motion (4, 4) from their frame's axes to the other axes, in place; metres."""
    move(points.tensor, lidar2view_1[:3, :3], lidar2view_1[:3, 3])
