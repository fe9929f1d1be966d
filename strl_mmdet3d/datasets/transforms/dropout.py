"""Spatial augmentation: dropping random points."""

from __future__ import annotations

import numpy as np
import torch
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import BasePoints

from ...errors import ConfigError
from .base import RandomPointsTransform, draw_sample, draw_subset, take_points


@TRANSFORMS.register_module()
class RandomDropPoints(RandomPointsTransform):
    """Drop a random share of the points.

    The share is uniform in [0, max_ratio]. Exactly floor(share * N) points are dropped, and all choices of them are
    equally likely.

    The STRL paper removes up to 70 % of the points (the defaults). The released code chooses up to 87.5 % and, to keep
    the number of points, overwrites them with the first point: ``max_ratio=0.875, overwrite=True``.

    ``at_most`` brings a later down-sampling forward. A random subset of a random subset is a random subset. So with the
    size that the cloud is down-sampled to as ``at_most``, the points of the final view have the same distribution as
    without it, and the transforms in between that treat each point on its own, such as jitter, run on these points
    alone. They are in random order, like the points that :class:`DownSamplePoints` picks. If ``at_most`` drops nothing
    more, the points keep their order.

    Args:
        max_ratio (float): Largest share of points dropped, in [0, 1). Defaults to 0.7.
        overwrite (bool): Whether to overwrite a dropped point, with all its channels, with the cloud's first point
            instead of removing it. Defaults to False.
        at_most (int, optional): If more points than this would stay, drop further ones down to this number. Defaults to
            None.
        prob (float): Probability of dropping points. Defaults to 1.0.

    Raises:
        ConfigError: If ``max_ratio`` is not in [0, 1), if ``prob`` is not in [0, 1], or if ``at_most`` is below 1 or
            given together with ``overwrite``, which keeps the number of points.
    """

    def __init__(
        self, max_ratio: float = 0.7, overwrite: bool = False, at_most: int | None = None, prob: float = 1.0
    ) -> None:
        super().__init__(prob)
        if not 0 <= max_ratio < 1:
            raise ConfigError(f'RandomDropPoints: max_ratio must be in [0, 1), got {max_ratio}')
        if at_most is not None and (at_most < 1 or overwrite):
            raise ConfigError(f'RandomDropPoints: at_most must be at least 1, and overwrite off, got {at_most}')
        self.max_ratio = max_ratio
        self.at_most = at_most
        self.overwrite = overwrite

    def draw(self, points: BasePoints) -> np.ndarray:
        """Draw the indices (M,) of the points that stay."""
        number = len(points) - int(np.random.uniform(0, self.max_ratio) * len(points))
        if self.at_most is not None and number > self.at_most:
            return draw_sample(len(points), self.at_most)
        return draw_subset(len(points), number)

    def apply(self, points: BasePoints, drawn: np.ndarray) -> BasePoints:
        """Take the points at the indices (M,), or overwrite all others."""
        if not self.overwrite:
            return take_points(points, drawn)
        dropped = torch.ones(len(points), dtype=torch.bool)
        dropped[torch.from_numpy(drawn)] = False
        points.tensor[dropped] = points.tensor[0].clone()
        return points
