"""Each family of mmdet3d's detectors: one step of pre-training, into the stock detector, one step of its own training.

The table in ``docs/detectors.md`` is what is found here.
"""

from __future__ import annotations

import sys
from pathlib import Path

import make_pretrain_config
import numpy as np
import pytest
import torch
from detector_families import (
    FAMILIES,
    POINTS,
    finite,
    labelled_batch,
    predictions,
    pretraining_config,
    share_of,
    small,
)
from mmdet3d.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.runner import load_checkpoint

from strl_mmdet3d.datasets import FrameSequence, collate_pairs, write_sequence_index
from strl_mmdet3d.engine.points_check import check_points
from strl_mmdet3d.engine.range_check import check_ranges
from strl_mmdet3d.errors import ConfigError, ConfigKeyError
from strl_mmdet3d.export import UNTRAINED_KEY, export_encoder, save_exported, untrained_parts, verify_export
from strl_mmdet3d.export.trunk_record import RECORD_KEY, trunk_record
from strl_mmdet3d.models.encoder import DetectorEncoder, build_detector, detector_config

pytestmark = pytest.mark.long

DOCS = Path('docs/detectors.md')
TABLE = [line for line in DOCS.read_text().splitlines() if '(../configs/strl/' in line]


def pretrained(config, path, out):
    """Make one step of pre-training, export to `out`, return the model, what lacks a gradient, values of a point."""
    dataset = DATASETS.build(config.train_dataloader.dataset)
    model = MODELS.build(config.model)
    check_ranges(config, model, dataset)
    check_points(config, model, dataset)
    batch = collate_pairs([dataset[0], dataset[1]])
    detector = model.online_encoder.detector
    parameters = dict(detector.named_parameters())
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    reached = set()
    wrapper.optimizer.register_step_pre_hook(
        lambda *_: reached.update(name for name, each in parameters.items() if each.grad is not None)
    )
    assert 0 < model.train().train_step(batch, wrapper)['loss'] < 8
    untrained = untrained_parts(list(parameters), parameters.keys() - reached)
    meta = {RECORD_KEY: trunk_record(model, config), UNTRAINED_KEY: untrained}
    save_exported(export_encoder(dict(meta=meta, state_dict=model.state_dict()), path), out)
    return model, untrained, batch['view_1']['inputs']['points'][0].shape[1]


def train(detector, batch):
    """Make one step of the detector's own training."""
    optimizer = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1e-3))
    losses = detector.train().train_step(batch, build_optim_wrapper(detector, optimizer))
    assert finite(losses)
    assert losses['loss'] > 0


def predicted(detector, batch):
    """Return what a detector finds in one cloud; mmdet3d tests with batches of one."""
    one = dict(inputs=dict(points=batch['inputs']['points'][:1]), data_samples=batch['data_samples'][:1])
    with torch.no_grad():
        (found,) = detector.eval().val_step(one)
    return predictions(found)


@pytest.mark.parametrize('family', FAMILIES, ids=lambda family: family.name)
def test_a_family_is_pretrained_lands_trains_on_and_predicts(family, tmp_path):
    config, override, _ = pretraining_config(family, tmp_path)
    out = tmp_path / 'encoder.pth'
    model, untrained, channels = pretrained(config, family.path, out)
    assert untrained == list(family.untrained)

    stock = family.stock or config.model.encoder.detector
    (tmp_path / 'downstream.py').write_text(f'_base_ = [{stock!r}]\n')
    downstream = Config.fromfile(tmp_path / 'downstream.py')
    downstream.merge_from_dict({f'model.{name}': value for name, value in family.downstream.items()})
    downstream.dump(tmp_path / 'downstream.py')
    report = verify_export(out, str(tmp_path / 'downstream.py'), allow_different=list(override))

    made_small, extent = small(family, stock)
    of_detector = detector_config(stock, {**family.downstream, **made_small})
    detector = MODELS.build(of_detector)
    load_checkpoint(detector, str(out), map_location='cpu', strict=False, logger='silent')
    before = {name: detector.state_dict()[name].clone() for name in report.landed}
    mine = model.online_encoder.detector.state_dict()
    assert all(torch.equal(mine[name], tensor) for name, tensor in before.items())

    labelled = labelled_batch(of_detector, extent, channels, family.points or family.scanned)
    train(detector, labelled)
    after = detector.state_dict()
    moved = [name for name, tensor in before.items() if not tensor.equal(after[name])]
    assert len(moved) > len(before) / 2  # by the gradients, and by BatchNorm's statistics
    assert torch.isfinite(predicted(detector, labelled)).all()

    share = min(99.9, 100 * share_of(report.landed, detector))
    row = (
        f'| {family.name} | [`{family.config}`](../configs/strl/{family.config}.py) '
        f'| {config.model.projector.in_channels} | {len(report.landed)} '
        f'| {100 * report.pretrained:.4g} % | {share:.3g} % | yes | yes |'
    )
    assert row in TABLE


