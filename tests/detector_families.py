"""The families of mmdet3d's detectors, each with a pre-training config, made small enough for a second on a CPU.

Channels and layers are the stock config's, so that its tensors are too. What is cut is the range, and how many points,
votes and proposals there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import create_sequence_index
import numpy as np
import torch
from depth_data import write_scene
from mmdet3d.structures import DepthInstance3DBoxes, Det3DDataSample, LiDARInstance3DBoxes, PointData
from mmengine.config import Config, ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

from strl_mmdet3d.datasets import FrameSequence, write_sequence_index
from strl_mmdet3d.models.encoder import detector_config

LOAD_DIM = dict(kitti=4, nuscenes=5, lyft=5, waymo=6)
POINTS, FEW_POINTS = 800, 200  # of a made-up scan
ROOM = [-1.0, -1.0, 0.0, 1.0, 1.0, 2.0]  # metres
PLACE = [4.0, -1.0, -2.0, 6.0, 1.0, -0.5]  # metres, where a range is not cut: near, as scattered voxels are slow

VOTING = ('VoteNet', 'H3DNet', 'GroupFree3DNet')
BACKGROUND = 18  # of ScanNet, which has 18 classes of things

# Fewer points, votes and proposals; by the last name of a setting.
FEWER: dict[str, Any] = dict(nms_pre=256, nms_post=16, max_num=64, num_keypoints=128)
VOTES = (128, 64, 32, 16)
PRIMITIVES = {'rpn_head': 32, **{f'roi_head.primitive_list.{place}': 64 for place in range(3)}}


@dataclass(frozen=True)
class Family:
    """A detector, and what is expected of it.

    Attributes:
        name: As in the table of the documentation.
        config: Its pre-training config, in ``configs/strl``.
        cells: Voxels along x and y of the cut range; 0 without voxels along the axes.
        points: To how many points clouds are sampled; 0 if they are not.
        override: What makes it small otherwise.
        downstream: What the downstream config needs to change in the stock one.
        untrained: The parts of the trunk that no gradient reaches.
        stock: The stock config, if it is another one than the pre-training config names.
    """

    name: str
    config: str
    cells: int = 0
    points: int = 0
    override: Mapping[str, Any] = field(default_factory=dict)
    downstream: Mapping[str, Any] = field(default_factory=dict)
    untrained: Sequence[str] = ()
    stock: str = ''

    @property
    def path(self) -> str:
        return f'configs/strl/{self.config}.py'

    @property
    def scanned(self) -> int:
        """The points of a made-up scan; where a range is not cut, each makes many voxels on its way down."""
        return POINTS if self.cells or self.points else FEW_POINTS

    @property
    def data(self) -> str:
        """The data set in the config's name."""
        return next(name for name in (*LOAD_DIM, 'scannet') if name in self.config.split('_'))


FEW_VOTES = {'bbox_head.vote_aggregation_cfg.num_point': 32, 'backbone.num_points': VOTES}
FEW_PLACES = {'backbone.num_points': VOTES, 'test_cfg.num_points': 256}
DCN = 'mmdet3d::centerpoint/centerpoint_voxel01_second_secfpn_head-dcn_8xb4-cyclic-20e_nus-3d.py'

