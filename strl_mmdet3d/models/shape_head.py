"""The head of the classifier of shapes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ..errors import ConfigError


@MODELS.register_module()
class ShapeClsHead(BaseModule):
    """PointNet's and DGCNN's head: an MLP with BatchNorm, ReLU and drop-out, trained by cross-entropy.

    Args:
        in_channels: D, the width of the trunk's vector.
        num_classes: K.
        channels: Widths of the hidden layers. The default is PointNet's.
        dropout: Rate behind each hidden layer. The default is DGCNN's.
        label_smoothing: Share of the target that is spread over all classes. The default is DGCNN's.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        channels: Sequence[int] = (512, 256),
        dropout: float = 0.5,
        label_smoothing: float = 0.2,
    ) -> None:
        super().__init__()
        widths = [in_channels, *channels]
        layers: list[nn.Module] = []
        for width, wider in pairwise(widths):
            layers += [nn.Linear(width, wider, bias=False), nn.BatchNorm1d(wider), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], num_classes))
        self.num_classes = num_classes
        self.label_smoothing = label_smoothing

    def forward(self, features: Tensor) -> Tensor:
        """Score the classes: (B, D) to logits (B, K)."""
        return self.layers(features)

    def loss(self, features: Tensor, data_samples: Sequence[Det3DDataSample]) -> dict[str, Tensor]:
        """Compare the scores with the labels.

        Args:
            features: (B, D).
            data_samples: B data samples, with ``gt_instances_3d.labels_3d`` (1,).

        Returns:
            ``loss_cls``, a scalar.

        Raises:
            ConfigError: If a label is not in [0, K).
        """
        labels = torch.cat([sample.gt_instances_3d.labels_3d for sample in data_samples]).to(features.device)
        if not 0 <= int(labels.min()) <= int(labels.max()) < self.num_classes:
            raise ConfigError(
                f'the labels of a batch are in [{labels.min()}, {labels.max()}], but the head has {self.num_classes} '
                'classes: set model.cls_head.num_classes to the number of classes of the data'
            )
        return dict(loss_cls=cross_entropy(self(features), labels, label_smoothing=self.label_smoothing))

    def predict(self, features: Tensor) -> list[InstanceData]:
        """Predict the most probable class of each shape.

        Args:
            features: (B, D).

        Returns:
            B results, each with ``labels_3d`` (1,) and its probability ``scores_3d`` (1,).
        """
        scores, labels = self(features).softmax(dim=1).max(dim=1, keepdim=True)
        return [InstanceData(labels_3d=label, scores_3d=score) for label, score in zip(labels, scores, strict=True)]
