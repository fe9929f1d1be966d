"""The whole simulated data set."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from kitti_data import create_data
from mmdet3d.evaluation import KittiMetric
from mmdet3d.structures import LiDARInstance3DBoxes
from PIL import Image

from strl_mmdet3d.simulation import KittiSimulation

SMALL = dict(drives=1, frames_per_drive=2, train=1, val=1, test=1, azimuth_steps=200)


def _write(root: Path, jobs: int = 1, **settings: int) -> dict[str, str]:
    """Simulate into ``root``, and return the digest of every file by its path."""
    root.mkdir()
    simulation = KittiSimulation(**settings)
    assert sum(simulation.write(root, jobs)) == simulation.total
    files = sorted(path for path in root.rglob('*') if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope='module')
def small(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    root = tmp_path_factory.mktemp('kitti') / 'small'
    return root, _write(root, seed=5, **SMALL)


def test_same_seed_same_bytes_from_any_number_of_processes(small, tmp_path):
    assert _write(tmp_path / 'again', jobs=2, seed=5, **SMALL) == small[1]


def test_other_seed_other_scans(small, tmp_path):
    other = _write(tmp_path / 'other', seed=6, **SMALL)
    scans = [path for path in small[1] if path.endswith('.bin')]
    assert scans
    assert other.keys() == small[1].keys()
    assert all(other[path] != small[1][path] for path in scans)


def test_more_drives_and_frames_leave_the_others_as_they_are(small, tmp_path):
    more = _write(tmp_path / 'more', seed=5, **{**SMALL, 'drives': 2, 'train': 2})
    kept = {path: digest for path, digest in more.items() if path in small[1] and 'raw' in path}
    assert kept == {path: digest for path, digest in small[1].items() if 'raw' in path}
    first = 'object/training/velodyne/000000.bin'
    assert more[first] == small[1][first]
    # The validation frame has moved behind the new training frame.
    assert more['object/training/velodyne/000002.bin'] == small[1]['object/training/velodyne/000001.bin']


def test_every_scan_of_the_set_differs(small):
    scans = [digest for path, digest in small[1].items() if path.endswith('.bin')]
    assert len(scans) == 5
    assert len(set(scans)) == 5


def test_detection_layout(small):
    root = small[0] / 'object'
    sets = {path.stem: path.read_text().split() for path in (root / 'ImageSets').iterdir()}
    assert sets == {'train': ['000000'], 'val': ['000001'], 'trainval': ['000000', '000001'], 'test': ['000000']}
    folders = {path.name: sorted(file.name for file in path.iterdir()) for path in (root / 'training').iterdir()}
    assert folders.keys() == {'velodyne', 'calib', 'image_2', 'label_2', 'planes'}
    assert folders['planes'] == ['000000.txt', '000001.txt']
    assert {path.name for path in (root / 'testing').iterdir()} == {'velodyne', 'calib', 'image_2'}
    assert Image.open(root / 'training' / 'image_2' / '000000.png').size == (1242, 375)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'seed': -1}, 'seed must be at least 0'),
        ({'seed': 0, 'frames_per_drive': 0}, 'frames_per_drive must be at least 1'),
        ({'seed': 0, 'beams': 16}, r'beams must be 64 \(HDL-64E\) or 32 \(HDL-32E\), got 16'),
        ({'seed': 0, 'val': 0}, 'all 0 or all at least 1'),
        ({'seed': 0, 'drives': 0, 'train': 0, 'val': 0, 'test': 0}, 'nothing to simulate'),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        KittiSimulation(**settings)


def test_drives_alone(tmp_path):
    files = _write(tmp_path / 'raw_only', seed=0, **{**SMALL, 'train': 0, 'val': 0, 'test': 0})
    assert files
    assert all(path.startswith('raw/') for path in files)


def test_32_beams(tmp_path):
    _write(tmp_path / 'sim', seed=1, **{**SMALL, 'drives': 0, 'beams': 32})
    points = np.fromfile(tmp_path / 'sim' / 'object/training/velodyne/000000.bin', dtype=np.float32).reshape(-1, 4)
    elevations = np.degrees(np.arcsin(points[:, 2] / np.linalg.norm(points[:, :3], axis=1)))
    assert elevations.max() == pytest.approx(10.67, abs=1.5)
    assert elevations.min() == pytest.approx(-30.67, abs=0.1)


@pytest.fixture(scope='module')
def prepared(tmp_path_factory) -> Path:
    """Labelled frames after ``create_data.py kitti`` as shipped. The first validation frame shows no object."""
    root = tmp_path_factory.mktemp('kitti') / 'sim'
    _write(root, seed=1, **{**SMALL, 'drives': 0, 'val': 2, 'azimuth_steps': 700})
    labels = root / 'object' / 'training' / 'label_2' / '000001.txt'
    labels.write_text('DontCare -1 -1 -10 579 160 639 186 -1 -1 -1 -1000 -1000 -1000 -10\n')
    create_data(root / 'object')
    return root / 'object'


def test_mmdet3ds_own_preparation_runs_on_it(prepared):
    """Its boxes and object points."""
    root = prepared
    infos = pickle.loads((root / 'kitti_infos_train.pkl').read_bytes())
    (info,) = infos['data_list']
    np.testing.assert_allclose(info['plane'], [0, -1, 0, 1.73 - 0.07631618], atol=1e-6)
    lines = (root / 'training' / 'label_2' / '000000.txt').read_text().splitlines()
    assert len(info['instances']) == len(lines) > 0
    instances = [instance for instance in info['instances'] if instance['bbox_label'] >= 0]
    assert len(instances) == sum(not line.startswith('DontCare') for line in lines) > 0
    # Every labelled object has five returns in the picture; noise may put some outside the box.
    counts = np.array([instance['num_lidar_pts'] for instance in instances])
    assert np.mean(counts > 0) > 0.8
    database = pickle.loads((root / 'kitti_dbinfos_train.pkl').read_bytes())
    # The objects are cut out, the regions are not.
    assert sum(map(len, database.values())) == len(instances)
    for objects in database.values():
        for entry in objects:
            points = np.fromfile(root / entry['path'], dtype=np.float32).reshape(-1, 4)
            assert len(points) == entry['num_points_in_gt']
            assert np.all(np.abs(points[:, :3]) < 4)


def test_mmdet3ds_metric_runs_on_frames_without_objects(prepared):
    """It fails on a first frame without a line, and on regions if the last frame has none."""
    root = prepared
    infos = pickle.loads((root / 'kitti_infos_val.pkl').read_bytes())['data_list']
    assert [instance['bbox_label'] for instance in infos[0]['instances']] == [-1]

    metric = KittiMetric(ann_file=str(root / 'kitti_infos_val.pkl'), metric='bbox')
    metric.dataset_meta = {'classes': ('Pedestrian', 'Cyclist', 'Car')}
    for index in range(2):
        boxes = LiDARInstance3DBoxes(torch.tensor([[20.0, 0, -1.7, 4, 1.8, 1.5, 0]]))
        prediction = dict(bboxes_3d=boxes, labels_3d=torch.tensor([2]), scores_3d=torch.tensor([0.9]))
        metric.process({}, [dict(pred_instances_3d=prediction, pred_instances={}, sample_idx=index)])
    results = metric.evaluate(size=2)
    assert 0 <= results['Kitti metric/pred_instances_3d/KITTI/Car_3D_AP40_moderate_strict'] <= 100
