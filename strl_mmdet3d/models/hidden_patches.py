"""Hiding patches of a scan from the detector, and the grids over x and y that patches and planes are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from .data_preprocessor import PairDataPreprocessor, require_pair


class HidingPreprocessor(PairDataPreprocessor):
    """Hide patches of the views before their points become voxels.

    The draws come from torch's global generator, which `PretrainLoop` seeds for each iteration and rank.

    Args:
        detector: The detector's data preprocessor.
        area: (x_min, y_min, z_min, x_max, y_max, z_max) in metres.
        patch: Side of a patch in metres, above 0.
        share: Share of the patches that is hidden, in [0, 1).

    Raises:
        ConfigError: If `patch` or `share` is out of its range.
    """

    def __init__(self, detector: nn.Module, area: Sequence[float], patch: float, share: float) -> None:
        if not patch > 0 or not 0 <= share < 1:
            raise ConfigError(f'hidden patches: patch is above 0 and share in [0, 1), not {patch} and {share}')
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
            What `PairDataPreprocessor` returns, of the visible points. Added to each view: ``whole``, all its points,
            B x (N_i, 3+); ``hidden``, bool (B, rows, columns), its hidden patches; and ``marks`` and ``things``, each
            B x (N_i,), what `MarkMoved` says of these points, if it was run.
        """
        prepared: dict[str, dict[str, Any]] = {}
        require_pair(data)
        for name, view in data.items():
            clouds = [points.to(self.device) for points in view['inputs']['points']]
            prepared[name] = dict(whole=clouds)
            samples = view['data_samples']
            for key, mask in (('marks', 'pts_semantic_mask'), ('things', 'pts_instance_mask')):
                if samples and all(mask in getattr(sample, 'gt_pts_seg', ()) for sample in samples):
                    prepared[name][key] = [sample.gt_pts_seg[mask].to(self.device) for sample in samples]
            visible, hidden = self.hide(clouds)
            inputs = self.prepare(dict(view, inputs=dict(view['inputs'], points=visible)), training)
            prepared[name] = dict(inputs, hidden=hidden, **prepared[name])
        return prepared

    def hide(self, clouds: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Draw the hidden patches of clouds B x (N_i, 3+); return the visible points, and bool (B, rows, columns)."""
        hidden = torch.rand(len(clouds), *self.grid, device=self.device) < self.share
        visible = []
        for points, patches in zip(clouds, hidden, strict=True):
            kept = points[~patches.flatten()[cells_of(points, self.area, self.grid)]]
            if not len(kept):  # the detector needs a point
                patches.zero_()
                kept = points
            visible.append(kept)
        return visible, hidden


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


def is_within(points: Tensor, area: Sequence[float]) -> Tensor:
    """Return which points (N, 3 or more) lie in an area (x_min, y_min, z_min, x_max, y_max, z_max): bool (N,)."""
    low, high = torch.tensor(area, device=points.device).view(2, 3)
    return ((points[:, :3] >= low) & (points[:, :3] < high)).all(dim=1)


def at_cells(patches: Tensor, grid: Sequence[int]) -> Tensor:
    """Return each cell's patch: (B, rows, columns) -> (B, H, W), by the cell's centre."""
    rows = ((torch.arange(grid[0], device=patches.device) + 0.5) * patches.shape[1] / grid[0]).long()
    columns = ((torch.arange(grid[1], device=patches.device) + 0.5) * patches.shape[2] / grid[1]).long()
    return patches[:, rows[:, None], columns]
