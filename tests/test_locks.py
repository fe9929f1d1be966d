"""One process at a time holds a lock, whatever becomes of the process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from filelock import FileLock

from strl_mmdet3d import locks
from strl_mmdet3d.locks import LockedError, locked

HOLD = (
    'import sys, time; from strl_mmdet3d.locks import locked\n'
    'with locked(sys.argv[1], "drawing"): print("held", flush=True); time.sleep(60)'
)


@contextmanager
def another_holds(path):
    """Another process holds the lock while the context lasts; it is killed at the end."""
    with subprocess.Popen([sys.executable, '-c', HOLD, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == 'held\n'
        try:
            yield process
        finally:
            process.kill()


def test_the_second_process_is_refused_and_the_first_is_named(tmp_path):
    path = tmp_path / 'data'
    with another_holds(path) as process:
        began = time.monotonic()
        with pytest.raises(LockedError, match='is in use') as refusal, locked(path, 'drawing'):
            pass
        assert time.monotonic() - began < locks.PATIENCE / 2  # at once, since the holder lives
    said = str(refusal.value)
    assert f'{path} is in use: process {process.pid} on {socket.gethostname()} has been drawing there since 20' in said
    assert 'stop it, or name another place' in said


def test_a_killed_process_holds_nothing(tmp_path):
    with another_holds(tmp_path / 'data') as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with locked(tmp_path / 'data', 'drawing'):
            pass


def test_the_workers_of_a_killed_process_are_waited_for(tmp_path, monkeypatch):
    """A worker that was forked keeps the lock open until it notices that its parent has ended."""
    holder = FileLock(str(tmp_path / '.data.lock'))
    holder.acquire()
    dead = dict(host=socket.gethostname(), pid=2**22 - 7, since=time.time(), work='drawing')
    (tmp_path / '.data.holder').write_text(json.dumps(dead))
    monkeypatch.setattr(time, 'sleep', lambda seconds: holder.release())
    monkeypatch.setattr(locks, 'FileLock', lambda name: FileLock(name, is_singleton=False))
    with locked(tmp_path / 'data', 'drawing'):
        assert not holder.is_locked


@pytest.mark.parametrize('text', ['', '[]', '{"pid": "x"}', '{"host": "x", "pid": 1', '\x00'])
def test_a_holder_that_cannot_be_named_holds_the_lock_too(tmp_path, monkeypatch, text):
    holder = FileLock(str(tmp_path / '.data.lock'))
    monkeypatch.setattr(locks, 'PATIENCE', 0.0)
    monkeypatch.setattr(locks, 'FileLock', lambda name: FileLock(name, is_singleton=False))
    with holder:
        (tmp_path / '.data.holder').write_text(text)
        with pytest.raises(LockedError, match='another process writes there'), locked(tmp_path / 'data', 'drawing'):
            pass


def test_the_lock_of_a_folder_may_lie_in_it(tmp_path):
    with locked(tmp_path, 'training', inside=True):
        holder = json.loads((tmp_path / '.run.holder').read_text())
        assert (holder['pid'], holder['work']) == (os.getpid(), 'training')
    assert [path.name for path in tmp_path.iterdir()] == ['.run.lock']


def test_an_error_in_the_block_gives_the_lock_back(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError, match='mine'), locked(tmp_path / 'data', 'drawing'):
            raise KeyError('mine')


@pytest.mark.parametrize('number', locks.NO_LOCKS)
def test_a_file_system_without_locks_is_a_warning(tmp_path, monkeypatch, number):
    def acquire(self, **kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(FileLock, 'acquire', acquire)
    with pytest.warns(UserWarning, match='without locks'), locked(tmp_path / 'data', 'drawing'):
        pass
