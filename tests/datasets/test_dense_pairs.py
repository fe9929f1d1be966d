"""Regions of whole pairs: the same objects in both views, whatever moved; and a function of the key alone."""

from __future__ import annotations

import create_sequence_index
import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from torch.utils.data import DataLoader

from strl_mmdet3d.datasets import FrameSequence, PairKey, PairSampler, collate_pairs, write_sequence_index
from strl_mmdet3d.datasets.transforms.regions import NoRegionError
from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.evaluation.temporal_frames import TemporalFrames

VIEWS = ('view_1', 'view_2')
CELL = 0.5
PACK = [dict(type='Pack3DDetInputs', keys=['points', 'gt_bboxes_3d', 'gt_labels_3d'])]
OURS = [
    dict(type='RandomRotatePoints', max_angle=0.26),
    dict(type='RandomTranslatePoints', max_shift=0.1),
    dict(type='RandomScalePoints', scale=(0.8, 1.25)),
    dict(type='RandomCropPoints', min_points=64),
    dict(type='RandomCutoutPoints', min_points=64),
    dict(type='RandomDropPoints', max_ratio=0.5),
]
STOCK = [
    dict(type='RandomFlip3D', flip_ratio_bev_horizontal=0.5, flip_ratio_bev_vertical=0.5),
    dict(
        type='GlobalRotScaleTrans', rot_range=[-0.78, 0.78], scale_ratio_range=[0.95, 1.05], translation_std=[1, 1, 0.2]
    ),
]


