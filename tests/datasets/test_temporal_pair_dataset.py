from __future__ import annotations

import logging
import random
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmdet3d.registry import DATASETS
from mmengine.dataset import pseudo_collate
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from mmengine.runner.loops import _InfiniteDataloaderIterator
from scipy.spatial.transform import Rotation
from torch.utils.data import DataLoader

from strl_mmdet3d.datasets import (
    CorruptFrameError,
    EmptyViewError,
    FrameSequence,
    PairKey,
    SequenceIndexError,
    TemporalPairDataset,
    window_around,
    write_sequence_index,
)
from strl_mmdet3d.datasets.sources import ScanLister, kitti_raw_sequences
from strl_mmdet3d.generators import seeded

AUGMENT = [
    {'type': 'GlobalRotScaleTrans', 'rot_range': [-0.5, 0.5], 'scale_ratio_range': [0.9, 1.1]},
    {'type': 'PointSample', 'num_points': 20},
]


def config(data, augment=AUGMENT, pack=(), window=2, **changes):
    pack = [*pack, {'type': 'Pack3DDetInputs', 'keys': ['points']}]
    return {
        'type': 'TemporalPairDataset',
        'data_root': str(data.root),
        'ann_file': str(data.index),
        'pipeline': [{'type': 'MultiView', 'load': [{'type': 'LoadFrame'}], 'augment': augment, 'pack': pack}],
        'window': window,
        **changes,
    }


def build(data, **changes):
    return DATASETS.build(config(data, **changes))


def points(pair):
    return [pair[view]['inputs']['points'] for view in ('view_1', 'view_2')]


def frames(pair):
    """The frames (sequence, number) of both views, as the data samples say."""
    samples = [pair[view]['data_samples'] for view in ('view_1', 'view_2')]
    return [(sample.sequence_id, sample.frame_index) for sample in samples]


def same(pair, other):
    return all(torch.equal(a, b) for a, b in zip(points(pair), points(other), strict=True))


@pytest.fixture
def warnings(monkeypatch):
    """The warnings that are logged, in this process."""
    messages = []
    logger = MMLogger.get_current_instance()

    class Keep(logging.Handler):
        def emit(self, record):
            messages.append(record.getMessage())

    handler = Keep(level=logging.WARNING)
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


class TestChoiceOfFrames:
    def test_one_item_per_key_frame_whatever_the_window(self, make_sequences):
        data = make_sequences(7, 3)
        for window in (2, 5, 7):
            for mode in ('both', 'temporal', 'spatial'):
                assert len(build(data, window=window, mode=mode)) == 10

    def test_the_points_are_those_of_the_frames_named(self, make_sequences):
        dataset = build(make_sequences(7, 3))
        for i in range(len(dataset)):
            pair = dataset[PairKey(0, 0, i)]
            for (sequence, frame), cloud in zip(frames(pair), points(pair), strict=True):
                assert set(cloud[:, 3].tolist()) == {frame + {'s0': 0, 's1': 7}[sequence]}

    @given(st.integers(0, 2**31), st.integers(0, 10**6), st.integers(0, 9), st.integers(2, 7))
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_a_pair_is_two_frames_of_the_window_in_one_sequence(self, shared, seed, epoch, index, window):
        dataset = build(shared, window=window)
        (sequence_1, frame_1), (sequence_2, frame_2) = frames(dataset[PairKey(seed, epoch, index)])
        name, start, length = ('s0', 0, 7) if index < 7 else ('s1', 7, 3)
        assert sequence_1 == sequence_2 == name
        assert frame_1 != frame_2
        assert {frame_1, frame_2} <= set(window_around(index - start, length, window))

    @pytest.fixture
    def shared(self, make_sequences):
        return make_sequences(7, 3)

    def test_spatial_is_the_key_frame_twice_in_two_views(self, make_sequences):
        dataset = build(make_sequences(7, 3), mode='spatial')
        for i in range(len(dataset)):
            pair = dataset[PairKey(0, 0, i)]
            assert frames(pair)[0] == frames(pair)[1] == (('s0', i) if i < 7 else ('s1', i - 7))
            assert not torch.equal(*points(pair))

    def test_temporal_is_two_frames_as_they_are(self, make_sequences):
        data = make_sequences(7)
        pair = build(data, mode='temporal')[PairKey(0, 0, 3)]
        assert frames(pair)[0] != frames(pair)[1]
        for (_, frame), cloud in zip(frames(pair), points(pair), strict=True):
            raw = np.fromfile(data.root / f's0/{frame}.bin', dtype=np.float32).reshape(-1, 4)
            np.testing.assert_array_equal(cloud, raw)

    def test_the_modes_choose_the_same_frames(self, make_sequences):
        data = make_sequences(9)
        both, temporal = build(data, mode='both'), build(data, mode='temporal')
        for i in range(9):
            assert frames(both[PairKey(1, 2, i)]) == frames(temporal[PairKey(1, 2, i)])

    def test_neighbours_as_in_the_released_code(self, make_sequences):
        dataset = build(make_sequences(9), selection='neighbour')
        seen = Counter()
        for epoch in range(40):
            (_, first), (_, second) = frames(dataset[PairKey(0, epoch, 4)])
            assert first == 4
            seen[second] += 1
        assert set(seen) == {3, 4, 5}


