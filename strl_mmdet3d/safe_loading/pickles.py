"""Let mmengine read mmdet3d's info files, which are pickles, without running what a pickle may ask for.

mmdet3d keeps annotations in ``*_infos_*.pkl`` and ``*_dbinfos_*.pkl``, and reads all of them by ``mmengine.load``. A
pickle can name any function and have it called. Info files hold plain values and NumPy arrays: exactly what these need
is allowed here, by name. A pickle that names anything else is refused before the call.
"""

from __future__ import annotations

import pickle
from typing import IO, Any

from mmengine.fileio import PickleHandler, register_handler

from ..errors import StrlError

PLAIN_TYPES = ('bytes', 'bytearray', 'set', 'frozenset', 'complex')
NUMPY_CORE = (('multiarray', '_reconstruct'), ('multiarray', 'scalar'), ('numeric', '_frombuffer'))
ALLOWED = frozenset(
    {
        ('numpy', 'ndarray'),
        ('numpy', 'dtype'),
        ('collections', 'OrderedDict'),
        ('_codecs', 'encode'),  # of bytes, before protocol 3
        # Before protocol 3, pickle calls builtins by the name of Python 2.
        *((module, name) for module in ('builtins', '__builtin__') for name in PLAIN_TYPES),
        # numpy moved its core between versions 1 and 2; info files may come from either.
        *((f'numpy.{core}.{module}', name) for core in ('core', '_core') for module, name in NUMPY_CORE),
    }
)
"""What a pickle may name: (module, name)."""


class UnsafePickleError(StrlError, pickle.UnpicklingError):
    """A pickle asks for more than plain values and NumPy arrays. What it asks for was not called."""


class PlainUnpickler(pickle.Unpickler):
    """Reads plain values and NumPy arrays, and refuses the rest."""

    def find_class(self, module: str, name: str) -> Any:
        """Look up what a pickle names.

        Args:
            module: The module.
            name: The name in it.

        Returns:
            The class or function.

        Raises:
            UnsafePickleError: If it is not in `ALLOWED`.
        """
        if (module, name) not in ALLOWED:
            raise UnsafePickleError(
                f'the pickle asks for {module}.{name}, but an info file needs plain values and NumPy arrays only. It '
                "was refused, because it could run any code. Rebuild the info files with mmdet3d's tools/create_data.py"
            )
        return super().find_class(module, name)


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
            UnsafePickleError: If it asks for more than plain values and NumPy arrays.
        """
        return PlainUnpickler(file, **kwargs).load()


def refuse_unsafe_pickles() -> None:
    """Have every ``mmengine.load`` of this process read pickles by `PlainUnpickler`."""
    register_handler(['pkl', 'pickle'])(PlainPickleHandler)