def test_the_table_has_these_families_alone():
    assert [line.split(' | ')[0].removeprefix('| ') for line in TABLE] == [family.name for family in FAMILIES]


# What the last table of the documentation says.
REFUSED = {
    'mmdet3d::fcaf3d/fcaf3d_2xb8_scannet-3d-18class.py': (ConfigKeyError, 'MinkowskiEngine'),
    'mmdet3d::spvcnn/spvcnn_w32_8xb2-amp-15e_semantickitti.py': (ConfigKeyError, 'Torchsparse'),
    'mmdet3d::smoke/smoke_dla34_dlaneck_gn-all_4xb8-6x_kitti-mono3d.py': (ConfigError, 'detects in images'),
    'mmdet3d::imvoxelnet/imvoxelnet_8xb4_kitti-3d-car.py': (ConfigError, 'detects in images'),
    'mmdet3d::mvxnet/mvxnet_fpn_dv_second_secfpn_8xb2-80e_kitti-3d-3class.py': (ConfigError, 'leave the images out'),
}


@pytest.mark.parametrize('stock', REFUSED)
def test_what_cannot_be_pretrained_here_says_why(stock):
    error, reason = REFUSED[stock]
    with pytest.raises(error, match=reason):
        DetectorEncoder(stock)


# A detector as a user has it: a class in a file of its own, found by custom_imports.
MODULE = """
import torch
from mmdet3d.models import VoxelNet
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import nn


@MODELS.register_module()
class TwoGrids(BaseModule):
    def __init__(self, channels):
        super().__init__()
        self.near = nn.Sequential(nn.Conv2d(channels, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU())
        self.far = nn.Sequential(nn.Conv2d(32, 48, 3, stride=2, padding=1), nn.BatchNorm2d(48), nn.ReLU())

    def forward(self, plane):
        near = self.near(plane)
        return near, self.far(near)


@MODELS.register_module()
class GridDetector(VoxelNet):
    def extract_feat(self, batch_inputs_dict):
        voxels = batch_inputs_dict['voxels']
        features = self.voxel_encoder(voxels['voxels'], voxels['num_points'], voxels['coors'])
        plane = self.middle_encoder(features, voxels['coors'], len(batch_inputs_dict['points']))
        return self.backbone(plane)[-1:]
"""
DETECTOR = """
_base_ = ['mmdet3d::pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-car.py']
custom_imports = dict(imports=['grid_detector'], allow_failed_imports=False)
point_cloud_range = [0, -5.12, -3, 10.24, 5.12, 1]
model = dict(
    type='GridDetector',
    data_preprocessor=dict(voxel_layer=dict(point_cloud_range=point_cloud_range)),
    voxel_encoder=dict(point_cloud_range=point_cloud_range),
    middle_encoder=dict(output_shape=[64, 64]),
    backbone=dict(_delete_=True, type='TwoGrids', channels=64),
    neck=None,
    bbox_head=dict(in_channels=48, feat_channels=48),
)
"""


def test_a_detector_of_ones_own_is_pretrained_lands_trains_on_and_predicts(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'grid_detector', raising=False)
    Path('grid_detector.py').write_text(MODULE)
    Path('detector.py').write_text(DETECTOR)
    frames = ['0.bin', '1.bin']
    rng = np.random.default_rng(0)
    for frame in frames:
        rng.uniform([0, -5, -2, 0], [10, 5, 1, 1], (3000, 4)).astype(np.float32).tofile(frame)
    about = dict(load_dim=4, columns=['x', 'y', 'z', 'intensity'], intensity_max=1.0)
    write_sequence_index('sequences.json', about, [FrameSequence('s', frames)])
    make_pretrain_config.main(
        ['detector.py', '--data', 'sequences.json', '--out', 'mine.py', '--downstream', 'mine_from_strl.py']
    )
    printed = capsys.readouterr().out
    assert "feature '0': the only one; it reaches 100 % of the trunk" in printed

    config = Config.fromfile('mine.py')
    config.model.projector.hidden_channels = config.model.predictor.hidden_channels = 64
    model, untrained, channels = pretrained(config, 'mine.py', Path('encoder.pth'))
    assert (untrained, channels) == ([], 4)
    report = verify_export('encoder.pth', 'mine_from_strl.py')
    # Two tensors of each convolution, and five of each BatchNorm; the pillars' layer has no bias.
    assert len(report.landed) == 2 * (2 + 5) + 6 == len(model.online_encoder.detector.state_dict())
    detector = build_detector('mine_from_strl.py')
    load_checkpoint(detector, 'encoder.pth', strict=False, logger='silent')
    of_detector = detector_config('mine_from_strl.py')
    labelled = labelled_batch(of_detector, [0, -5.12, -3, 10.24, 5.12, 1], 4, POINTS)
    train(detector, labelled)
    assert torch.isfinite(predicted(detector, labelled)).all()
