"""Let mmengine read mmdet3d's info files, which are pickles, without running what a pickle may ask for.

mmdet3d keeps annotations in ``*_infos_*.pkl`` and ``*_dbinfos_*.pkl``, and reads all of them by ``mmengine.load``. A
pickle can name any function and have it called. Info files hold plain values and NumPy arrays, and `PlainUnpickler`
reads these only.
"""

from __future__ import annotations

from typing import IO, Any

from mmengine.fileio import PickleHandler, register_handler

from .plain_unpickler import PlainUnpickler
from .unsafe_pickle import UnsafePickleError

__all__ = ['PlainPickleHandler', 'PlainUnpickler', 'UnsafePickleError', 'refuse_unsafe_pickles']


class PlainPickleHandler(PickleHandler):
    """mmengine's reader of pickles, by `PlainUnpickler`. Writing stays as it is."""

    def load_from_fileobj(self, file: IO[bytes], **kwargs: Any) -> Any:
        """Read a pickle.

        Args:
            file: An open file.
            kwargs: Passed on to ``pickle.load``.

        Returns:
            Its content.

        Raises:
            UnsafePickleError: If it is damaged, or asks for more than plain values and NumPy arrays.
        """
        return PlainUnpickler(file, **kwargs).load()


def refuse_unsafe_pickles() -> None:
    """Have every ``mmengine.load`` of this process read pickles by `PlainUnpickler`."""
    register_handler(['pkl', 'pickle'])(PlainPickleHandler)
