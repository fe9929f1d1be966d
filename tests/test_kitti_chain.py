"""The main job, end to end and by its tools: drives -> index -> PV-RCNN pre-trained -> export -> stock config."""

from __future__ import annotations

import json
import pickle

import create_sequence_index
import export_encoder
import numpy as np
import pytest
import torch
import train
from kitti_data import create_data
from mmdet3d.evaluation import KittiMetric
from mmdet3d.registry import DATASETS
from mmengine.config import Config

from strl_mmdet3d.simulation import KittiSimulation

pytestmark = pytest.mark.long

PRETRAIN = 'configs/strl/pvrcnn_kitti_pretrain.py'
FROM_STRL = 'configs/downstream/pvrcnn_kitti_from_strl.py'
FROZEN = 'configs/downstream/pvrcnn_kitti_from_strl_frozen.py'
IN_PROCESS = ['train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False']


@pytest.fixture(scope='module')
def kitti(tmp_path_factory):
    """A drive and four labelled frames of a coarse LiDAR: a fifth of KITTI's points."""
    root = tmp_path_factory.mktemp('kitti') / 'sim'
    root.mkdir()
    simulation = KittiSimulation(seed=1, drives=1, frames_per_drive=4, train=2, val=1, test=1, azimuth_steps=400)
    assert sum(simulation.write(root)) == simulation.total
    create_data(root / 'object')
    out = root / 'raw' / 'sequences.json'
    create_sequence_index.main(['kitti-raw', '--root', str(root / 'raw'), '--out', str(out)])
    return root


@pytest.fixture(scope='module')
def pretrained(kitti, tmp_path_factory):
    """Two epochs of two batches, with the export at the end."""
    work_dir = tmp_path_factory.mktemp('pretrain')
    options = [*IN_PROCESS, f'train_dataloader.dataset.data_root={kitti / "raw"}', 'train_dataloader.batch_size=2']
    options.append('train_dataloader.dataset.window=4')
    options += ['train_cfg.max_epochs=2', 'default_hooks.logger.interval=1', 'default_hooks.collapse.interval=1']
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('KITTI_RAW_ROOT', str(kitti / 'raw'))
        runner = train.main([PRETRAIN, '--work-dir', str(work_dir), '--cfg-options', *options])
    return work_dir, runner


def test_pretraining_runs_and_writes_what_it_should(pretrained):
    work_dir, runner = pretrained
    assert runner.iter == 4
    assert {'epoch_1.pth', 'epoch_2.pth', 'encoder.pth'} <= {path.name for path in work_dir.iterdir()}
    lines = next(work_dir.rglob('scalars.json')).read_text().splitlines()
    scalars = [entry for entry in map(json.loads, lines) if 'loss' in entry]
    assert len(scalars) == 4
    for entry in scalars:
        assert {'loss', 'tau', 'lr', 'spread'} <= entry.keys()
        assert 0 < entry['loss'] < 8
        assert 0.1 < entry['spread'] < 1.2, 'collapsed'
    assert scalars[-1]['tau'] > scalars[0]['tau'] == 0.996


@pytest.mark.parametrize('config', [FROM_STRL, 'mmdet3d::pv_rcnn/pv_rcnn_8xb2-80e_kitti-3d-3class.py'])
def test_every_tensor_lands_in_the_stock_detector(pretrained, config, tmp_path, capsys):
    out = tmp_path / 'encoder.pth'
    export_encoder.main([str(pretrained[0] / 'epoch_2.pth'), str(out), '--verify', config])
    assert '72 of 72 exported tensors landed bit for bit: middle_encoder 72' in capsys.readouterr().out
    by_hook = torch.load(pretrained[0] / 'encoder.pth')['state_dict']
    by_tool = torch.load(out)['state_dict']
    assert by_hook.keys() == by_tool.keys()
    assert all(torch.equal(by_hook[name], by_tool[name]) for name in by_tool)


