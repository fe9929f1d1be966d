"""SIGTERM and SIGINT end a run after its step, with a checkpoint of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from tiny import tiny_runner

from strl_mmdet3d.engine.hooks import StoppedError, StopSignalHook, stop_signal_hook
from strl_mmdet3d.engine.hooks.stop_signal_hook import SIGNALS

LOADER = dict(
    batch_size=2,
    num_workers=0,
    dataset=dict(type='RandomPairs', length=12),
    sampler=dict(type='PairSampler'),
    collate_fn=dict(type='pseudo_collate'),
)


class Send(Hook):
    """Sends a signal to the process in the middle of an iteration."""

    def __init__(self, number, iteration):
        self.number, self.iteration = number, iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == self.iteration:
            os.kill(os.getpid(), self.number)


@pytest.fixture(autouse=True)
def _ctrl_c():
    """Ctrl-C interrupts, also where a shell has started the tests in its background, and so ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def runner_of(work_dir, accumulate=1, loop='PretrainLoop', **changes):
    hooks = dict(checkpoint=dict(type='WholeCheckpointHook', interval=1), stop_signal=dict(type='StopSignalHook'))
    return tiny_runner(
        work_dir,
        accumulate=accumulate,
        train_dataloader=LOADER,
        train_cfg=dict(type=loop, max_epochs=3),
        default_hooks=hooks,
        **changes,
    )


@pytest.fixture(autouse=True)
def _handlers():
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    assert {number: signal.getsignal(number) for number in SIGNALS} == before


@pytest.mark.parametrize('number', SIGNALS)
@pytest.mark.parametrize(('accumulate', 'saved'), [(1, 8), (3, 9)])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(tmp_path, number, accumulate, saved):
    whole = runner_of(tmp_path / 'whole', accumulate)
    whole.train()
    runner = runner_of(tmp_path / 'run', accumulate)
    runner.register_hook(Send(number, 8))
    with pytest.raises(StoppedError, match='ended the run') as stop:
        runner.train()
    path = tmp_path / 'run' / f'iter_{saved}.pth'
    name = signal.Signals(number).name
    assert str(stop.value) == (
        f'{name} ended the run after iteration {saved}, which is saved in {path}: continue by --resume'
    )
    resumed = runner_of(tmp_path / 'run', accumulate, resume=True, load_from=str(path))
    resumed.train()
    for key, tensor in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[key], tensor), key
    assert not path.exists()  # regular checkpoints have replaced it
    assert sorted(each.name for each in (tmp_path / 'run').glob('*.pth')) == [
        'epoch_1.pth',
        'epoch_2.pth',
        'epoch_3.pth',
    ]


def test_a_loop_that_starts_its_epoch_again_keeps_its_last_checkpoint(tmp_path):
    runner = runner_of(tmp_path, loop='EpochBasedTrainLoop')
    runner.register_hook(Send(signal.SIGTERM, 8))
    with pytest.raises(StoppedError, match=r'after iteration 8: continue from its last checkpoint by --resume'):
        runner.train()
    assert [each.name for each in tmp_path.glob('*.pth')] == ['epoch_1.pth']


def test_a_signal_in_the_last_iteration_changes_nothing(tmp_path):
    runner = runner_of(tmp_path)
    runner.register_hook(Send(signal.SIGINT, 18))
    runner.train()
    assert runner.iter == 18
    assert (tmp_path / 'epoch_3.pth').exists()


def test_a_second_signal_has_its_usual_effect(tmp_path, monkeypatch):
    monkeypatch.setattr(stop_signal_hook, 'REPEATED_FOR', 0)
    runner = runner_of(tmp_path, accumulate=3)
    runner.register_hook(Send(signal.SIGINT, 1))
    runner.register_hook(Send(signal.SIGINT, 2))
    with pytest.raises(KeyboardInterrupt):
        runner.train()


def test_a_signal_that_comes_twice_at_once_is_one(tmp_path):
    runner = runner_of(tmp_path, accumulate=3)
    runner.register_hook(Send(signal.SIGTERM, 1))
    runner.register_hook(Send(signal.SIGTERM, 2))
    with pytest.raises(StoppedError, match=r'after iteration 3, which is saved in .*iter_3\.pth'):
        runner.train()


RUN_WITH_WORKERS = """
import sys
from test_stop_signal_hook import LOADER, StoppedError, runner_of
import test_stop_signal_hook
loader = LOADER | dict(num_workers=2, persistent_workers=True, dataset=dict(type='RandomPairs', length=4000))
test_stop_signal_hook.LOADER = loader
runner = runner_of(sys.argv[1])
class Tell(test_stop_signal_hook.Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        print(runner.iter, flush=True)
runner.register_hook(Tell())
try:
    runner.train()
except StoppedError as error:
    raise SystemExit(f'stopped: {error}')
"""


def wait_for_end(group: int) -> bool:
    """Return whether a group of processes ends within half a minute; workers do so some seconds after their parent."""
    for _ in range(300):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def test_a_signal_to_all_processes_lets_workers_finish_the_step(tmp_path):
    """As Slurm and torchrun send it; then all of them end."""
    folders = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1]), str(Path.cwd())])
    process = subprocess.Popen(
        [sys.executable, '-c', RUN_WITH_WORKERS, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | dict(PYTHONPATH=folders, OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES=''),
    )
    try:
        while process.stdout.readline().strip() != '1':
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGTERM)
        time.sleep(0.1)
        os.killpg(process.pid, signal.SIGTERM)
        _, said = process.communicate(timeout=200)
        assert 'stopped: SIGTERM ended the run after iteration' in said
        assert len(list(tmp_path.glob('iter_*.pth'))) == 1
        assert wait_for_end(process.pid), 'a worker is left'
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def test_workers_leave_ctrl_c_to_the_run_and_end_by_sigterm(tmp_path):
    hook = StopSignalHook()
    hook.before_train(SimpleNamespace(train_loop=None, val_loop=None))
    try:
        for number, code in ((signal.SIGINT, 0), (signal.SIGTERM, 128 + signal.SIGTERM)):
            child = os.fork()
            if not child:
                os.kill(os.getpid(), number)
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == code
        assert hook.received is None
    finally:
        hook.after_train(None)


def test_the_configs_have_it():
    assert 'StopSignalHook' in Path('configs/_base_/runtime.py').read_text()
