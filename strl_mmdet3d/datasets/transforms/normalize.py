"""Normalisation of a cloud to the unit sphere."""

from __future__ import annotations

import torch
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from .base import require_points


@TRANSFORMS.register_module()
class NormalizePointsToUnitSphere(BaseTransform):
    """Move the cloud's centroid to the origin and scale the farthest point to distance 1.

    The STRL paper normalises synthetic shapes, the released code depth frames too. A cloud of one repeated point, which
    has no radius, is only moved.

    Further channels stay as they are: a height channel keeps its unit.

    Required Keys:

    - points

    Modified Keys:

    - points

    Raises:
        ValueError: If the cloud is empty.
    """

    def transform(self, results: dict) -> dict:
        """Normalise ``results['points']`` (N, 3 + C) in place.

        Args:
            results (dict): Result dict with ``points`` (:obj:`BasePoints`).

        Returns:
            dict: The same dict.
        """
        require_points(self, results)
        points = results['points']
        # The mean of equal float32 coordinates must be that coordinate, or rounding errors are blown up to radius 1.
        centroid = points.coord.mean(dim=0, dtype=torch.float64).to(points.coord.dtype)
        points.translate(-centroid)
        radius = points.coord.norm(dim=1).amax()
        if radius > 0:
            points.scale(1 / radius)
        return results

    def __repr__(self) -> str:
        """Describe the transform."""
        return f'{type(self).__name__}()'
