"""The pieces of a simulated data set, such as a drive or a frame, written one by one or by several processes."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from typing import Any

from strl_mmdet3d.errors import StrlError


@dataclass(frozen=True)
class Piece:
    """A part of a data set that depends on no other one. Each has a seed of its own, so any process gives its bytes.

    Attributes:
        write: A function of a module, which writes the piece.
        args: Its arguments, which can be pickled.
        size: Frames, pictures or shapes in it.
    """

    write: Callable[..., Any]
    args: tuple[Any, ...]
    size: int = 1

    def __call__(self) -> Any:
        """Write it, and return what the function does."""
        return self.write(*self.args)


def write_pieces(pieces: Sequence[Piece], jobs: int) -> Iterator[tuple[int, Any]]:
    """Write pieces.

    Args:
        pieces: All of them.
        jobs: Number of processes; 1 is this one alone.

    Yields:
        The size of each piece, in order, and what its function has returned. At an error, or if nobody asks for more,
        the pieces that were begun are finished first, and no other is.

    Raises:
        StrlError: If one of the processes was ended from outside.
    """
    if min(jobs, len(pieces)) <= 1:
        yield from ((piece.size, piece()) for piece in pieces)
        return
    pool = ProcessPoolExecutor(min(jobs, len(pieces)), _context(), initializer=_end_with_parent)
    try:
        futures = [pool.submit(piece) for piece in pieces]
        yield from ((piece.size, future.result()) for piece, future in zip(pieces, futures, strict=True))
    except BrokenProcessPool as error:
        raise StrlError(
            f'one of {jobs} processes that simulate was ended from outside, perhaps because the memory was full: take '
            'fewer --jobs'
        ) from error
    finally:
        # Nobody may write to the folder any more when it is removed.
        pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """Have this process end when the one that has started it ends, even if that was killed.

    Else it would simulate all that is queued, into a folder that nobody wants any more, and then sleep forever.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (wait([parent.sentinel]), os._exit(1)), daemon=True).start()


def _context() -> BaseContext:
    """Return how processes are started: as copies of one that has imported everything, and has no threads yet.

    A copy of this process could wait forever for the threads of Embree, which are not copied (seen once).
    """
    if 'forkserver' not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context()
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['strl_mmdet3d.simulation'])  # the import takes 5 to 10 seconds
    return context
