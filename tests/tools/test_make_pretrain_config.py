"""From a stock config to a config that trains, exports and lands, by the tool; and its errors."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import create_sequence_index
import make_pretrain_config
import numpy as np
import pytest
from depth_data import write_scene
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner

from strl_mmdet3d.datasets import FrameSequence, write_sequence_index
from strl_mmdet3d.engine.range_check import check_ranges
from strl_mmdet3d.export import export_encoder, save_exported, verify_export
from strl_mmdet3d.export.trunk_record import RECORD_KEY, trunk_record

SECOND = 'mmdet3d::second/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py'

# Stock detectors of different kinds, made small: the stock config and what a user's own config changes in it.
PILLARS = """
_base_ = ['mmdet3d::pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py']
point_cloud_range = [0, -5.12, -3, 10.24, 5.12, 1]
model = dict(
    data_preprocessor=dict(voxel_layer=dict(point_cloud_range=point_cloud_range)),
    voxel_encoder=dict(point_cloud_range=point_cloud_range),
    middle_encoder=dict(output_shape=[64, 64]),
)
"""
CENTERPOINT = """
_base_ = ['mmdet3d::centerpoint/centerpoint_pillar02_second_secfpn_8xb4-cyclic-20e_nus-3d.py']
point_cloud_range = [-6.4, -6.4, -5.0, 6.4, 6.4, 3.0]
model = dict(
    data_preprocessor=dict(voxel_layer=dict(point_cloud_range=point_cloud_range)),
    pts_voxel_encoder=dict(point_cloud_range=point_cloud_range),
    pts_middle_encoder=dict(output_shape=(64, 64)),
)
"""
VOTENET = """
_base_ = ['mmdet3d::votenet/votenet_8xb8_scannet-3d.py']
model = dict(backbone=dict(num_points=(128, 64, 32, 16)))
test_pipeline = _base_.test_pipeline
test_pipeline[2].transforms[2].num_points = 512
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
"""
SEGMENTOR = """
_base_ = ['mmdet3d::pointnet2/pointnet2_ssg_2xb16-cosine-50e_s3dis-seg.py']
model = dict(backbone=dict(num_points=(128, 64, 32, 16)))
train_pipeline = _base_.train_pipeline
train_pipeline[3].num_points = 512
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
"""


def street(root, columns=('x', 'y', 'z', 'intensity'), scale=1.0):
    """Three scans of a standing car, their index with time stamps and poses."""
    rng = np.random.default_rng(0)
    (root / 's').mkdir(parents=True)
    frames = [f's/{number}.bin' for number in range(3)]
    for frame in frames:
        rows = rng.uniform(-6, 6, (4000, len(columns))).astype(np.float32)
        rows[:, 2] = rng.uniform(-2, 0.5, 4000)
        rows[:, 3] = rng.uniform(0, scale, 4000)
        rows.tofile(root / frame)
    drive = FrameSequence('s', frames, np.tile(np.eye(4), (3, 1, 1)), np.arange(3) * 0.5)
    about = dict(load_dim=len(columns), columns=list(columns), intensity_max=scale)
    write_sequence_index(root / 'sequences.json', about, [drive])
    return root / 'sequences.json'


def rooms(root):
    """Three depth frames of a standing camera in ScanNet's layout, and their index."""
    poses = write_scene(root / 'scene0000_00', range(3)) / 'pose'
    for number in (1, 2):
        (poses / f'{number:06d}.txt').write_bytes((poses / '000000.txt').read_bytes())
    create_sequence_index.main(['scannet', '--root', str(root), '--out', str(root / 'sequences.json')])
    return root / 'sequences.json'


def nuscenes_street(root):
    """Scans as nuScenes has them."""
    return street(root, ('x', 'y', 'z', 'intensity', 'ring'), 255.0)


CASES = {
    'PointPillars': (PILLARS, nuscenes_street, []),
    'PointPillars, dense': (PILLARS, street, ['--dense']),
    'CenterPoint': (CENTERPOINT, nuscenes_street, []),
    'VoteNet': (VOTENET, rooms, []),
    'VoteNet, dense': (VOTENET, rooms, ['--dense']),
    'PointNet++ of colours': (SEGMENTOR, rooms, []),
}


@pytest.mark.parametrize('case', CASES)
def test_the_written_config_trains_and_its_export_lands(case, tmp_path, monkeypatch, capsys):
    stock, make_data, options = CASES[case]
    monkeypatch.chdir(tmp_path)
    Path('detector.py').write_text(stock)
    index = make_data(tmp_path / 'data')
    capsys.readouterr()
    arguments = ['detector.py', '--data', str(index.relative_to(tmp_path)), '--out', 'new/mine.py']
    make_pretrain_config.main([*arguments, '--downstream', 'new/mine_from_strl.py', *options])
    printed = capsys.readouterr().out
    assert '* ' in printed
    assert 'it reaches 100 % of the trunk' in printed

    text = Path('new/mine.py').read_text()
    assert max(map(len, text.splitlines())) <= 120
    assert len(text.splitlines()) < 60
    assert str(tmp_path) not in text
    config = Config.fromfile('new/mine.py')
    config.train_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
    loader = Runner.build_dataloader(config.train_dataloader)
    model = MODELS.build(config.model)
    check_ranges(config, model, loader.dataset)
    model.init_weights()
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    before = {name: tensor.clone() for name, tensor in model.online_encoder.named_parameters()}
    logged = model.train().train_step(next(iter(loader)), wrapper)
    assert 0 < logged['loss'] < 8
    assert not [name for name, tensor in model.online_encoder.named_parameters() if (tensor == before[name]).all()]

    meta = {RECORD_KEY: trunk_record(model, config)}
    out = tmp_path / 'encoder.pth'
    save_exported(export_encoder(dict(meta=meta, state_dict=model.state_dict()), 'mine'), out)
    # The axes and columns of the points are another matter, see test_data_fit.
    report = verify_export(out, 'new/mine_from_strl.py', allow_different=['points.channels', 'points.coord_type'])
    assert len(report.landed) == len(model.online_encoder.state_dict())
    downstream = Config.fromfile('new/mine_from_strl.py')
    assert downstream.load_from == 'work_dirs/mine/encoder.pth'
    assert downstream.custom_hooks == [dict(type='VerifyLoadHook')]


