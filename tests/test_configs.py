"""Every config: it can be read, its model learns from one batch, and its export lands in its downstream config."""

from __future__ import annotations

from pathlib import Path

import create_sequence_index
import numpy as np
import pytest
import torch
from depth_data import write_scene
from detector_families import FAMILIES
from mmdet3d.registry import DATASETS, MODELS
from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config
from mmengine.optim import OptimWrapper, build_optim_wrapper

from strl_mmdet3d.datasets import FrameSequence, collate_pairs, write_sequence_index
from strl_mmdet3d.datasets.moved_things import MovedThings
from strl_mmdet3d.export import export_encoder, save_exported, verify_export
from strl_mmdet3d.export.trunk_record import RECORD_KEY, trunk_record

pytestmark = pytest.mark.long

STUDY = [path for path in sorted(Path('configs/study').glob('*.py')) if path.stem != 'matched']
ABLATIONS = sorted(Path('configs/ablations').glob('*.py'))
PRETRAINING = [*sorted(Path('configs/strl').glob('*.py')), *STUDY, *ABLATIONS]
# Their tensors land in stock configs, in test_detector_families.py.
OF_FAMILIES = {family.config for family in FAMILIES}
DOWNSTREAM = sorted(Path('configs/downstream').glob('*.py'))
# The encoder's tensors, and the downstream config that they must all land in. A layer with BatchNorm has 6:
# PointPillars 16 in the backbone, 3 in the neck and 1 for the pillars; PV-RCNN's and SECOND's 3D
# backbone 12; VoteNet 12 in set abstraction and 4 in feature propagation; PointNet 5;
# DGCNN 4 and 1, its segmentation trunk 5 and 1.
LANDS = {
    'pvrcnn_kitti_pretrain': (72, 'pvrcnn_kitti_from_strl'),
    'pvrcnn_kitti_pretrain_trunk': (282, 'pvrcnn_kitti_from_strl'),
    'pvrcnn_kitti_pretrain_dense': (156, 'pvrcnn_kitti_from_strl'),
    'second_kitti_pretrain': (156, 'second_kitti_from_strl'),
    'second_kitti_pretrain_dense': (156, 'second_kitti_from_strl'),
    'pointpillars_kitti_pretrain': (120, 'pointpillars_kitti_from_strl'),
    'pointpillars_kitti_pretrain_scans': (120, 'pointpillars_kitti_from_strl'),
    'pointpillars_mixed_pretrain': (120, 'pointpillars_kitti_from_strl'),
    'pointpillars_kitti_pretrain_dense': (120, 'pointpillars_kitti_from_strl'),
    'pointpillars_kitti_pretrain_occupancy': (120, 'pointpillars_kitti_from_strl'),
    'pointpillars_kitti_pretrain_motion': (120, 'pointpillars_kitti_from_strl'),
    'pointpillars_kitti_small_pretrain_motion': (120, 'pointpillars_kitti_small'),
    'second_kitti_pretrain_motion': (156, 'second_kitti_from_strl'),
    'pvrcnn_kitti_pretrain_motion': (156, 'pvrcnn_kitti_from_strl'),
    'centerpoint_voxel_nuscenes_pretrain_motion': (
        210,
        'mmdet3d::centerpoint/centerpoint_voxel01_second_secfpn_8xb4-cyclic-20e_nus-3d.py',
    ),
    'pointpillars_kitti_small_pretrain': (120, 'pointpillars_kitti_small'),
    'pointpillars_kitti_small_pretrain_occupancy': (120, 'pointpillars_kitti_small'),
    **{path.stem: (120, 'pointpillars_kitti_small') for path in STUDY},
    'votenet_scannet_pretrain': (96, 'votenet_sunrgbd_from_strl', 'votenet_scannet_from_strl'),
    'votenet_scannet_pretrain_dense': (96, 'votenet_sunrgbd_from_strl', 'votenet_scannet_from_strl'),
    'votenet_scannet_small_pretrain_dense': (96, 'votenet_sunrgbd_small'),
    'votenet_shapenet_pretrain': (96, 'votenet_sunrgbd_from_strl', 'votenet_scannet_from_strl'),
    'pointnet_shapenet_pretrain': (30, 'pointnet_shapes_from_strl'),
    'pointnet_shapenet_pretrain_released': (30, 'pointnet_shapes_from_strl'),
    'pointnet_shapenet_pretrain_small_data': (30, 'pointnet_shapes_from_strl'),
    'dgcnn_shapenet_pretrain': (30, 'dgcnn_shapes_from_strl'),
    'dgcnn_shapenet_pretrain_small_data': (30, 'dgcnn_shapes_1024_from_strl'),
    'dgcnn_scannet_pretrain': (30, 'dgcnn_shapes_from_strl'),
    'dgcnn_seg_scannet_pretrain': (36, 'dgcnn_s3dis_from_strl'),
    **{path.stem: (30, 'pointnet_shapes_from_strl') for path in ABLATIONS if path.stem.startswith('pointnet')},
    'votenet_scannet_without_sequence': (96, 'votenet_sunrgbd_from_strl', 'votenet_scannet_from_strl'),
    'dgcnn_scannet_25k': (30, 'dgcnn_shapes_from_strl'),
    'votenet_scannet_height_pretrain': (96, 'votenet_sunrgbd_height_from_strl', 'votenet_scannet_height_from_strl'),
}


