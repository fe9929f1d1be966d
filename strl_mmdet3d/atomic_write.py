"""Files and folders that are complete or absent, whenever the process is killed."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from .processes import is_running

PART_SUFFIX = '.part'


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Write a file or a folder beside its final name, flush it to the disk, and rename it at the end.

    A reader finds the old content or the new one, never a part of it. If the block raises, the old content stays.

    Args:
        path: The file or folder. Its parent folder is created. An existing file is replaced; an existing folder must
            be empty.

    Yields:
        The name to write to, in the same folder. The block creates a file or a folder there.

    Raises:
        OSError: If nothing was written, the disk is full, or the rename fails.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, because a rename is atomic only within a file system; with the machine, the process and chance
    # in its name, so that two processes never write to the same part, not even from two containers.
    part = path.with_name(f'.{path.name}.{_machine()}-{os.getpid()}-{secrets.token_hex(2)}{PART_SUFFIX}')
    remove_dead_parts(path)
    try:
        yield part
        for file in part.rglob('*') if part.is_dir() else [part]:
            if file.is_file():
                _flush(file)
        if part.is_dir() and path.is_dir():
            path.rmdir()
        part.replace(path)
        _flush(path.parent)  # the rename itself
    finally:
        _remove(part)


def write_text_whole(path: str | Path, text: str) -> None:
    """Write a text file (UTF-8) by `written_whole`."""
    with written_whole(path) as part:
        part.write_text(text, encoding='utf-8')


def remove_dead_parts(path: str | Path) -> None:
    """Remove what killed processes of this machine have left of a file or folder. The name may be a glob pattern."""
    path = Path(path)
    for part in path.parent.glob(f'.{path.name}.*{PART_SUFFIX}'):
        name, _, writer = part.name[1:].removesuffix(PART_SUFFIX).rpartition('.')
        written_by = re.fullmatch(rf'{_machine()}-(\d+)-[0-9a-f]+', writer)
        if fnmatch(name, path.name) and written_by and not is_running(int(written_by[1])):
            _remove(part)


def _machine() -> str:
    """Return eight characters that stand for this machine; a container counts as one."""
    return f'{zlib.crc32(socket.gethostname().encode()):08x}'


def _remove(part: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if part.is_dir():
        shutil.rmtree(part)
    else:
        part.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Have the system write a file or a folder's entries to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
