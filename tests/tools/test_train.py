"""The options of tools/train.py, as they end up in the config."""

from __future__ import annotations

import pytest
import torch
import train
from mmengine.config import Config


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
    with pytest.raises(SystemExit, match='ApexOptimWrapper'):
        build(config, '--amp', '--cfg-options', 'optim_wrapper.type=ApexOptimWrapper')


def test_a_missing_config_is_told_by_name():
    with pytest.raises(SystemExit, match=r'no config at nowhere\.py'):
        build('nowhere.py')
