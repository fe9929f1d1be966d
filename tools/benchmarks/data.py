"""Pairs: from files to augmented views, on one core; and how they scale over workers."""

from __future__ import annotations

import io
import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mmdet3d.registry import DATASETS
from mmdet3d.structures import DepthPoints, LiDARInstance3DBoxes
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.hub import get_config
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch.utils.data import DataLoader

from strl_mmdet3d.datasets import FrameSequence, PairKey, PairSampler, collate_pairs, write_sequence_index

from .timing import Row, compare, judged, not_run, threads

CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / 'strl'
STOCK = 'mmdet3d::pv_rcnn/pv_rcnn_8xb2-80e_kitti-3d-3class.py'
NEEDS_DATABASE = 'ObjectSample'
SCAN_POINTS = 120_000  # as in KITTI's scans
NUM_SHAPES = 64
MIN_SCALING = 0.9
BATCHES = 8


def pairs_of(name: str, root: Path, **changes: object) -> Callable[[], object]:
    """Return a function that makes one more pair of a pre-training config's dataset."""
    dataset = dataset_of(name, root, **changes)
    keys = (PairKey(0, epoch, index) for epoch in itertools.count() for index in range(len(dataset)))
    return lambda: dataset[next(keys)]


def dataset_of(name: str, root: Path, **changes: object) -> object:
    """Build a pre-training config's dataset on the data below a folder."""
    config = Config.fromfile(CONFIGS / f'{name}.py').train_dataloader.dataset
    config.update(data_root=str(root), ann_file='sequences.json', **changes)
    return DATASETS.build(config)


def write_shapes(root: Path) -> None:
    """Write shapes of 2048 points each."""
    points = np.random.default_rng(0).normal(size=(NUM_SHAPES, 2048, 3)).astype(np.float32)
    np.savez(root / 'shapes.npz', points=points)
    sequences = [FrameSequence(f'{n}', [f'shapes.npz/{n:06d}']) for n in range(NUM_SHAPES)]
    write_sequence_index(root / 'sequences.json', dict(source='shapes'), sequences)


def write_depth(root: Path) -> None:
    """Write eight depth frames of 640 x 480 that take as long to decode as a Kinect's in ScanNet.

    Walls, a floor and boxes, in the sensor's steps of disparity, with noise that neighbours share, and holes. They come
    out as large as frames of ScanNet (measured: 89 against 88 kB), with as many neighbours alike (74 against 76 %).
    """
    rng = np.random.default_rng(0)
    row, column = np.indices((480, 640), dtype=float)
    room = np.minimum.reduce(
        [2500 + 0.8 * (column - 320), 3000 - 1.5 * (column - 320) + 0.3 * row, 240_000 / np.maximum(row - 150, 1)]
    )
    frames = []
    for number in range(8):
        depth = room.copy()
        for _ in range(12):
            (top, left), (height, width) = rng.integers(0, (400, 560)), rng.integers(40, 160, 2)
            box = np.s_[top : top + height, left : left + width]
            slope = rng.uniform(-1, 1, 2)
            front = rng.uniform(900, 2000) + slope[0] * (row[box] - top) + slope[1] * (column[box] - left)
            depth[box] = np.minimum(depth[box], front)
        noise = gaussian_filter(rng.normal(size=depth.shape), 1)
        step = 2.5e-6  # of the disparity, 1 / mm
        depth = 1 / (step * np.round(1 / depth / step + 0.5 * noise / noise.std()))
        depth[rng.random((24, 32)).repeat(20, 0).repeat(20, 1) < 0.1] = 0
        frames.append(f'{number}.png')
        Image.fromarray(depth.astype(np.uint16)).save(root / frames[-1])
    intrinsics = np.array([[585.0, 0, 320], [0, 585, 240], [0, 0, 1]])
    # Over and over, as an epoch's end, where the workers have nothing to do, comes every few minutes only.
    for number in range(len(frames), 800):  # a walk has each frame once
        (root / f'{number}.png').hardlink_to(root / frames[number % 8])
    names = [f'{number}.png' for number in range(800)]
    walk = FrameSequence('s', names, np.tile(np.eye(4), (800, 1, 1)), None, intrinsics)
    write_sequence_index(root / 'sequences.json', {}, [walk])


def write_scans(root: Path) -> None:
    """Write a sequence of two scans with KITTI's number of points, spread over PV-RCNN's range and around it."""
    rng = np.random.default_rng(0)
    frames = ['s/0.bin', 's/1.bin']
    (root / 's').mkdir(parents=True)
    for frame in frames:
        distance = np.abs(rng.normal(0, 20, SCAN_POINTS)) + 2
        angle = rng.uniform(0, 2 * np.pi, SCAN_POINTS)
        height = rng.uniform(-2, 1, SCAN_POINTS)
        columns = [distance * np.cos(angle), distance * np.sin(angle), height, rng.random(SCAN_POINTS)]
        np.stack(columns, axis=1).astype(np.float32).tofile(root / frame)
    write_sequence_index(root / 'sequences.json', dict(load_dim=4), [FrameSequence('s', frames)])