@pytest.mark.parametrize('frozen', [False, True])
def test_the_stock_detector_is_fine_tuned_and_validated(kitti, pretrained, frozen, tmp_path, monkeypatch):
    monkeypatch.setenv('KITTI_ROOT', str(kitti / 'object'))
    encoder = pretrained[0] / 'encoder.pth'
    options = [
        *IN_PROCESS,
        f'load_from={encoder}',
        f'train_dataloader.batch_size={1 + frozen}',
        'train_cfg.max_epochs=1',
    ]
    options += ['val_dataloader.num_workers=0', 'val_dataloader.persistent_workers=False']
    options += ['train_dataloader.dataset.times=1', 'default_hooks.checkpoint.interval=1']
    if frozen:  # validated once is enough
        options.append('train_cfg.val_interval=9')
    runner = train.main([FROZEN if frozen else FROM_STRL, '--work-dir', str(tmp_path), '--cfg-options', *options])
    assert runner.iter == (1 if frozen else 2)
    assert np.isfinite(runner.message_hub.get_scalar('train/loss').current())
    before, after = torch.load(encoder)['state_dict'], runner.model.state_dict()
    unchanged = [name for name, tensor in before.items() if torch.equal(tensor, after[name])]
    assert len(unchanged) == (72 if frozen else 0)
    if not frozen:
        name = 'val/Kitti metric/pred_instances_3d/KITTI/Overall_3D_AP40_moderate'
        assert 0 <= runner.message_hub.get_scalar(name).current() <= 100


def test_the_kitti_metric_gives_100_to_the_labels_themselves(kitti, tmp_path):
    """Labels as predictions, through mmdet3d's own dataset and metric, on the CPU."""
    config = Config.fromfile(FROM_STRL).val_dataloader.dataset
    root = kitti / 'object'
    config.update(data_root=f'{root}/', pipeline=[], test_mode=False, ann_file='kitti_infos_train.pkl')
    dataset = DATASETS.build(config)
    # KITTI's AP samples 41 recalls, so fewer than 41 objects cannot reach 100: each frame is counted 30 times.
    infos = pickle.loads((root / 'kitti_infos_train.pkl').read_bytes())
    infos['data_list'] = [dict(info, sample_idx=copy) for copy, info in enumerate(infos['data_list'] * 30)]
    repeated = tmp_path / 'infos.pkl'
    repeated.write_bytes(pickle.dumps(infos))
    metric = KittiMetric(ann_file=str(repeated), metric='bbox')
    metric.dataset_meta = dataset.metainfo
    for info in infos['data_list']:
        labels = dataset.get_data_info(info['sample_idx'] % len(dataset))['ann_info']
        classes = torch.as_tensor(labels['gt_labels_3d'])
        known = classes >= 0
        scores = torch.linspace(0.5, 1, int(known.sum()))
        prediction = dict(bboxes_3d=labels['gt_bboxes_3d'][known], labels_3d=classes[known], scores_3d=scores)
        metric.process({}, [dict(pred_instances_3d=prediction, pred_instances={}, sample_idx=info['sample_idx'])])
    results = metric.evaluate(size=len(infos['data_list']))
    for name in ('3D', 'BEV'):
        value = results[f'Kitti metric/pred_instances_3d/KITTI/Car_{name}_AP40_hard_strict']
        assert value == pytest.approx(100, abs=1e-3)


def test_real_drive(real_data, tmp_path):
    """The index and the pairs of a real drive, as the config makes them."""
    out = tmp_path / 'sequences.json'
    create_sequence_index.main(['kitti-raw', '--root', str(real_data / 'kitti_raw'), '--out', str(out)])
    config = Config.fromfile(PRETRAIN)
    config.train_dataloader.dataset.update(data_root=str(real_data / 'kitti_raw'), ann_file=str(out))
    dataset = DATASETS.build(config.train_dataloader.dataset)
    assert len(dataset) == 22
    low, high = torch.tensor(config.train_dataloader.dataset.point_cloud_range).view(2, 3)
    for index in (0, 21):
        for view in dataset[index].values():
            points = view['inputs']['points']
            assert points.shape[1] == 4
            assert len(points) > 500
            assert ((points[:, :3] >= low) & (points[:, :3] <= high)).all()
