"""The names of each detector's tensors in mmdetection3d and in OpenPCDet, and what else OpenPCDet has fixed.

The names were read off the definitions of both toolboxes' networks (github.com/open-mmlab/OpenPCDet). In a rule,
``{s}`` stands for a number, ``{s+1}`` for the next one, and ``*`` for the rest of a name. The first rule that fits
counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

Rules = tuple[tuple[str, str], ...]

VOXELS: Rules = (  # SparseEncoder of plain convolutions -> VoxelBackBone8x
    ('middle_encoder.conv_input.*', 'backbone_3d.conv_input.*'),
    ('middle_encoder.encoder_layers.encoder_layer{s}.{b}.*', 'backbone_3d.conv{s}.{b}.*'),
    ('middle_encoder.conv_out.*', 'backbone_3d.conv_out.*'),
)
RESIDUAL_VOXELS: Rules = (  # SparseEncoder of basic blocks -> VoxelResBackBone8x
    ('middle_encoder.conv_input.*', 'backbone_3d.conv_input.*'),
    # The convolution with stride 2 ends a stage in mmdet3d, and begins the next one in OpenPCDet.
    ('middle_encoder.encoder_layers.encoder_layer{s}.2.*', 'backbone_3d.conv{s+1}.0.*'),
    ('middle_encoder.encoder_layers.encoder_layer1.{b}.*', 'backbone_3d.conv1.{b}.*'),
    ('middle_encoder.encoder_layers.encoder_layer{s}.{b}.*', 'backbone_3d.conv{s}.{b+1}.*'),
    ('middle_encoder.conv_out.*', 'backbone_3d.conv_out.*'),
)
PILLARS: Rules = (  # PillarFeatureNet -> PillarVFE
    ('voxel_encoder.pfn_layers.{l}.*', 'vfe.pfn_layers.{l}.*'),
)
PLANE: Rules = (  # SECOND and SECONDFPN -> BaseBEVBackbone, which pads in a layer of its own, the first of each block
    ('backbone.blocks.{b}.{l}.*', 'backbone_2d.blocks.{b}.{l+1}.*'),
    ('neck.deblocks.{b}.{l}.*', 'backbone_2d.deblocks.{b}.{l}.*'),
)
KEY_POINTS: Rules = (  # VoxelSetAbstraction: convolution, normalisation and ReLU are three layers in OpenPCDet
    ('points_encoder.rawpoints_sa_layer.mlps.{k}.layer{l}.conv.*', 'pfe.SA_rawpoints.mlps.{k}.{3l}.*'),
    ('points_encoder.rawpoints_sa_layer.mlps.{k}.layer{l}.bn.*', 'pfe.SA_rawpoints.mlps.{k}.{3l+1}.*'),
    ('points_encoder.voxel_sa_layers.{s}.mlps.{k}.layer{l}.conv.*', 'pfe.SA_layers.{s}.mlps.{k}.{3l}.*'),
    ('points_encoder.voxel_sa_layers.{s}.mlps.{k}.layer{l}.bn.*', 'pfe.SA_layers.{s}.mlps.{k}.{3l+1}.*'),
    ('points_encoder.point_feature_fusion_layer.0.conv.*', 'pfe.vsa_point_feature_fusion.0.*'),
    ('points_encoder.point_feature_fusion_layer.0.bn.*', 'pfe.vsa_point_feature_fusion.1.*'),
)

PLANE_SETTINGS: dict[str, Any] = {
    'backbone.type': 'SECOND',
    'backbone.norm_cfg.eps': 1e-3,
    'backbone.conv_cfg.bias': False,
    'neck.type': 'SECONDFPN',
    'neck.norm_cfg.eps': 1e-3,
    'neck.upsample_cfg.type': 'ConvTranspose2d',
    'neck.upsample_cfg.bias': False,
    'neck.conv_cfg.bias': False,
}
VOXEL_SETTINGS: dict[str, Any] = {
    'voxel_encoder.type': 'HardSimpleVFE',
    'middle_encoder.type': 'SparseEncoder',
    'middle_encoder.norm_cfg.eps': 1e-3,
    'middle_encoder.order': ['conv', 'norm', 'act'],
}
PILLAR_SETTINGS: dict[str, Any] = {
    'voxel_encoder.type': 'PillarFeatureNet',
    'voxel_encoder.norm_cfg.eps': 1e-3,
    'voxel_encoder.mode': 'max',
    'voxel_encoder.with_cluster_center': True,
    'voxel_encoder.with_voxel_center': True,
    'middle_encoder.type': 'PointPillarsScatter',
}
KEY_POINT_SETTINGS: dict[str, Any] = {
    'points_encoder.type': 'VoxelSetAbstraction',
    'points_encoder.norm_cfg.eps': 1e-5,
    'points_encoder.rawpoints_sa_cfgs.norm_cfg.eps': 1e-5,
    'points_encoder.rawpoints_sa_cfgs.pool_mod': 'max',
    'points_encoder.rawpoints_sa_cfgs.use_xyz': True,
    **{f'points_encoder.voxel_sa_cfgs_list.{source}.norm_cfg.eps': 1e-5 for source in range(4)},
    **{f'points_encoder.voxel_sa_cfgs_list.{source}.pool_mod': 'max' for source in range(4)},
    **{f'points_encoder.voxel_sa_cfgs_list.{source}.use_xyz': True for source in range(4)},
    **{f'points_encoder.voxel_sa_cfgs_list.{source}.scale_factor': 2**source for source in range(4)},
    'points_encoder.bev_scale_factor': 8,
}


@dataclass(frozen=True)
class Detector:
    """A detector that both toolboxes have.

    Attributes:
        stock: mmdet3d's config of it, whose trunk has the layers of OpenPCDet's.
        rules: mmdet3d's name -> OpenPCDet's.
        settings: mmdet3d's setting -> the only value that computes what OpenPCDet's code computes. A part whose
            settings are not there, because it was not pre-trained, is not compared.
        prefix: What mmdet3d writes before the names of the detector's children.
        residual: Whether the voxel backbone consists of basic blocks, whose convolutions have a bias in OpenPCDet.
    """

    stock: str
    rules: Rules
    settings: Mapping[str, Any] = field(default_factory=dict)
    prefix: str = ''
    residual: bool = False


DETECTORS: dict[str, Detector] = {
    'second': Detector(
        'mmdet3d::second/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py',
        VOXELS + PLANE,
        VOXEL_SETTINGS | PLANE_SETTINGS | {'middle_encoder.block_type': 'conv_module'},
    ),
    'pointpillars': Detector(
        'mmdet3d::pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py',
        PILLARS + PLANE,
        PILLAR_SETTINGS | PLANE_SETTINGS,
    ),
    'pvrcnn': Detector(
        'mmdet3d::pv_rcnn/pv_rcnn_8xb2-80e_kitti-3d-3class.py',
        VOXELS + PLANE + KEY_POINTS,
        VOXEL_SETTINGS | PLANE_SETTINGS | KEY_POINT_SETTINGS | {'middle_encoder.block_type': 'conv_module'},
    ),
    'centerpoint_voxel': Detector(
        'mmdet3d::centerpoint/centerpoint_voxel01_second_secfpn_8xb4-cyclic-20e_nus-3d.py',
        RESIDUAL_VOXELS + PLANE,
        VOXEL_SETTINGS | PLANE_SETTINGS | {'middle_encoder.block_type': 'basicblock'},
        prefix='pts_',
        residual=True,
    ),
    'centerpoint_pillar': Detector(
        'mmdet3d::centerpoint/centerpoint_pillar02_second_secfpn_8xb4-cyclic-20e_nus-3d.py',
        PILLARS + PLANE,
        PILLAR_SETTINGS | PLANE_SETTINGS,
        prefix='pts_',
    ),
}
"""Name of a detector, as the tool takes it -> what the toolboxes call its parts."""

STRIDED_PADDINGS = [[1, 1, 1], [1, 1, 1], [0, 1, 1]]
"""Paddings (z, y, x) of OpenPCDet's three convolutions with stride 2. Submanifold convolutions need none."""

