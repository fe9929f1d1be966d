"""The pieces of a simulated data set, such as a drive or a frame, written one by one or by several processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from typing import Any


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
        The size of each piece, in order, and what its function has returned.
    """
    if min(jobs, len(pieces)) <= 1:
        yield from ((piece.size, piece()) for piece in pieces)
        return
    with ProcessPoolExecutor(min(jobs, len(pieces)), _context()) as pool:
        futures = [pool.submit(piece) for piece in pieces]
        try:
            yield from ((piece.size, future.result()) for piece, future in zip(pieces, futures, strict=True))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _context() -> BaseContext:
    """Return how processes are started: as copies of one that has imported everything, and has no threads yet.

    A copy of this process could wait forever for the threads of Embree, which are not copied (seen once).
    """
    if 'forkserver' not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context()
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['strl_mmdet3d.simulation'])  # the import takes 5 to 10 seconds
    return context
