"""A classifier of shapes, built like mmdet3d's detectors. mmdet3d has no such model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmdet3d.models import Base3DDetector
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample
from torch import Tensor

from .stack_clouds import stack_clouds


@MODELS.register_module()
class ShapeClassifier(Base3DDetector):
    """Predict one class per cloud: a shape is a cloud with one instance.

    Args:
        backbone: The trunk, e.g. `PointNet`: (B, N, C) -> (B, D).
        cls_head: The head, a `ShapeClsHead`.
        data_preprocessor: A data preprocessor of mmdet3d. Defaults to a plain ``Det3DDataPreprocessor``.
        init_cfg: mmengine's config of the initialisation.
    """

    def __init__(
        self, backbone: dict, cls_head: dict, data_preprocessor: dict | None = None, init_cfg: dict | None = None
    ) -> None:
        super().__init__(data_preprocessor or dict(type='Det3DDataPreprocessor'), init_cfg)
        self.backbone = MODELS.build(backbone)
        self.cls_head = MODELS.build(cls_head)

    def extract_feat(self, batch_inputs: dict) -> Tensor:
        """Encode a batch. Pre-training projects exactly this vector, and the linear probe classifies it.

        Args:
            batch_inputs: ``points``, B clouds (N, C), all with the same N.

        Returns:
            (B, D).

        Raises:
            ValueError: If the clouds differ in their number of points.
        """
        return self.backbone(stack_clouds(batch_inputs['points']))

    def loss(
        self, batch_inputs: dict, batch_data_samples: Sequence[Det3DDataSample], **kwargs: Any
    ) -> dict[str, Tensor]:
        """Return the head's loss of a batch; see `ShapeClsHead.loss`."""
        return self.cls_head.loss(self.extract_feat(batch_inputs), batch_data_samples)

    def predict(
        self, batch_inputs: dict, batch_data_samples: Sequence[Det3DDataSample], **kwargs: Any
    ) -> list[Det3DDataSample]:
        """Add ``pred_instances_3d`` to the data samples, with ``labels_3d`` (1,) and ``scores_3d`` (1,)."""
        results = self.cls_head.predict(self.extract_feat(batch_inputs))
        return self.add_pred_to_datasample(list(batch_data_samples), results)

    def _forward(
        self, batch_inputs: dict, batch_data_samples: Sequence[Det3DDataSample] | None = None, **kwargs: Any
    ) -> Tensor:
        """Return the logits (B, K)."""
        return self.cls_head(self.extract_feat(batch_inputs))
