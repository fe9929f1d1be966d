"""Rows of the table, and how they are timed."""

from __future__ import annotations

import ctypes
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


@dataclass
class Row:
    """One line of the table: ours against one peer or limit, both measured in this run.

    Attributes:
        what: What is done.
        peer: Who else does it, or what it cannot do without.
        ours: Our figure, in `unit`; None if the row was not run.
        theirs: The peer's.
        unit: 'ms' or 'MB'.
        goal: The largest ratio or figure that is meant to be, in words; '' where the row is there to compare.
        met: Whether the goal is met; None without a goal.
        why: Why the row was not run.
    """

    what: str
    peer: str
    ours: float | None = None
    theirs: float | None = None
    unit: str = 'ms'
    goal: str = ''
    met: bool | None = None
    why: str = ''

    @property
    def ratio(self) -> float | None:
        """Ours by theirs."""
        return self.ours / self.theirs if self.ours is not None and self.theirs else None


def not_run(what: str, peer: str, why: object) -> Row:
    """Make a row that says why it has no figures."""
    return Row(what, peer, why=str(why))


def interleaved(functions: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Time functions in turn, another one first each time, after one warm-up of each.

    Args:
        functions: By their names.
        repeats: How many times each is timed.

    Returns:
        The median of each, in milliseconds.
    """
    for function in functions.values():
        function()
    times: dict[str, list[float]] = {name: [] for name in functions}
    names = deque(functions)
    for _ in range(repeats):
        for name in names:
            start = time.perf_counter()
            functions[name]()
            times[name].append(1e3 * (time.perf_counter() - start))
        names.rotate()
    return {name: statistics.median(values) for name, values in times.items()}


def compare(
    what: str,
    ours: Callable[[], object],
    peers: Mapping[str, Callable[[], object]],
    repeats: int,
    most: float | None = None,
    most_ms: float | None = None,
) -> list[Row]:
    """Time ours against peers.

    Args:
        what: What is done.
        ours: Our side.
        peers: The others, by their names.
        repeats: How many times each is timed.
        most: The goal, as a ratio to each peer.
        most_ms: The goal, in milliseconds.

    Returns:
        A row for each peer.
    """
    medians = interleaved({'ours': ours, **peers}, repeats)
    return [judged(what, name, medians['ours'], medians[name], most, most_ms) for name in peers]


def judged(
    what: str, peer: str, ours: float, theirs: float, most: float | None = None, most_ms: float | None = None
) -> Row:
    """Make a row of two times, and say whether it meets its goals; see `compare`."""
    goals = []
    if most is not None:
        goals.append((f'<= {most:.3g} x', ours <= most * theirs))
    if most_ms is not None:
        goals.append((f'<= {most_ms:g} ms', ours <= most_ms))
    met = all(reached for _, reached in goals) if goals else None
    return Row(what, peer, ours, theirs, goal=' and '.join(goal for goal, _ in goals), met=met)


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Let torch, and with it the compiled loops, use so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def kept_memory() -> Iterator[None]:
    """Have glibc keep freed memory, so that large tensors are not paged in again each time.

    Paging in takes a third of a step on a virtual machine, and up to twice that from one step to the next: more than
    what is compared differs by. Elsewhere than with glibc nothing is changed. Processes started inside do without.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        yield
        return
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:  # glibc's own values
        mallopt(M_MMAP_MAX, 65536)
        mallopt(M_TRIM_THRESHOLD, 128 * 1024)
