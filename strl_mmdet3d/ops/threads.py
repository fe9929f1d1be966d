"""Runs a compiled kernel over slices of its rows, on ``torch.get_num_threads()`` threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import torch

# Slices per thread: while one thread works on a slice of crowded balls, the others share the rest.
SLICES_PER_THREAD = 4


@lru_cache(maxsize=1)
def _thread_pool(num_threads: int) -> ThreadPoolExecutor:
    """Return the process's pool. After ``torch.set_num_threads`` it is a new one."""
    return ThreadPoolExecutor(num_threads, thread_name_prefix='strl_mmdet3d.ops')


# A fork copies the pool object but not its threads, so a forked data loader worker has to create its own pool.
os.register_at_fork(after_in_child=_thread_pool.cache_clear)


def run_over_rows(kernel: Callable[..., None], num_rows: int, *args: Any) -> None:
    """Call ``kernel(start, stop, *args)`` for slices that cover ``range(num_rows)``.

    The kernels release the GIL, so plain Python threads run them in parallel. numba's ``parallel=True`` is avoided on
    purpose: its OpenMP layer kills a forked data loader worker, and its workqueue layer kills a process that enters it
    from two threads. Both are safe here. A data loader worker starts no threads, because torch uses only one there.

    Args:
        kernel (Callable): A numba function compiled with ``nogil=True`` that writes only to its own rows.
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
