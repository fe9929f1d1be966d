"""Predicting from a BEV plane, so from one scan, what will be elsewhere in the other frame, and its boxes. Ours.

One scan shows no motion. What can be learned is what moving things look like: cars, people and cyclists, and neither
walls nor poles. That is what a detector has to tell apart, and time teaches it without a label. A parked car looks like
one that drives, so it is found with them. Detectors without labels begin with boxes around what moves, too (MODEST, You
et al., CVPR 2022); here they only teach the trunk.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from ..datasets.transforms.mark_moved import MOVED, STAYS
from ..errors import ConfigError
from .balanced_loss import balanced_loss
from .hidden_patches import at_cells, cells_of, is_within
from .rectangles import upright_boxes

BOX_CODE = 8
"""Numbers that a box is predicted as, see `MotionHead.encode`."""

BETA = 0.1
"""Where the smooth L1 loss of a number turns from square to linear: a tenth of a metre, or of a logarithm."""

LEAST_POINTS = 2
"""Cells with fewer marked points do not count: a single mark may be wrong."""


@MODELS.register_module()
class MotionHead(nn.Module):
    """Predict the cells whose points have moved, by the marks of `MarkMoved`.

    A cell of the plane counts if it is visible and has marked points; it has moved if most of them have. In a moved
    cell, the head also predicts the box around the points of its thing, hidden ones too (`upright_boxes`).

    Args:
        in_channels: C of the plane.
        area: (x_min, y_min, z_min, x_max, y_max, z_max) that it covers, metres.
        boxes: Whether boxes are predicted.
        loss_weight: Factor of the loss, above 0.

    Raises:
        ConfigError: If `loss_weight` is not above 0; when computing the loss, if the points are not marked.
    """

    def __init__(self, in_channels: int, area: Sequence[float], boxes: bool = True, loss_weight: float = 1.0) -> None:
        super().__init__()
        if not loss_weight > 0:
            raise ConfigError(f'MotionHead: loss_weight is above 0, not {loss_weight}')
        self.area = tuple(area)
        self.loss_weight = loss_weight
        self.boxes = boxes
        self.predict = nn.Conv2d(in_channels, 1 + (BOX_CODE if boxes else 0), kernel_size=1)

    def loss(self, plane: Tensor, view: dict, other: dict) -> Tensor:
        """Compare the prediction with the marks.

        Args:
            plane: (B, C, H, W), of the visible points of the view.
            view: As `HidingPreprocessor` prepares it.
            other: The same of the other frame; not used, the marks already compare the two.

        Returns:
            A scalar.
        """
        if 'marks' not in view or (self.boxes and 'things' not in view):
            raise ConfigError(
                "MotionHead needs marked points: give MultiView pair=[dict(type='MarkMoved')] and "
                "Pack3DDetInputs(keys=['points', 'pts_semantic_mask', 'pts_instance_mask'])"
            )
        predicted = self.predict(plane).float()  # (B, 1 + BOX_CODE, H, W)
        grid = predicted.shape[2:]
        moved, stay = (count(view['whole'], view['marks'], kind, self.area, grid) for kind in (MOVED, STAYS))
        counted = ~at_cells(view['hidden'], grid) & (moved + stay >= LEAST_POINTS)
        loss = balanced_loss(predicted[:, 0], moved > stay, counted)
        if self.boxes:
            codes, known = self.encode(view['whole'], view['things'], grid)
            known &= counted
            if known.any():
                found = predicted[:, 1:].permute(0, 2, 3, 1)[known]
                loss = loss + F.smooth_l1_loss(found, codes[known], beta=BETA)
        return self.loss_weight * loss

    def encode(self, clouds: Sequence[Tensor], things: Sequence[Tensor], grid: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return each cell's code of the box of its thing.

        Args:
            clouds: B x (N_i, 3 or more), metres.
            things: B x (N_i,), the number of each point's thing, or -1.
            grid: (H, W).

        Returns:
            The codes (B, H, W, BOX_CODE): x and y of the box from the middle of the cell, z, all in metres; the
            logarithms of length, width and height in metres; sine and cosine of twice the yaw, since front and rear
            are not told apart. And bool (B, H, W), the cells that hold a point of a thing.
        """
        lengths = torch.tensor([len(points) for points in clouds])
        cloud = torch.arange(len(clouds)).repeat_interleave(lengths).to(clouds[0].device)
        points, number = torch.cat([points[:, :3] for points in clouds]).float(), torch.cat([*things])
        of_thing = number >= 0
        points, cloud, number = points[of_thing], cloud[of_thing], number[of_thing]
        found, group = (cloud * 2**32 + number).unique(return_inverse=True)  # each cloud counts its own things
        x, y, z, *sizes, yaw = upright_boxes(points, group, len(found)).unbind(dim=1)

        # The thing of each cell; if points of several lie in it, the last one.
        inside = is_within(points, self.area)
        cells = cells_of(points, self.area, grid) + cloud * (grid[0] * grid[1])
        owner = torch.full((len(clouds) * grid[0] * grid[1],), -1, device=cells.device)
        owner.scatter_reduce_(0, cells[inside], group[inside], 'amax')

        known = owner >= 0
        (places,) = known.nonzero(as_tuple=True)
        thing, middles = owner[places], self.middles(places % (grid[0] * grid[1]), grid)
        of_box = torch.stack([z, *(size.log() for size in sizes), torch.sin(2 * yaw), torch.cos(2 * yaw)], dim=1)
        codes = points.new_zeros(len(owner), BOX_CODE)
        codes[places] = torch.cat([torch.stack([x, y], dim=1)[thing] - middles, of_box[thing]], dim=1)
        return codes.view(len(clouds), *grid, BOX_CODE), known.view(len(clouds), *grid)

    def middles(self, cells: Tensor, grid: Sequence[int]) -> Tensor:
        """Return x and y (N, 2) in metres of the middles of cells (N,), numbered row by row in a grid (H, W)."""
        low, high = torch.tensor(self.area, device=cells.device).view(2, 3)[:, :2]
        places = torch.stack([cells % grid[1], cells // grid[1]], dim=1) + 0.5
        return low + (high - low) * places / places.new_tensor([grid[1], grid[0]])


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
