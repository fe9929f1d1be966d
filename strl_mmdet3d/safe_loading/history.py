"""Rebuild mmengine's `HistoryBuffer`, the logged values in a checkpoint, from its pickled state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer

from ..mmengine_internals import history_statistics
from .numpy_stand_ins import Unfinished, fits

MAX_LENGTH = 10**9


def history_of(state: Any) -> HistoryBuffer:
    """Rebuild a `HistoryBuffer`.

    mmengine's own reader would also take over what the checkpoint says that its statistics are. Here these stay.

    Args:
        state: What ``HistoryBuffer.__getstate__`` writes.

    Raises:
        UnsafePickleError: If mmengine does not write it.
    """
    names = {'max_length', '_log_history', '_count_history', 'statistics_methods'}
    fits(type(state) is dict and names - {'statistics_methods'} <= state.keys() <= names, 'a forged HistoryBuffer')
    histories = [state['_log_history'], state['_count_history']]
    for history in histories:
        fits(isinstance(history, np.ndarray) and history.ndim == 1, 'a forged HistoryBuffer')
        fits(history.dtype.kind in 'biuf', 'a HistoryBuffer without numbers')
    fits(len(histories[0]) == len(histories[1]), 'a HistoryBuffer with fewer counts than values')
    length = state['max_length']
    fits(type(length) is int and max(1, len(histories[0])) <= length <= MAX_LENGTH, 'a forged HistoryBuffer')
    return HistoryBuffer(*histories, max_length=length)


def statistic_of(owner: Any, name: str) -> Callable:
    """Stand in for ``getattr`` while a checkpoint is read: reach the statistics of `HistoryBuffer`, nothing else.

    Args:
        owner: The object whose attribute the pickle asks for.
        name: The attribute.

    Returns:
        The statistic of that name.

    Raises:
        UnsafePickleError: If it is not a registered statistic (min, max, current, mean).
    """
    is_history = isinstance(owner, type) and issubclass(owner, (HistoryBuffer, UnfinishedHistory))
    statistics = history_statistics()
    fits(is_history and type(name) is str and name in statistics, f'a reference to {name!r} of {owner!r}')
    return statistics[name]


class UnfinishedHistory(Unfinished):
    """Stands in for `HistoryBuffer` until its state follows."""

    def finished(self, state: Any) -> HistoryBuffer:
        """Return the `HistoryBuffer`."""
        return history_of(state)
