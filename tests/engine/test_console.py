"""A run's console: what it shows, and what only the log file has."""

from __future__ import annotations

import logging
from uuid import uuid4

import pytest
from mmengine.config import ConfigDict
from tiny import tiny_config, tiny_strl

from strl_mmdet3d.engine import console
from strl_mmdet3d.engine.console import ConsoleFilter, QuietRunner
from strl_mmdet3d.errors import ConfigError

HIDDEN = ('System environment:', 'Config:\n', 'Hooks will be executed', '"FileClient" will be deprecated', 'Exp name:')
SHOWN = ('Epoch(train) [1][2/2]', 'loss: ', 'eta: ', 'Saving checkpoint at 1 epochs', 'our own line', 'our own warning')


def test_the_console_shows_the_progress_and_the_log_file_has_every_line(tmp_path, capsys):
    config = tiny_config(
        work_dir=str(tmp_path),
        experiment_name=f'quiet_{uuid4().hex}',
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1)),
    )
    runner = QuietRunner.from_cfg(ConfigDict(config))
    runner.logger.info('our own line')
    runner.logger.warning('our own warning')
    runner.logger.warning('"FileClient" will be deprecated in future.')  # mmengine's, once a process
    runner.train()
    console = capsys.readouterr().out
    (path,) = tmp_path.glob('*/*.log')
    log = path.read_text()
    assert f'the whole log is in {path}' in console
    for text in HIDDEN:
        assert text not in console
        assert text in log
    for text in SHOWN:
        assert text in console
        assert text in log


@pytest.mark.parametrize(
    ('level', 'message', 'shown'),
    [
        (logging.INFO, 'Config:\na = 1', False),
        (logging.INFO, '\n' + '-' * 60 + '\nSystem environment:\n', False),
        (logging.INFO, '\nbackbone.weight - torch.Size([8, 3]): \nKaimingInit', False),
        (logging.INFO, 'load_from: 72 of 72 exported tensors landed', True),
        (logging.WARNING, '"FileClient" will be deprecated in future.', False),
        (logging.WARNING, 'epoch 1: 3 of 4 pairs were replaced', True),
        (logging.WARNING, 'Config:\na = 1', True),
        (logging.ERROR, '"FileClient" will be deprecated in future.', True),
    ],
)
def test_only_noise_is_hidden_and_no_other_warning(level, message, shown):
    record = logging.LogRecord('mmengine', level, __file__, 1, message, None, None)
    assert ConsoleFilter().filter(record) is shown


@pytest.mark.parametrize('name', ['report', 'logger'])
def test_a_hook_that_is_none_is_left_out(tmp_path, name):
    hooks = dict(report=dict(type='ReportHook'), logger=dict(type='LoggerHook'))
    config = dict(
        model=tiny_strl(),
        work_dir=str(tmp_path),
        experiment_name=f'left_out_{uuid4().hex}',
        default_scope='mmdet3d',
        default_hooks=hooks | {name: None},
        log_level='ERROR',
    )
    kinds = {type(hook).__name__ for hook in QuietRunner.from_cfg(ConfigDict(config)).hooks}
    assert {'ReportHook', 'LoggerHook', 'CheckpointHook'} - kinds == {hooks[name]['type']}


def test_ranks_that_begin_at_different_checkpoints_are_refused(tmp_path, monkeypatch):
    """A work directory on the disk of one machine: the ranks elsewhere see no checkpoint there."""
    runner = QuietRunner.from_cfg(ConfigDict(tiny_config(work_dir=str(tmp_path), experiment_name=uuid4().hex)))
    monkeypatch.setattr(console, 'all_gather_object', lambda mine: [(True, 'epoch_3.pth'), mine])
    with pytest.raises(
        ConfigError, match=r'the ranks see different checkpoints \(epoch_3\.pth, None\): put the work dir'
    ):
        runner.load_or_resume()