class TestAlignment:
    def test_both_frames_are_in_the_axes_of_the_first(self, make_sequences):
        data = make_sequences(6, with_poses=True)
        aligned, plain = (build(data, mode='temporal', align_poses=flag) for flag in (True, False))
        for i in range(6):
            key = PairKey(0, 0, i)
            (_, first), (_, second) = frames(aligned[key])
            view_1, view_2 = points(aligned[key])
            plain_1, plain_2 = points(plain[key])
            assert torch.equal(view_1, plain_1)
            # The frames are two metres apart along x, and the axes parallel.
            expected = plain_2 + torch.tensor([2.0 * (second - first), 0, 0, 0])
            torch.testing.assert_close(view_2, expected)

    def test_a_static_scene_falls_on_itself(self, tmp_path, make_sequences):
        """One scene, scanned from poses that turn in all axes: aligned by the poses, all scans are one."""
        data = make_sequences(5)
        scene = np.random.default_rng(0).uniform(-20, 20, (50, 3))
        poses = np.tile(np.eye(4), (5, 1, 1))
        poses[:, :3, :3] = Rotation.random(5, random_state=0).as_matrix()
        poses[:, :3, 3] = np.random.default_rng(1).normal(0, 1e6, 3) + np.random.default_rng(2).normal(0, 5, (5, 3))
        for i, pose in enumerate(poses):
            scan = (scene + poses[0, :3, 3] - pose[:3, 3]) @ pose[:3, :3]  # world -> lidar
            np.hstack([scan, np.ones((50, 1))]).astype(np.float32).tofile(data.root / f's0/{i}.bin')
        write_sequence_index(data.index, {}, [FrameSequence('s0', data.sequences[0].frames, poses)])
        dataset = build(data, mode='temporal', align_poses=True)
        for i in range(5):
            view_1, view_2 = points(dataset[PairKey(0, 0, i)])
            torch.testing.assert_close(view_1, view_2, atol=2e-5, rtol=0)

    def test_a_missing_pose_is_named(self, make_sequences):
        with pytest.raises(SequenceIndexError, match=r"sequence 's0' has no poses.*align_poses=False"):
            build(make_sequences(4), align_poses=True)


