"""Pre-training without a target network: heads predict from one partly hidden scan what the pair of frames shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmdet3d.registry import MODELS
from mmengine.model import BaseModel
from torch import Tensor, nn

from ..errors import ConfigError
from .hidden_patches import HidingPreprocessor
from .select_feature import select


@MODELS.register_module()
class PlanePrediction(BaseModel):
    """Hide patches of both views, and let heads predict from the detector's BEV plane of each.

    For a head that compares the views, both must lie in the same axes: the data set aligns poses, and no transform
    moves a view. Only ``online_encoder`` is kept.

    Args:
        encoder: A `DetectorEncoder` whose first feature is a BEV plane (B, C, H, W).
        in_channels: C.
        heads: Name -> head, such as ``occupancy=dict(type='OccupancyHead')`` and ``motion=dict(type='MotionHead')``. A
            head that is None is left out, so a child config can drop it.
        patch: Side of a hidden patch in metres, above 0.
        share: Share of the patches that is hidden, in [0, 1).

    Attributes:
        online_encoder: The encoder, under the name that the export looks for.

    Raises:
        ConfigError: If an argument is out of its range, or the detector makes no voxels.
    """

    def __init__(
        self, encoder: dict, in_channels: int, heads: dict[str, dict | None], patch: float = 1.28, share: float = 0.6
    ) -> None:
        online_encoder = MODELS.build(encoder)
        area = area_of(online_encoder)
        super().__init__(data_preprocessor=HidingPreprocessor(online_encoder.data_preprocessor, area, patch, share))
        online_encoder.data_preprocessor = None
        self.online_encoder = online_encoder
        self.heads = build_heads(heads, in_channels, area)

    def forward(self, view_1: dict, view_2: dict, mode: str = 'loss') -> dict[str, Tensor]:
        """Return ``{'loss_NAME': ...}`` for what `HidingPreprocessor` has prepared, the mean over both views.

        ``mode`` is 'loss'.
        """
        if mode != 'loss':
            raise ValueError(f"PlanePrediction is only trained: mode 'loss', not {mode!r}")
        encoder = self.online_encoder
        both = []
        for view, other in ((view_1, view_2), (view_2, view_1)):
            plane = plane_of(encoder.extract(view), encoder.features[0])
            both.append(head_losses(self.heads, plane, view, other))
        return {f'loss_{name}': (both[0][name] + both[1][name]) / 2 for name in self.heads}


def area_of(encoder: Any) -> Sequence[float]:
    """Return the range that an encoder's BEV planes cover.

    Raises:
        ConfigError: If the detector makes no voxels.
    """
    if encoder.point_cloud_range is None:
        raise ConfigError('heads read a BEV plane of a detector with voxels, whose point_cloud_range the plane covers')
    return encoder.point_cloud_range


def build_heads(heads: dict[str, dict | None], in_channels: int, area: Sequence[float]) -> nn.ModuleDict:
    """Build the heads that are not None.

    Raises:
        ConfigError: If there is none.
    """
    chosen = {name: head for name, head in heads.items() if head is not None}
    if not chosen:
        raise ConfigError('heads has no head: give one, such as heads=dict(occupancy=dict(type="OccupancyHead"))')
    return nn.ModuleDict(
        {name: MODELS.build(dict(head, in_channels=in_channels, area=area)) for name, head in chosen.items()}
    )


def head_losses(heads: nn.ModuleDict, plane: Tensor, view: dict, other: dict) -> dict[str, Tensor]:
    """Return each head's loss on the plane of a view; see the heads' ``loss``."""
    modules: dict[str, Any] = dict(heads.items())
    return {name: head.loss(plane, view, other) for name, head in modules.items()}


def plane_of(features: Any, name: str | None) -> Tensor:
    """Return the BEV plane (B, C, H, W) in a detector's output.

    Raises:
        ConfigKeyError: If there is no such feature.
        ConfigError: If it is no plane.
    """
    plane = select(features, name)
    if not isinstance(plane, Tensor) or plane.ndim != 4:
        raise ConfigError(f'heads read a BEV plane (B, C, H, W): feature={name!r} is none')
    return plane
