"""A disk that fails in the middle of a run ends it with one sentence, which names the last good checkpoint."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from uuid import uuid4

import pytest
import train
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from tiny import tiny_config

from strl_mmdet3d.engine.run_start import last_good


@HOOKS.register_module(force=True)
class FaultHook(Hook):
    """Spoils the disk after iteration 5."""

    priority = 'VERY_HIGH'

    def __init__(self, fault):
        self.fault = fault

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 != 5:
            return
        folder = Path(runner.work_dir)
        if self.fault == 'the folder is gone':
            shutil.rmtree(folder)
        elif self.fault == 'the log folders are gone':
            for path in folder.glob('2*'):
                shutil.rmtree(path)
        elif self.fault == 'the file of scalars is a folder':
            path = next(folder.glob('2*/vis_data/scalars.json'))
            path.unlink()
            path.mkdir()


@pytest.fixture(autouse=True)
def _excepthook_kept(monkeypatch):
    monkeypatch.setattr(threading, 'excepthook', threading.excepthook)  # train exchanges it


def write_config(path, fault):
    config = tiny_config(train_cfg=dict(type='PretrainLoop', max_epochs=10))
    config['default_hooks'] = dict(
        logger=dict(type='LoggerHook', interval=1),
        checkpoint=dict(type='WholeCheckpointHook', by_epoch=False, interval=2),
    )
    config['custom_hooks'] = [dict(type='FaultHook', fault=fault)]
    config['visualizer'] = dict(
        type='Visualizer', vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
    )
    config['experiment_name'] = uuid4().hex  # runs of one name and second share a visualizer
    path.write_text(json.dumps(Config(config).to_dict()))
    return path


@pytest.mark.parametrize('fault', ['the folder is gone', 'the log folders are gone', 'the file of scalars is a folder'])
def test_a_fault_in_the_work_dir_is_one_sentence(tmp_path, fault):
    config, run = write_config(tmp_path / 'config.json', fault), tmp_path / 'run'
    with pytest.raises(SystemExit, match='cannot be written to any more') as ending:
        train.main([str(config), '--work-dir', str(run)])
    said = str(ending.value)
    assert said.startswith(f'error: {run} cannot be written to any more (')
    assert said.endswith('and continue by --resume')
    assert last_good(run, Config.fromfile(config)) in said
    assert ('iter_4.pth' in said) == (fault != 'the folder is gone')


FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.path[:0] = ['tools', 'tests']
import test_disk_faults, train
train.main(sys.argv[2:])
"""


@pytest.mark.parametrize(
    ('limit', 'said'),
    [(70_000, 'the checkpoint .*iter_2.pth cannot be written'), (60_000, 'the work directory .* cannot be written to')],
)
def test_a_file_that_cannot_grow_is_one_sentence_and_no_traceback(tmp_path, limit, said):
    """A limit on the size of files acts like a full disk, on every file and in every thread."""
    config = write_config(tmp_path / 'config.json', 'none')
    environment = os.environ | dict(
        PYTHONPATH=os.pathsep.join([str(Path.cwd()), str(Path('tests', 'tools').resolve())])
    )
    command = [sys.executable, '-c', FULL, str(limit), str(config), '--work-dir', str(tmp_path / 'run')]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert ended.returncode == 1
    assert 'Traceback' not in ended.stderr + ended.stdout
    lines = ended.stderr.strip().splitlines()
    assert len([line for line in lines if line.startswith('error: ')]) == 1
    assert re.search(said, lines[-1]), lines[-1]


def test_only_a_thread_that_cannot_write_is_silent(monkeypatch):
    shown = []
    monkeypatch.setattr(threading, 'excepthook', shown.append)
    train.hide_writer_threads()
    for error in (OSError(28, 'No space left on device'), KeyError('a mistake')):

        def fail(error=error):
            raise error

        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    assert [args.exc_type for args in shown] == [KeyError]
