"""Points that are pasted, and points of local views, are followed, too."""

from __future__ import annotations

import numpy as np
import pytest
from made_sequences import write_drive
from mmengine.config import Config

from strl_mmdet3d.datasets import PairKey
from strl_mmdet3d.datasets.moved_things import MovedThings
from strl_mmdet3d.datasets.transforms.mark_moved import MOVED
from strl_mmdet3d.evaluation.pair_page import MOVED_CLASS, pairs_page
from strl_mmdet3d.evaluation.pair_trace import HIDDEN, KEPT, OUT_OF_RANGE
from strl_mmdet3d.evaluation.traced_pair import build_pairs, build_traced_dataset, trace_pair

MARKED = ['points', 'pts_semantic_mask', 'pts_instance_mask']


def config_of(root, pair=(), augment=(), keys=('points',), **views):
    view = dict(
        type='MultiView',
        load=[dict(type='LoadFrame')],
        pair=list(pair),
        augment=list(augment),
        pack=[dict(type='PointShuffle'), dict(type='Pack3DDetInputs', keys=list(keys))],
        **views,
    )
    box = [-30, -30, -3, 30, 30, 3]
    dataset = dict(type='TemporalPairDataset', data_root=str(root), ann_file='index.json', pipeline=[view])
    dataset |= dict(align_poses=True, point_cloud_range=box)
    return Config(dict(train_dataloader=dict(dataset=dataset, sampler=dict(type='PairSampler'))))


@pytest.fixture
def things(tmp_path):
    """Thin walls, 8 m to 20 m in front of the sensor."""
    rng = np.random.default_rng(0)
    walls = []
    for distance in (8, 12, 16, 20):
        coords = np.column_stack([np.full(300, distance), rng.uniform(-0.4, 0.4, 300), rng.uniform(-1.6, 0.0, 300)])
        walls.append(np.column_stack([coords, np.full(300, 7)]))  # an intensity of their own
    MovedThings.of(walls).save(tmp_path / 'things.npz')
    return tmp_path / 'things.npz'


def test_pasted_points_are_followed_and_the_views_stay_those_of_the_training(tmp_path, things):
    write_drive(tmp_path)
    pair = [dict(type='MarkMoved'), dict(type='PasteMoved', things=str(things), number=12)]
    flip = dict(type='RandomFlip3D', flip_ratio_bev_horizontal=1.0)
    config = config_of(tmp_path, pair, [flip], MARKED)
    key = PairKey(0, 0, 3)
    plain = build_pairs(config)[0][key]
    dataset, _, tracer = build_traced_dataset(config)
    traced = trace_pair(dataset, key, tracer)
    num_pasted = 0
    for name, trace in zip(('view_1', 'view_2'), traced.traces, strict=True):
        packed = traced.packed[name]
        points, marks = packed['inputs']['points'].numpy(), packed['data_samples'].gt_pts_seg.pts_semantic_mask.numpy()
        np.testing.assert_array_equal(points[:, :-1], plain[name]['inputs']['points'])
        np.testing.assert_array_equal(marks, plain[name]['data_samples'].gt_pts_seg.pts_semantic_mask)
        rows = points[:, -1].astype(int)
        np.testing.assert_array_equal(np.sort(rows), np.flatnonzero(trace.fate == KEPT))
        is_pasted = points[:, 3] == 7
        np.testing.assert_array_equal(is_pasted, rows >= trace.num_loaded)
        assert (marks[is_pasted] == MOVED).all()
        np.testing.assert_array_equal(trace.marks[rows], marks)
        np.testing.assert_allclose(trace.coords[rows] * [1, -1, 1], points[:, :3], atol=1e-4)
        num_pasted += is_pasted.sum()
        hidden = (trace.fate == HIDDEN).sum()
        assert dict(trace.steps)['PasteMoved'] == f'pasted {is_pasted.sum():,} points, which hide {hidden:,}'
        assert set(np.unique(trace.fate)) <= {KEPT, OUT_OF_RANGE, HIDDEN}
        np.testing.assert_array_equal(traced.moved(name), marks == MOVED)
    assert num_pasted > 100
    page = pairs_page(dataset, [key], tracer, 'a title')
    assert f'data-class="{MOVED_CLASS}"' in page
    assert 'pasted: ' in page


def test_local_views_have_traces_of_their_own(tmp_path):
    write_drive(tmp_path)
    crop = dict(type='RandomCropPoints', volume=(0.2, 0.5), min_points=10, prob=1.0)
    local = [crop, dict(type='PointShuffle'), dict(type='Pack3DDetInputs', keys=['points'])]
    flip = dict(type='RandomFlip3D', flip_ratio_bev_horizontal=1.0)
    config = config_of(tmp_path, augment=[flip], num_local=3, local=local)
    key = PairKey(0, 0, 3)
    plain = build_pairs(config)[0][key]
    dataset, _, tracer = build_traced_dataset(config)
    traced = trace_pair(dataset, key, tracer)
    assert list(traced.local_traces) == ['local_1', 'local_2', 'local_3']
    assert [traced.source_of(name) for name in traced.local_traces] == [' of frame 1', ' of frame 2', ' of frame 1']
    for name, trace in traced.local_traces.items():
        points = traced.packed[name]['inputs']['points'].numpy()
        np.testing.assert_array_equal(points[:, :-1], plain[name]['inputs']['points'])
        rows = points[:, -1].astype(int)
        np.testing.assert_array_equal(np.sort(rows), np.flatnonzero(trace.fate == KEPT))
        np.testing.assert_allclose(trace.coords[rows], points[:, :3], atol=1e-4)  # not flipped
        assert [step for step, _ in trace.steps] == ['RandomCropPoints', 'PointShuffle']
    assert pairs_page(dataset, [key], tracer, 'a title').count('<canvas') == 7
