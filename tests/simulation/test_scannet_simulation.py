"""The whole simulated indoor data set."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet3d.evaluation.metrics import IndoorMetric
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from PIL import Image

from strl_mmdet3d.simulation import ScanNetSimulation
from strl_mmdet3d.simulation.rooms.furniture import CLASSES

SMALL = dict(scenes=1, frames_per_scene=2, train=5, val=5, width=80)


def _write(root: Path, jobs: int = 1, **settings: int) -> dict[str, str]:
    """Simulate into ``root``, and return the digest of every file by its path."""
    root.mkdir()
    simulation = ScanNetSimulation(**settings)
    assert sum(simulation.write(root, jobs)) == simulation.total
    files = sorted(path for path in root.rglob('*') if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope='module')
def small(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    root = tmp_path_factory.mktemp('rooms') / 'small'
    return root, _write(root, seed=5, **SMALL)


def _dataset(root: Path, split: str, pipeline: list[dict], **settings: bool):
    """mmdet3d's dataset as its stock config builds it."""
    return DATASETS.build(
        dict(
            type='SUNRGBDDataset',
            data_root=str(root / 'sunrgbd'),
            ann_file=f'sunrgbd_infos_{split}.pkl',
            pipeline=pipeline,
            metainfo=dict(classes=CLASSES),
            box_type_3d='Depth',
            **settings,
        )
    )


def test_same_seed_same_bytes_from_any_number_of_processes(small, tmp_path):
    assert _write(tmp_path / 'again', jobs=2, seed=5, **SMALL) == small[1]


def test_other_seed_other_pictures(small, tmp_path):
    other = _write(tmp_path / 'other', seed=6, **SMALL)
    contents = [path for path in small[1] if path.endswith(('.bin', '.png'))]
    assert len(contents) == 12
    assert other.keys() == small[1].keys()
    assert all(other[path] != small[1][path] for path in contents)
    assert len({small[1][path] for path in contents}) == 12


def test_more_scenes_and_views_leave_the_others_as_they_are(small, tmp_path):
    more = _write(tmp_path / 'more', seed=5, **{**SMALL, 'scenes': 2, 'train': 6})
    kept = [path for path in small[1] if 'frames' in path]
    assert [more[path] for path in kept] == [small[1][path] for path in kept]
    assert more['sunrgbd/points/000005.bin'] == small[1]['sunrgbd/points/000005.bin']
    # The first validation view has moved behind the new training view.
    assert more['sunrgbd/points/000007.bin'] == small[1]['sunrgbd/points/000006.bin']


def test_layout(small):
    assert set(small[1]) == {
        *(f'frames/scene0000_00/{name}' for name in ('depth/000000.png', 'depth/000010.png', 'intrinsics_depth.txt')),
        *(f'frames/scene0000_00/pose/{name}.txt' for name in ('000000', '000010')),
        *(f'sunrgbd/points/{number:06d}.bin' for number in range(1, 11)),
        *(f'sunrgbd/sunrgbd_trainval/image/{number:06d}.jpg' for number in range(1, 11)),
        'sunrgbd/sunrgbd_infos_train.pkl',
        'sunrgbd/sunrgbd_infos_val.pkl',
    }
    assert Image.open(small[0] / 'sunrgbd/sunrgbd_trainval/image/000001.jpg').size == (80, 60)


@pytest.mark.parametrize('split', ['train', 'val'])
def test_mmdet3ds_boxes_hold_their_points(small, split):
    load = dict(type='LoadPointsFromFile', coord_type='DEPTH', load_dim=6, use_dim=[0, 1, 2])
    pack = dict(type='Pack3DDetInputs', keys=['points', 'gt_bboxes_3d', 'gt_labels_3d'])
    dataset = _dataset(small[0], split, [load, dict(type='LoadAnnotations3D'), pack])
    assert len(dataset) == 5
    for sample in dataset:
        boxes = sample['data_samples'].gt_instances_3d.bboxes_3d
        points = sample['inputs']['points']
        assert len(boxes) > 0
        for box, centre in zip(boxes, boxes.gravity_center, strict=True):
            cos, sin = torch.cos(box[6]), torch.sin(box[6])
            inside = (points - centre) @ torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
            assert ((inside.abs() <= box[3:6] / 2 + 0.03).all(1)).sum() >= 5


def test_mmdet3ds_stock_pipeline_runs_on_it(small):
    import mmdet3d

    stock = Config.fromfile(Path(mmdet3d.__file__).parent / '.mim/configs/_base_/datasets/sunrgbd-3d.py')
    dataset = _dataset(small[0], 'train', stock.train_pipeline, filter_empty_gt=False)
    for sample in dataset:
        assert sample['inputs']['points'].shape == (20000, 4)
        assert torch.isfinite(sample['inputs']['points']).all()
        assert len(sample['data_samples'].gt_instances_3d.bboxes_3d) > 0


def test_labels_as_predictions_are_perfect(small):
    dataset = _dataset(small[0], 'val', [], test_mode=True)
    metric = IndoorMetric()
    metric.dataset_meta = dict(classes=CLASSES, box_type_3d='Depth')

    def mean_precision(shift: float) -> float:
        for index in range(len(dataset)):
            truth = dataset.get_data_info(index)['eval_ann_info']
            boxes = truth['gt_bboxes_3d'].clone()
            boxes.translate(torch.tensor([shift, 0.0, 0.0]))
            labels = torch.tensor(truth['gt_labels_3d'])
            predicted = dict(bboxes_3d=boxes, labels_3d=labels, scores_3d=torch.ones(len(labels)))
            metric.process({}, [dict(pred_instances_3d=predicted, eval_ann_info=truth)])
        return metric.evaluate(len(dataset))['mAP_0.25']

    assert mean_precision(0.0) == 1.0
    assert mean_precision(3.0) < 0.5


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'seed': -1}, 'seed must be at least 0'),
        ({'seed': 0, 'frames_per_scene': 0}, 'frames_per_scene must be at least 1'),
        ({'seed': 0, 'frame_step': 0}, 'frame_step must be at least 1'),
        ({'seed': 0, 'width': 90}, 'multiple of 4'),
        ({'seed': 0, 'val': 0}, 'all 0 or all at least 1'),
        ({'seed': 0, 'scenes': 0, 'train': 0, 'val': 0}, 'nothing to simulate'),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        ScanNetSimulation(**settings)


def test_walks_alone(tmp_path):
    files = _write(tmp_path / 'walks', seed=0, **{**SMALL, 'train': 0, 'val': 0})
    assert files
    assert all(path.startswith('frames/') for path in files)


def test_simulated_holes_are_like_real_ones(real_data, tmp_path):
    """The share of pixels without a depth is between a third and three times the share of the real walk."""
    _write(tmp_path / 'walks', seed=0, scenes=5, frames_per_scene=3, frame_step=60, train=0, val=0, width=160)

    def holes(root: Path) -> float:
        pictures = sorted(root.glob('*/depth/*.png'))
        return float(np.mean([np.mean(np.asarray(Image.open(path)) == 0) for path in pictures]))

    real = holes(real_data / 'scannet_frames')
    assert real / 3 < holes(tmp_path / 'walks' / 'frames') < real * 3
