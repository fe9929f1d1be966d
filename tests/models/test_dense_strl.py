"""Dense STRL: the same loss on regions, whose number changes from step to step; a run from files to checkpoint."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.optim import build_optim_wrapper
from tiny import RANGE, tiny_detector, tiny_runner, tiny_strl
from tiny_regions import batch_with_regions

from strl_mmdet3d.datasets import FrameSequence, write_sequence_index
from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.evaluation.online_encoding import encode_online, training_untouched
from strl_mmdet3d.models import byol_loss, contrastive_loss

DENSE = dict(type='DetectorEncoder', detector=tiny_detector(), feature='0', pool=dict(type='BEVRegions'))


def dense_strl(**changes):
    model = MODELS.build(tiny_strl(encoder=DENSE, **changes))
    model.init_weights()
    return model.train()


def test_the_loss_is_that_of_all_regions_of_the_batch_each_with_its_own():
    model = dense_strl()
    batch = dict(view_1=batch_with_regions(), view_2=batch_with_regions())
    views = model.data_preprocessor(batch, True)
    model.eval()
    online = {name: model.predictor(model.online_projector(model.online_encoder(view))) for name, view in views.items()}
    target = {name: model.target_projector(model.target_encoder(view)) for name, view in views.items()}
    assert online['view_1'].shape == target['view_2'].shape == (6, 8)
    expected = byol_loss(online['view_1'], target['view_2']) + byol_loss(online['view_2'], target['view_1'])
    torch.testing.assert_close(model.loss(**views)['loss'], expected)


def test_the_number_of_regions_may_change_from_step_to_step():
    model = dense_strl()
    wrapper = build_optim_wrapper(model, dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1)))
    before = [parameter.clone() for parameter in model.online_encoder.parameters()]
    for counts in ((3, 1, 2), (1, 1), (8, 5, 1)):
        batch = dict(view_1=batch_with_regions(counts), view_2=batch_with_regions(counts))
        assert 0 < model.train_step(batch, wrapper)['loss'] < 8
        assert model.projections['view_1'].shape == (sum(counts), 8)
    assert all(not torch.equal(a, b) for a, b in zip(before, model.online_encoder.parameters(), strict=True))


def test_contrastive_loss_by_hand():
    prediction = torch.tensor([[2.0, 0], [0, 3]])
    projection = torch.tensor([[1.0, 0], [1, 0]])
    row_1 = math.log(2)  # both are as near
    row_2 = math.log(2)
    assert contrastive_loss(prediction, projection, 0.5).item() == pytest.approx(2 * 0.5 * (row_1 + row_2) / 2)
    own = contrastive_loss(prediction, prediction, 0.5).item()
    assert own == pytest.approx(2 * 0.5 * -math.log(math.exp(2) / (math.exp(2) + 1)))
    assert contrastive_loss(prediction, prediction.flip(0), 0.5).item() > own


@pytest.mark.parametrize('local', [False, True])
def test_a_model_with_negatives_takes_the_contrastive_loss(local):
    model = dense_strl(contrast=0.2)
    batch = dict(view_1=batch_with_regions(), view_2=batch_with_regions())
    if local:
        batch['local_1'] = batch['view_1']
    views = model.data_preprocessor(batch, True)
    model.eval()
    online = {name: model.predictor(model.online_projector(model.online_encoder(view))) for name, view in views.items()}
    target = {name: model.target_projector(model.target_encoder(view)) for name, view in views.items()}
    pairs = [('view_1', 'view_2', 1), ('view_2', 'view_1', 1)]
    if local:
        pairs += [('local_1', 'view_1', 0.5), ('local_1', 'view_2', 0.5)]
    expected = sum(share * contrastive_loss(online[mine], target[other], 0.2) for mine, other, share in pairs)
    torch.testing.assert_close(model.loss(**views)['loss'], expected)


@pytest.mark.parametrize('contrast', [0, -0.2, float('nan')])
def test_a_temperature_that_is_not_above_0_is_refused(contrast):
    with pytest.raises(ConfigError, match='contrast is a temperature above 0'):
        dense_strl(contrast=contrast)


def drive(root, frames=6):
    """A drive of 0.5 m a frame through a street of 40 posts, with the poses of its frames."""
    rng = np.random.default_rng(0)
    low, high = np.array(RANGE[:2]) + 0.5, np.array([RANGE[3] + 3, RANGE[4]]) - 0.5
    posts = rng.uniform(low, high, (40, 2))
    world = np.concatenate(
        [
            np.column_stack([rng.uniform([0, -8], [20, 8], (1500, 2)), rng.normal(-1.7, 0.01, 1500)]),
            np.column_stack([posts.repeat(30, 0) + rng.normal(0, 0.05, (1200, 2)), rng.uniform(-1.7, 0, 1200)]),
        ]
    )
    poses = np.tile(np.eye(4), (frames, 1, 1))
    poses[:, 0, 3] = 0.5 * np.arange(frames)
    (root / 'drive').mkdir()
    names = [f'drive/{frame}.bin' for frame in range(frames)]
    for name, pose in zip(names, poses, strict=True):
        seen = np.column_stack([world - pose[:3, 3], rng.uniform(0, 1, len(world))])
        seen.astype(np.float32).tofile(root / name)
    write_sequence_index(root / 'sequences.json', dict(load_dim=4), [FrameSequence('drive', names, poses)])


def dense_loader(root, **changes):
    """The data loader of the drive, with regions."""
    pipeline = dict(
        type='MultiView',
        load=[dict(type='LoadFrame')],
        pair=[dict(type='DrawRegions', count=16)],
        augment=[
            dict(type='RandomFlip3D', flip_ratio_bev_horizontal=0.5),
            dict(type='GlobalRotScaleTrans', rot_range=[-0.4, 0.4]),
            dict(type='PointsRangeFilter'),
            dict(type='RandomCropPoints', min_points=64),
            dict(type='RandomCutoutPoints', min_points=64),
            dict(type='RandomDropPoints'),
        ],
        pack=[
            dict(type='PointsRangeFilter'),
            dict(type='Pack3DDetInputs', keys=['points', 'gt_bboxes_3d', 'gt_labels_3d']),
        ],
    )
    dataset = dict(
        type='TemporalPairDataset',
        data_root=str(root),
        ann_file='sequences.json',
        window=4,
        align_poses=True,
        point_cloud_range=RANGE,
        pipeline=pipeline,
    )
    sampler = dict(type='PairSampler', shuffle=True)
    loader = dict(batch_size=3, num_workers=0, dataset=dataset, sampler=sampler, collate_fn=dict(type='collate_pairs'))
    return loader | changes


def test_a_run_on_regions_logs_watches_and_saves(tmp_path):
    drive(tmp_path)
    hooks = [dict(type='TargetUpdateHook', tau_start=0.9), dict(type='CollapseMonitorHook', interval=1)]
    runner = tiny_runner(
        tmp_path / 'run',
        model=tiny_strl(encoder=DENSE),
        train_dataloader=dense_loader(tmp_path),
        train_cfg=dict(type='PretrainLoop', max_epochs=2),
        custom_hooks=hooks,
    )
    sizes = []
    runner.model.online_projector.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    runner.train()
    assert runner.iter == 4
    assert len(set(sizes)) > 1, 'crops leave now more regions, now fewer'
    assert all(3 <= size <= 3 * 16 for size in sizes)
    lines = next((tmp_path / 'run').rglob('scalars.json')).read_text().splitlines()
    logged = [entry for entry in map(json.loads, lines) if 'loss' in entry]
    assert len(logged) == 4
    for entry in logged:
        assert 0 < entry['loss'] < 8
        assert 0.1 < entry['spread'] < 1.3
        assert entry['effective_rank'] >= 1
    assert (tmp_path / 'run' / 'epoch_2.pth').is_file()
    with training_untouched(runner.model):  # a probe of whole clouds in the middle of the run
        whole = encode_online(runner.model, [torch.rand(200, 4) * 8 for _ in range(3)], batch_size=2)
    assert whole.shape == (3, 16)
