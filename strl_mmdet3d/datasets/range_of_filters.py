"""The point cloud range, stated once for all that cuts to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ConfigError

CUTTING = ('PointsRangeFilter', 'MultiView')
"""The transforms that cut to a range. A filter cannot do without one."""


def with_range(transforms: Any, point_cloud_range: Sequence[float] | None) -> Any:
    """Fill the range into every `MultiView` and ``PointsRangeFilter`` of a pipeline's config.

    Args:
        transforms: Configs of transforms, nested in dicts and lists as `MultiView` has them. They are not changed.
        point_cloud_range: (x_min, y_min, z_min, x_max, y_max, z_max) in metres, or None.

    Returns:
        The configs with the range filled in.

    Raises:
        ConfigError: If a filter states another range, or has none at all.
    """
    if isinstance(transforms, (list, tuple)):
        return [with_range(transform, point_cloud_range) for transform in transforms]
    if not isinstance(transforms, dict):
        return transforms
    config = {key: with_range(value, point_cloud_range) for key, value in transforms.items()}
    kind = config.get('type')
    if kind in CUTTING:
        stated = config.setdefault('point_cloud_range', point_cloud_range)
        if stated is None and kind == 'PointsRangeFilter':
            raise ConfigError(f'{kind} has no range: set train_dataloader.dataset.point_cloud_range')
        if point_cloud_range is not None and list(stated or ()) != list(point_cloud_range):
            raise ConfigError(
                f'{kind} has the range {stated}, its data set {list(point_cloud_range)}: state it once, as '
                'train_dataloader.dataset.point_cloud_range'
            )
    return config
