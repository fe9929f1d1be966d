"""What ``torch.load`` with ``weights_only`` may call for mmengine's checkpoints, in place of what they name.

torch puts what these return into the checkpoint, so each turns into the real thing, as far as Python lets it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer

from .history import history_of, statistic_of
from .numpy_stand_ins import StoredDtype, array_of_state, check_reconstruct, fits, scalar_of
from .plain_unpickler import bytes_of


class StoredNDArray(np.ndarray):
    """An array from a checkpoint. Copies and results of NumPy's functions are as usual, and so is its pickle."""

    def __new__(cls, *args: Any) -> StoredNDArray:
        """Make an empty array, which waits for its state."""
        fits(not args, 'an array made of arguments')
        return super().__new__(cls, (0,), np.uint8)

    def __array_finalize__(self, source: Any) -> None:
        """Note that a view or copy has its content."""
        self._waits = source is None

    def __setstate__(self, state: Any) -> None:
        """Take the state, once.

        Args:
            state: What ``ndarray.__reduce__`` writes.

        Raises:
            UnsafePickleError: If NumPy does not write it, or the array holds objects.
        """
        fits(self._waits, 'a second state of an array')
        array = array_of_state(state)
        fits(not array.dtype.hasobject, 'an array of objects in a checkpoint')
        self._waits = False
        in_fortran = array.flags.fnc
        super().__setstate__((1, array.shape, array.dtype, in_fortran, array.tobytes('F' if in_fortran else 'C')))

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Be pickled as a plain array."""
        return self.view(np.ndarray).__reduce_ex__(protocol)


def stored_array(*args: Any) -> StoredNDArray:
    """Stand in for ``numpy.core.multiarray._reconstruct``."""
    fits(bool(args) and args[0] is StoredNDArray, 'an array of another class')
    check_reconstruct(args)
    return StoredNDArray()


class StoredHistory(HistoryBuffer):
    """Stands in for `HistoryBuffer`, and becomes one when it gets its state."""

    def __new__(cls, *args: Any) -> StoredHistory:
        """Make one that waits for its state."""
        fits(not args, 'a HistoryBuffer made of arguments')
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        """Take the state, and become a `HistoryBuffer`.

        Raises:
            UnsafePickleError: If mmengine does not write it.
        """
        self.__dict__ = vars(history_of(state))
        self.__class__ = HistoryBuffer


def config_of(*args: Any) -> dict:
    """Stand in for ``ConfigDict``, by which mmdet3d's data sets of segmentation describe themselves: a plain dict."""
    fits(len(args) == 1 and type(args[0]) is dict, 'a forged ConfigDict')
    return args[0]


NUMPY = {'_reconstruct': stored_array, 'scalar': scalar_of}
ALLOWED: list = [
    (StoredHistory, 'mmengine.logging.history_buffer.HistoryBuffer'),
    (config_of, 'mmengine.config.config.ConfigDict'),
    (statistic_of, 'builtins.getattr'),
    (bytes_of, 'builtins.bytes'),  # the data of an empty array
    (StoredNDArray, 'numpy.ndarray'),
    (StoredDtype, 'numpy.dtype'),
    # NumPy moved its core between versions 1 and 2; checkpoints may come from either.
    *((NUMPY[name], f'numpy.{core}.multiarray.{name}') for name in NUMPY for core in ('core', '_core')),
]
"""As ``add_safe_globals`` takes it: what is called, and the name in the checkpoint for which it stands."""