@pytest.fixture
def street(tmp_path):
    """A car turns and drives among 60 posts; the reflectance of a point is the number of its post, of the road -1."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(-25, 30, 5.0), np.arange(-25, 30, 5.0)), axis=-1).reshape(-1, 2)
    centres = rng.permutation(grid)[:60] + CELL / 2 + rng.uniform(-0.05, 0.05, (60, 2))
    poses = np.tile(np.eye(4), (5, 1, 1))
    for number, pose in enumerate(poses):
        pose[:3, :3] = Rotation.from_euler('zyx', [0.2 * number, 0.01 * number, 0]).as_matrix()
        pose[:3, 3] = [1.3 * number, 0.7 * number, 0.02 * number]
    (tmp_path / 's').mkdir()
    frames = [f's/{number}.bin' for number in range(5)]
    for frame, pose in zip(frames, poses, strict=True):
        # The sensor meets other points of the same things in each frame.
        road = np.column_stack([rng.uniform(-30, 30, (4000, 2)), rng.normal(-1.7, 0.01, 4000), np.full(4000, -1)])
        posts = np.column_stack(
            [
                centres.repeat(150, 0) + rng.uniform(-0.1, 0.1, (9000, 2)),
                rng.uniform(-1.7, 0.3, 9000),
                np.arange(60).repeat(150),
            ]
        )
        world = np.concatenate([road, posts])
        world[:, :3] = (world[:, :3] - pose[:3, 3]) @ pose[:3, :3]
        world.astype(np.float32).tofile(tmp_path / frame)
    write_sequence_index(tmp_path / 'index.json', dict(load_dim=4), [FrameSequence('s', frames, poses)])
    return tmp_path


def build(root, augment=(), pack=PACK, **changes):
    pipeline = dict(
        type='MultiView',
        load=[dict(type='LoadFrame')],
        pair=[dict(type='DrawRegions', count=30, cell=(CELL, CELL))],
        augment=augment,
        pack=pack,
    )
    config = dict(
        type='TemporalPairDataset',
        data_root=str(root),
        ann_file='index.json',
        window=5,
        align_poses=True,
        pipeline=pipeline,
    )
    return DATASETS.build(config | changes)


def regions(view):
    instances = view['data_samples'].gt_instances_3d
    return instances.bboxes_3d.gravity_center.numpy(), instances.labels_3d.tolist()


@pytest.mark.parametrize('augment', [[], [*STOCK], [*OURS], [*STOCK, *OURS]], ids=['none', 'stock', 'ours', 'both'])
@pytest.mark.parametrize('mode', ['both', 'spatial'])
def test_a_region_is_the_same_object_in_both_views_to_within_half_a_cell(street, mode, augment):
    dataset = build(street, augment, mode=mode, align_poses=mode != 'spatial')
    counts, apart = [], []
    for epoch in range(6):
        pair = dataset[PairKey(0, epoch, epoch % len(dataset))]
        (places_1, numbers_1), (places_2, numbers_2) = (regions(pair[view]) for view in VIEWS)
        assert numbers_1 == numbers_2
        objects = []
        for view, places in zip(VIEWS, (places_1, places_2), strict=True):
            points = pair[view]['inputs']['points'].numpy()
            posts = points[points[:, 3] >= 0]
            # From above along the post: crops may have shortened it, and rotations tilted it.
            distances, nearest = cKDTree(posts[:, :3]).query(places)
            assert distances.max() < CELL / 2
            objects.append(posts[nearest, 3].tolist())
        assert objects[0] == objects[1]
        counts.append(len(places_1))
        apart.append(pair['view_1']['data_samples'].frame_index != pair['view_2']['data_samples'].frame_index)
    assert min(counts) >= 1
    assert np.mean(counts) > 8
    assert any(apart) == (mode != 'spatial')


def test_regions_are_a_function_of_seed_epoch_and_index_whatever_the_workers(street):
    dataset, drawn = build(street, [*STOCK, *OURS]), []
    for num_workers in (0, 2):
        sampler = PairSampler(dataset, seed=3)
        sampler.set_epoch(1)
        loader = DataLoader(dataset, 2, sampler=sampler, num_workers=num_workers, collate_fn=collate_pairs)
        drawn.append([regions(dict(data_samples=one)) for batch in loader for one in batch['view_2']['data_samples']])
    assert len(drawn[0]) == len(drawn[1]) == 5
    for (places, numbers), (others, other_numbers) in zip(*drawn, strict=True):
        np.testing.assert_array_equal(places, others)
        assert numbers == other_numbers
    again = regions(dataset[PairKey(3, 2, 0)]['view_1'])[0]
    np.testing.assert_array_equal(again, regions(dataset[PairKey(3, 2, 0)]['view_1'])[0])
    assert not np.array_equal(again, regions(dataset[PairKey(4, 2, 0)]['view_1'])[0])


def test_a_worker_sends_data_samples_with_regions_as_they_are(street):
    dataset = build(street, [*STOCK])
    batch = next(iter(DataLoader(dataset, 3, num_workers=1, collate_fn=collate_pairs)))
    expected = pseudo_collate([dataset[index] for index in range(3)])
    for view in VIEWS:
        samples = batch[view]['data_samples']
        assert isinstance(samples, list)
        for sample, other in zip(samples, expected[view]['data_samples'], strict=True):
            assert sample.frame_path == other.frame_path
            assert sample.keys() == other.keys()
            mine, theirs = sample.gt_instances_3d, other.gt_instances_3d
            assert type(mine.bboxes_3d) is type(theirs.bboxes_3d)
            assert torch.equal(mine.bboxes_3d.tensor, theirs.bboxes_3d.tensor)
            assert torch.equal(mine.labels_3d, theirs.labels_3d)
            # Each shared tensor would take one of the process's few file descriptors.
            assert not mine.bboxes_3d.tensor.is_shared()
            assert not mine.labels_3d.is_shared()


def test_without_regions_frames_are_loaded_and_made_into_views_one_by_one(street):
    """So the draws of a recipe without regions are what they were."""
    steps = []

    def note(name):
        def transform(view):
            steps.append((name, view['frame_index']))
            return view

        return transform

    for pair in ((), [dict(type='DrawRegions')]):
        dataset = build(street)
        view = dataset.pipeline.transforms[0]
        view.load.transforms.append(note('load'))
        view.augment.transforms.append(note('augment'))
        view.pair.transforms = view.pair.transforms if pair else []
        dataset[PairKey(0, 0, 1)]
    assert [name for name, _ in steps] == ['load', 'augment', 'load', 'augment', 'load', 'load', 'augment', 'augment']


def test_frames_that_are_not_in_the_same_axes_are_refused(street):
    dataset = build(street, align_poses=False)
    with pytest.raises(
        ConfigError, match="set align_poses=True, which needs poses in the sequence index, or mode='spatial'"
    ):
        dataset[PairKey(0, 0, 0)]


def test_regions_that_are_not_packed_are_missed(street):
    with pytest.raises(ConfigError, match=r"Pack3DDetInputs\(keys=\['points', 'gt_bboxes_3d', 'gt_labels_3d'\]\)"):
        build(street, pack=[dict(type='Pack3DDetInputs', keys=['points'])])[PairKey(0, 0, 0)]


def test_regions_and_local_views_exclude_one_another(street):
    with pytest.raises(ConfigError, match='give num_local or pair, not both'):
        build(
            street, pipeline=dict(type='MultiView', load=[], pair=[dict(type='DrawRegions')], num_local=1, local=PACK)
        )


def test_a_pair_without_a_common_region_is_replaced_and_counted(street):
    def lose(view):
        if view['frame_index'] == 2:
            view['gt_bboxes_3d'], view['gt_labels_3d'] = view['gt_bboxes_3d'][:0], view['gt_labels_3d'][:0]
        return view

    dataset = build(street, [lose], mode='spatial')
    pair = dataset[PairKey(0, 0, 2)]
    sample = pair['view_1']['data_samples']
    assert sample.num_redraws >= 1
    assert sample.frame_index != 2
    assert {skipped['frame_path'] for skipped in sample.skipped} == {'s/2.bin'}
    assert 'no region in common' in sample.skipped[0]['reason']
    with pytest.raises(NoRegionError, match=r'1 pair\(s\) in a row could not be used'):
        build(street, [lose], mode='spatial', max_refetch=0)[PairKey(0, 0, 2)]


def test_regions_out_of_the_range_are_dropped(street):
    low, high = [-10, -10, -3], [10, 10, 3]
    dataset = build(street, [*STOCK], point_cloud_range=[*low, *high])
    for epoch in range(5):
        pair = dataset[PairKey(0, epoch, epoch)]
        for view in VIEWS:
            places, _ = regions(pair[view])
            assert len(places)
            assert (places > low).all()
            assert (places < high).all()


def test_the_frames_of_the_retrieval_probe_need_no_regions_and_no_poses(street):
    """The probe pairs neighbours whatever the mode; without poses they would have no common axes."""
    config = dict(type='TemporalPairDataset', data_root=str(street), ann_file='index.json', mode='spatial')
    pipeline = build(street).pipeline.transforms[0]
    frames = TemporalFrames(config | dict(pipeline=[pipeline]), num_frames=5, run=5)
    origins = []
    assert [len(cloud) for cloud in frames.read(origins)] == [13000] * 5
    assert [frame for _, frame in origins] == list(range(5))


@pytest.mark.real
@pytest.mark.parametrize(
    ('config', 'source', 'axes', 'changes'),
    [
        ('pvrcnn_kitti_pretrain_dense', ('kitti-raw', 'kitti_raw'), 2, dict(mode='spatial', align_poses=False)),
        ('votenet_scannet_pretrain_dense', ('scannet', 'scannet_frames'), 3, dict()),
    ],
)
def test_on_real_frames_both_views_have_points_at_each_region(real_data, tmp_path, config, source, axes, changes):
    """The real drive has no poses; the real walk has. Measured by the nearest point, in cells of 0.5 and 0.3 m.

    A place is the centroid of the points of both frames in its cell. So the nearest point is not farther than the
    cell's diagonal, and seldom as far as half of it.
    """
    index = str(tmp_path / 'sequences.json')
    create_sequence_index.main([source[0], '--root', str(real_data / source[1]), '--out', index])
    settings = Config.fromfile(f'configs/strl/{config}.py').train_dataloader.dataset
    settings.update(data_root=str(real_data / source[1]), ann_file=index, **changes)
    settings.pipeline.update(augment=[])
    dataset, distances, counts = DATASETS.build(settings), [], []
    for number in range(0, len(dataset), max(1, len(dataset) // 8)):
        pair = dataset[PairKey(0, 0, number)]
        for view in VIEWS:
            places, _ = regions(pair[view])
            points = pair[view]['inputs']['points'].numpy()
            distances.append(cKDTree(points[:, :axes]).query(places[:, :axes])[0])
            counts.append(len(places))
    cell = settings.pipeline.pair[0].cell[0]

    assert min(counts) == 48
    assert np.concatenate(distances).max() < cell * axes**0.5
    assert np.mean(np.concatenate(distances) < cell / 2) > 0.99
