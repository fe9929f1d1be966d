"""Masked occupancy: predict which voxels hold points where patches of a scan are hidden.

The idea is of Occupancy-MAE (Min et al., 2022) and MAELi (Krispel et al., WACV 2024); the temporal form, which predicts
the other frame, is ours: what moves and what lies behind is learned from time. The numbers are our choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmdet3d.registry import MODELS
from mmengine.model import BaseModel
from torch import Tensor, nn

from ..errors import ConfigError
from .data_preprocessor import PairDataPreprocessor
from .select_feature import select


@MODELS.register_module()
class MaskedOccupancy(BaseModel):
    """Hide patches of the first view, and predict the occupied voxels of both views in them from the BEV plane.

    A voxel is a cell of the plane in x and y, and `height` in z. The plane's cells in hidden patches that hold points
    count, the occupied and the empty voxels with half of the weight each. Both views must lie in the same axes: the
    data set aligns poses, and no transform moves a view. Only ``online_encoder`` is kept.

    Args:
        encoder: A `DetectorEncoder` with one feature, a BEV plane (B, C, H, W).
        in_channels: C.
        patch: Side of a patch in metres, above 0.
        share: Share of the patches that is hidden, in (0, 1).
        height: Height of a voxel in metres, above 0.
        temporal: Whether the points of the second view are predicted too. Without, it is not used.

    Attributes:
        online_encoder: The encoder, under the name that the export looks for.
        head: (B, C, H, W) -> logits (B, Z, H, W).

    Raises:
        ConfigError: If an argument is out of its range, or the detector makes no voxels.
    """

    def __init__(
        self,
        encoder: dict,
        in_channels: int,
        patch: float = 1.28,
        share: float = 0.6,
        height: float = 0.5,
        temporal: bool = True,
    ) -> None:
        if not patch > 0 or not height > 0 or not 0 < share < 1:
            raise ConfigError(
                f'MaskedOccupancy: patch and height are above 0 and share in (0, 1), not {patch}, {height} and {share}'
            )
        online_encoder = MODELS.build(encoder)
        area = online_encoder.point_cloud_range
        if area is None:
            raise ConfigError('MaskedOccupancy needs a detector with voxels, whose point_cloud_range the plane covers')
        preprocessor = HidingPreprocessor(online_encoder.data_preprocessor, area, patch, share)
        super().__init__(data_preprocessor=preprocessor)
        online_encoder.data_preprocessor = None
        self.online_encoder = online_encoder
        self.area = tuple(area)
        self.temporal = temporal
        self.levels = max(1, round((area[5] - area[2]) / height))
        self.head = nn.Conv2d(in_channels, self.levels, kernel_size=1)

    def forward(
        self, inputs: dict, view_1: list[Tensor], view_2: list[Tensor], hidden: Tensor, mode: str = 'loss'
    ) -> dict[str, Tensor]:
        """Return ``{'loss': ...}`` for what `HidingPreprocessor` has prepared; `mode` is 'loss'."""
        if mode != 'loss':
            raise ValueError(f"MaskedOccupancy is only trained: mode 'loss', not {mode!r}")
        encoder = self.online_encoder
        plane = select(encoder.detector.extract_feat(inputs), encoder.features[0])  # (B, C, H, W)
        if not isinstance(plane, Tensor) or plane.ndim != 4:
            raise ConfigError(
                f'MaskedOccupancy reads a BEV plane (B, C, H, W): feature={encoder.features[0]!r} is none'
            )
        logits = self.head(plane).float()  # (B, Z, H, W)
        both = [torch.cat(pair) for pair in zip(view_1, view_2, strict=True)]
        occupied = occupancy(both if self.temporal else view_1, self.area, logits.shape[1:])
        counted = at_cells(hidden, logits.shape[2:]) & patches_with(occupied, hidden.shape[1:])
        return dict(loss=balanced_loss(logits, occupied, counted[:, None].expand_as(occupied)))


class HidingPreprocessor(PairDataPreprocessor):
    """Hide patches of the first view before its points become voxels.

    The draws come from torch's global generator, which `PretrainLoop` seeds for each iteration and rank.

    Args:
        detector: The detector's data preprocessor.
        area: (x_min, y_min, z_min, x_max, y_max, z_max) in metres.
        patch: Side of a patch in metres.
        share: Share of the patches that is hidden.
    """

    def __init__(self, detector: nn.Module, area: Sequence[float], patch: float, share: float) -> None:
        super().__init__(detector)
        self.area, self.share = tuple(area), share
        # (rows along y, columns along x)
        self.grid = tuple(max(1, round((area[axis + 3] - area[axis]) / patch)) for axis in (1, 0))

    def forward(self, data: dict, training: bool = False) -> dict:
        """Prepare a batch.

        Args:
            data: ``{'view_1': ..., 'view_2': ...}`` as a `TemporalPairDataset` is collated.
            training: Passed on to the detector's preprocessor.

        Returns:
            ``inputs``, what the detector sees of the first view; ``view_1`` and ``view_2``, all points B x (N_i, 3+);
            ``hidden``, bool (B, rows, columns), the hidden patches.
        """
        views = {view: [points.to(self.device) for points in data[view]['inputs']['points']] for view in data}
        hidden = torch.rand(len(views['view_1']), *self.grid, device=self.device) < self.share
        visible = []
        for points, patches in zip(views['view_1'], hidden, strict=True):
            kept = points[~patches.flatten()[cells_of(points, self.area, self.grid)]]
            if not len(kept):  # the detector needs a point
                patches.zero_()
                kept = points
            visible.append(kept)
        inputs = self.detector(dict(inputs=dict(points=visible), data_samples=None), training)['inputs']
        return dict(inputs=inputs, view_1=views['view_1'], view_2=views['view_2'], hidden=hidden)


def cells_of(points: Tensor, area: Sequence[float], grid: Sequence[int]) -> Tensor:
    """Return the number of each point's cell in a grid over x and y, row by row; outside, of the nearest cell.

    Args:
        points: (N, 3 or more).
        area: (x_min, y_min, z_min, x_max, y_max, z_max).
        grid: (rows along y, columns along x).

    Returns:
        int64 (N,).
    """
    place = []
    for axis, number in ((1, grid[0]), (0, grid[1])):
        share = (points[:, axis] - area[axis]) / (area[axis + 3] - area[axis])
        place.append((share * number).long().clamp(0, number - 1))
    return place[0] * grid[1] + place[1]


def occupancy(clouds: Sequence[Tensor], area: Sequence[float], shape: Sequence[int]) -> Tensor:
    """Return which voxels hold a point, bool (B, Z, H, W); points outside the area do not count.

    Args:
        clouds: B x (N_i, 3 or more), metres.
        area: (x_min, y_min, z_min, x_max, y_max, z_max).
        shape: (Z, H, W).
    """
    low, high = torch.tensor(area, device=clouds[0].device).view(2, 3)
    found = torch.zeros(len(clouds), *shape, dtype=torch.bool, device=clouds[0].device)
    for cloud, voxels in zip(clouds, found, strict=True):
        inside = cloud[((cloud[:, :3] >= low) & (cloud[:, :3] < high)).all(dim=1)]
        level = ((inside[:, 2] - low[2]) / (high[2] - low[2]) * shape[0]).long().clamp(max=shape[0] - 1)
        voxels.view(shape[0], -1)[level, cells_of(inside, area, shape[1:])] = True
    return found


def at_cells(patches: Tensor, grid: Sequence[int]) -> Tensor:
    """Return each cell's patch: (B, rows, columns) -> (B, H, W), by the cell's centre."""
    rows = ((torch.arange(grid[0], device=patches.device) + 0.5) * patches.shape[1] / grid[0]).long()
    columns = ((torch.arange(grid[1], device=patches.device) + 0.5) * patches.shape[2] / grid[1]).long()
    return patches[:, rows[:, None], columns]


def patches_with(occupied: Tensor, grid: Sequence[int]) -> Tensor:
    """Return the cells whose patch holds an occupied voxel: (B, Z, H, W) -> bool (B, H, W)."""
    columns = occupied.any(dim=1)
    patches = F.adaptive_max_pool2d(columns.float()[:, None], tuple(grid))[:, 0] > 0
    return at_cells(patches, columns.shape[1:])


def balanced_loss(logits: Tensor, occupied: Tensor, counted: Tensor) -> Tensor:
    """Cross entropy over the voxels that count, the occupied and the empty ones with half of the weight each.

    Args:
        logits: Any shape.
        occupied: bool, the same shape.
        counted: bool, the same shape.

    Returns:
        A scalar; log 2 for logits of 0. 0 if no voxel counts, so that a batch without a hidden point changes nothing.
    """
    losses = F.binary_cross_entropy_with_logits(logits, occupied.float(), reduction='none')
    halves: list[Any] = [losses[counted & which] for which in (occupied, ~occupied)]
    means = [half.mean() for half in halves if len(half)]
    return torch.stack(means).mean() if means else logits.sum() * 0