FAMILIES = [
    Family('PointPillars', 'pointpillars_kitti_pretrain', cells=32),
    Family('PointPillars, dynamic voxels', 'pointpillars_dynamic_kitti_pretrain', cells=32),
    Family('PointPillars, nuScenes', 'pointpillars_nuscenes_pretrain', cells=32),
    Family('PointPillars, Lyft', 'pointpillars_lyft_pretrain', cells=32),
    Family('PointPillars, Waymo', 'pointpillars_waymo_pretrain', cells=32),
    Family('FreeAnchor', 'freeanchor_nuscenes_pretrain', cells=32),
    Family('RegNet', 'regnet_nuscenes_pretrain', cells=32),
    Family('SSN', 'ssn_nuscenes_pretrain', cells=32),
    Family('SECOND', 'second_kitti_pretrain', cells=64),
    Family('SECOND, dynamic voxels', 'second_dynamic_kitti_pretrain', cells=64),
    Family('SECOND, Waymo', 'second_waymo_pretrain', cells=64),
    Family('CenterPoint, pillars', 'centerpoint_pillar_nuscenes_pretrain', cells=32),
    Family('CenterPoint, voxels', 'centerpoint_voxel_nuscenes_pretrain', cells=64),
    Family('CenterPoint, voxels, dense STRL', 'centerpoint_voxel_nuscenes_pretrain_dense', cells=64),
    Family('CenterPoint, deformable head', 'centerpoint_voxel_nuscenes_pretrain', cells=64, stock=DCN),
    Family('SASSD', 'sassd_kitti_pretrain', cells=64,
           untrained=[f'middle_encoder.{name}' for name in ('point_fc', 'point_cls', 'point_reg')]),
    Family('PV-RCNN', 'pvrcnn_kitti_pretrain_trunk', cells=64),
    Family('Part-A2', 'parta2_kitti_pretrain', cells=64),
    Family('PointRCNN', 'pointrcnn_kitti_pretrain', points=512,
           override={'backbone.num_points': (128, 64, 32, 16)}),
    Family('3DSSD', '3dssd_kitti_pretrain', points=512, override={
        'backbone.num_points': (128, 64, (16, 16)), 'backbone.fps_sample_range_lists': (-1, -1, (64, -1)),
        'bbox_head.vote_module_cfg.num_points': 16, 'bbox_head.vote_aggregation_cfg.num_point': 16}),
    Family('VoteNet', 'votenet_scannet_height_pretrain', points=512, override=FEW_VOTES,
           stock='mmdet3d::votenet/votenet_8xb8_scannet-3d.py'),
    Family('H3DNet', 'h3dnet_scannet_pretrain', points=512, override={
        'backbone.backbones.num_points': VOTES,
        **{f'{head}.vote_aggregation_cfg.num_point': number for head, number in PRIMITIVES.items()},
        'roi_head.bbox_head.num_proposal': 32,
        'roi_head.bbox_head.suface_matching_cfg.num_point': 32 * 6,
        'roi_head.bbox_head.line_matching_cfg.num_point': 32 * 12}),
    Family('GroupFree3D', 'groupfree3d_scannet_pretrain', points=512,
           override={'backbone.num_points': VOTES, 'bbox_head.num_proposal': 32}),
    Family('MinkUNet', 'minkunet_kitti_pretrain'),
    Family('Cylinder3D', 'cylinder3d_kitti_pretrain'),
    Family('PointNet++, single scale', 'pointnet2_ssg_scannet_pretrain', points=256, override=FEW_PLACES),
    Family('PointNet++, several scales', 'pointnet2_msg_scannet_pretrain', points=256, override=FEW_PLACES),
    Family('PAConv', 'paconv_scannet_pretrain', points=128, override={
        **FEW_PLACES, 'backbone.num_points': (32, 32, 32, 16)}, downstream={
        'backbone.in_channels': 3, 'test_cfg.use_normalized_coord': False,
        'decode_head.fp_channels': ((768, 256, 256), (384, 256, 256), (320, 256, 128), (128, 128, 128, 128))}),
    Family('DGCNN', 'dgcnn_seg_scannet_pretrain', points=128, override={'test_cfg.num_points': 128}, downstream={
        'backbone.type': 'FeatureKNNDGCNN', 'backbone.in_channels': 3, 'test_cfg.use_normalized_coord': False}),
]  # fmt: skip


def small(family: Family, stock: str) -> tuple[dict[str, Any], list[float] | None]:
    """Return what makes a detector small, by dotted names, and its range, if it has voxels along the axes."""
    model = detector_config(stock)
    override: dict[str, Any] = {}
    extent = None
    if family.cells:
        layer = model.data_preprocessor.voxel_layer
        low, width = layer.point_cloud_range[0], family.cells * layer.voxel_size[0]
        start = 0.0 if low == 0 else -width / 2
        extent = [start, -width / 2, layer.point_cloud_range[2], start + width, width / 2, layer.point_cloud_range[5]]
    for name, value in leaves(model):
        key = name.rpartition('.')[2]
        if key in FEWER and value is not None:
            override[name] = FEWER[key]
        elif name.endswith('sampler.num'):
            override[name] = 8
        elif extent is not None and key in CUT:
            override[name] = CUT[key](value, extent, family.cells)
    return override | dict(family.override), extent


# Settings that hold the range or its number of voxels.
CUT = dict(
    point_cloud_range=lambda value, extent, cells: extent,
    pc_range=lambda value, extent, cells: extent[: len(value)],
    ranges=lambda value, extent, cells: [[*extent[:2], each[2], *extent[3:5], each[5]] for each in value],
    output_shape=lambda value, extent, cells: [cells, cells],
    sparse_shape=lambda value, extent, cells: [value[0], cells, cells],
    grid_size=lambda value, extent, cells: value if isinstance(value, int) else [cells, cells, value[2]],
)


def leaves(value: Any, name: str = '') -> Iterator[tuple[str, Any]]:
    """Yield the settings in a config that are no dicts or lists of dicts, by their dotted names."""
    if isinstance(value, Mapping):
        parts: Any = value.items()
    elif isinstance(value, (list, tuple)) and value and isinstance(value[0], Mapping):
        parts = enumerate(value)
    else:
        yield name, value
        return
    for key, part in parts:
        yield from leaves(part, f'{name}.{key}' if name else str(key))


