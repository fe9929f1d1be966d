"""An option: both views in one batch, so that BatchNorm takes its statistics of both."""

from __future__ import annotations

from typing import Any

import torch
from mmdet3d.registry import MODELS
from torch import Tensor

from .strl import STRL, byol_loss, projection_spread


def join_views(view_1: dict, view_2: dict) -> dict:
    """Make one batch of two, as if the detector's preprocessor had been given all their clouds at once.

    Args:
        view_1: The detector's inputs for B clouds: the list ``points``, and ``voxels`` or other dicts of tensors with a
            row for each voxel, of which ``coors`` (V, 1 + 3) begin with the number of their cloud.
        view_2: The same for as many other clouds.

    Returns:
        The inputs for the 2 B clouds, those of `view_1` first.

    Raises:
        ValueError: If the inputs hold something else, such as images.
    """
    joint: dict[str, Any] = {}
    for name, first in view_1.items():
        second = view_2[name]
        if isinstance(first, list):
            joint[name] = [*first, *second]
        elif isinstance(first, dict) and all(isinstance(value, Tensor) for value in first.values()):
            joint[name] = {key: torch.cat([value, second[key]]) for key, value in first.items()}
            if 'coors' in first:
                joint[name]['coors'][len(first['coors']) :, 0] += len(view_1['points'])
        else:
            raise ValueError(f'JointViewsSTRL cannot join the inputs {name!r} of two views: {type(first).__name__}')
    return joint


@MODELS.register_module()
class JointViewsSTRL(STRL):
    """`STRL` with both views in one batch of 2 B clouds, for each of the two networks.

    Half as many and larger passes, which may suit a GPU at small B; it takes the memory of both views. This is other
    mathematics: BatchNorm normalises with the statistics of both views together, as the paper does not say. Where
    BatchNorm takes no statistics the loss and its gradient are those of `STRL`. Arguments and methods are `STRL`'s.
    """

    def loss(self, view_1: dict, view_2: dict, **local_views: dict) -> dict[str, Tensor]:
        """The symmetric loss of a batch of pairs (paper, Eq. 1 and 2), of one pass through each network.

        Args:
            view_1: The detector's inputs for B >= 1 clouds.
            view_2: The same for the other view of each pair.
            local_views: Not supported.

        Returns:
            ``loss``: l(1 -> 2) + l(2 -> 1), in [0, 8]; ``spread``: of the online projections of both views.

        Raises:
            ValueError: If there are local views, or inputs that cannot be joined.
        """
        if local_views:
            raise ValueError(f'JointViewsSTRL takes no local views, but got {sorted(local_views)}: use STRL')
        views = join_views(view_1, view_2)
        with torch.no_grad():
            target_1, target_2 = self.target_projector(self.target_encoder(views)).chunk(2)  # (B, 256) each
        online = self.online_projector(self.online_encoder(views))  # (2 B, 256)
        mean = byol_loss(self.predictor(online), torch.cat([target_2, target_1]))
        return dict(loss=2 * mean, spread=projection_spread(online))
