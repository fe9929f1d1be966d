"""The views made for scans, as their config makes them from files."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS
from mmengine.config import Config

from strl_mmdet3d.datasets import FrameSequence, PairKey, write_sequence_index

RANGE = [0, -39.68, -3, 69.12, 39.68, 1]
AZIMUTH = np.random.default_rng(1).uniform(-np.pi, np.pi, 40_000)


@pytest.fixture
def config() -> Config:
    return Config.fromfile('configs/strl/pointpillars_kitti_pretrain_scans.py').train_dataloader.dataset


@pytest.fixture
def street(tmp_path, config):
    """Two equal scans of a flat street, seen from a sensor 1.7 m above it; the fourth channel numbers the points."""
    rng = np.random.default_rng(0)
    azimuth, distance = AZIMUTH, 4 / rng.uniform(0.04, 1, 40_000)
    coord = np.stack([distance * np.cos(azimuth), distance * np.sin(azimuth), rng.choice([-1.7, -0.5], 40_000)], axis=1)
    for number in range(2):
        np.column_stack([coord, np.arange(40_000)]).astype(np.float32).tofile(tmp_path / f'{number}.bin')
    write_sequence_index(tmp_path / 'sequences.json', dict(load_dim=4), [FrameSequence('s', ['0.bin', '1.bin'])])
    config.update(data_root=str(tmp_path), window=2)
    return config


def views(dataset, epoch):
    pair = dataset[PairKey(seed=0, epoch=epoch, index=0)]
    return [pair[name]['inputs']['points'] for name in ('view_1', 'view_2')]


def test_both_frames_are_seen_in_the_same_direction_along_the_street(street):
    street.mode = 'temporal'  # nothing but loading, heading and packing
    dataset = DATASETS.build(street)
    headings = []
    for epoch in range(40):
        one, other = (view[view[:, 3].argsort()] for view in views(dataset, epoch))
        assert torch.equal(one, other)
        assert (one[:, 0] > 0).all()
        # By how much the sector was turned to x.
        turn = torch.from_numpy(AZIMUTH)[one[:, 3].long()] - torch.atan2(one[:, 1], one[:, 0])
        headings.append(float(torch.atan2(turn.sin().mean(), turn.cos().mean())))
    off = np.minimum(np.abs(headings), np.pi - np.abs(headings))
    assert off.max() <= np.pi / 6 + 1e-3
    assert off.max() > np.pi / 12
    assert 5 < np.sum(np.abs(headings) > 1) < 35


def test_views_are_what_the_detector_takes_and_reproducible(street):
    dataset = DATASETS.build(street)
    for epoch in range(10):
        made, again = views(dataset, epoch), views(dataset, epoch)
        assert all(torch.equal(one, other) for one, other in zip(made, again, strict=True))
        for view in made:
            assert ((view[:, :3] > torch.tensor(RANGE[:3])) & (view[:, :3] < torch.tensor(RANGE[3:]))).all()
            # The road and what stands on it, which a crop in z would separate.
            assert (view[:, 2] < -1.4).any()
            assert (view[:, 2] > -0.8).any()


def test_frames_of_a_car_that_drives_and_turns_are_aligned_in_any_direction(config, tmp_path):
    """The same numbered places from two poses, by the poses of the index, behind the turn of the heading."""
    world = np.random.default_rng(0).uniform([-60, -60, -2, 1], [60, 60, 2, 1], (20_000, 4))
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[1, :2, :2] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    poses[1, :2, 3] = 3, 1
    for number, pose in enumerate(poses):
        seen = (world @ np.linalg.inv(pose).T)[:, :3]
        np.column_stack([seen, np.arange(20_000)]).astype(np.float32).tofile(tmp_path / f'{number}.bin')
    drive = FrameSequence('s', ['0.bin', '1.bin'], poses)
    write_sequence_index(tmp_path / 'sequences.json', dict(load_dim=4), [drive])
    config.update(data_root=str(tmp_path), window=2, mode='temporal', align_poses=True)
    dataset = DATASETS.build(config)
    for epoch in range(20):
        one, other = ({int(point[3]): point[:3] for point in view} for view in views(dataset, epoch))
        common = sorted(one.keys() & other.keys())
        assert len(common) > 500
        places = [torch.stack([view[number] for number in common]) for view in (one, other)]
        torch.testing.assert_close(*places, rtol=0, atol=1e-3)


@pytest.mark.real
def test_views_of_real_scans_keep_the_road_and_far_points(config, real_data, tmp_path):
    scans = sorted((real_data / 'kitti_raw').rglob('velodyne_points/data/*.bin'))[:10]
    root = real_data / 'kitti_raw'
    frames = [str(scan.relative_to(root)) for scan in scans]
    write_sequence_index(tmp_path / 'sequences.json', dict(load_dim=4), [FrameSequence('s', frames)])
    config.update(data_root=str(root), ann_file=str(tmp_path / 'sequences.json'))
    dataset = DATASETS.build(config)
    made = [view for epoch in range(10) for view in views(dataset, epoch)]
    numbers = [len(view) for view in made]
    assert min(numbers) > 500
    assert 5_000 < np.mean(numbers) < 15_000  # a detector takes some 18,000 of a scan's 120,000
    assert np.mean([(view[:, :2].norm(dim=1) > 35).float().mean() for view in made]) > 0.04
    assert min((view[:, 2] < -1.2).float().mean() for view in made) > 0.1