class TestDeterminism:
    def test_a_pair_depends_on_seed_epoch_and_index_alone(self, make_sequences):
        data = make_sequences(8)
        one, other = build(data), build(data)
        keys = [PairKey(s, e, i) for s in range(2) for e in range(2) for i in range(8)]
        first = {key: one[key] for key in keys}
        for key in random.Random(0).sample(keys, len(keys)):
            np.random.seed(None)
            np.random.rand()
            assert same(first[key], other[key])
        assert len({tuple(points(pair)[0].flatten().tolist()) for pair in first.values()}) == len(keys)

    def test_the_global_generators_are_put_back(self, make_sequences):
        dataset = build(make_sequences(4))

        def draw():
            return random.random(), np.random.rand(), torch.rand(1).item()

        for seeds in (0, 1):
            random.seed(seeds), np.random.seed(seeds), torch.manual_seed(seeds)
            expected = [draw(), draw()]
            random.seed(seeds), np.random.seed(seeds), torch.manual_seed(seeds)
            got = [draw()]
            dataset[PairKey(0, 0, 0)]
            got.append(draw())
            assert got == expected

    def test_seeded_seeds_all_three_and_puts_back_after_an_error(self):
        def draw():
            return random.random(), np.random.rand(), torch.rand(1).item()

        torch.manual_seed(5), np.random.seed(5), random.seed(5)
        expected = draw()
        torch.manual_seed(5), np.random.seed(5), random.seed(5)
        inside = []

        def fail():
            with seeded(np.random.SeedSequence(1)):
                inside.append(draw())
                raise ZeroDivisionError

        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                fail()
        assert inside[0] == inside[1] != expected
        assert draw() == expected

    @pytest.mark.parametrize('num_workers', [0, 1, 2])
    def test_two_epochs_are_the_same_with_any_workers(self, make_sequences, num_workers):
        data = make_sequences(9)
        dataset = build(data)
        loader = Runner.build_dataloader(
            {
                'dataset': config(data),
                'sampler': {'type': 'PairSampler', 'shuffle': True},
                'batch_size': 2,
                'num_workers': num_workers,
                'persistent_workers': num_workers > 0,
                'collate_fn': {'type': 'collate_pairs'},
            },
            seed=11,
        )
        views = []
        for epoch in range(2):
            loader.sampler.set_epoch(epoch)
            keys = list(loader.sampler)
            assert sorted(key.index for key in keys) == list(range(9))
            batches = list(loader)
            expected = [pseudo_collate([dataset[key] for key in keys[i : i + 2]]) for i in range(0, 9, 2)]
            for batch, reference in zip(batches, expected, strict=True):
                for view in ('view_1', 'view_2'):
                    got, wanted = batch[view]['inputs']['points'], reference[view]['inputs']['points']
                    assert all(torch.equal(a, b) for a, b in zip(got, wanted, strict=True))
            views.append({tuple(p[0].tolist()) for b in batches for p in b['view_1']['inputs']['points']})
        assert not views[0] & views[1]

    def test_an_iteration_based_loop_goes_on_to_the_next_epoch(self, make_sequences, monkeypatch):
        monkeypatch.setattr('mmengine.runner.loops.time.sleep', lambda _: None)
        data = make_sequences(4)
        sampler = {'type': 'PairSampler', 'shuffle': False}
        loader = Runner.build_dataloader(
            {'dataset': config(data), 'sampler': sampler, 'batch_size': 4, 'num_workers': 0}, seed=1
        )
        iterator = _InfiniteDataloaderIterator(loader)
        batches = [next(iterator) for _ in range(3)]
        for epoch, batch in enumerate(batches):
            for index, cloud in enumerate(batch['view_1']['inputs']['points']):
                assert torch.equal(cloud, points(loader.dataset[PairKey(1, epoch, index)])[0])

    def test_a_part_of_an_epoch_has_the_same_pairs(self, make_sequences):
        """``num_batch_per_epoch`` wraps the dataset in a shorter one."""
        data = make_sequences(9)
        loader = Runner.build_dataloader(
            {
                'dataset': config(data),
                'sampler': {'type': 'PairSampler', 'shuffle': False},
                'batch_size': 2,
                'num_workers': 0,
                'num_batch_per_epoch': 2,
            },
            seed=1,
        )
        loader.sampler.set_epoch(3)
        clouds = [cloud for batch in loader for cloud in batch['view_1']['inputs']['points']]
        dataset = build(data)
        assert len(clouds) == 4
        assert all(torch.equal(c, points(dataset[PairKey(1, 3, i)])[0]) for i, c in enumerate(clouds))

    def test_a_plain_index_is_epoch_0_and_says_so_once(self, make_sequences, warnings):
        dataset = build(make_sequences(6))
        pairs = list(dataset)
        assert all(same(pair, dataset[PairKey(0, 0, i)]) for i, pair in enumerate(pairs))
        assert len(pairs) == 6
        assert len(warnings) == 1
        assert 'PairSampler' in warnings[0]