def test_list_looks_only(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path('detector.py').write_text(PILLARS)
    make_pretrain_config.main(['detector.py', '--list'])
    header, row, reason = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ['feature', 'kind', 'shape']
    assert row.startswith('* 0')
    assert '0.32 m (2 voxels)' in row
    assert reason == "feature '0': the only one; it reaches 100 % of the trunk"
    assert [path.name for path in tmp_path.iterdir() if path.suffix == '.py'] == ['detector.py']


def error_of(arguments: list[str]) -> str:
    """The sentence with which the tool ends."""
    with pytest.raises(SystemExit, match=r'^error: ') as ending:
        make_pretrain_config.main(arguments)
    assert isinstance(ending.value.code, str)
    return ending.value.code


def test_an_existing_file_is_not_replaced_unless_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('mine.py').write_text('a = 1\n')
    assert error_of([SECOND, '--out', 'mine.py']) == (
        'error: mine.py exists: name another file, or replace it by --overwrite'
    )
    assert error_of([SECOND, '--out', 'other.py', '--downstream', 'mine.py']).startswith('error: mine.py exists')
    assert Path('mine.py').read_text() == 'a = 1\n'
    Path('detector.py').write_text(PILLARS)
    make_pretrain_config.main(['detector.py', '--data', 'kitti', '--out', 'mine.py', '--overwrite'])
    ast.parse(Path('mine.py').read_text())
    assert 'STRL' in Path('mine.py').read_text()


@pytest.mark.parametrize(
    ('detector', 'message'),
    [
        ('mmdet3d::second/second_hv_secfpn.py', "no detector config .*; the nearest are 'mmdet3d::.*second_hv_secfpn"),
        ('nowhere.py', "no detector config 'nowhere.py': check the path"),
        # Of mmdet3d 1.4's own, one whose base it does not ship.
        (
            'mmdet3d::mvfcos3d/multiview-fcos3d_r101-dcn_centerhead_16xb2_waymoD5-3d-3class.py',
            'centerhead.*cannot be read: .*multiview-dfm_r101-dcn_16xb2_waymoD5-3d-3class.py',
        ),
        ('mmdet3d::smoke/smoke_dla34_dlaneck_gn-all_4xb8-6x_kitti-mono3d.py', 'reads images'),
        ('mmdet3d::fcaf3d/fcaf3d_2xb8_scannet-3d-18class.py', 'MinkResNet|MinkowskiEngine'),
        ('no_package::a/b.py', 'no_package'),
        ('mmdet3d::_base_/datasets/kitti-3d-car.py', 'defines no model'),
    ],
)
def test_a_detector_that_cannot_be_pretrained_is_one_sentence(detector, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    error = error_of([detector, '--list'])
    assert re.search(message, error), error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    'arguments',
    [
        [],
        [SECOND],
        [SECOND, '--list', '--out', 'a.py'],
        [SECOND, '--list', '--dense'],
        [SECOND, '--out', 'a.py', '--downstream', 'a.py'],
        [SECOND, '--out', 'a.py', '--downstream', str(Path('a.py').resolve())],
        [SECOND, '--out', 'without_suffix'],
        [SECOND, '--out', 'a.py', '--downstream', 'b.yml'],
        ['a.py', '--out', 'b.py', '--downstream', 'a.py', '--overwrite'],
        ['a.py', '--out', './a.py', '--overwrite'],
    ],
)
def test_a_command_line_that_says_two_things_or_none_is_refused(arguments, capsys):
    with pytest.raises(SystemExit, match='2'):
        make_pretrain_config.parse_args(arguments)
    assert 'usage' in capsys.readouterr().err


def test_a_model_that_is_none_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('a.py').write_text('model = 3\n')
    assert error_of(['a.py', '--list']) == 'error: a.py has model=3, which is not a dict: name the config of a detector'


def test_a_pure_python_config_gets_no_downstream_config_which_it_could_not_be_the_base_of(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('pure.py').write_text('from mmengine.config import read_base\n\nwith read_base():\n    from .base import *\n')
    Path('base.py').write_text("model = dict(type='VoxelNet')\n")
    assert 'is a config in pure Python' in error_of(['pure.py', '--out', 'mine.py', '--downstream', 'down.py'])
    assert not Path('mine.py').exists()
    # A config of the old style cannot have one as its base.
    Path('down.py').write_text("_base_ = ['pure.py']\n")
    assert 'cannot be read' in error_of(['down.py', '--list'])


def test_a_stock_config_is_a_base_by_a_path_from_the_file():
    assert make_pretrain_config.base_of(SECOND, Path('a/b.py')) == SECOND
    assert make_pretrain_config.base_of('detectors/mine.py', Path('configs/b.py')) == '../detectors/mine.py'
