"""tools/train.py: its options, as they end up in the config, and the errors that it foresees."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import train
from mmengine.config import Config
from tiny import tiny_config

from strl_mmdet3d.datasets import FrameSequence, write_sequence_index
from strl_mmdet3d.engine.work_dir import alone_in, is_first_rank
from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.safe_loading import load_safely


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


def begin(*argv) -> Config:
    """Decide where the run begins, as the tool does."""
    load_safely()
    args = train.parse_args([str(word) for word in argv])
    config = train.build_config(args)
    train.choose_start(config, train.name_start(config, args.resume), args.start_over)
    return config


def save(path, iteration, **changes):
    path.parent.mkdir(exist_ok=True)
    content = dict(meta=dict(epoch=0, iter=iteration), state_dict=dict(weight=torch.zeros(9)), message_hub={})
    torch.save(content | dict(optimizer={}) | changes, path)
    return path


def start_of(config) -> tuple:
    return config.get('resume', False), config.get('load_from')


def test_resume_takes_the_newest_checkpoint_or_the_named_one(config, tmp_path, capsys):
    named, newest = save(tmp_path / 'epoch_2.pth', 20), save(tmp_path / 'epoch_3.pth', 30)
    (tmp_path / 'epoch_4.pth').write_text('')
    assert start_of(begin(config, '--work-dir', tmp_path, '--resume')) == (True, str(newest))
    said = capsys.readouterr().out
    assert f'resuming from {newest}' in said
    assert f'{tmp_path / "epoch_4.pth"} is skipped: ' in said
    # mmengine's own way to ask for it
    assert start_of(begin(config, '--work-dir', tmp_path, '--cfg-options', 'resume=True')) == (True, str(newest))
    assert start_of(begin(config, '--work-dir', tmp_path, '--resume', named)) == (True, str(named))
    assert 'later than' in capsys.readouterr().out
    assert (tmp_path / 'earlier_run_1' / 'epoch_3.pth').exists()
    assert start_of(begin(config, '--work-dir', tmp_path, '--resume')) == (True, str(named))


def test_without_a_checkpoint_to_resume_from_pretrained_weights_are_loaded(config, tmp_path, capsys):
    encoder = save(tmp_path / 'weights.pth', 1)
    run = tmp_path / 'run'
    fresh = begin(config, '--work-dir', run, '--resume', '--cfg-options', f'load_from={encoder}')
    assert start_of(fresh) == (False, str(encoder))
    assert f'no checkpoint in {run}: the run begins' in capsys.readouterr().out


def test_resume_never_starts_again_where_checkpoints_lie(config, tmp_path):
    (tmp_path / 'epoch_1.pth').write_bytes(b'')
    with pytest.raises(ConfigError, match=r'no checkpoint in .* is whole \(epoch_1\.pth: '):
        begin(config, '--work-dir', tmp_path, '--resume')


def test_a_new_run_where_one_lies_is_refused_unless_asked_for(config, tmp_path, capsys):
    save(tmp_path / 'epoch_1.pth', 10)
    with pytest.raises(
        ConfigError, match=r'holds a run already \(epoch_1\.pth\): .*--resume.*--work-dir.*--start-over'
    ):
        begin(config, '--work-dir', tmp_path)
    assert start_of(begin(config, '--work-dir', tmp_path, '--start-over')) == (False, None)
    assert f'the earlier run has been moved to {tmp_path / "earlier_run_1"}' in capsys.readouterr().out
    assert start_of(begin(config, '--work-dir', tmp_path, '--resume')) == (False, None)
    begin(config, '--work-dir', tmp_path / 'new', '--start-over')
    assert 'has been moved' not in capsys.readouterr().out
    with pytest.raises(SystemExit, match='2'):
        train.parse_args([str(config), '--resume', '--start-over'])
    assert 'give one of them' in capsys.readouterr().err


def test_weights_that_a_new_start_moves_away_are_followed(config, tmp_path, capsys):
    weights = save(tmp_path / 'epoch_1.pth', 10)
    begun = begin(config, '--work-dir', tmp_path, '--start-over', '--cfg-options', f'load_from={weights}')
    assert start_of(begun) == (False, str(tmp_path / 'earlier_run_1' / 'epoch_1.pth'))
    assert f'so load_from is {begun.load_from} now' in capsys.readouterr().out
    weights = save(tmp_path / 'epoch_1.pth', 10)
    options = ['--start-over', '--launcher', 'pytorch', '--cfg-options', f'load_from={weights}']
    with pytest.raises(ConfigError, match='while other ranks read it: copy it out of'):
        begin(config, '--work-dir', tmp_path, *options)
    assert weights.exists()


def test_a_checkpoint_of_another_folder_overwrites_no_run(config, tmp_path):
    other = save(tmp_path / 'other' / 'epoch_2.pth', 20)
    run = tmp_path / 'run'
    assert start_of(begin(config, '--work-dir', run, '--resume', other)) == (True, str(other))
    kept = save(run / 'epoch_3.pth', 30)
    for name in (other, 'https://host/epoch_1.pth'):
        with pytest.raises(
            ConfigError, match=rf'run holds a run already \(epoch_3\.pth\), which one from {name} .*--work-dir'
        ):
            begin(config, '--work-dir', run, '--resume', name)
    assert kept.exists()
    assert not (run / 'earlier_run_1').exists()


def test_an_address_that_does_not_answer_is_one_sentence(tiny_config, monkeypatch):
    monkeypatch.setenv('no_proxy', '*')
    address = 'http://127.0.0.1:9/epoch_1.pth'
    for argv, option in ((['--resume', address], '--resume'), (['--cfg-options', f'load_from={address}'], 'load_from')):
        said = refused(tiny_config, *argv)
        assert said.startswith(f'{address} cannot be fetched (')
        assert said.endswith(f'name the file by {option}')


def test_an_address_is_resumed_from_and_an_empty_name_is_refused(config, tmp_path):
    address = 'https://host/epoch_1.pth'
    assert start_of(begin(config, '--work-dir', tmp_path, '--resume', address)) == (True, address)
    with pytest.raises(ConfigError, match='--resume has an empty name'):
        begin(config, '--work-dir', tmp_path, '--resume', '')


@pytest.mark.parametrize('starter', ['TORCHELASTIC', 'SLURM'])
def test_what_is_started_again_before_its_first_checkpoint_begins_as_at_first(config, tmp_path, monkeypatch, starter):
    other = save(tmp_path / 'other' / 'epoch_2.pth', 20)
    run = tmp_path / 'run'
    monkeypatch.setenv(f'{starter}_RESTART_COUNT', '1')
    named = ['--cfg-options', 'resume=True', f'load_from={other}']
    for option in (['--resume', other], named):
        assert start_of(begin(config, '--work-dir', run, *option)) == (True, str(other))
    assert start_of(begin(config, '--work-dir', run, '--resume')) == (False, None)
    newest = save(run / 'epoch_3.pth', 30)
    for option in (['--resume', other], named):
        assert start_of(begin(config, '--work-dir', run, *option)) == (True, str(newest))


@pytest.mark.parametrize('starter', ['TORCHELASTIC', 'SLURM'])
def test_what_is_started_again_goes_on_from_the_newest_checkpoint(config, tmp_path, monkeypatch, starter):
    newest = save(tmp_path / 'iter_20.pth', 20)
    monkeypatch.setenv(f'{starter}_RESTART_COUNT', '0')
    with pytest.raises(ConfigError, match='holds a run already'):
        begin(config, '--work-dir', tmp_path)
    monkeypatch.setenv(f'{starter}_RESTART_COUNT', '1')
    for option in ([], ['--resume', 'a.pth'], ['--start-over']):
        assert start_of(begin(config, '--work-dir', tmp_path, *option)) == (True, str(newest))


def test_the_allowed_changes_reach_the_hook(config):
    allowed = build(config, '--allow-change', 'optim_wrapper', '--allow-change', 'model', 'randomness')
    assert allowed.default_hooks.same_run == dict(type='SameRunHook', allow=['optim_wrapper', 'model', 'randomness'])


def test_allowed_changes_need_the_hook_that_compares(config):
    with pytest.raises(ConfigError, match=r'default_hooks\.same_run=None leaves that hook out'):
        build(config, '--allow-change', 'model', '--cfg-options', 'default_hooks.same_run=None')


def test_the_rate_is_scaled_where_the_config_says_for_which_batch_it_is(config):
    for options in ([], ['--cfg-options', 'auto_scale_lr.base_batch_size=8']):
        with pytest.raises(
            ConfigError, match=r'set auto_scale_lr=dict\(enable=False, base_batch_size=SIZE\) in .*run\.py'
        ):
            build(config, '--auto-scale-lr', *options)
    options = ['--cfg-options', 'auto_scale_lr.base_batch_size=8', 'auto_scale_lr.enable=False']
    assert build(config, '--auto-scale-lr', *options).auto_scale_lr == dict(enable=True, base_batch_size=8)


def test_synchronised_batchnorm_is_the_configs_or_the_command_lines(config):
    assert build(config, '--cfg-options', 'sync_bn=mmcv').sync_bn == 'mmcv'
    assert build(config, '--sync_bn', 'torch', '--cfg-options', 'sync_bn=mmcv').sync_bn == 'torch'


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


@pytest.mark.parametrize('name', ['AmpOptimWrapper', 'mmengine.AmpOptimWrapper'])
def test_amp_leaves_a_wrapper_of_its_own_kind_and_refuses_others(config, name, monkeypatch):
    options = [f'optim_wrapper.type={name}', 'optim_wrapper.loss_scale=512.', 'optim_wrapper.dtype=float16']
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    kept = build(config, '--amp', '--cfg-options', *options).optim_wrapper
    assert (kept.type, kept.loss_scale, kept.dtype) == (name, 512, 'float16')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    on_cpu = build(config, '--amp', '--cfg-options', *options).optim_wrapper
    assert on_cpu.type == 'BFloat16OptimWrapper'
    assert not {'loss_scale', 'dtype'} & set(on_cpu)
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
    with pytest.raises(SystemExit, match=r'^error: ') as ending:
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


def flip_a_bit(path):
    save(path, 1, state_dict=dict(weight=torch.ones(1)))
    content = bytearray(path.read_bytes())
    content[content.index(b'\x00\x00\x80\x3f')] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ('write', 'resuming', 'loading'),
    [
        (truncate, 'it is not a whole zip archive', 'it is damaged'),
        (lambda path: path.write_bytes(b''), 'it is not a whole zip archive', 'not a pickle'),
        (lambda path: path.write_text('hello'), 'another kind of file', 'the pickle is refused'),
        (flip_a_bit, *["the checksum of its member 'epoch_1/data/0' differs"] * 2),
        (
            lambda path: torch.save(dict(meta=dict(epoch=Config())), path),
            *['asks for mmengine.config.config.Config'] * 2,
        ),
    ],
    ids=['truncated', 'empty', 'text', 'flipped', 'with objects'],
)
def test_a_checkpoint_that_cannot_be_loaded_is_one_sentence(tiny_config, tmp_path, write, resuming, loading):
    path = tmp_path / 'epoch_1.pth'
    write(path)
    for argv in (['--resume', str(path)], ['--cfg-options', f'load_from={path}']):
        message = refused(tiny_config, *argv)
        assert message.startswith(f'{path} cannot be ')
        assert (resuming if argv[0] == '--resume' else loading) in message


def test_an_encoder_is_not_a_checkpoint_to_resume_from(tiny_config, tmp_path):
    torch.save(dict(meta={}, state_dict={}), tmp_path / 'encoder.pth')
    assert 'cannot be resumed from: it has no message_hub and no optimizer, so no run can go on from it' in refused(
        tiny_config, '--resume', str(tmp_path / 'encoder.pth')
    )


@pytest.mark.parametrize('resume', ['s3://bucket/epoch_1.pth', None])
def test_a_checkpoint_in_a_backend_is_left_to_mmengine(resume):
    assert train.name_start(Config(dict(load_from='s3://bucket/epoch_1.pth')), resume) is False


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


def test_a_second_run_in_the_same_folder_is_refused_and_the_first_is_named(tiny_config):
    run = tiny_config.parent / 'run'
    run.mkdir()
    hold = (
        'import sys; from strl_mmdet3d.engine.work_dir import alone_in\n'
        'with alone_in(sys.argv[1]): print("held", flush=True); sys.stdin.read()'
    )
    command = [sys.executable, '-c', hold, str(run)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == 'held\n'
        said = refused(tiny_config, '--resume')
        process.stdin.close()
    assert said.startswith(f'{run} is in use: process {process.pid} on ')
    assert 'has been training there since' in said
    assert not list(run.glob('2*'))  # not even a log folder


@pytest.mark.parametrize(
    ('launcher', 'variable'), [('pytorch', 'RANK'), ('slurm', 'SLURM_PROCID'), ('mpi', 'OMPI_COMM_WORLD_RANK')]
)
def test_the_other_ranks_hold_nothing(launcher, variable, tmp_path, monkeypatch):
    assert is_first_rank(launcher)
    monkeypatch.setenv(variable, '1')
    assert not is_first_rank(launcher)
    with alone_in(tmp_path, first_rank=False):
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('variable', ['SLURM_PROCID', 'RANK'])
def test_a_shell_within_a_job_is_no_rank_of_it(monkeypatch, variable):
    monkeypatch.setenv(variable, '1')
    assert is_first_rank('none')


def test_a_damaged_checkpoint_in_the_home_folder_is_refused(tiny_config, tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    path = tmp_path / 'weights.pth'
    torch.save(dict(state_dict=dict(weight=torch.zeros(1000))), path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert 'checksum' in refused(tiny_config, '--cfg-options', 'load_from=~/weights.pth')


def test_a_load_of_which_nothing_lands_is_refused(tiny_config, tmp_path):
    path = tmp_path / 'weights.pth'
    torch.save(dict(meta={}, state_dict={'backbone.weight': torch.zeros(3)}), path)
    said = refused(tiny_config, '--cfg-options', f'load_from={path}')
    assert said.startswith(f'no tensor of {path} is in this model, by name and shape: it holds backbone.weight (3,), ')


CHANGES = {
    'the batch': ('train_dataloader.batch_size=4', 'train_dataloader.batch_size is 4 and was 2'),
    'the accumulation': (
        'optim_wrapper.accumulative_counts=2',
        'optim_wrapper.accumulative_counts is 2 and was not set',
    ),
    'the rate': ('optim_wrapper.optimizer.lr=0.2', 'optim_wrapper.optimizer.lr is 0.2 and was 0.1'),
    'the optimizer': ('optim_wrapper.optimizer.type=Adam', 'optim_wrapper.optimizer.type is "Adam" and was "SGD"'),
    'the width': ('model.predictor.hidden_channels=16', 'model.predictor.hidden_channels is 16 and was 32'),
    'the data': ('train_dataloader.dataset.length=5', 'train_dataloader.dataset.length is 5 and was 4'),
    'the length': ('train_cfg.max_epochs=3', 'train_cfg.max_epochs is 3 and was 1'),
}


@pytest.fixture
def finished(tiny_config):
    """A finished run of an epoch; the config of its command."""
    config = Config.fromfile(tiny_config)
    config.default_hooks = dict(checkpoint=dict(type='WholeCheckpointHook'), same_run=dict(type='SameRunHook'))
    tiny_config.write_text(json.dumps(config.to_dict()))
    train.main([str(tiny_config), '--work-dir', str(tiny_config.parent / 'run')])
    return tiny_config


def test_a_changed_run_is_one_sentence_and_names_the_change(finished):
    for option, said in CHANGES.values():
        message = refused(finished, '--resume', '--cfg-options', option)
        assert message.startswith(f'this run is not the run of {finished.parent / "run" / "epoch_1.pth"}: {said}. Undo')
        assert f'--allow-change {option.partition("=")[0]};' in message


def test_a_resumed_run_keeps_its_seed(finished):
    other = ['--resume', '--cfg-options', 'randomness.seed=3']
    message = refused(finished, *other)
    assert ': randomness.seed is 3 and was not set. Undo the changes; or begin a new run' in message
    assert message.endswith('. A resumed run keeps its seed')
    assert refused(finished, *other, '--allow-change', 'randomness') == message
    assert refused(finished, *other, '--allow-change', 'randomness.seed').startswith(
        'randomness.seed cannot be changed'
    )


def test_an_allowed_change_goes_on_or_says_what_does_not_fit(finished):
    argv = [str(finished), '--work-dir', str(finished.parent / 'run'), '--resume', '--cfg-options']
    longer = train.main([*argv, 'train_cfg.max_epochs=2', '--allow-change', 'train_cfg.max_epochs'])
    assert (longer.epoch, longer.iter) == (2, 4)
    said = refused(
        *[finished, '--resume', '--cfg-options', 'optim_wrapper.optimizer.type=Adam', 'train_cfg.max_epochs=4'],
        *['--allow-change', 'optim_wrapper', 'train_cfg'],
    )
    assert 'epoch_2.pth cannot be resumed from' in said
    assert 'its optimizer is of another kind, without betas, eps' in said
    wider = ['--cfg-options', 'model.predictor.hidden_channels=16', 'train_cfg.max_epochs=4']
    said = refused(finished, '--resume', *wider, '--allow-change', 'model', 'train_cfg')
    assert 'is of another model: predictor.' in said
    assert 'in it and (16,' in said
