"""Stock models of mmdetection3d train and predict on the CPU, with coarse voxels and few points but every op."""

import pytest
import torch
from mmdet3d.registry import MODELS
from mmdet3d.structures import DepthInstance3DBoxes, Det3DDataSample, LiDARInstance3DBoxes, PointData
from mmengine.config import ConfigDict
from mmengine.hub import get_config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

import strl_mmdet3d.ops  # noqa: F401

# Voxel sizes and the grids that follow from them, four to ten times as coarse as the stock ones on the ground.
COARSER = {
    (0.05, 0.05, 0.1): [0.4, 0.5, 0.1],
    (41, 1600, 1408): [41, 160, 176],
    (0.16, 0.16, 4): [0.72, 0.62, 4],
    (496, 432): [128, 96],
    (0.2, 0.2, 8): [0.8, 0.8, 8],
    (0.2, 0.2): [0.8, 0.8],
    (512, 512): [128, 128],
    (512, 512, 1): [128, 128, 1],
}

# PV-RCNN's second stage pools 216 points for every proposal: a few proposals are enough here.
FEW_PROPOSALS = {
    'model.train_cfg.rpn_proposal.nms_post': 32,
    'model.train_cfg.rcnn.sampler.num': 16,
    'model.test_cfg.rpn.nms_post': 16,
}

CAR = [10.0, 2, -1, 3.9, 1.6, 1.56, 0.3]
CHAIR = [0.5, 0.5, 0.5, 0.6, 0.6, 1, 0.3]


def coarser(config):
    """The config with the lists that :data:`COARSER` names replaced, however deep."""
    if isinstance(config, dict):
        return {key: coarser(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        numbers = all(isinstance(value, (int, float)) for value in config)
        if numbers and tuple(config) in COARSER:
            return COARSER[tuple(config)]
        return type(config)(coarser(value) for value in config)
    return config


def labelled_scene(box, box_type, num_channels, low, high):
    """1500 points in a range, 300 of them in the one labelled box."""
    low, high, box = torch.tensor(low), torch.tensor(high), torch.tensor([box])
    points = torch.rand(1500, num_channels)
    points[:, :3] = low + points[:, :3] * (high - low)
    points[:300, :3] = box[:, :3] + (torch.rand(300, 3) - 0.5) * box[:, 3:6] * 0.7
    sample = Det3DDataSample(metainfo={'box_type_3d': box_type})
    boxes = box_type(box, box_dim=box.shape[1], origin=(0.5, 0.5, 0.5))
    sample.gt_instances_3d = InstanceData(bboxes_3d=boxes, labels_3d=torch.zeros(1, dtype=torch.long))
    sample.gt_pts_seg = PointData()
    return points, sample


def lidar_scene():
    return labelled_scene(CAR, LiDARInstance3DBoxes, 4, [0.5, -30.0, -2.5], [60.0, 30.0, 0.5])


def nuscenes_scene():
    return labelled_scene([*CAR, 0.0, 0.0], LiDARInstance3DBoxes, 5, [-40.0, -40.0, -3.0], [40.0, 40.0, 1.0])


def indoor_scene():
    return labelled_scene(CHAIR, DepthInstance3DBoxes, 4, [-2.0, -2.0, 0.0], [2.0, 2.0, 2.0])


def segmentation_scene():
    """The nine channels of S3DIS for training: position, colour, position in the room."""
    sample = Det3DDataSample()
    sample.gt_pts_seg = PointData(pts_semantic_mask=torch.randint(13, (1024,)))
    return torch.rand(1024, 9), sample


@pytest.mark.parametrize(
    ('name', 'scene'),
    [
        ('votenet/votenet_8xb16_sunrgbd-3d.py', indoor_scene),
        ('pv_rcnn/pv_rcnn_8xb2-80e_kitti-3d-3class.py', lidar_scene),
        ('pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py', lidar_scene),
        ('centerpoint/centerpoint_pillar02_second_secfpn_8xb4-cyclic-20e_nus-3d.py', nuscenes_scene),
        ('dgcnn/dgcnn_4xb32-cosine-100e_s3dis-seg_test-area5.py', segmentation_scene),
        ('pointnet2/pointnet2_ssg_2xb16-cosine-50e_s3dis-seg.py', segmentation_scene),
    ],
)
def test_trains_and_predicts(name, scene):
    torch.manual_seed(0)
    config = get_config(f'mmdet3d::{name}')
    if name.startswith('pv_rcnn'):
        config.merge_from_dict(FEW_PROPOSALS)
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        model = MODELS.build(ConfigDict(coarser(config.model)))
        points, samples = zip(*(scene() for _ in range(2)), strict=True)
        batch = {'inputs': {'points': list(points)}, 'data_samples': list(samples)}

        losses = model(**model.data_preprocessor(batch, training=True), mode='loss')
        loss, _ = model.parse_losses(losses)
        loss.backward()
        gradients = [parameter.grad for parameter in model.parameters()]
        assert loss.isfinite()
        assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
        assert any(gradient.any() for gradient in gradients)

        model.eval()
        with torch.no_grad():
            if scene is segmentation_scene:  # prediction would slide a window over a whole room
                outputs = model.encode_decode(torch.stack(points), None)
            else:
                results = model(**model.data_preprocessor(batch), mode='predict')
                outputs = torch.cat([result.pred_instances_3d.scores_3d for result in results])
        assert outputs.isfinite().all()
