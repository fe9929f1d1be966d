"""Reading a file whole, if it is a regular file and not larger than a file of its kind can be."""

from __future__ import annotations

import os
import stat
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path

from mmengine.fileio import get

# Lists, calibrations, poses and time stamps: a million poses of 12 numbers are 0.2 GB. Meshes and texts of points: a
# million triangles are 0.1 GB. An image: 33 million pixels of 16 bits are 0.07 GB before compression.
MAX_BYTES = 2**28


def read_whole(path: str | Path, max_bytes: int = MAX_BYTES, backend_args: dict | None = None) -> bytes:
    """Read a file whole.

    A pipe, a device or a file of ``/proc`` could be read for ever, and a sparse file takes no disk but all memory. So a
    local file is opened without waiting, and must be a regular file of a known size.

    Args:
        path: The file; mmengine's file backend for its prefix reads one that is not on a local disk.
        max_bytes: The largest size that a file of this kind can have.
        backend_args: Arguments of mmengine's file backend.

    Returns:
        The file's bytes. From a local file that grows meanwhile, as many as it had when it was opened.

    Raises:
        OSError: If the file is missing, cannot be read, is not a regular file, has more than ``max_bytes``, or does not
            fit into the memory.
    """
    try:
        if backend_args is None and '://' not in str(path):
            return _read_local(path, max_bytes)
        require_regular(path)
        content = get(path, backend_args)
    except MemoryError as error:
        raise OSError('it does not fit into the memory') from error
    _check_size(len(content), max_bytes)
    return content


def read_text(path: str | Path) -> str:
    """Read a local text file whole, of at most :data:`MAX_BYTES`.

    It is UTF-8, or UTF-16 with a byte order mark, which Windows' PowerShell writes. The mark is dropped.

    Raises:
        OSError: As :func:`read_whole`.
        UnicodeDecodeError: If the file is not text.
    """
    content = read_whole(path)
    return content.decode('utf-16' if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else 'utf-8-sig')


def require_regular(path: str | Path) -> None:
    """Raise an OSError if a path exists on a local disk and is not a regular file, such as a pipe."""
    if not os.path.isfile(path) and os.path.exists(path):  # noqa: PTH110, PTH113 - it may be an address
        raise OSError('it is not a regular file')


def _read_local(path: str | Path, max_bytes: int) -> bytes:
    """Read a local file whole."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # opening a pipe would wait for its writer
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError('it is not a regular file')
        _check_size(status.st_size, max_bytes)
        with open(descriptor, 'rb', closefd=False) as file:
            content = file.read(status.st_size)
        if len(content) < status.st_size:
            raise OSError('it became shorter while it was read')
        return content
    finally:
        os.close(descriptor)


def _check_size(num_bytes: int, max_bytes: int) -> None:
    """Raise an OSError if a file is too large."""
    if num_bytes > max_bytes:
        raise OSError(
            f'it has {num_bytes / 2**30:.2f} GiB, but no file of this kind has more than {max_bytes / 2**30:g} GiB'
        )
