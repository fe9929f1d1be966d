"""Turns a collated list of pairs into two batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.model import BaseDataPreprocessor
from torch import Tensor, nn

from ..errors import ConfigKeyError

LABELLED_VOXELS = ('cylindrical', 'minkunet')
"""The types of voxels for which mmdet3d's preprocessor also makes labels, out of a label for each point."""


@MODELS.register_module()
class PairDataPreprocessor(BaseDataPreprocessor):
    """Run the detector's own data preprocessor (voxelization included) on each of the two views.

    Args:
        detector: The preprocessor of the wrapped detector, or its config.
    """

    def __init__(self, detector: nn.Module | dict) -> None:
        super().__init__()
        self.detector = detector if isinstance(detector, nn.Module) else MODELS.build(detector)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Move to the device and voxelize, view by view.

        Args:
            data: ``{'view_1': packed, 'view_2': packed}``, with ``local_1`` and so on if `MultiView` makes local views.
                packed holds B clouds, as ``Pack3DDetInputs`` and the collate function make it:
                ``{'inputs': {'points': B x (N_i, C)}, 'data_samples': ...}``.
            training: Whether the detector's preprocessor acts as in training (e.g. its limit on voxels).

        Returns:
            ``{'view_1': inputs, 'view_2': inputs}``, with the keys of `data`. inputs is the argument of the detector's
            ``extract_feat``: ``{'points': B x (N_i, C), 'voxels': ...}``. If the data samples have boxes, the regions
            that `DrawRegions` drew, ``regions`` holds their places, B x (M_i, 3).

        Raises:
            ConfigKeyError: If the data holds no pair of views.
        """
        require_pair(data)
        return {view: self.prepare(data[view], training) for view in data}

    def prepare(self, view: dict, training: bool) -> dict:
        """Prepare one view, and put the places of its regions beside the points."""
        inputs = detector_inputs(self.detector, view['inputs']['points'], training)
        samples = view.get('data_samples')
        if not samples or not all('bboxes_3d' in getattr(sample, 'gt_instances_3d', ()) for sample in samples):
            return inputs
        places = [sample.gt_instances_3d.bboxes_3d.gravity_center for sample in samples]
        return dict(inputs, regions=[each.to(inputs['points'][0].device) for each in places])


def detector_inputs(preprocessor: Any, clouds: Sequence[Tensor], training: bool = False) -> dict:
    """Make the argument of a detector's ``extract_feat`` by its own data preprocessor.

    Args:
        preprocessor: The detector's data preprocessor.
        clouds: B x (N_i, C), on any device.
        training: Whether the preprocessor acts as in training.

    Returns:
        ``{'points': B x (N_i, C), 'voxels': ...}``, on the preprocessor's device.
    """
    samples = None
    if getattr(preprocessor, 'voxel', False) and preprocessor.voxel_type in LABELLED_VOXELS:
        # In training the preprocessor makes labels of voxels, which nobody reads here: of points that are all alike.
        labels = [PointData(pts_semantic_mask=torch.zeros(len(points), dtype=torch.int64)) for points in clouds]
        samples = [Det3DDataSample(gt_pts_seg=each) for each in labels]
    return preprocessor(dict(inputs=dict(points=list(clouds)), data_samples=samples), training)['inputs']


def require_pair(data: dict) -> None:
    """Refuse a batch that holds no pair of views.

    Raises:
        ConfigKeyError: Names what it lacks and what it has.
    """
    missing = {'view_1', 'view_2'} - set(data)
    if missing:
        raise ConfigKeyError(
            f'the batch lacks {sorted(missing)}, it has {sorted(data)}: pre-training needs a TemporalPairDataset'
        )
