"""A lock on a file or folder, so that two processes never write to it at the same time."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .errors import StrlError
from .processes import is_running

PATIENCE = 20.0
"""Seconds to wait for a holder that has ended: the workers of a killed process end up to 5 s after it (measured)."""

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What a file system without locks answers."""


class LockedError(StrlError, OSError):
    """Another process writes to the same file or folder. The message names the process, its machine and its start."""


@contextmanager
def locked(path: str | Path, work: str, inside: bool = False) -> Iterator[None]:
    """Hold the lock of a file or folder. The system releases it when the process ends, however it ends.

    The lock is ``.NAME.lock``, and ``.NAME.holder`` says who holds it. The lock stays behind as an empty file: removing
    it would let two processes lock two files of the same name.

    Args:
        path: What the block writes to. It need not exist.
        work: What the block does, for the error message of other processes, such as 'training'.
        inside: Whether the lock lies in the folder, which then stays where it is. Otherwise it lies beside it, in the
            parent folder, which is created.

    Yields:
        Nothing.

    Raises:
        LockedError: If another process holds the lock. If that process has died, the lock is waited for up to
            `PATIENCE` seconds, because its workers end a little later.
    """
    path = Path(path)
    folder, name = (path, 'run') if inside else (path.parent, path.name)
    folder.mkdir(parents=True, exist_ok=True)
    lock, holder = folder / f'.{name}.lock', folder / f'.{name}.holder'
    file_lock = FileLock(str(lock))
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            file_lock.acquire(timeout=0)
            break
        except Timeout:
            found = _read(holder)
            if _is_alive(found) or time.monotonic() > deadline:
                raise LockedError(
                    f'{path} is in use: {_described(found)}. Wait for its end or stop it, or name another place'
                ) from None
            time.sleep(0.2)
        except (OSError, NotImplementedError) as error:
            if isinstance(error, OSError) and error.errno not in NO_LOCKS:
                raise
            warnings.warn(
                f'{folder} is on a file system without locks: never write to {path} twice at once', stacklevel=3
            )
            break
    with suppress(OSError):  # on a full disk the lock holds too, it only has no name
        holder.write_text(json.dumps(dict(host=socket.gethostname(), pid=os.getpid(), since=time.time(), work=work)))
    try:
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        file_lock.release()


def _read(holder: Path) -> dict[str, Any]:
    """Read who holds a lock; empty if that is not known."""
    try:
        found = json.loads(holder.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    kinds = dict(host=str, pid=int, since=float, work=str)
    return found if isinstance(found, dict) and all(isinstance(found.get(k), v) for k, v in kinds.items()) else {}


def _is_alive(found: dict[str, Any]) -> bool:
    """Return whether the holder runs on this machine."""
    return bool(found) and found['host'] == socket.gethostname() and is_running(found['pid'])


def _described(found: dict[str, Any]) -> str:
    """Name the holder in a sentence."""
    if not found:
        return 'another process writes there'
    since = time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(found['since']))
    return f'process {found["pid"]} on {found["host"]} has been {found["work"]} there since {since}'