def street(root, number=3000):
    """Two frames of points in the range of every KITTI config, and their index, as of a car that stands."""
    generator = torch.Generator().manual_seed(0)
    low, high = torch.tensor([1.0, -30, -2.5, 0]), torch.tensor([60.0, 30, 0.5, 1])
    (root / 's').mkdir()
    frames = ['s/0.bin', 's/1.bin']
    for frame in frames:
        points = low + (high - low) * torch.rand(number, 4, generator=generator)
        points.numpy().tofile(root / frame)
    drive = FrameSequence('s', frames, np.tile(np.eye(4), (2, 1, 1)))
    write_sequence_index(root / 'sequences.json', dict(load_dim=4), [drive])


def street_of_nuscenes(root, number=3000):
    """The same as of nuScenes: intensities from 0 to 255, and a ring."""
    street(root, number)
    for frame in (root / 's').iterdir():
        points = np.fromfile(frame, np.float32).reshape(-1, 4)
        rings = np.arange(len(points), dtype=np.float32)[:, None] % 32
        np.hstack([points[:, :3], points[:, 3:] * 255, rings]).tofile(frame)
    index = root / 'sequences.json'
    index.write_text(index.read_text().replace('"load_dim": 4', '"load_dim": 5'))


def two_streets(root):
    """Frames of two sensors."""
    for name, write in dict(kitti=street, nuscenes=street_of_nuscenes).items():
        (root / name).mkdir()
        write(root / name)


def walk(root):
    """Two depth frames in ScanNet's layout, and their index, as of a camera that stands."""
    poses = write_scene(root / 'scene0000_00', range(2)) / 'pose'
    (poses / '000001.txt').write_bytes((poses / '000000.txt').read_bytes())
    create_sequence_index.main(['scannet', '--root', str(root), '--out', str(root / 'sequences.json')])


def shapes(root):
    """Two shapes as ShapeNet's are stored, and their index."""
    np.savez(root / 'shapenet.npz', np.random.default_rng(0).standard_normal((2, 2048, 3), dtype=np.float32))
    create_sequence_index.main(['shapes', '--root', str(root), '--out', str(root / 'sequences.json')])


# What a pre-training learns from here, by the data set in its config's name.
DATA = {'kitti': street, 'nuscenes': street_of_nuscenes, 'mixed': two_streets, 'scannet': walk, 'shapenet': shapes}


def test_the_tables_here_name_all_configs():
    assert {path.stem for path in PRETRAINING} == set(LANDS) | OF_FAMILIES


def cut_to_the_nearest(config, parts):
    """A part of a plane shows as much as the whole, in less time: its layers are the same."""
    override, detector = {}, config.model.encoder.detector.split('/')[-1].split('_')[0]
    for part in parts:
        low, high = part.point_cloud_range[:3], part.point_cloud_range[3:]
        if detector == 'centerpoint':  # it sees the whole round
            low[:2], high[:2] = [side / 4 for side in low[:2]], [side / 4 for side in high[:2]]
        else:
            high[0] /= 3 if detector == 'pointpillars' else 4
        part.point_cloud_range = [*low, *high]
    override['data_preprocessor.voxel_layer.point_cloud_range'] = parts[0].point_cloud_range
    if detector == 'pointpillars':
        override['middle_encoder.output_shape'] = [496, 144]
        override['voxel_encoder.point_cloud_range'] = parts[0].point_cloud_range
    elif detector == 'centerpoint':
        override['pts_middle_encoder.sparse_shape'] = [41, 256, 256]
    else:
        override['middle_encoder.sparse_shape'] = [41, 1600, 352]
    config.model.encoder.override = override
    return list(override)


