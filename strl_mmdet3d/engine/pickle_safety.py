"""Let mmengine read mmdet3d's info files, which are pickles, without running what a pickle may ask for.

mmdet3d keeps annotations in ``*_infos_*.pkl`` and ``*_dbinfos_*.pkl``, and reads all of them by ``mmengine.load``. A
pickle can name any function and have it called. What occurs in info files are plain values and NumPy arrays: exactly
what these need is allowed here, by name, and a pickle that names anything else is refused before it is called.
Importing this module exchanges mmengine's reader; writing stays as it is.
"""

from __future__ import annotations

import pickle
from typing import IO, Any

from mmengine.fileio import PickleHandler, register_handler

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


class UnsafePickleError(pickle.UnpicklingError):
    """A pickle asks for something else than plain values and NumPy arrays. It was not called."""


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
                f'the pickle asks for {module}.{name}, and an info file needs plain values and NumPy arrays only. It '
                "was refused, since it could run any code. Make the info files anew with mmdet3d's tools/create_data.py"
            )
        return super().find_class(module, name)


@register_handler(['pkl', 'pickle'])
class PlainPickleHandler(PickleHandler):
    """mmengine's reader of pickles, by `PlainUnpickler`."""

    def load_from_fileobj(self, file: IO[bytes], **kwargs: Any) -> Any:
        """Read a pickle.

        Args:
            file: An open file.
            kwargs: Those of ``pickle.load``.

        Returns:
            What is in it.

        Raises:
            UnsafePickleError: If it asks for something else than plain values and NumPy arrays.
        """
        return PlainUnpickler(file, **kwargs).load()
