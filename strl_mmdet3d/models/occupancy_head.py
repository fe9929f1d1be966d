"""Predicting from a BEV plane which voxels hold points where patches of the scan are hidden.

The idea is of Occupancy-MAE (Min et al., 2022) and MAELi (Krispel et al., WACV 2024); the temporal form, which predicts
the other frame too, is ours: what lies behind is learned from time. The numbers are our choice.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from ..errors import ConfigError
from .balanced_loss import balanced_loss
from .hidden_patches import at_cells, cells_of, is_within


@MODELS.register_module()
class OccupancyHead(nn.Module):
    """Predict the occupied voxels in hidden patches.

    A voxel is a cell of the plane in x and y, and `height` in z. The plane's cells in hidden patches that hold points
    count, the occupied and the empty voxels with half of the weight each.

    Args:
        in_channels: C of the plane.
        area: (x_min, y_min, z_min, x_max, y_max, z_max) that it covers, metres.
        height: Height of a voxel in metres, above 0.
        temporal: Whether the points of the other view are predicted too; both views must then lie in the same axes.
        loss_weight: Factor of the loss, above 0.

    Raises:
        ConfigError: If `height` or `loss_weight` is not above 0.
    """

    def __init__(
        self,
        in_channels: int,
        area: Sequence[float],
        height: float = 0.5,
        temporal: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if not height > 0 or not loss_weight > 0:
            raise ConfigError(f'OccupancyHead: height and loss_weight are above 0, not {height} and {loss_weight}')
        self.area = tuple(area)
        self.temporal = temporal
        self.loss_weight = loss_weight
        self.levels = max(1, round((area[5] - area[2]) / height))
        self.predict = nn.Conv2d(in_channels, self.levels, kernel_size=1)

    def loss(self, plane: Tensor, view: dict, other: dict) -> Tensor:
        """Compare the prediction with the points.

        Args:
            plane: (B, C, H, W), of the visible points of the view.
            view: As `HidingPreprocessor` prepares it.
            other: The same of the other frame.

        Returns:
            A scalar.
        """
        logits = self.predict(plane).float()  # (B, Z, H, W)
        clouds = view['whole']
        if self.temporal:
            clouds = [torch.cat(pair) for pair in zip(clouds, other['whole'], strict=True)]
        occupied = occupancy(clouds, self.area, logits.shape[1:])
        hidden = view['hidden']
        counted = at_cells(hidden, logits.shape[2:]) & patches_with(occupied, hidden.shape[1:])
        return self.loss_weight * balanced_loss(logits, occupied, counted[:, None].expand_as(occupied))


def occupancy(clouds: Sequence[Tensor], area: Sequence[float], shape: Sequence[int]) -> Tensor:
    """Return which voxels hold a point, bool (B, Z, H, W); points outside the area do not count.

    Args:
        clouds: B x (N_i, 3 or more), metres.
        area: (x_min, y_min, z_min, x_max, y_max, z_max).
        shape: (Z, H, W).
    """
    found = torch.zeros(len(clouds), *shape, dtype=torch.bool, device=clouds[0].device)
    for cloud, voxels in zip(clouds, found, strict=True):
        inside = cloud[is_within(cloud, area)]
        level = ((inside[:, 2] - area[2]) / (area[5] - area[2]) * shape[0]).long().clamp(max=shape[0] - 1)
        voxels.view(shape[0], -1)[level, cells_of(inside, area, shape[1:])] = True
    return found


def patches_with(occupied: Tensor, grid: Sequence[int]) -> Tensor:
    """Return the cells whose patch holds an occupied voxel: (B, Z, H, W) -> bool (B, H, W)."""
    columns = occupied.any(dim=1)
    patches = F.adaptive_max_pool2d(columns.float()[:, None], tuple(grid))[:, 0] > 0
    return at_cells(patches, columns.shape[1:])