def kitti_training(root: Path) -> Callable[[], object]:
    """Return mmdet3d's own KITTI training pipeline of PV-RCNN for both scans of `write_scans`, labels included.

    Without the pasting of objects from a database, which takes as long as the database makes it.
    """
    pipeline = Compose([stage for stage in get_config(STOCK).train_pipeline if stage.type != NEEDS_DATABASE])
    boxes = np.float32([[20, 5, -1.6, 3.9, 1.6, 1.56, 0.3], [35, -8, -1.6, 3.9, 1.6, 1.56, 1.2]])

    def two_frames() -> None:
        for frame in (0, 1):
            labels = dict(gt_bboxes_3d=LiDARInstance3DBoxes(boxes), gt_labels_3d=np.array([2, 2]))
            scan = dict(lidar_path=str(root / f's/{frame}.bin'), num_pts_feats=4)
            if pipeline(dict(lidar_points=scan, ann_info=labels)) is None:
                raise RuntimeError("mmdet3d's pipeline found no object in the frame")

    return two_frames


def decode(root: Path) -> None:
    """Decode two depth images and do nothing else."""
    for number in (0, 1):
        np.asarray(Image.open(io.BytesIO((root / f'{number}.png').read_bytes())))


def stock_shapes(root: Path) -> Callable[[], object]:
    """Return what mmdet3d has for two views of a shape: rotation, scale, translation, jitter, sampling and packing."""
    points = np.load(root / 'shapes.npz')['points']
    pipeline = Compose(
        [
            dict(type='GlobalRotScaleTrans', rot_range=[-0.26, 0.26], scale_ratio_range=[0.8, 1.25]),
            dict(type='RandomJitterPoints'),
            dict(type='PointSample', num_points=2048),
            dict(type='Pack3DDetInputs', keys=['points']),
        ]
    )
    numbers = itertools.count()
    return lambda: [pipeline(dict(points=DepthPoints(points[next(numbers) % NUM_SHAPES]))) for _ in range(2)]


def pair_rows(root: Path, repeats: int) -> list[Row]:
    """Time a pair of each kind on one core."""
    rows = []
    with threads(1):
        folder = root / 'shapes'
        folder.mkdir()
        write_shapes(folder)
        ours = pairs_of('pointnet_shapenet_pretrain', folder)
        peers = {"mmdet3d's fewer transforms, 2 shapes": stock_shapes(folder)}
        rows += compare('shape pair, 2 x 2048 points', ours, peers, 40 * repeats, most_ms=1.5)

        folder = root / 'depth'
        folder.mkdir()
        write_depth(folder)
        ours = pairs_of('votenet_scannet_pretrain', folder)
        peers = {'limit: decoding two PNGs': lambda: decode(folder)}
        rows += compare('RGB-D pair, 640x480 to 2 x 20,000 points', ours, peers, 8 * repeats, most=2, most_ms=20)

        folder = root / 'lidar'
        write_scans(folder)
        ours = pairs_of('pvrcnn_kitti_pretrain', folder, window=2)
        peers = {"mmdet3d's KITTI training pipeline, 2 frames, nothing pasted": kitti_training(folder)}
        rows += compare('LiDAR pair, 2 x 120,000 points', ours, peers, 8 * repeats, most=1)
    return rows


def scaling_rows(root: Path, repeats: int) -> list[Row]:
    """Count the pairs a second of one worker and of one for each core; the figure is milliseconds a pair and core."""
    what = 'pairs by one worker a core, RGB-D'
    cores = len(os.sched_getaffinity(0))
    if cores < 2:
        return [not_run(what, 'one worker', 'one core')]
    dataset, batch = dataset_of('votenet_scannet_pretrain', root / 'depth'), 32  # as in the config

    def milliseconds(workers: int) -> float:
        loader = DataLoader(
            dataset, batch, sampler=PairSampler(dataset, seed=0), num_workers=workers, collate_fn=collate_pairs
        )
        batches = iter(loader)
        for _ in range(2 * workers):  # those that were made ahead
            next(batches)
        start = time.perf_counter()
        for _ in range(BATCHES):
            next(batches)
        return 1e3 * (time.perf_counter() - start) / (BATCHES * batch) * workers

    milliseconds(cores)
    times = [(milliseconds(cores), milliseconds(1)) for _ in range(repeats)]
    ours, theirs = (float(value) for value in np.median(times, axis=0))
    return [judged(what, 'one worker', ours, theirs, most=1 / MIN_SCALING)]
