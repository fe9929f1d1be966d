"""The retrieval probe in short runs on sequences: its frames, its value, and no effect on the training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from tiny import random_cloud, tiny_runner

from strl_mmdet3d.datasets import FrameSequence, write_sequence_index
from strl_mmdet3d.engine.hooks.retrieval_probe_hook import BY_CHANCE, FOUND, RetrievalProbeHook
from strl_mmdet3d.evaluation.online_encoding import encode_online, training_untouched
from strl_mmdet3d.evaluation.temporal_retrieval import temporal_retrieval

LENGTHS = [6, 5, 4]


@pytest.fixture
def data(tmp_path):
    """Drives in which each frame is the frame before it with some points changed."""
    root, rng, sequences = tmp_path / 'data', np.random.default_rng(0), []
    root.mkdir()
    for drive, length in enumerate(LENGTHS):
        cloud = random_cloud(rng).numpy()
        cloud[:, :2] = cloud[:, :2] * rng.uniform(0.2, 1, 2) + [2, 0]
        names = [f'{drive}_{i}.bin' for i in range(length)]
        for name in names:
            cloud[rng.integers(len(cloud), size=20)] = random_cloud(rng, 20).numpy()
            cloud.tofile(root / name)
        sequences.append(FrameSequence(f'drive{drive}', names))
    write_sequence_index(root / 'index.json', {}, sequences)
    return root


class Losses(Hook):
    def __init__(self):
        self.values = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.values.append(outputs['loss'].item())


def run(root, work_dir, probe=None, epochs=2, batches=None, **changes):
    view = dict(
        type='MultiView',
        load=[dict(type='LoadFrame')],
        augment=[dict(type='PointSample', num_points=150), dict(type='RandomFlip3D', flip_ratio_bev_horizontal=0.5)],
        pack=[dict(type='PointShuffle'), dict(type='Pack3DDetInputs', keys=['points'])],
    )
    dataset = dict(type='TemporalPairDataset', data_root=str(root), ann_file='index.json', window=3, pipeline=[view])
    loader = dict(
        batch_size=5,
        num_workers=0,
        dataset=dataset | changes,
        sampler=dict(type='PairSampler'),
        collate_fn=dict(type='pseudo_collate'),
    )
    if batches is not None:
        loader['num_batch_per_epoch'] = batches
    hooks = [dict(type='TargetUpdateHook', tau_start=0.9)]
    if probe is not None:
        hooks.append(dict(type='RetrievalProbeHook', **probe))
    runner = tiny_runner(
        work_dir,
        epochs=epochs,
        train_dataloader=loader,
        custom_hooks=hooks,
        visualizer=dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')]),
    )
    losses = Losses()
    runner.register_hook(losses)
    return runner, losses


def logged(runner, name):
    lines = Path(runner.log_dir, 'vis_data/scalars.json').read_text().splitlines()
    return {row['step']: row[name] for row in map(json.loads, lines) if name in row}


def test_a_run_with_the_probe_is_the_run_without_it_bit_for_bit(data, tmp_path):
    probed, losses = run(data, tmp_path / 'probed', probe={})
    probed.train()
    alone, expected = run(data, tmp_path / 'alone')
    alone.train()
    assert losses.values == expected.values
    assert len(losses.values) == 6
    mine, others = probed.model.state_dict(), alone.model.state_dict()
    assert all(torch.equal(tensor, others[name]) for name, tensor in mine.items())


def test_the_value_is_that_of_all_frames_without_augmentation(data, tmp_path):
    runner, _ = run(data, tmp_path, probe=dict(batch_size=4))
    runner.train()
    found = logged(runner, FOUND)
    assert sorted(found) == [0, 3, 6]
    origins = [(f'drive{drive}', i) for drive, length in enumerate(LENGTHS) for i in range(length)]
    paths = [data / f'{sequence[-1]}_{i}.bin' for sequence, i in origins]
    clouds = [torch.from_numpy(np.fromfile(path, np.float32).reshape(-1, 4)) for path in paths]
    with training_untouched(runner.model):
        features = encode_online(runner.model, clouds, 4)
    # In a window of three key frames, frames are at most two apart.
    expected = temporal_retrieval(features, *zip(*origins, strict=True), reach=2)
    assert expected.num_queries == sum(LENGTHS)
    # Shuffling the points changes which ones a full voxel takes, so the features agree only nearly.
    assert found[6] == pytest.approx(expected.found, abs=100 / sum(LENGTHS) + 1e-6)
    assert logged(runner, BY_CHANCE)[6] == pytest.approx(expected.by_chance)
    assert found[6] > 2 * expected.by_chance
    assert runner.message_hub.get_scalar(FOUND).data[0].tolist() == list(found.values())


def test_all_probes_look_at_the_same_frames(data, tmp_path):
    runner, _ = run(data, tmp_path, probe={})
    runner.train()
    hook = next(hook for hook in runner.hooks if isinstance(hook, RetrievalProbeHook))
    first, second, again = [], [], []
    clouds, others = list(hook._frames.read(first)), list(hook._frames.read(second))
    assert first == second == [(f'drive{drive}', i) for drive, length in enumerate(LENGTHS) for i in range(length)]
    assert all(torch.equal(*pair) for pair in zip(clouds, others, strict=True))
    assert {len(cloud) for cloud in clouds} == {300}, 'no augmentation'
    # A damaged frame is replaced by another one, which is not read twice.
    (data / '1_2.bin').write_bytes(b'truncated')
    list(hook._frames.read(again))
    assert len(set(again)) == len(again)
    assert set(again) == set(first) - {('drive1', 2)}


@pytest.mark.parametrize(
    ('selection', 'window', 'reach'), [('window', None, 2), ('window', 4, 3), ('neighbour', None, 1)]
)
def test_neighbours_are_the_frames_that_are_paired(data, tmp_path, selection, window, reach):
    runner, _ = run(data, tmp_path, probe=dict(window=window), epochs=1, selection=selection)
    runner.train()
    hook = next(hook for hook in runner.hooks if isinstance(hook, RetrievalProbeHook))
    assert hook._reach == reach


def test_without_temporal_pairs_it_does_nothing_and_says_so(data, tmp_path, monkeypatch):
    runner, _ = run(data, tmp_path, probe={}, epochs=1, mode='spatial')
    said = []
    monkeypatch.setattr(runner.logger, 'info', said.append)
    runner.train()
    assert FOUND not in runner.message_hub.log_scalars
    assert any('no retrieval probe' in str(message) for message in said)


@pytest.mark.parametrize('wrapper', ['RepeatDataset', 'ConcatDataset'])
def test_a_wrapped_training_set_is_refused_by_name(data, tmp_path, wrapper):
    runner, _ = run(data, tmp_path, probe={}, epochs=1)
    inner = runner._train_dataloader['dataset']
    wrapped = dict(times=2, dataset=inner) if wrapper == 'RepeatDataset' else dict(datasets=[inner, inner])
    runner._train_dataloader['dataset'] = dict(type=wrapper, **wrapped)
    with pytest.raises(ValueError, match=f'not of a {wrapper}: leave it out of the hooks'):
        runner.train()


def test_another_kind_of_data_is_refused(tmp_path):
    runner = tiny_runner(tmp_path, custom_hooks=[dict(type='RetrievalProbeHook')])
    with pytest.raises(ValueError, match='RandomPairs'):
        runner.train()


@pytest.mark.parametrize('wrong', [dict(interval=0), dict(batch_size=0), dict(num_frames=1), dict(window=1)])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RetrievalProbeHook(**wrong)


def test_a_run_on_a_part_of_its_data_is_probed_too(data, tmp_path):
    """mmengine wraps the data set for ``num_batch_per_epoch``."""
    runner, losses = run(data, tmp_path, probe={}, batches=1)
    runner.train()
    assert len(losses.values) == 2
    assert sorted(logged(runner, FOUND)) == [0, 1, 2]
