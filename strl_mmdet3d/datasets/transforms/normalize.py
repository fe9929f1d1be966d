"""Normalisation of a cloud to the unit sphere."""

from __future__ import annotations

from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from .base import require_points
from .point_kernels import normalize


@TRANSFORMS.register_module()
class NormalizePointsToUnitSphere(BaseTransform):
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
        """Normalise ``results['points']`` (N, 3 + C) in place.

        Args:
            results (dict): Result dict with ``points`` (:obj:`BasePoints`).

        Returns:
            dict: The same dict.
        """
        require_points(self, results)
        normalize(results['points'].tensor)
        return results

    def __repr__(self) -> str:
        """Describe the transform."""
        return f'{type(self).__name__}()'