@pytest.mark.parametrize('path', [path for path in PRETRAINING if path.stem in LANDS], ids=lambda path: path.stem)
def test_pretraining_learns_from_a_batch_and_its_export_lands(path, tmp_path):
    write = next((write for name, write in DATA.items() if name in path.stem.split('_')), street)
    if path.stem in ('motion', 'motion_pasted') or path.stem.endswith('pretrain_motion'):
        write(tmp_path, number=30000)  # only cells with several marked points count
    else:
        write(tmp_path)
    config = Config.fromfile(path)
    if path.stem.endswith(('motion_pasted', 'pretrain_motion')):
        stages = config.train_dataloader.dataset.pipeline
        stages = stages[-1] if isinstance(stages, list) else stages
        channels = 5 if 'nuscenes' in path.stem else 4
        things = np.random.default_rng(0).uniform([9, -1, -1.7, 0, 0], [10, 0, 0, 1, 0], (3, 200, 5))[..., :channels]
        MovedThings.of(things).save(tmp_path / 'things.npz')
        stages.pair[-1].things = str(tmp_path / 'things.npz')
    parts = config.train_dataloader.dataset.get('datasets', [config.train_dataloader.dataset])
    for part, folder in zip(parts, ['.'] if len(parts) == 1 else ['kitti', 'nuscenes'], strict=True):
        part.update(data_root=str(tmp_path / folder), ann_file='sequences.json', window=2)
    if 'dgcnn' in path.stem:
        # Its graphs of all points take half a minute on a CPU.
        config.train_dataloader.dataset.pipeline.pack[0].num_points = 512
    trunks = ('pointpillars', 'second', 'pvrcnn', 'centerpoint')
    whole_plane = path.stem.split('_')[0] in trunks and 'small' not in path.stem
    changed = cut_to_the_nearest(config, parts) if whole_plane else []
    dataset = DATASETS.build(config.train_dataloader.dataset)
    pairs = [dataset[0], dataset[len(dataset) - 1]]
    batch = collate_pairs(pairs)
    model = MODELS.build(config.model)
    model.init_weights()
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    assert isinstance(wrapper, OptimWrapper)
    before = {name: tensor.clone() for name, tensor in model.online_encoder.named_parameters()}
    logged = model.train().train_step(batch, wrapper)
    assert 0 < logged['loss'] < 8 + 4 * (len(batch) - 2)
    still = [name for name, tensor in model.online_encoder.named_parameters() if torch.equal(tensor, before[name])]
    assert not still, 'parameters outside of the loss'

    tensors, *downstream = LANDS[path.stem]
    out = tmp_path / 'encoder.pth'
    meta = {RECORD_KEY: trunk_record(model, config)}  # as the hook writes it
    save_exported(export_encoder(dict(meta=meta, state_dict=model.state_dict()), str(path)), out)
    for name in downstream:
        detector = f'configs/downstream/{name}.py'
        if '::' in name:
            detector = str(tmp_path / 'downstream.py')
            Path(detector).write_text(f'_base_ = [{name!r}]\n')
        assert len(verify_export(out, detector, allow_different=changed).landed) == tensors


def unscoped(config):
    """A config without the marks that mmengine puts where another package's config is a base."""
    if isinstance(config, dict):
        return ConfigDict({key: unscoped(value) for key, value in config.items() if key != '_scope_'})
    return [unscoped(value) for value in config] if isinstance(config, (list, tuple)) else config


STOCKS = {
    'pvrcnn_kitti': 'mmdet3d::pv_rcnn/pv_rcnn_8xb2-80e_kitti-3d-3class.py',
    'second_kitti': 'mmdet3d::second/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py',
    'pointpillars_kitti': 'mmdet3d::pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py',
    'votenet_sunrgbd': 'mmdet3d::votenet/votenet_8xb16_sunrgbd-3d.py',
    'votenet_scannet': 'mmdet3d::votenet/votenet_8xb8_scannet-3d.py',
}


# dgcnn_s3dis is compared in test_s3dis_chain.py.
# Nor are the small PointPillars and VoteNet, which are made for studies.
DETECTION = [
    path for path in DOWNSTREAM if '_'.join(path.stem.split('_')[:2]) in STOCKS and 'small' not in path.stem.split('_')
]


@pytest.mark.parametrize('path', DETECTION, ids=lambda path: path.stem)
def test_downstream_is_the_stock_config_but_for_what_it_says(path):
    detector, dataset, *variant = path.stem.split('_')
    stock = unscoped(get_config(STOCKS[f'{detector}_{dataset}']).to_dict())
    config = unscoped(Config.fromfile(path).to_dict())
    if detector == 'votenet' and 'height' not in variant:
        stock.model.backbone.in_channels = 3
        for transform in [*stock.train_pipeline, *stock.test_pipeline]:
            if 'shift_height' in transform:
                transform.shift_height = False
        assert config.train_dataloader.dataset.dataset.pipeline == stock.train_pipeline
    assert config.model == stock.model
    assert config.optim_wrapper == stock.optim_wrapper
    assert config.param_scheduler == stock.param_scheduler
    assert config.val_dataloader.dataset.pipeline == stock.test_pipeline
    classes = stock.val_dataloader.dataset.metainfo.get('classes') or stock.class_names
    assert config.val_dataloader.dataset.metainfo.classes == classes
    for transform in config.train_dataloader.dataset.dataset.pipeline:
        assert not transform.get('use_ground_plane', False)
    assert ('load_from' in config and config.load_from is not None) == ('strl' in variant)


def test_the_location_of_the_data_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv('KITTI_ROOT', '/somewhere')
    config = Config.fromfile('configs/downstream/pvrcnn_kitti_scratch.py')
    assert config.train_dataloader.dataset.dataset.data_root == '/somewhere/'
    assert config.train_dataloader.dataset.dataset.pipeline[2].db_sampler.info_path.startswith('/somewhere/')
    assert config.val_dataloader.dataset.data_root == '/somewhere/'
    assert config.val_evaluator.ann_file == '/somewhere/kitti_infos_val.pkl'
