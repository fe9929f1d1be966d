"""The folder of a run: whether it can be written to is known before the training starts."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..errors import StrlError


class WorkDirError(StrlError, OSError):
    """The work directory cannot take what a run writes."""


def prepare_work_dir(work_dir: str | Path) -> None:
    """Create the folder of a run, and write and remove a small file in it.

    Args:
        work_dir: The folder.

    Raises:
        WorkDirError: If it cannot be created or written to, or its disk is full.
    """
    try:
        Path(work_dir).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=work_dir) as file:
            file.write(bytes(1 << 16))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise WorkDirError(
            f'the work directory {work_dir} cannot be written to ({error.strerror or error}): free space there, '
            'correct its permissions, or name another one by --work-dir'
        ) from error
