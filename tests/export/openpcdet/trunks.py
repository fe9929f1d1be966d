"""The detectors that both toolboxes have, on a small and lopsided range, with random values in every tensor."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from strl_mmdet3d.export.openpcdet import DETECTORS
from strl_mmdet3d.export.provenance import sealed
from strl_mmdet3d.export.trunk_settings import trunk_settings
from strl_mmdet3d.models.detector_kinds import default_trunk
from strl_mmdet3d.models.encoder import build_detector, detector_config


@dataclass
class Trunk:
    """A detector of mmdet3d, and what OpenPCDet's config of it says."""

    name: str
    low: list[float]
    high: list[float]
    size: list[float]
    grid: tuple[int, int, int]
    """Voxels in (z, y, x); one in z for pillars."""
    strides: list[int]
    upsampling: list[float]
    columns: int
    override: dict[str, Any] = field(default_factory=dict)
    key_points: int = 0

    @property
    def prefix(self) -> str:
        return DETECTORS[self.name].prefix

    def config(self, **changes: Any) -> Config:
        init_default_scope('mmdet3d')
        range_ = [*self.low, *self.high]
        override = {'data_preprocessor.voxel_layer.point_cloud_range': range_} | self.override
        if self.grid[0] == 1:
            override |= {f'{self.prefix}voxel_encoder.point_cloud_range': range_}
            override |= {f'{self.prefix}middle_encoder.output_shape': list(self.grid[1:])}
        else:
            override |= {f'{self.prefix}middle_encoder.sparse_shape': [self.grid[0] + 1, *self.grid[1:]]}
        return Config(dict(model=detector_config(DETECTORS[self.name].stock, override | changes)))

    def cloud(self, seed: int = 0, points: int = 300) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        low, high = torch.tensor(self.low), torch.tensor(self.high)
        xyz = low + 1e-3 + (high - low - 2e-3) * torch.rand(points, 3, generator=generator)
        return torch.cat([xyz, torch.rand(points, self.columns - 3, generator=generator)], dim=1)


SOURCES = {f'points_encoder.voxel_sa_cfgs_list.{source}.sample_nums': (2048, 2048) for source in range(4)}
KITTI_VOXELS: dict[str, Any] = dict(
    low=[0.0, -0.8, -3.0], high=[3.2, 0.8, 1.0], size=[0.05, 0.05, 0.1], grid=(40, 32, 64), columns=4
)
TRUNKS = {
    'second': Trunk('second', strides=[1, 2], upsampling=[1, 2], **KITTI_VOXELS),
    'pvrcnn': Trunk(
        'pvrcnn',
        strides=[1, 2],
        upsampling=[1, 2],
        key_points=16,
        override={
            'points_encoder.point_cloud_range': [0.0, -0.8, -3.0, 3.2, 0.8, 1.0],
            'points_encoder.num_keypoints': 16,
            # The maximum over all voxels in a ball does not depend on their order.
            'points_encoder.rawpoints_sa_cfgs.sample_nums': (2048, 2048),
            **SOURCES,
        },
        **KITTI_VOXELS,
    ),
    'pointpillars': Trunk(
        'pointpillars',
        low=[0.0, -1.28, -3.0],
        high=[5.12, 1.28, 1.0],
        size=[0.16, 0.16, 4.0],
        grid=(1, 16, 32),
        strides=[2, 2, 2],
        upsampling=[1, 2, 4],
        columns=4,
    ),
    'centerpoint_voxel': Trunk(
        'centerpoint_voxel',
        low=[-3.2, -1.6, -5.0],
        high=[3.2, 1.6, 3.0],
        size=[0.1, 0.1, 0.2],
        grid=(40, 32, 64),
        strides=[1, 2],
        upsampling=[1, 2],
        columns=5,
    ),
    'centerpoint_pillar': Trunk(
        'centerpoint_pillar',
        low=[-3.2, -1.6, -5.0],
        high=[3.2, 1.6, 3.0],
        size=[0.2, 0.2, 8.0],
        grid=(1, 16, 32),
        strides=[2, 2, 2],
        upsampling=[0.5, 1, 2],
        columns=5,
        override={'pts_voxel_encoder.feat_channels': [64, 64]},  # two layers, as in OpenPCDet's configs
    ),
}


def random_detector(config: Config, seed: int = 0) -> nn.Module:
    """Build a detector in use; every running mean, scale and shift of it has a value of its own."""
    torch.manual_seed(seed)
    model = build_detector(config.model).eval()
    for name, tensor in model.state_dict().items():
        if name.endswith('num_batches_tracked'):
            tensor.fill_(7)
        elif name.endswith('running_var') or (name.endswith('weight') and tensor.ndim == 1):
            tensor.uniform_(0.5, 1.5)
        elif tensor.ndim == 1:
            tensor.normal_(0, 0.2)
        else:  # a weight: keeps the size of its input's numbers, whichever of its axes is the input's
            tensor.normal_(0, (2 / (tensor.numel() / max(tensor.shape[0], tensor.shape[-1]))) ** 0.5)
    return model


def exported_trunk(model: nn.Module, config: Config, parts: list[str] | None = None) -> dict[str, Any]:
    """The detector's trunk as an exported encoder."""
    children = [child for child, _ in model.named_children() if child != 'data_preprocessor']
    trunk = parts or default_trunk(children)
    state_dict = OrderedDict(
        (name, tensor.clone()) for name, tensor in model.state_dict().items() if name.split('.')[0] in trunk
    )
    state_dict._metadata = model.state_dict()._metadata
    origin = dict(source='epoch_1.pth', epoch=1, iter=10, seed=0, pretrained_at='', config='', compared_with='')
    return sealed(state_dict, trunk, trunk_settings(config.model, trunk), [], **origin)


@torch.no_grad()
def features(model: Any, trunk: Trunk, cloud: Tensor) -> tuple[Tensor, Tensor | None]:
    """The trunk's features in mmdet3d: the plane behind the neck (1, C, H, W), and PV-RCNN's fused key points."""
    inputs = model.data_preprocessor(dict(inputs=dict(points=[cloud.clone()]), data_samples=None))['inputs']
    voxels = inputs['voxels']
    parts = {part: getattr(model, f'{trunk.prefix}{part}') for part in ('voxel_encoder', 'middle_encoder')}
    inside = parts['voxel_encoder'](voxels['voxels'], voxels['num_points'], voxels['coors'])
    plane = parts['middle_encoder'](inside, voxels['coors'], 1)
    plane, stages = plane if isinstance(plane, tuple) else (plane, None)
    neck = getattr(model, f'{trunk.prefix}neck')(getattr(model, f'{trunk.prefix}backbone')(plane))[0]
    if not trunk.key_points:
        return neck, None
    feats = dict(multi_scale_3d_feats=stages, spatial_feats=plane)
    return neck, model.points_encoder(inputs, feats, None)['fusion_keypoint_features']
