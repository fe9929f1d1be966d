"""Runs a compiled kernel over slices of its rows on torch's number of threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import torch

# Slices per thread: enough that a slice of crowded balls does not hold up the others.
SLICES_PER_THREAD = 4


@lru_cache(maxsize=1)
def _thread_pool(num_threads: int) -> ThreadPoolExecutor:
    """The process's pool; a change of ``torch.set_num_threads`` replaces it."""
    return ThreadPoolExecutor(num_threads, thread_name_prefix='strl_mmdet3d.ops')


# Threads do not survive a fork, their pool object does: a forked data loader worker starts from none.
os.register_at_fork(after_in_child=_thread_pool.cache_clear)


def run_over_rows(kernel: Callable[..., None], num_rows: int, *args: Any) -> None:
    """Call ``kernel(start, stop, *args)`` for slices that cover ``range(num_rows)``.

    The kernels release the GIL, so plain Python threads run them side by side. numba's own ``parallel=True`` is
    avoided on purpose: its OpenMP layer ends a forked data loader worker, its workqueue layer ends a process that
    enters it from two threads. Here both are safe, and a data loader worker, where torch keeps to one thread, starts
    none.

    Args:
        kernel (Callable): A numba function compiled with ``nogil=True`` that writes to nothing outside its rows.
        num_rows (int): Number of rows.
        *args (Any): The kernel's other arguments.
    """
    num_threads = torch.get_num_threads()
    if num_threads == 1 or num_rows < 2:
        kernel(0, num_rows, *args)
        return
    step = -(-num_rows // (SLICES_PER_THREAD * num_threads))
    starts = range(0, num_rows, step)
    pool = _thread_pool(num_threads)
    slices = [pool.submit(kernel, start, min(start + step, num_rows), *args) for start in starts]
    for done in slices:
        done.result()
