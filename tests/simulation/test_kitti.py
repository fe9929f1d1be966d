"""The whole simulated data set."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from kitti_data import create_data
from PIL import Image

from strl_mmdet3d.simulation import KittiSimulation

SMALL = dict(drives=1, frames_per_drive=2, train=1, val=1, test=1, azimuth_steps=200)


def _write(root: Path, **settings: int) -> dict[str, str]:
    """Simulate into ``root``, and return the digest of every file by its path."""
    root.mkdir()
    simulation = KittiSimulation(**settings)
    assert len(list(simulation.write(root))) == simulation.total
    files = sorted(path for path in root.rglob('*') if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope='module')
def small(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    root = tmp_path_factory.mktemp('kitti') / 'small'
    return root, _write(root, seed=5, **SMALL)


def test_same_seed_same_bytes(small, tmp_path):
    assert _write(tmp_path / 'again', seed=5, **SMALL) == small[1]


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


def test_mmdet3ds_own_preparation_runs_on_it(tmp_path):
    """``create_data.py kitti`` as shipped, then its boxes and object points."""
    _write(tmp_path / 'sim', seed=1, **{**SMALL, 'drives': 0, 'azimuth_steps': 700})
    root = tmp_path / 'sim' / 'object'
    create_data(root)
    infos = pickle.loads((root / 'kitti_infos_train.pkl').read_bytes())
    (info,) = infos['data_list']
    np.testing.assert_allclose(info['plane'], [0, -1, 0, 1.73 - 0.07631618], atol=1e-6)
    lines = (root / 'training' / 'label_2' / '000000.txt').read_text().splitlines()
    assert len(info['instances']) == len(lines) > 0
    # Every labelled object has a return in the picture; noise may put a single one outside the box.
    counts = np.array([instance['num_lidar_pts'] for instance in info['instances']])
    assert np.mean(counts > 0) > 0.8
    database = pickle.loads((root / 'kitti_dbinfos_train.pkl').read_bytes())
    assert sum(map(len, database.values())) == len(lines)
    for objects in database.values():
        for entry in objects:
            points = np.fromfile(root / entry['path'], dtype=np.float32).reshape(-1, 4)
            assert len(points) == entry['num_points_in_gt']
            assert np.all(np.abs(points[:, :3]) < 4)