class TestUnusablePairs:
    def damage(self, data, frame, content):
        path = data.root / frame
        path.unlink() if content is None else path.write_bytes(content)

    @pytest.mark.parametrize(
        'content',
        [None, b'', bytes(17), np.full(16, np.nan, np.float32).tobytes()],
        ids=['missing', 'empty', 'truncated', 'nan'],
    )
    def test_another_pair_is_drawn_by_a_fixed_rule_and_the_file_named(self, make_sequences, warnings, content):
        data = make_sequences(10)
        self.damage(data, 's0/4.bin', content)
        dataset, again = build(data), build(data)
        num_redraws = Counter()
        for epoch in range(3):
            for i in range(10):
                pair = dataset[PairKey(0, epoch, i)]
                assert ('s0', 4) not in frames(pair)
                assert same(pair, again[PairKey(0, epoch, i)])
                counts = [pair[view]['data_samples'].num_redraws for view in ('view_1', 'view_2')]
                assert counts[0] == counts[1]
                num_redraws[counts[0]] += 1
        redrawn = sum(number * times for number, times in num_redraws.items())
        assert redrawn > 0
        assert len(warnings) == 2 * redrawn  # two data sets
        assert all('s0/4.bin' in message and 'Restore it' in message for message in warnings)

    def test_what_was_skipped_is_told_in_both_views(self, make_sequences):
        data = make_sequences(10)
        self.damage(data, 's0/4.bin', bytes(17))
        dataset = build(data)
        num_skipped = 0
        for i in range(10):
            pair = dataset[PairKey(0, 7, i)]
            samples = [pair[view]['data_samples'] for view in ('view_1', 'view_2')]
            skipped = samples[0].skipped
            assert skipped == samples[1].skipped
            assert len(skipped) == samples[0].num_redraws
            for record in skipped:
                assert (record['frame_path'], record['epoch'], record['item']) == ('s0/4.bin', 7, i)
                assert f'{data.root}/s0/4.bin is truncated' in record['reason']
            num_skipped += len(skipped)
        assert num_skipped

    def test_an_undamaged_pair_does_not_depend_on_damage_elsewhere(self, make_sequences):
        data = make_sequences(10)
        before = [build(data)[PairKey(0, 0, i)] for i in range(10)]
        self.damage(data, 's0/4.bin', bytes(3))
        for i, pair in enumerate(before):
            if ('s0', 4) not in frames(pair):
                assert same(build(data)[PairKey(0, 0, i)], pair)

    @pytest.mark.parametrize('mode', ['both', 'spatial'])
    def test_too_many_in_a_row_stop_the_run(self, make_sequences, mode, warnings):
        data = make_sequences(6)
        dataset = build(data, mode=mode, max_refetch=3)
        for i in range(6):
            self.damage(data, f's0/{i}.bin', bytes(5))
        with pytest.raises(CorruptFrameError, match=r'^4 pair.* in a row.*\.bin is truncated'):
            dataset[PairKey(0, 0, 0)]
        assert len(warnings) == 4
        assert all('is truncated' in message for message in warnings)

    def test_the_error_of_a_worker_keeps_its_message(self, make_sequences):
        data = make_sequences(4)
        dataset = build(data, max_refetch=0)
        for i in range(4):
            self.damage(data, f's0/{i}.bin', bytes(5))
        loader = DataLoader(dataset, sampler=[PairKey(0, 0, 0)], num_workers=1, collate_fn=pseudo_collate)
        iterator = iter(loader)
        with pytest.raises(CorruptFrameError, match=r'\.bin is truncated'):
            next(iterator)
        # Once more, so that the worker is asked to stop, and not left to the garbage collector.
        with pytest.raises(StopIteration):
            next(iterator)

    def test_an_empty_view_is_replaced_too(self, make_sequences, warnings):
        data = make_sequences(6)
        far = np.full((10, 4), 500, np.float32)
        self.damage(data, 's0/2.bin', far.tobytes())
        dataset = build(data, pack=[{'type': 'PointsRangeFilter', 'point_cloud_range': [-50] * 3 + [50] * 3}])
        for i in range(6):
            pair = dataset[PairKey(0, 0, i)]
            assert all(len(cloud) for cloud in points(pair))
        assert warnings
        assert all('left without points by PointsRangeFilter' in message for message in warnings)
        with pytest.raises(EmptyViewError, match='in a row'):
            build(data, mode='spatial', pack=[lambda view: None], max_refetch=0)[PairKey(0, 0, 0)]

    def test_an_error_in_a_transform_is_not_taken_for_damage(self, make_sequences):
        def broken(view):
            raise ValueError('a mistake')

        with pytest.raises(ValueError, match='a mistake'):
            build(make_sequences(3), augment=[broken])[PairKey(0, 0, 0)]


