"""Let ``torch.load`` read mmengine's own checkpoints while it keeps ``weights_only``.

From torch 2.6 on, ``torch.load`` refuses everything but tensors and plain values. mmengine's checkpoints hold more: the
message hub's `HistoryBuffer` objects, their numpy arrays, and the names of their statistics, which pickle writes as
calls of ``getattr``. Exactly these are allowed here, by name; a pickle that asks for anything else is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

from ..mmengine_internals import history_statistics


def statistic_of(owner: Any, name: str) -> Callable:
    """Stand in for ``getattr`` while a checkpoint is read: reach the statistics of `HistoryBuffer`, nothing else.

    Args:
        owner: The object whose attribute the pickle asks for.
        name: The attribute.

    Returns:
        The statistic of that name.

    Raises:
        AttributeError: If it is not a registered statistic (min, max, current, mean).
    """
    if owner is not HistoryBuffer or name not in history_statistics():
        raise AttributeError(f'a checkpoint may not reach {name!r} of {owner!r}')
    return history_statistics()[name]


def allowed_globals() -> list:
    """List what occurs in a checkpoint that mmengine's Runner has written, as ``add_safe_globals`` takes it."""
    multiarray = np.core.multiarray
    return [
        HistoryBuffer,
        (statistic_of, 'builtins.getattr'),
        # numpy moved its core between versions 1 and 2; checkpoints may come from either.
        *(
            (getattr(multiarray, name), f'numpy.{core}.multiarray.{name}')
            for name in ('_reconstruct', 'scalar')
            for core in ('core', '_core')
        ),
        np.ndarray,
        np.dtype,
        # The dtypes of the arrays in a HistoryBuffer: the values, and their counts.
        *(type(np.dtype(name)) for name in ('float64', 'float32', 'int64', 'int32', 'bool')),
    ]


def allow_mmengine_checkpoints() -> None:
    """Put `allowed_globals` on torch's allow-list for the whole process, and have mmengine's loads keep to it.

    torch 2.1 to 2.3 have no such list: there ``--resume`` and ``load_from`` unpickle, and a checkpoint must be trusted.
    """
    if hasattr(torch.serialization, 'add_safe_globals'):  # torch 2.4 and newer
        torch.serialization.add_safe_globals(allowed_globals())
        if torch.__version__ < '2.6':  # from then on weights_only is the default of mmengine's plain torch.load
            os.environ.setdefault('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')


def globals_allowed(allowed: list) -> AbstractContextManager:
    """Let ``weights_only`` read these globals while the context lasts; torch older than 2.5 refuses them, and says why.

    Args:
        allowed: As ``add_safe_globals`` takes them.
    """
    if hasattr(torch.serialization, 'safe_globals'):
        return torch.serialization.safe_globals(allowed)
    return nullcontext()
