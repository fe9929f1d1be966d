"""Every kind of stock detector encodes clouds, and each cloud by itself; what needs images is refused in a sentence."""

from __future__ import annotations

import pytest
import torch
from mmdet3d.models import Base3DDetector
from mmdet3d.registry import MODELS
from mmengine.config import ConfigDict
from tiny import RANGE, tiny_detector
from torch import nn

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.models import DetectorEncoder, PairDataPreprocessor
from strl_mmdet3d.models.data_preprocessor import detector_inputs
from strl_mmdet3d.models.detector_kinds import default_trunk
from strl_mmdet3d.models.encoder import load_model_config

VOXEL = [0.5, 0.5, 0.5]


def of_voxels(kind, prefix='', voxel_type='hard', **changes):
    """A tiny detector of voxels: the tiny PointPillars' BEV part behind another kind's encoder."""
    tiny = tiny_detector()
    parts = {f'{prefix}{name}': tiny[name] for name in ('voxel_encoder', 'middle_encoder', 'backbone', 'neck')}
    parts |= {f'{prefix}bbox_head': tiny.bbox_head}
    config = ConfigDict(dict(type=kind, data_preprocessor=tiny.data_preprocessor, **parts))
    if voxel_type == 'dynamic':
        config.data_preprocessor.voxel_type = 'dynamic'
        config.data_preprocessor.voxel_layer.update(max_num_points=-1, max_voxels=(-1, -1))
    for key, value in changes.items():
        config[f'{prefix}{key}'] = value
    return config


def part_a2():
    tiny = tiny_detector()
    config = ConfigDict(
        type='PartA2',
        data_preprocessor=tiny.data_preprocessor,
        voxel_encoder=dict(type='HardSimpleVFE'),
        middle_encoder=dict(
            type='SparseUNet', in_channels=4, sparse_shape=[9, 32, 32], base_channels=4, output_channels=8,
            encoder_channels=((4,), (8, 8)), encoder_paddings=((1,), (1, 1)),
            decoder_channels=((8, 8, 4), (4, 4, 4)), decoder_paddings=((1, 0), (0, 1)),
        ),
        backbone=dict(tiny.backbone, in_channels=16),
        neck=tiny.neck,
    )  # fmt: skip
    config.data_preprocessor.voxel_layer.voxel_size = VOXEL
    return config


def point_net(in_channels=4):
    return dict(
        type='PointNet2SASSG', in_channels=in_channels, num_points=(32, 16), radius=(4.0, 8.0), num_samples=(8, 8),
        sa_channels=((8, 8), (8, 16)), fp_channels=((16, 16), (16, 12)),
    )  # fmt: skip


def segmentor(kind='EncoderDecoder3D', **changes):
    head = dict(type='PointNet2Head', num_classes=2, fp_channels=((16, 8), (8, 8)), channels=8)
    preprocessor = dict(type='Det3DDataPreprocessor')
    config = dict(type=kind, data_preprocessor=preprocessor, backbone=point_net(), decode_head=head)
    return ConfigDict(config | changes)


def minkunet():
    return segmentor(
        'MinkUNet',
        data_preprocessor=dict(
            type='Det3DDataPreprocessor', voxel=True, voxel_type='minkunet', max_voxels=80000,
            voxel_layer=dict(max_num_points=-1, point_cloud_range=RANGE, voxel_size=VOXEL, max_voxels=(-1, -1)),
        ),
        backbone=dict(
            type='MinkUNetBackbone', base_channels=4, num_stages=2, encoder_channels=[4, 8], encoder_blocks=[1, 1],
            decoder_channels=[8, 6], decoder_blocks=[1, 1], sparseconv_backend='spconv',
        ),
        decode_head=dict(type='MinkUNetHead', channels=6, num_classes=2),
    )  # fmt: skip


def votenet():
    config = load_model_config('mmdet3d::votenet/votenet_8xb8_scannet-3d.py')
    config.backbone = point_net()
    return config


def dgcnn():
    # mmdet3d's own trunk takes neighbours from other clouds: mmcv's knn reads its features as triples of coordinates.
    return segmentor(
        backbone=dict(
            type='FeatureKNNDGCNN', in_channels=4, num_samples=(4, 4), knn_modes=['F-KNN'] * 2, radius=(None, None),
            gf_channels=((8,), (8,)), fa_channels=(12,),
        ),
        decode_head=dict(type='DGCNNHead', fp_channels=(28, 8), num_classes=2, channels=8),
    )  # fmt: skip