class TestWhatIsCheckedAtInit:
    @pytest.mark.parametrize(
        ('changes', 'message'),
        [
            ({'mode': 'time'}, "mode must be .* got 'time'"),
            ({'selection': 'any'}, 'selection must be'),
            ({'window': 1}, "at least 2 key frames.*mode='spatial'"),
            ({'max_refetch': -1}, 'max_refetch'),
        ],
    )
    def test_arguments(self, make_sequences, changes, message):
        with pytest.raises(ValueError, match=message):
            build(make_sequences(3), **changes)

    @pytest.mark.parametrize('index', [-1, 3, 10**6])
    def test_an_index_out_of_range(self, make_sequences, index):
        with pytest.raises(IndexError, match=f'index {index} of 3'):
            build(make_sequences(3))[PairKey(0, 0, index)]

    def test_a_missing_root_and_a_moved_one(self, make_sequences, tmp_path):
        data = make_sequences(3)
        with pytest.raises(SequenceIndexError, match=r'data_root .*nowhere does not exist'):
            build(data, data_root=str(tmp_path / 'nowhere'))
        with pytest.raises(SequenceIndexError, match=r's0/0\.bin does not exist.*set data_root'):
            build(data, data_root=str(tmp_path))

    @pytest.mark.parametrize('what', ['the root', 'what was below it'])
    def test_a_root_that_is_lost_later_ends_it_at_once(self, make_sequences, what, warnings):
        data = make_sequences(6)
        dataset = build(data)
        dataset[PairKey(0, 0, 0)]
        data.root.rename(data.root.with_name('lost'))
        if what != 'the root':
            data.root.mkdir()
        with pytest.raises(
            SequenceIndexError, match=r'data.* does not exist.*lost during a run, bring it back.*--resume'
        ):
            dataset[PairKey(0, 0, 1)]
        assert not warnings
        data.root.rmdir() if data.root.exists() else None
        data.root.with_name('lost').rename(data.root)
        dataset[PairKey(0, 0, 1)]

    def test_a_missing_index(self, make_sequences, tmp_path):
        with pytest.raises(SequenceIndexError, match='create_sequence_index'):
            build(make_sequences(3), ann_file=str(tmp_path / 'nowhere.json'))

    def test_an_index_relative_to_the_root(self, make_sequences):
        data = make_sequences(3)
        (data.root / 'below').mkdir()
        data.index.rename(data.root / 'below/index.json')
        assert len(build(data, ann_file='below/index.json')) == 3

    def test_short_sequences_are_left_out_and_counted(self, make_sequences, warnings):
        data = make_sequences(1, 4, 1)
        dataset = build(data, window=4)
        assert len(dataset) == 4
        assert frames(dataset[PairKey(0, 0, 0)])[0][0] == 's1'
        assert len(warnings) == 1
        assert '2 of 3 sequences are left out' in warnings[0]
        assert len(build(data, mode='spatial')) == 6

    def test_nothing_but_short_sequences(self, make_sequences):
        with pytest.raises(SequenceIndexError, match=r"'s0' the first.*--key-frame-every"):
            build(make_sequences(1, 1))

    def test_a_window_longer_than_sequences_is_counted(self, make_sequences, warnings):
        build(make_sequences(3, 6), window=5)
        assert len(warnings) == 1
        assert '1 of 2 sequences are shorter than the window of 5' in warnings[0]

    def test_a_window_longer_than_all_sequences(self, make_sequences):
        with pytest.raises(SequenceIndexError, match=r"window of 7 key frames.*'s1', has 6\. Set window=6"):
            build(make_sequences(3, 6), window=7)

    def test_load_dim_of_the_index(self, make_sequences):
        with pytest.raises(ValueError, match='Set load_dim=5'):
            build(make_sequences(3, load_dim=5))[PairKey(0, 0, 0)]

    def test_the_metainfo_of_the_index_is_there(self, make_sequences):
        dataset = build(make_sequences(3, source='folder'))
        assert isinstance(dataset, TemporalPairDataset)
        assert dataset.index_metainfo['source'] == 'folder'
        assert '3 key frames of 1 sequences' in repr(dataset)


@pytest.mark.real
def test_real_pairs(real_data, tmp_path):
    root = real_data / 'kitti_raw'
    write_sequence_index(tmp_path / 'index.json', {'load_dim': 4}, kitti_raw_sequences(root, ScanLister()))
    data = SimpleNamespace(root=root, index=tmp_path / 'index.json')
    dataset = build(data, augment=[], window=3)
    assert len(dataset) == 22
    for index in (0, 11, 21):
        pair = dataset[PairKey(0, 0, index)]
        assert all(110_000 < len(cloud) < 125_000 for cloud in points(pair))
        assert {frame for _, frame in frames(pair)} <= set(window_around(index, 22, 3))