def write_data(family: Family, root: Path, extent: Sequence[float] | None) -> None:
    """Write two frames of a sensor that stands, as the family's data set has them, and their index."""
    if family.data == 'scannet':
        poses = write_scene(root / 'scene0000_00', range(2)) / 'pose'
        (poses / '000001.txt').write_bytes((poses / '000000.txt').read_bytes())
        create_sequence_index.main(['scannet', '--root', str(root), '--out', str(root / 'sequences.json')])
        return
    rng, width = np.random.default_rng(0), LOAD_DIM[family.data]
    low, high = np.array(extent or PLACE).reshape(2, 3)
    (root / 's').mkdir()
    frames = ['s/0.bin', 's/1.bin']
    for frame in frames:
        rows = rng.random((family.scanned, width))
        rows[:, :3] = low + rows[:, :3] * (high - low)
        rows.astype(np.float32).tofile(root / frame)
    write_sequence_index(
        root / 'sequences.json', dict(load_dim=width), [FrameSequence('s', frames, np.tile(np.eye(4), (2, 1, 1)))]
    )


def pretraining_config(family: Family, root: Path) -> tuple[Config, dict[str, Any], list[float] | None]:
    """Read the family's config, made small, on made-up data in a folder; with what makes it small, and its range."""
    config = Config.fromfile(family.path)
    override, extent = small(family, config.model.encoder.detector)
    write_data(family, root, extent)
    config.model.encoder.override = {**(config.model.encoder.get('override') or {}), **override}
    config.model.projector.hidden_channels = config.model.predictor.hidden_channels = 64
    dataset = config.train_dataloader.dataset
    dataset.update(data_root=str(root), ann_file='sequences.json', window=2)
    if extent is not None:
        dataset.point_cloud_range = extent
    for step in dataset.pipeline.pack:
        if step['type'] == 'DownSamplePoints':
            step['num_points'] = family.points
    return config, override, extent


def labelled_batch(model: ConfigDict, extent: Sequence[float] | None, channels: int, number: int) -> dict:
    """Make two clouds of uniform points with two labelled boxes each, and a label for every point.

    Args:
        model: The detector's config, which says what is labelled.
        extent: The range, or None.
        channels: Values of a point.
        number: Points of a cloud.
    """
    rng = np.random.default_rng(1)
    in_a_room = model.type in (*VOTING, 'EncoderDecoder3D')
    low, high = np.array(extent or (ROOM if in_a_room else PLACE)).reshape(2, 3)
    kind = DepthInstance3DBoxes if in_a_room else LiDARInstance3DBoxes
    settings = dict(leaves(model))
    width = max([7, *(value for name, value in settings.items() if name.endswith('code_size') and value in (7, 9))])
    size = next((value[0] for name, value in settings.items() if name.endswith('generator.sizes')), [0.8, 0.6, 1.7])
    clouds, samples = [], []
    for _ in range(2):
        boxes = np.zeros((2, width), np.float32)
        boxes[:, :3] = low + (high - low) * [[0.3, 0.3, 0.4], [0.7, 0.6, 0.4]]
        boxes[:, 3:6] = size
        cloud = rng.random((number, channels))
        cloud[:, :3] = low + cloud[:, :3] * (high - low)
        for place, box in enumerate(boxes):
            inside = slice(place * number // 4, (place + 1) * number // 4)
            cloud[inside, :3] = box[:3] + (rng.random((number // 4, 3)) - [0.5, 0.5, 0]) * box[3:6] * 0.9
        instance = np.minimum(np.arange(number) // max(number // 4, 1), 2)
        # Detectors of rooms take a class beyond theirs for the background.
        classes = np.where(instance == 2, BACKGROUND if model.type in VOTING else 2, 0)
        of_points = dict(pts_semantic_mask=classes, pts_instance_mask=instance)
        sample = Det3DDataSample(metainfo=dict(box_type_3d=kind, box_mode_3d=None, axis_align_matrix=np.eye(4)))
        sample.gt_instances_3d = InstanceData(
            bboxes_3d=kind(torch.from_numpy(boxes), box_dim=width), labels_3d=torch.zeros(2, dtype=torch.long)
        )
        sample.gt_pts_seg = PointData(**{name: torch.from_numpy(mask) for name, mask in of_points.items()})
        sample.eval_ann_info = {}
        clouds.append(torch.from_numpy(cloud.astype(np.float32)))
        samples.append(sample)
    return dict(inputs=dict(points=clouds), data_samples=samples)


def share_of(names: Sequence[str], model: torch.nn.Module) -> float:
    """Return the share of a model's parameters that are in `names`."""
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    return sum(sizes.get(name, 0) for name in names) / sum(sizes.values())


def finite(losses: Mapping[str, Any]) -> bool:
    """Return whether all losses are finite."""
    return all(bool(torch.isfinite(torch.as_tensor(value)).all()) for value in losses.values())


def predictions(sample: Det3DDataSample) -> Tensor:
    """Return what a model has found in a cloud: the scores of boxes, or a class for each point."""
    found = sample.get('pred_instances_3d')
    return sample.pred_pts_seg.pts_semantic_mask if found is None else found.scores_3d