class Radar(Base3DDetector):
    """A user's own detector, which asks for the metainfo as mmdet3d's of several modalities do."""

    def __init__(self, data_preprocessor=None, **_):
        super().__init__(data_preprocessor or dict(type='Det3DDataPreprocessor'))
        self.layer = nn.Linear(4, 6)
        self.my_head = nn.Linear(6, 1)

    def extract_feat(self, batch_inputs_dict, batch_input_metas):
        assert [dict(meta) for meta in batch_input_metas] == [{}] * len(batch_inputs_dict['points'])
        return self.layer(torch.cat(batch_inputs_dict['points']))

    def loss(self, *args, **kwargs): ...

    predict = _forward = loss


class Camera(Radar):
    """A user's own detector of images."""

    def extract_feat(self, img): ...


class Labelled(Radar):
    """A user's own detector whose features depend on labels."""

    def extract_feat(self, batch_inputs_dict, batch_data_samples): ...


@pytest.fixture(autouse=True)
def _users_detectors():
    """They are in the registry, and leave it again."""
    for kind in (Radar, Camera, Labelled):
        MODELS.register_module(module=kind, force=True)
    yield
    for kind in (Radar, Camera, Labelled):
        MODELS._module_dict.pop(kind.__name__)


EQUAL, UNEQUAL = (64, 64), (90, 40)
DYNAMIC = dict(voxel_encoder=dict(tiny_detector().voxel_encoder, type='DynamicPillarFeatureNet'))
DYNAMIC_VFE = dict(voxel_encoder=dict(tiny_detector().voxel_encoder, type='DynamicVFE'))
KINDS = {
    'MVXFasterRCNN': (lambda: of_voxels('MVXFasterRCNN', 'pts_'), '0', 16, UNEQUAL),
    'DynamicMVX': (lambda: of_voxels('DynamicMVXFasterRCNN', 'pts_', 'dynamic', **DYNAMIC_VFE), '0', 16, UNEQUAL),
    'DynamicVoxelNet': (lambda: of_voxels('DynamicVoxelNet', '', 'dynamic', **DYNAMIC), '0', 16, UNEQUAL),
    'PartA2 plane': (part_a2, 'neck_feats.0', 16, UNEQUAL),
    'PartA2 voxels': (part_a2, 'seg_features', 4, UNEQUAL),
    'VoteNet': (lambda: votenet(), 'fp_features.-1', 12, EQUAL),
    'PointNet++': (segmentor, 'fp_features.-1', 12, EQUAL),
    'DGCNN': (dgcnn, 'fa_points', 28, EQUAL),
    'MinkUNet': (minkunet, None, 6, UNEQUAL),
    'ImVoteNet': (lambda: ConfigDict(type='ImVoteNet', pts_backbone=point_net()), 'seed_features', 12, EQUAL),
    'own': (lambda: ConfigDict(type='Radar'), None, 6, UNEQUAL),
}


def clouds_of(sizes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    low, high = torch.tensor([*RANGE[:3], 0.0]), torch.tensor([*RANGE[3:], 1.0])
    return [low + (0.01 + 0.98 * torch.rand(size, 4, generator=generator)) * (high - low) for size in sizes]


@pytest.mark.parametrize(('config', 'feature', 'channels', 'sizes'), KINDS.values(), ids=KINDS)
def test_each_kind_encodes_each_cloud_by_itself(config, feature, channels, sizes):
    encoder = DetectorEncoder(config(), feature).eval()
    clouds = clouds_of(sizes)
    together = encoder(detector_inputs(encoder.data_preprocessor, clouds))
    alone = [encoder(detector_inputs(encoder.data_preprocessor, [cloud])) for cloud in clouds]
    assert together.shape == (2, channels)
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(*together)


@pytest.mark.parametrize(('config', 'feature', 'channels', 'sizes'), KINDS.values(), ids=KINDS)
def test_each_kind_trains_without_its_heads(config, feature, channels, sizes):
    encoder = DetectorEncoder(config(), feature).train()
    view = dict(inputs=dict(points=clouds_of(sizes)), data_samples=None)
    inputs = PairDataPreprocessor(encoder.data_preprocessor).train()(dict(view_1=view, view_2=view), True)['view_1']
    encoder(inputs).square().sum().backward()
    named = dict(encoder.detector.named_parameters())
    assert not [name for name in named if '_head' in name]
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in named.values())


