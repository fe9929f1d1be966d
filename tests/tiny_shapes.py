"""Labelled shapes that a probe tells apart, a tiny shape model, and a config of both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.registry import DATASETS, MODELS, TRANSFORMS
from mmdet3d.structures import DepthPoints
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.utils.data import Dataset

CLASSES = ['ball', 'stick', 'plate']
SIZES = np.array([[1, 1, 1], [1, 0.05, 0.05], [1, 1, 0.05]])


@MODELS.register_module(force=True)
class TinyShapeModel(BaseModel):
    """Per-point layers with BatchNorm and a maximum; a head that no probe wants."""

    def __init__(self, width: int = 16, data_preprocessor: dict | None = None) -> None:
        super().__init__(data_preprocessor or dict(type='Det3DDataPreprocessor'))
        self.backbone = nn.Sequential(
            nn.Conv1d(3, width, 1, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Conv1d(width, width, 1, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
        )
        self.cls_head = nn.Linear(width, len(CLASSES))

    def extract_feat(self, inputs: dict) -> Tensor:
        return self.backbone(torch.stack(inputs['points']).transpose(1, 2)).amax(dim=2)

    def forward(self, inputs: dict, data_samples: list | None = None, mode: str = 'tensor') -> Tensor:
        return self.cls_head(self.extract_feat(inputs))


@TRANSFORMS.register_module(force=True)
class TakeCloud(BaseTransform):
    """The points, as mmdet3d's transforms want them."""

    def transform(self, results: dict) -> dict:
        return dict(results, points=DepthPoints(results['cloud'], points_dim=3))


@DATASETS.register_module(force=True)
class TinyShapes(Dataset):
    """Ellipsoids of three kinds, their sizes and place a pure function of seed and index."""

    def __init__(self, pipeline: list, counts: list[int], seed: int = 0, classes: list[str] = CLASSES) -> None:
        self.pipeline, self.seed, self.metainfo = Compose(pipeline), seed, dict(classes=tuple(classes))
        self.labels = np.repeat(np.arange(len(counts)), counts)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict:
        rng = np.random.default_rng([self.seed, index])
        label = self.labels[index]
        points = rng.normal(size=(80, 3))
        points *= SIZES[label] * rng.uniform(0.8, 1.2, 3) / np.linalg.norm(points, axis=1, keepdims=True)
        return self.pipeline(dict(cloud=points.astype(np.float32), gt_labels_3d=np.array([label])))


def tiny_model(**changes) -> ConfigDict:
    """The model's config."""
    return ConfigDict(dict(type='TinyShapeModel') | changes)


def tiny_dataset(counts: list[int], seed: int = 0, num_points: int = 60) -> ConfigDict:
    """A data set's config, with as many shapes of each class, of 80 points before the sampling."""
    pipeline = [
        dict(type='TakeCloud'),
        dict(type='DownSamplePoints', num_points=num_points),
        dict(type='Pack3DDetInputs', keys=['points', 'gt_labels_3d']),
    ]
    return ConfigDict(type='TinyShapes', counts=counts, seed=seed, pipeline=pipeline)


def write_shape_config(path: Path, **changes) -> Path:
    """Write a downstream config of the tiny model and shapes."""
    train, test = tiny_dataset([12, 10, 4], seed=0), tiny_dataset([6, 5, 4], seed=1)
    config = dict(
        default_scope='mmdet3d',
        model=tiny_model(),
        train_dataloader=dict(batch_size=2, dataset=dict(type='RepeatDataset', times=2, dataset=train)),
        test_dataloader=dict(batch_size=2, dataset=test),
    )
    Config(config | changes).dump(path)
    return path


def tiny_shape_strl(**changes) -> ConfigDict:
    """STRL around the tiny shape model."""
    config = dict(
        type='STRL',
        encoder=dict(type='DetectorEncoder', detector=tiny_model()),
        projector=dict(type='ProjectionMLP', in_channels=16, hidden_channels=32, out_channels=8),
        predictor=dict(type='ProjectionMLP', in_channels=8, hidden_channels=32, out_channels=8),
    )
    return ConfigDict(config | changes)
