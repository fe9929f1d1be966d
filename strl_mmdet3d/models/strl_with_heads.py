"""Dense STRL with heads beside it: the same forward pass also predicts what is hidden, and what has moved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from mmdet3d.registry import MODELS
from torch import Tensor

from ..errors import ConfigError
from .hidden_patches import HidingPreprocessor
from .plane_prediction import area_of, build_heads, head_losses, plane_of
from .strl import STRL


@MODELS.register_module()
class STRLWithHeads(STRL):
    """STRL whose online network sees views with hidden patches, and whose plane heads read, too.

    Each term of STRL's loss gets the heads' losses on its view, from the same forward pass. The target sees the same
    visible points. Each view lies in its own axes, so a head predicts its own view only. Only ``online_encoder`` is
    kept.

    Args:
        encoder: A `DetectorEncoder` whose first feature is a BEV plane (B, C, H, W).
        projector: As of `STRL`.
        predictor: As of `STRL`.
        in_channels: C.
        heads: Name -> head, as of `PlanePrediction`; none of them temporal.
        patch: Side of a hidden patch in metres, above 0.
        share: Share of the patches that is hidden, in [0, 1).
        contrast: As of `STRL`.

    Raises:
        ConfigError: If an argument is out of its range, the detector makes no voxels, or a head is temporal.
    """

    data_preprocessor: Any

    def __init__(
        self,
        encoder: dict,
        projector: dict,
        predictor: dict,
        in_channels: int,
        heads: dict[str, dict | None],
        patch: float = 1.28,
        share: float = 0.3,
        contrast: float | None = None,
    ) -> None:
        super().__init__(encoder, projector, predictor, contrast)
        area = area_of(self.online_encoder)
        self.data_preprocessor = HidingPreprocessor(self.data_preprocessor.detector, area, patch, share)
        self.heads = build_heads(heads, in_channels, area)
        for name, head in self.heads.items():
            if getattr(head, 'temporal', False):
                raise ConfigError(
                    f'STRLWithHeads moves each view by itself, so heads.{name} cannot predict the other one: set '
                    'temporal=False'
                )
        self._planes: dict[str, Tensor] = {}

    def terms(self, view_1: dict, view_2: dict, **local_views: dict) -> Iterator[Tensor]:
        """The terms of `STRL`, those of the whole views with the heads' losses on them."""
        if local_views:
            raise ConfigError('STRLWithHeads has no local views: set num_local=0')
        views: dict[str, Any] = dict(view_1=view_1, view_2=view_2)
        for (name, view), other, term in zip(
            views.items(), (view_2, view_1), super().terms(view_1, view_2), strict=True
        ):
            plane = self._planes.pop(name)
            yield torch.stack([term, *head_losses(self.heads, plane, view, other).values()]).sum()
            del plane

    def encode(self, name: str, view: dict) -> Tensor:
        """As of `STRL`; the plane is kept for the heads."""
        features = self.online_encoder.extract(view)
        self._planes[name] = plane_of(features, self.online_encoder.features[0])
        return self.online_encoder.vectors(features, view)
