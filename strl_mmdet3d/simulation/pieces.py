"""The pieces of a simulated data set, such as a drive or a frame, written one by one or by several processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
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
    # A copy of this process has imported everything, which takes a new one 5 to 10 seconds.
    method = 'fork' if 'fork' in multiprocessing.get_all_start_methods() else None
    with ProcessPoolExecutor(min(jobs, len(pieces)), multiprocessing.get_context(method)) as pool:
        futures = [pool.submit(piece) for piece in pieces]
        try:
            yield from ((piece.size, future.result()) for piece, future in zip(pieces, futures, strict=True))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