@pytest.mark.parametrize('kind', ['VoteNet', 'PointNet++', 'DGCNN', 'ImVoteNet'])
def test_clouds_of_unequal_size_are_answered_with_what_to_do(kind):
    config, feature, _, _ = KINDS[kind]
    encoder = DetectorEncoder(config(), feature)
    assert encoder.stacks_clouds
    with pytest.raises(ConfigError, match='40 to 90 points: end their pipeline with DownSamplePoints'):
        encoder(detector_inputs(encoder.data_preprocessor, clouds_of(UNEQUAL)))


def test_a_voxel_encoder_alone_is_pooled_by_the_voxels_clouds():
    for config in (tiny_detector(), of_voxels('DynamicVoxelNet', '', 'dynamic', **DYNAMIC)):
        encoder = DetectorEncoder(config, trunk=['voxel_encoder']).eval()
        clouds = clouds_of(UNEQUAL)
        alone = [encoder(detector_inputs(encoder.data_preprocessor, [cloud])) for cloud in clouds]
        together = encoder(detector_inputs(encoder.data_preprocessor, clouds))
        torch.testing.assert_close(together, torch.cat(alone))


def fused():
    encoder = dict(
        type='DynamicVFE', feat_channels=[8], voxel_size=[0.5, 0.5, 4], point_cloud_range=RANGE,
        fusion_layer=dict(
            type='PointFusion', img_channels=4, pts_channels=8, mid_channels=4, out_channels=8, img_levels=[0]
        ),
    )  # fmt: skip
    return of_voxels('DynamicMVXFasterRCNN', 'pts_', 'dynamic', voxel_encoder=encoder)


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ('mmdet3d::imvoxelnet/imvoxelnet_8xb4_kitti-3d-car.py', 'ImVoxelNet detects in images'),
        ('mmdet3d::smoke/smoke_dla34_dlaneck_gn-all_4xb8-6x_kitti-mono3d.py', 'SMOKEMono3D detects in images'),
        (dict(type='MVXFasterRCNN', img_backbone=dict(type='mmdet.ResNet', depth=18)), 'detects in images'),
        (dict(type='ImVoteNet', img_backbone=dict(type='mmdet.ResNet', depth=18)), 'ImVoteNet detects in images'),
        (dict(type='mmdet.RetinaNet'), 'RetinaNet detects in images'),
        (dict(type='Camera'), 'Camera detects in images'),
        (dict(type='Labelled'), 'asks for batch_data_samples, which point clouds alone do not have'),
        (fused(), r"at pts_voxel_encoder\.fusion_layer.*override=\{'pts_voxel_encoder\.fusion_layer': None\}"),
    ],
)  # fmt: skip
def test_what_needs_more_than_clouds_is_refused(config, message):
    with pytest.raises(ConfigError, match=message):
        DetectorEncoder(config, override=None if isinstance(config, dict) else {'backbone.init_cfg': None})


def test_the_branch_of_points_is_pre_trained_without_the_images():
    encoder = DetectorEncoder(fused(), '0', override={'pts_voxel_encoder.fusion_layer': None})
    assert encoder(detector_inputs(encoder.data_preprocessor, clouds_of(UNEQUAL))).shape == (2, 16)
    children = ['pts_backbone', 'img_backbone', 'img_mlp', 'fusion_layer', 'pts_bbox_head_joint', 'pts_bbox_head']
    assert default_trunk(children) == ['pts_backbone']


def test_labels_are_not_asked_for():
    """In training mmdet3d's preprocessor makes labels of cylindrical voxels, out of labels that no pair has."""
    preprocessor = MODELS.build(
        dict(
            type='Det3DDataPreprocessor', voxel=True, voxel_type='cylindrical',
            voxel_layer=dict(grid_shape=[8, 8, 4], point_cloud_range=[0, -3.15, -3, 20, 3.15, 1], max_num_points=-1,
                             max_voxels=-1),
        )
    )  # fmt: skip
    for training in (True, False):
        inputs = detector_inputs(preprocessor.train(training), clouds_of(UNEQUAL), training)
        assert inputs['voxels']['coors'][:, 0].tolist() == [0] * 90 + [1] * 40
