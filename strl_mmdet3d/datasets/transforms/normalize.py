"""Normalisation of a cloud to the unit sphere."""

from __future__ import annotations

from mmdet3d.registry import TRANSFORMS

from .base import DescribedTransform, require_points
from .point_kernels import normalize


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

    Raises:
        ValueError: If the cloud is empty.
    """

    def transform(self, results: dict) -> dict:
        """Normalise ``results['points']`` (N, 3 + C) in place."""
        require_points(self, results)
        normalize(results['points'].tensor)
        return results
