"""Heads that read the BEV plane of a partly hidden scan: what they give, and that it is learned."""

from __future__ import annotations

import pytest
import torch
from mmdet3d.registry import DATASETS, MODELS
from mmdet3d.structures import Det3DDataSample, PointData
from tiny import RandomPairs, pair_batch, tiny_detector, tiny_runner

from strl_mmdet3d.datasets.transforms.mark_moved import MOVED, STAYS
from strl_mmdet3d.errors import ConfigError

HEADS = dict(occupancy=dict(type='OccupancyHead', temporal=True), motion=dict(type='MotionHead'))


def tiny_prediction(**changes):
    """Around the tiny detector, whose plane has 16 channels and 16 x 16 cells of a metre."""
    encoder = dict(type='DetectorEncoder', detector=tiny_detector(), feature='0')
    return dict(type='PlanePrediction', encoder=encoder, in_channels=16, heads=HEADS, patch=2.0) | changes


def marks_of(points):
    """Mark what is right of the sensor as one thing that has moved."""
    moved = points[:, 1] < 0
    return PointData(pts_semantic_mask=torch.where(moved, MOVED, STAYS), pts_instance_mask=torch.where(moved, 0, -1))


def marked(batch):
    """Mark a batch, see `marks_of`."""
    for view in batch.values():
        view['data_samples'] = [Det3DDataSample(gt_pts_seg=marks_of(points)) for points in view['inputs']['points']]
    return batch


def test_each_head_gives_a_loss_and_the_trunk_gets_its_gradient():
    model = MODELS.build(tiny_prediction())
    torch.manual_seed(0)
    losses = model(**model.data_preprocessor(marked(pair_batch()), True))
    assert set(losses) == {'loss_occupancy', 'loss_motion'}
    for loss in losses.values():
        model.zero_grad()
        loss.backward(retain_graph=True)
        assert all(parameter.grad.abs().sum() > 0 for parameter in model.online_encoder.parameters())


def test_both_views_count_alike():
    """Without BatchNorm's running statistics nothing tells the first view from the second."""
    model = MODELS.build(tiny_prediction(share=0.0))
    prepared = model.data_preprocessor(marked(pair_batch()), True)
    swapped = dict(view_1=prepared['view_2'], view_2=prepared['view_1'])
    for name, loss in model(**prepared).items():
        assert loss.item() == pytest.approx(model(**swapped)[name].item(), rel=1e-5)
    alone = dict(view_1=prepared['view_1'], view_2=prepared['view_1'])
    assert abs(model(**alone)['loss_motion'] - model(**prepared)['loss_motion']) > 1e-4


def test_a_head_that_is_none_is_left_out():
    model = MODELS.build(tiny_prediction(heads=HEADS | dict(motion=None)))
    assert set(model(**model.data_preprocessor(pair_batch(), True))) == {'loss_occupancy'}
    with pytest.raises(ConfigError, match='heads has no head'):
        MODELS.build(tiny_prediction(heads=dict(motion=None)))


@DATASETS.register_module(force=True)
class MarkedPairs(RandomPairs):
    """All points lie on the ground, and those to the right have moved: both can be predicted."""

    def __getitem__(self, index):
        pair = super().__getitem__(index)
        for view in pair.values():
            view['inputs']['points'][:, 2] = -1.8
            view['data_samples'] = Det3DDataSample(gt_pts_seg=marks_of(view['inputs']['points']))
        return pair


def test_a_true_run_learns(tmp_path):
    runner = tiny_runner(
        tmp_path,
        epochs=14,
        model=tiny_prediction(),
        custom_hooks=[],
        train_dataloader=dict(
            batch_size=2,
            num_workers=0,
            dataset=dict(type='MarkedPairs'),
            sampler=dict(type='PairSampler'),
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(type='PretrainLoop', max_epochs=14),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=3e-3)),
    )
    losses = []
    step = runner.model.train_step
    runner.model.train_step = lambda *args, **kwargs: losses.append(step(*args, **kwargs)) or losses[-1]
    runner.train()
    assert len(losses) == 56
    for name in ('loss_occupancy', 'loss_motion'):
        values = [entry[name].item() for entry in losses]
        assert sum(values[-8:]) < 0.9 * sum(values[:8])


def test_a_feature_that_is_no_plane_is_refused():
    model = MODELS.build(tiny_prediction())
    model.online_encoder.features = [None]
    with pytest.raises(ConfigError, match='read a BEV plane'):
        model(**model.data_preprocessor(marked(pair_batch()), True))


def test_it_is_only_trained():
    model = MODELS.build(tiny_prediction())
    with pytest.raises(ValueError, match="mode 'loss'"):
        model(**model.data_preprocessor(marked(pair_batch()), True), mode='tensor')
