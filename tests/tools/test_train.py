"""tools/train.py: its options, as they end up in the config, and the errors that it foresees."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import train
from mmengine.config import Config
from tiny import tiny_config

from strl_mmdet3d.datasets import FrameSequence, write_sequence_index
from strl_mmdet3d.errors import ConfigError


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'run.py'
    path.write_text("optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1))\nx = dict(y=1)\n")
    return path


def build(*argv) -> Config:
    return train.build_config(train.parse_args([str(word) for word in argv]))


def test_the_work_dir_is_named_after_the_config_unless_given(config, tmp_path):
    assert build(config).work_dir == 'work_dirs/run'
    assert build(config, '--work-dir', tmp_path).work_dir == str(tmp_path)


def test_options_override_the_config(config):
    assert build(config, '--cfg-options', 'x.y=2', 'optim_wrapper.optimizer.lr=0.5').x.y == 2


def test_resume_takes_the_last_checkpoint_or_the_named_one(config, tmp_path):
    (tmp_path / 'last_checkpoint').write_text('epoch_3.pth')
    assert 'resume' not in build(config, '--work-dir', tmp_path)
    last, named = (build(config, '--work-dir', tmp_path, '--resume', *name) for name in ([], ['a.pth']))
    assert (last.resume, last.load_from) == (True, 'epoch_3.pth')
    assert (named.resume, named.load_from) == (True, 'a.pth')


def test_without_a_checkpoint_to_resume_from_pretrained_weights_are_loaded(config, tmp_path):
    fresh = build(config, '--work-dir', tmp_path, '--resume', '--cfg-options', 'load_from=encoder.pth')
    assert (fresh.get('resume', False), fresh.load_from) == (False, 'encoder.pth')


@pytest.mark.parametrize('starter', ['TORCHELASTIC', 'SLURM'])
def test_what_is_started_again_goes_on_from_the_last_checkpoint(config, tmp_path, monkeypatch, starter):
    (tmp_path / 'last_checkpoint').write_text('iter_20.pth')
    monkeypatch.setenv(f'{starter}_RESTART_COUNT', '0')
    assert 'resume' not in build(config, '--work-dir', tmp_path)
    monkeypatch.setenv(f'{starter}_RESTART_COUNT', '1')
    again = build(config, '--work-dir', tmp_path, '--resume', 'a.pth')
    assert (again.resume, again.load_from) == (True, 'iter_20.pth')


def test_a_work_dir_that_cannot_be_written_to_is_told_before_anything(config, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(SystemExit, match=r'error: the work directory .*file/run cannot be written to'):
        train.main([str(config), '--work-dir', str(tmp_path / 'file' / 'run')])


def test_amp_fits_the_device(config, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert build(config, '--amp').optim_wrapper.type == 'BFloat16OptimWrapper'
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    on_gpu = build(config, '--amp').optim_wrapper
    assert (on_gpu.type, on_gpu.loss_scale) == ('AmpOptimWrapper', 'dynamic')


def test_amp_leaves_a_wrapper_of_its_own_kind_and_refuses_others(config):
    kept = build(config, '--amp', '--cfg-options', 'optim_wrapper.type=AmpOptimWrapper')
    assert kept.optim_wrapper.type == 'AmpOptimWrapper'
    with pytest.raises(ConfigError, match='ApexOptimWrapper'):
        build(config, '--amp', '--cfg-options', 'optim_wrapper.type=ApexOptimWrapper')


def test_a_missing_config_is_told_by_name():
    with pytest.raises(SystemExit, match=r'^error: no config at nowhere\.py'):
        train.main(['nowhere.py'])


@pytest.fixture(name='tiny_config')
def _tiny_config(tmp_path):
    """Trains the tiny detector on four random pairs."""
    path = tmp_path / 'tiny.json'
    config = tiny_config(train_cfg=dict(type='PretrainLoop', max_epochs=1))
    path.write_text(json.dumps(Config(config).to_dict()))
    return path


def refused(config, *argv):
    """Train, which must end with one sentence."""
    with pytest.raises(SystemExit) as ending:
        train.main([str(config), '--work-dir', str(config.parent / 'run'), *argv])
    assert ending.value.code.startswith('error: ')
    assert '\n' not in ending.value.code
    return ending.value.code.removeprefix('error: ')


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['--resume', 'missing.pth'], 'no checkpoint at missing.pth to resume from: name another one by --resume'),
        (['--cfg-options', 'load_from=missing.pth'], 'no checkpoint at missing.pth to load: correct load_from'),
    ],
)
def test_a_missing_checkpoint_is_one_sentence_before_anything_is_built(tiny_config, argv, message):
    assert refused(tiny_config, *argv) == message
    assert not (tiny_config.parent / 'run').exists()


def truncate(path):
    torch.save(dict(state_dict={}), path)
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ('write', 'reason'),
    [
        (truncate, 'RuntimeError: PytorchStreamReader failed reading zip archive'),
        (lambda path: path.write_bytes(b''), 'EOFError'),
        (lambda path: path.write_text('hello'), 'KeyError'),
        (lambda path: torch.save(dict(meta=dict(epoch=Config())), path), 'Unsupported global'),
    ],
    ids=['truncated', 'empty', 'text', 'with objects'],
)
def test_a_checkpoint_that_cannot_be_loaded_is_one_sentence(tiny_config, tmp_path, write, reason):
    path = tmp_path / 'epoch_1.pth'
    write(path)
    for argv in (['--resume', str(path)], ['--cfg-options', f'load_from={path}']):
        message = refused(tiny_config, *argv)
        assert message.startswith(f'{path} cannot be {"resumed from" if argv[0] == "--resume" else "loaded"}: ')
        assert reason in message


def test_an_encoder_is_not_a_checkpoint_to_resume_from(tiny_config, tmp_path):
    torch.save(dict(meta={}, state_dict={}), tmp_path / 'encoder.pth')
    assert "cannot be resumed from: it is damaged, or not a checkpoint that fits (KeyError: 'epoch')" in refused(
        tiny_config, '--resume', str(tmp_path / 'encoder.pth')
    )


@pytest.mark.parametrize('resume', [True, False])
def test_a_checkpoint_in_a_backend_is_left_to_mmengine(resume):
    train.check_start(Config(dict(load_from='s3://bucket/epoch_1.pth', resume=resume)))


def test_a_batch_of_one_is_one_sentence(tiny_config):
    message = refused(tiny_config, '--cfg-options', 'train_dataloader.batch_size=1')
    assert 'train_dataloader.batch_size' in message


def test_fewer_pairs_than_a_batch_are_one_sentence(tiny_config):
    message = refused(tiny_config, '--cfg-options', 'train_dataloader.batch_size=6')
    assert 'has 4 pairs' in message
    assert 'set train_dataloader.batch_size=4' in message


def test_an_index_that_does_not_fit_load_frame_is_one_sentence_from_a_worker_too(tiny_config, tmp_path):
    frames = [f'{i}.bin' for i in range(4)]
    for frame in frames:
        np.zeros((30, 5), np.float32).tofile(tmp_path / frame)
    write_sequence_index(tmp_path / 'index.json', {'load_dim': 5}, [FrameSequence('s', frames)])
    config = Config.fromfile(tiny_config)
    config.train_dataloader.num_workers = 1
    config.train_dataloader.dataset = dict(
        type='TemporalPairDataset',
        data_root=str(tmp_path),
        ann_file='index.json',
        mode='spatial',
        pipeline=[dict(type='MultiView', load=[dict(type='LoadFrame', load_dim=4)])],
    )
    tiny_config.write_text(json.dumps(config.to_dict()))
    message = refused(tiny_config)
    assert message.startswith(
        'LoadFrame(load_dim=4) reads frames that the sequence index lists with 5 values per point'
    )
    assert message.endswith('Set load_dim=5')
