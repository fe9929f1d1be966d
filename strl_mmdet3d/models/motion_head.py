"""Predicting from a BEV plane, so from one scan, which things will be elsewhere in the other frame. Ours.

One scan shows no motion. What can be learned is what moving things look like: cars, people and cyclists, and neither
walls nor poles. That is what a detector has to tell apart, and time teaches it without a label. A parked car looks like
one that drives, so it is found with them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from ..datasets.transforms.mark_moved import MOVED, STAYS
from ..errors import ConfigError
from .balanced_loss import balanced_loss
from .hidden_patches import at_cells, cells_of, is_within

LEAST_POINTS = 2
"""Cells with fewer marked points do not count: a single mark may be wrong."""


@MODELS.register_module()
class MotionHead(nn.Module):
    """Predict the cells whose points have moved, by the marks of `MarkMoved`.

    A cell of the plane counts if it is visible and has marked points; it has moved if most of them have.

    Args:
        in_channels: C of the plane.
        area: (x_min, y_min, z_min, x_max, y_max, z_max) that it covers, metres.
        loss_weight: Factor of the loss, above 0.

    Raises:
        ConfigError: If `loss_weight` is not above 0; when computing the loss, if the points are not marked.
    """

    def __init__(self, in_channels: int, area: Sequence[float], loss_weight: float = 1.0) -> None:
        super().__init__()
        if not loss_weight > 0:
            raise ConfigError(f'MotionHead: loss_weight is above 0, not {loss_weight}')
        self.area = tuple(area)
        self.loss_weight = loss_weight
        self.predict = nn.Conv2d(in_channels, 1, kernel_size=1)

    def loss(self, plane: Tensor, view: dict, other: dict) -> Tensor:
        """Compare the prediction with the marks.

        Args:
            plane: (B, C, H, W), of the visible points of the view.
            view: As `HidingPreprocessor` prepares it.
            other: The same of the other frame; not used, the marks already compare the two.

        Returns:
            A scalar.
        """
        if 'marks' not in view:
            raise ConfigError(
                "MotionHead needs marked points: give MultiView pair=[dict(type='MarkMoved')] and "
                "Pack3DDetInputs(keys=['points', 'pts_semantic_mask'])"
            )
        logits = self.predict(plane).float()[:, 0]  # (B, H, W)
        moved, stay = (
            count(view['whole'], view['marks'], kind, self.area, logits.shape[1:]) for kind in (MOVED, STAYS)
        )
        visible = ~at_cells(view['hidden'], logits.shape[1:])
        return self.loss_weight * balanced_loss(logits, moved > stay, visible & (moved + stay >= LEAST_POINTS))


def count(
    clouds: Sequence[Tensor], marks: Sequence[Tensor], kind: int, area: Sequence[float], grid: Sequence[int]
) -> Tensor:
    """Count the points of one mark in each cell of a grid: int64 (B, H, W); points outside the area do not count.

    Args:
        clouds: B x (N_i, 3 or more), metres.
        marks: B x (N_i,).
        kind: The mark.
        area: (x_min, y_min, z_min, x_max, y_max, z_max).
        grid: (H, W).
    """
    counts = []
    for points, marked in zip(clouds, marks, strict=True):
        cells = cells_of(points[is_within(points, area) & (marked == kind)], area, grid)
        counts.append(torch.bincount(cells, minlength=grid[0] * grid[1]).view(*grid))
    return torch.stack(counts)
