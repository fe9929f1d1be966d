"""Pieces are written once each, in order, by one process or by several; an error is the one of its piece."""

from __future__ import annotations

import operator
import os

import pytest

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