NOT_OF_THE_TRUNK = {
    'global_step': "OpenPCDet's count of steps",
    'dense_head': "the dense head's, which is not pre-trained",
    'point_head': "the point head's, which is not pre-trained",
    'roi_head': "the RoI head's, which is not pre-trained",
}
"""First component of a name in OpenPCDet's files -> why such tensors are dropped."""

PLACE = re.compile(r'\{(\d*)(\w)(?:\+(\d))?\}')


def openpcdet_name(name: str, detector: Detector) -> str | None:
    """Return OpenPCDet's name of a tensor, or None if no rule fits.

    Args:
        name: mmdet3d's name.
        detector: The detector that has it.
    """
    if not name.startswith(detector.prefix):
        return None
    for ours, theirs in detector.rules:
        found = _pattern(ours).fullmatch(name.removeprefix(detector.prefix))
        if found:
            numbers = found.groupdict()
            rest = numbers.pop('rest')
            return PLACE.sub(partial(_number, numbers), theirs).replace('*', rest)
    return None


def _pattern(rule: str) -> re.Pattern[str]:
    """Return the expression of the names that a rule's first half stands for."""
    text = re.escape(rule).replace(r'\*', '(?P<rest>.+)')
    return re.compile(re.sub(r'\\\{(\w)\\\}', r'(?P<\1>[0-9]+)', text))


def _number(numbers: Mapping[str, str], place: re.Match[str]) -> str:
    """Return the number at a place such as ``{3l+1}``."""
    factor, letter, more = place.groups()
    return str(int(factor or 1) * int(numbers[letter]) + int(more or 0))


def different_settings(settings: Mapping[str, Any], detector: Detector) -> list[str]:
    """Compare the settings of a trunk in mmdet3d with what OpenPCDet's code has fixed.

    Args:
        settings: The result of `trunk_settings`.
        detector: The detector.

    Returns:
        A line for each setting with which the tensors would compute something else in OpenPCDet.
    """
    found = {name.removeprefix(detector.prefix): value for name, value in settings.items()}
    lines = [
        f'{detector.prefix}{name} is {found[name]!r}, and OpenPCDet has {value!r}'
        for name, value in detector.settings.items()
        if name in found and found[name] != value
    ]
    if 'middle_encoder.encoder_paddings' in found:
        paddings = _strided(found['middle_encoder.encoder_paddings'], detector.residual)
        if paddings != STRIDED_PADDINGS:
            lines.append(
                f'{detector.prefix}middle_encoder.encoder_paddings pads the convolutions with stride 2 by {paddings}, '
                f'and OpenPCDet by {STRIDED_PADDINGS}'
            )
    return lines


def _strided(paddings: Any, residual: bool) -> list[list[int]]:
    """Return the paddings (z, y, x) of the convolutions with stride 2: the last of a residual stage, else the first."""
    of_strided = [stage[-1] for stage in paddings[:-1]] if residual else [stage[0] for stage in paddings[1:]]
    return [[each] * 3 if isinstance(each, int) else list(each) for each in of_strided]
