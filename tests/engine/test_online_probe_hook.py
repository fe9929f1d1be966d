"""The online probe in short runs: its values, their times, and no effect on the training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS
from mmengine.hooks import Hook
from tiny import tiny_runner
from tiny_shapes import tiny_dataset, tiny_shape_strl
from torch.utils.data import Dataset

from strl_mmdet3d.engine.hooks.online_probe_hook import SCALAR, OnlineProbeHook
from strl_mmdet3d.evaluation.features import read_clouds
from strl_mmdet3d.evaluation.knn_probe import cosine_knn
from strl_mmdet3d.evaluation.online_encoding import encode_online, training_untouched

TRAIN, TEST = tiny_dataset([8, 8, 8], seed=0), tiny_dataset([5, 5, 5], seed=1)


@DATASETS.register_module(force=True)
class ShapePairs(Dataset):
    """Pairs of the tiny shapes, which draw from the global generators as stock transforms do."""

    def __init__(self):
        self.shapes, self.metainfo = DATASETS.build(TRAIN), {}

    def full_init(self):
        pass

    def __len__(self):
        return len(self.shapes)

    def __getitem__(self, index):
        points = self.shapes[index]['inputs']['points']
        return {
            view: dict(inputs=dict(points=points + 0.05 * np.random.rand() + 0.02 * torch.randn(points.shape)))
            for view in ('view_1', 'view_2')
        }


class Losses(Hook):
    def __init__(self):
        self.values = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.values.append(outputs['loss'].item())


def run(work_dir, epochs=4, probe=None, model=None, **changes):
    loader = dict(
        batch_size=8,
        num_workers=0,
        dataset=dict(type='ShapePairs'),
        sampler=dict(type='DefaultSampler', shuffle=True),
        collate_fn=dict(type='pseudo_collate'),
    )
    hooks = [dict(type='TargetUpdateHook', tau_start=0.9)]
    if probe is not None:
        hooks.append(dict(type='OnlineProbeHook', **dict(train=TRAIN, test=TEST) | probe))
    options = dict(
        model=model or tiny_shape_strl(),
        train_dataloader=loader,
        custom_hooks=hooks,
        default_hooks=dict(checkpoint=dict(type='WholeCheckpointHook', interval=1)),
        visualizer=dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')]),
    )
    runner = tiny_runner(work_dir, epochs=epochs, **(options | changes))
    losses = Losses()
    runner.register_hook(losses)
    return runner, losses


def logged(runner):
    lines = Path(runner.log_dir, 'vis_data/scalars.json').read_text().splitlines()
    return {row['step']: row[SCALAR] for row in map(json.loads, lines) if SCALAR in row}


def test_a_run_with_the_probe_is_the_run_without_it_bit_for_bit(tmp_path):
    probed, losses = run(tmp_path / 'probed', probe={})
    probed.train()
    alone, expected = run(tmp_path / 'alone')
    alone.train()
    assert losses.values == expected.values
    assert len(losses.values) == 12
    assert all(module.training for module in probed.model.modules())
    mine, others = probed.model.state_dict(), alone.model.state_dict()
    assert all(torch.equal(tensor, others[name]) for name, tensor in mine.items())


def test_the_accuracy_is_that_of_the_encoder_at_that_time(tmp_path):
    runner, _ = run(tmp_path, probe=dict(interval=2))
    runner.train()
    values = logged(runner)
    assert sorted(values) == [0, 6, 12]
    assert runner.message_hub.get_scalar(SCALAR).data[0].tolist() == list(values.values())
    train, test = (read_clouds(DATASETS.build(config), seed=0) for config in (TRAIN, TEST))
    with training_untouched(runner.model):
        features = [encode_online(runner.model, part.points, 32) for part in (train, test)]
    expected = cosine_knn(features[0], train.labels, features[1], test.labels, seed=0).accuracy
    assert values[12] == expected
    assert expected > 60  # chance: 33


def test_a_resumed_run_does_not_probe_at_its_beginning(tmp_path):
    first, _ = run(tmp_path, epochs=1, probe={})
    first.train()
    resumed, _ = run(tmp_path, epochs=2, probe={}, resume=True, load_from=str(tmp_path / 'epoch_1.pth'))
    resumed.train()
    values = resumed.message_hub.get_scalar(SCALAR).data[0]
    assert len(values) == 3  # before, after epoch 1, after epoch 2
    assert first.message_hub.get_scalar(SCALAR).data[0].tolist() == values[:2].tolist()


def test_an_encoder_that_has_diverged_is_not_probed(tmp_path, monkeypatch):
    runner, _ = run(tmp_path, epochs=1, probe={})
    said = []
    monkeypatch.setattr(runner.logger, 'warning', said.append)
    torch.nn.init.constant_(runner.model.online_encoder.detector.backbone[0].weight, torch.nan)
    hook = next(hook for hook in runner.hooks if isinstance(hook, OnlineProbeHook))
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    hook.before_train(runner)
    assert SCALAR not in runner.message_hub.log_scalars
    assert any('NaN' in message for message in said)


@pytest.mark.parametrize('wrong', [dict(interval=0), dict(batch_size=0)])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        OnlineProbeHook(TRAIN, TEST, **wrong)
