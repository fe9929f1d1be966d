"""From a pair of frames to two views."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import BasePoints
from mmengine.dataset import Compose

from .loading import UnusablePairError

VIEWS = ('view_1', 'view_2')

# Where a view comes from; kept in its data sample's metainfo.
PROVENANCE_KEYS = ('sequence_id', 'frame_path', 'frame_index', 'num_redraws')


class EmptyViewError(UnusablePairError):
    """A view that a transform left without points."""


@TRANSFORMS.register_module()
class MultiView(BaseTransform):
    """Make each view by running ordinary transform lists on its frame.

    Every view is a result dict of its own, so mmdetection3d's stock transforms work inside. The stages are run in turn:

    1. ``load`` brings ``points`` into the view;
    2. with ``lidar2view_1`` in the view, the points are put into the axes of the first view's frame (a depth frame is
       back-projected right into the axes of its view);
    3. ``augment`` (view transform, spatial augmentation) runs unless the pair says ``augment=False``. Its draws are
       independent for the two views;
    4. ``pack`` brings the view into the form that the model takes, in general by range filters and
       ``Pack3DDetInputs``.

    Required Keys:

    - view_1, view_2 (dict): The two result dicts

        - lidar_points or depth_frame (dict): The file, and what else its loading needs
        - lidar2view_1 (np.ndarray, optional): 4x4, from the frame's axes to those of the first view's frame, metres
        - sequence_id, frame_path, frame_index, num_redraws (optional): Where the view comes from

    - augment (bool, optional): Whether to run ``augment``. Defaults to True.

    Modified Keys:

    - view_1, view_2: Each what ``pack`` made of it, ``{'inputs': {'points': (N, C)}, 'data_samples':
      Det3DDataSample}``; where the view comes from is added to the data sample's metainfo

    Args:
        load (Sequence[dict | Callable]): The transforms that load a frame.
        augment (Sequence[dict | Callable]): The transforms that make a view of it. Defaults to none.
        pack (Sequence[dict | Callable]): The transforms after those, with the packing last. Defaults to
            ``[dict(type='Pack3DDetInputs', keys=['points'])]``.

    Raises:
        EmptyViewError: When transforming, if one of the transforms leaves a view without points.
    """

    def __init__(
        self,
        load: Sequence[dict | Callable],
        augment: Sequence[dict | Callable] = (),
        pack: Sequence[dict | Callable] = ({'type': 'Pack3DDetInputs', 'keys': ['points']},),
    ) -> None:
        self.load = Compose(load)
        self.augment = Compose(augment)
        self.pack = Compose(pack)

    def transform(self, results: dict) -> dict:
        """Make both views.

        Args:
            results (dict): The pair, with ``view_1`` and ``view_2``.

        Returns:
            dict: ``{'view_1': packed, 'view_2': packed}``.
        """
        augment = results.get('augment', True)
        return {name: self._make_view(name, results[name], augment) for name in VIEWS}

    def _make_view(self, name: str, view: dict, augment: bool) -> dict:
        """Run all stages on one view."""
        provenance = {key: view[key] for key in PROVENANCE_KEYS if key in view}
        view = self._run(self.load, name, view)
        if 'lidar2view_1' in view:
            align_points(view['points'], view['lidar2view_1'])
        if augment:
            view = self._run(self.augment, name, view)
        packed = self._run(self.pack, name, view)
        packed['data_samples'].set_metainfo(provenance)
        return packed

    def _run(self, transforms: Compose, name: str, view: dict) -> dict:
        """Run the transforms of one stage, and stop at the one that leaves no points."""
        path = view['depth_frame']['depth_path'] if 'depth_frame' in view else view['lidar_points']['lidar_path']
        for transform in transforms.transforms:
            view = transform(view)
            # A stock transform returns None where it found nothing that fits.
            if view is None or len(view.get('inputs', view)['points']) == 0:
                raise EmptyViewError(
                    f'{name} of {path} was left without points by {transform!r}. '
                    'Check its range against the data (tools/browse_pairs.py shows both)'
                )
        return view

    def __repr__(self) -> str:
        """Describe the transform."""
        return f'{type(self).__name__}(load={self.load}, augment={self.augment}, pack={self.pack})'


def align_points(points: BasePoints, lidar2view_1: np.ndarray) -> None:
    """Put points into other axes, in place.

    Args:
        points: The points (N, 3 + C) in their frame's axes, metres.
        lidar2view_1: The rigid motion (4, 4) from those axes to the others.
    """
    points.rotate(lidar2view_1[:3, :3].T)  # BasePoints takes the transpose, which it multiplies from the right
    points.translate(lidar2view_1[:3, 3])
