"""Turns a collated list of pairs into two batches."""

from __future__ import annotations

from mmdet3d.registry import MODELS
from mmengine.model import BaseDataPreprocessor
from torch import nn

from ..errors import ConfigKeyError


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
        prepared = self.detector(view, training)
        samples = prepared['data_samples']
        if not samples or not all('bboxes_3d' in getattr(sample, 'gt_instances_3d', ()) for sample in samples):
            return prepared['inputs']
        return dict(prepared['inputs'], regions=[sample.gt_instances_3d.bboxes_3d.gravity_center for sample in samples])


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
