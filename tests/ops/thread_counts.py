"""Computes the same with several numbers of threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def with_one_and_three_threads(compute: Callable[[], Any]) -> list[Any]:
    """Return what a function gives with one and with three threads of torch; the number is put back."""
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            results.append(compute())
    finally:
        torch.set_num_threads(before)
    return results
