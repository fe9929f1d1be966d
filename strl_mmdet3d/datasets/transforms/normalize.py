"""Normalisation of a cloud to the unit sphere."""

from __future__ import annotations

import torch
from mmdet3d.registry import TRANSFORMS

from .base import DescribedTransform, require_points
from .point_kernels import normalize
from .regions import regions_of


@TRANSFORMS.register_module()
class NormalizePointsToUnitSphere(DescribedTransform):
    """Move the cloud's centroid to the origin and scale the farthest point to distance 1.

    The STRL paper normalises synthetic shapes, and the released code depth frames, too. A cloud of one repeated point,
    which has no radius, is only moved.

    Further channels are not changed: a height channel keeps its unit.

    Required Keys:

    - points

    Modified Keys:

    - points
    - gt_bboxes_3d (optional): The regions, moved and scaled as the points are

    Raises:
        ValueError: If the cloud is empty.
    """

    def transform(self, results: dict) -> dict:
        """Normalise ``results['points']`` (N, 3 + C) in place."""
        require_points(self, results)
        regions = regions_of(results)
        centroid, scale = normalize(results['points'].tensor)
        if regions is not None:
            regions.rows[:, :3] = (regions.rows[:, :3] - torch.from_numpy(centroid)) * scale
        return results
