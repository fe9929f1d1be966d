"""Pieces are written once each, in order, by one process or by several; an error is the one of its piece."""

from __future__ import annotations

import operator
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strl_mmdet3d.errors import StrlError
from strl_mmdet3d.simulation.pieces import Piece, write_pieces

DIVISIONS = [Piece(operator.truediv, (12, number), size=number) for number in (1, 2, 3, 4)]


@pytest.mark.parametrize('jobs', [1, 2, 9])
def test_sizes_and_results_are_in_order(jobs):
    assert list(write_pieces(DIVISIONS, jobs)) == [(1, 12), (2, 6), (3, 4), (4, 3)]
    assert list(write_pieces([], jobs)) == []


def test_several_jobs_are_other_processes():
    assert {one for _, one in write_pieces([Piece(os.getpid, ())] * 3, 1)} == {os.getpid()}
    assert os.getpid() not in {one for _, one in write_pieces([Piece(os.getpid, ())] * 3, 2)}


def test_processes_are_no_copies_of_this_one():
    """Embree's threads in this process, on which a copy's rays would wait forever, are not in them."""
    assert os.getpid() not in {one for _, one in write_pieces([Piece(os.getppid, ())] * 3, 2)}


@pytest.mark.parametrize('jobs', [1, 2])
def test_an_error_ends_the_writing(jobs):
    pieces = [DIVISIONS[0], Piece(operator.truediv, (1, 0)), *DIVISIONS]
    written = write_pieces(pieces, jobs)
    assert next(written) == (1, 12)
    with pytest.raises(ZeroDivisionError):
        list(written)


def test_nothing_is_written_after_an_error(tmp_path):
    slow = [Piece(os.system, (f'sleep 0.1; touch {tmp_path}/{number}',)) for number in range(30)]
    with pytest.raises(ZeroDivisionError):
        list(write_pieces([Piece(operator.truediv, (1, 0)), *slow], 2))
    written = len(list(tmp_path.iterdir()))
    assert written < 30
    time.sleep(0.5)
    assert len(list(tmp_path.iterdir())) == written


def test_a_process_that_was_ended_from_outside_is_one_sentence():
    with pytest.raises(StrlError, match=r'one of 2 processes that simulate was ended from outside.* fewer --jobs'):
        list(write_pieces([Piece(os._exit, (1,)), *DIVISIONS], 2))


KILLED = """
import os
import time
from strl_mmdet3d.simulation.pieces import Piece, write_pieces
pieces = [Piece(os.getpid, ())] * 8 + [Piece(time.sleep, (60,))] * 4
for number, (_, worker) in enumerate(write_pieces(pieces, 2)):
    print(worker, flush=True)
"""


@pytest.mark.skipif(not Path('/proc/self/stat').is_file(), reason='needs /proc')
def test_processes_end_with_the_one_that_started_them():
    command = subprocess.Popen([sys.executable, '-c', KILLED], stdout=subprocess.PIPE, text=True)
    workers = {int(command.stdout.readline()) for _ in range(8)}
    assert command.pid not in workers
    command.kill()
    command.wait()
    deadline = time.monotonic() + 50  # before the pieces end by themselves
    while any(map(is_alive, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False
