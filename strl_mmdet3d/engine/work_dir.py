"""The folder of a run: whether it can be written to, and that one run at a time writes there."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from ..errors import StrlError
from ..locks import locked

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG, errno.ESTALE)
"""What the system answers when a disk takes no more, whichever file is written."""


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


def is_first_rank(launcher: str) -> bool:
    """Return whether this process is rank 0, by what its launcher has set; mmengine reads it later.

    Without a launcher the run is the only rank, whatever a job around it has set.
    """
    if launcher == 'none':
        return True
    variable = {'slurm': 'SLURM_PROCID', 'mpi': 'OMPI_COMM_WORLD_RANK'}.get(launcher, 'RANK')
    return int(os.environ.get(variable, 0)) == 0


def alone_in(work_dir: str | Path, first_rank: bool = True) -> AbstractContextManager:
    """Hold the folder of a run, on rank 0, so that no second run writes there.

    Args:
        work_dir: The folder, which exists.
        first_rank: Whether this process is rank 0, see `is_first_rank`.

    Returns:
        A context. Entering it raises :class:`strl_mmdet3d.locks.LockedError` where another run holds the folder.
    """
    if not first_rank:
        return nullcontext()
    return locked(work_dir, 'training', inside=True)


def cannot_be_written(work_dir: str | Path, error: OSError) -> bool:
    """Return whether an error in the middle of a run means that its folder takes no more, or is gone."""
    folder = Path(work_dir).absolute()
    named = [Path(os.fsdecode(name)).absolute() for name in (error.filename, error.filename2) if name is not None]
    return not folder.is_dir() or error.errno in UNWRITABLE or any(path.is_relative_to(folder) for path in named)
