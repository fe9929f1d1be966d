"""Where a run begins: at its first iteration, or at the newest whole checkpoint of its own work directory."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from string import Formatter
from typing import Any

from mmengine.config import Config

from ..errors import ConfigError, StrlError
from ..export.whole_archive import check_archive, check_end
from ..safe_loading.checkpoints import load_checked

STANDARD_NAMES = ('epoch_*.pth', 'iter_*.pth', 'best_*.pth')
"""The names of mmengine's checkpoints, as glob patterns."""

RUN_FILES = ('last_checkpoint', 'encoder.pth', 'report.html', 'unusable_frames.jsonl')
"""What a run leaves beside its checkpoints and log folders."""

LOG_FOLDER = re.compile(r'\d{8}_\d{6}')


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint, from which a run can go on.

    Attributes:
        path: The file.
        iteration: Iterations that the run had made.
    """

    path: Path
    iteration: int


class BrokenCheckpointError(StrlError):
    """A checkpoint is damaged or lacks what a resumed run needs. The message is the reason."""


def checkpoint_folder(config: Config) -> Path | None:
    """Return the folder of a run's checkpoints, as mmengine's hook chooses it, or None if it is not on a local disk."""
    hook = (config.get('default_hooks') or {}).get('checkpoint') or {}
    out_dir = hook.get('out_dir')
    work_dir = os.path.abspath(config.work_dir)  # noqa: PTH100  # as mmengine, which follows no links
    if out_dir is None or str(out_dir) == work_dir:
        return Path(config.work_dir)
    return None if '://' in str(out_dir) else Path(out_dir) / Path(work_dir).name


def is_own(path: str | Path, config: Config) -> bool:
    """Return whether a checkpoint lies in the folder of a run's checkpoints; True if that is not on a local disk."""
    folder = checkpoint_folder(config)
    if folder is None:
        return True
    return '://' not in str(path) and Path(path).expanduser().parent.resolve() == folder.resolve()


def name_pattern(template: str) -> str:
    """Turn the ``filename_tmpl`` of a checkpoint hook, such as 'epoch_{:03d}.pth', into a glob pattern.

    Args:
        template: A format string for the number of an epoch or iteration.

    Raises:
        ConfigError: If it takes no number.
    """
    try:
        template.format(1)
        parts = list(Formatter().parse(template))
    except (AttributeError, LookupError, ValueError) as error:
        raise ConfigError(
            f'default_hooks.checkpoint.filename_tmpl={template!r} takes no number ({error}): name it such as '
            "'epoch_{}.pth' or 'epoch_{:03d}.pth'"
        ) from error
    return ''.join(escape(text) + ('' if field is None else '*') for text, field, _, _ in parts)


def checkpoints_in(folder: Path, config: Config | None = None) -> list[Path]:
    """List the files with the name of a checkpoint, whole or not.

    Args:
        folder: The folder of the checkpoints.
        config: The run's config, whose checkpoint hook may have another ``filename_tmpl``.
    """
    hook = (config or {}).get('default_hooks', {}).get('checkpoint') or {}
    template = hook.get('filename_tmpl')
    patterns = {*STANDARD_NAMES, *([name_pattern(template)] if template else [])}
    return sorted({path for pattern in patterns for path in folder.glob(pattern)})


def read_start(path: Path) -> Checkpoint:
    """Look into a checkpoint without reading its tensors.

    Args:
        path: The file.

    Raises:
        BrokenCheckpointError: If it cannot be read, or lacks what a resumed run needs.
    """
    try:
        with path.open('rb') as file:
            check_end(file, path)
        content: Any = load_checked(path, map_location='cpu', mmap=True)
    except (StrlError, OSError) as error:
        raise BrokenCheckpointError(reason_of(error, path)) from error
    missing = [key for key in ('meta', 'state_dict', 'message_hub', 'optimizer') if not has_dict(content, key)]
    if missing:
        raise BrokenCheckpointError(f'it has no {" and no ".join(missing)}, so no run can go on from it')
    numbers = [content['meta'].get(key) for key in ('iter', 'epoch')]
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise BrokenCheckpointError('it does not say its epoch and iteration')
    return Checkpoint(path, numbers[0])


def has_dict(content: Any, key: str) -> bool:
    """Return whether a checkpoint holds a dict of this name."""
    return isinstance(content, dict) and isinstance(content.get(key), dict)


def check_whole(path: Path) -> None:
    """Compare the bytes of a checkpoint with its checksums, which takes 0.2 s per GB.

    Args:
        path: The file.

    Raises:
        BrokenCheckpointError: If it is cut short, or a byte differs.
    """
    try:
        with path.open('rb') as file:
            check_archive(file, path)
    except (StrlError, OSError) as error:
        raise BrokenCheckpointError(reason_of(error, path)) from error


def reason_of(error: BaseException, path: str | Path = '') -> str:
    """Return the first line of an error, without the file's name before it."""
    first_line = str(error).partition('\n')[0].removeprefix(f'{path} ').removeprefix('cannot be read as a checkpoint: ')
    if not isinstance(error, StrlError):
        return f'{type(error).__name__}: {first_line}'.removesuffix(': ')
    return f'it {first_line}' if first_line.startswith('is ') else first_line


def newest_whole(paths: list[Path]) -> tuple[Checkpoint | None, dict[Path, str]]:
    """Find the checkpoint that has made the most iterations and is whole.

    Args:
        paths: The candidates.

    Returns:
        The checkpoint, or None if none is whole, and the reason for each candidate that was skipped.
    """
    skipped: dict[Path, str] = {}
    found = []
    for path in paths:
        try:
            found.append(read_start(path))
        except BrokenCheckpointError as error:
            skipped[path] = str(error)
    for checkpoint in sorted(found, key=lambda each: (each.iteration, each.path.stat().st_mtime), reverse=True):
        try:
            check_whole(checkpoint.path)
            return checkpoint, skipped
        except BrokenCheckpointError as error:
            skipped[checkpoint.path] = str(error)
    return None, skipped


def last_good(folder: Path, config: Config) -> str:
    """Name the checkpoint from which a failed run goes on, as a clause.

    Args:
        folder: The folder of the checkpoints.
        config: The run's config, which may name them.
    """
    good, _ = newest_whole(checkpoints_in(folder, config))
    return f'the last good checkpoint is {good.path}' if good else 'there is no checkpoint yet'


def start_to_resume(config: Config) -> tuple[Checkpoint | None, dict[Path, str]]:
    """Find where ``--resume`` goes on: the newest whole checkpoint in the run's own folder, whoever copied it there.

    Args:
        config: The run's config.

    Returns:
        The checkpoint, or None if the folder has no file with the name of a checkpoint, and the skipped files.

    Raises:
        ConfigError: If there are checkpoints, but none is whole: then a new start would lose the run.
    """
    folder = checkpoint_folder(config)
    if folder is None:
        return None, {}
    paths = checkpoints_in(folder, config)
    start, skipped = newest_whole(paths)
    if paths and start is None:
        reasons = '; '.join(f'{path.name}: {reason}' for path, reason in skipped.items())
        raise ConfigError(
            f'no checkpoint in {folder} is whole ({reasons}), so there is nothing to resume from. Restore one, name '
            'another by --resume CKPT, or begin again by --start-over, which keeps these files'
        )
    return start, skipped


def refuse_to_overwrite(config: Config) -> None:
    """Refuse to begin a run in a folder that holds one.

    Args:
        config: The run's config.

    Raises:
        ConfigError: If the work directory holds checkpoints or an exported encoder.
    """
    found = run_files(config)
    if found:
        raise ConfigError(
            f'{config.work_dir} holds a run already ({found[-1].name}): continue it by --resume, name another folder '
            'by --work-dir, or begin again by --start-over, which moves its files into a folder of their own'
        )


def refuse_another_run(config: Config) -> None:
    """Refuse to go on from a checkpoint of elsewhere in a folder that holds a run.

    Args:
        config: The run's config; ``load_from`` is the checkpoint.

    Raises:
        ConfigError: If the work directory holds checkpoints or an exported encoder.
    """
    found = run_files(config)
    if found:
        raise ConfigError(
            f'{config.work_dir} holds a run already ({found[-1].name}), which one from {config.load_from} would '
            'overwrite: continue it by --resume without a name, name another folder by --work-dir, or move it away'
        )


def run_files(config: Config) -> list[Path]:
    """List the encoder and the checkpoints of a run; the oldest first."""
    folder = checkpoint_folder(config)
    encoders = [path for path in [Path(config.work_dir) / 'encoder.pth'] if path.is_file()]
    paths = checkpoints_in(folder, config) if folder is not None else []
    return encoders + sorted(paths, key=lambda path: path.stat().st_mtime)


def set_aside(config: Config, paths: list[Path] | None = None) -> Path | None:
    """Move the files of an earlier run into ``earlier_run_N`` in the work directory.

    Args:
        config: The run's config.
        paths: The files; by default all that a run leaves.

    Returns:
        The folder, or None if there was nothing to move.
    """
    work_dir = Path(config.work_dir)
    if paths is None:
        paths = run_files(config)
        paths += [work_dir / name for name in RUN_FILES if (work_dir / name).exists() and work_dir / name not in paths]
        paths += [path for path in work_dir.glob('*_*') if path.is_dir() and LOG_FOLDER.fullmatch(path.name)]
    if not paths:
        return None
    number = 1
    while (work_dir / f'earlier_run_{number}').exists():
        number += 1
    folder = work_dir / f'earlier_run_{number}'
    folder.mkdir()
    for path in paths:
        shutil.move(path, folder / path.name)
    return folder


def later_than(start: Path, config: Config) -> list[Path]:
    """List the checkpoints in the run's folder that have made more iterations than the one that a run goes on from.

    They belong to a branch that the run leaves; a later ``--resume`` must not take them for its own.

    Args:
        start: The checkpoint to resume from.
        config: The run's config.
    """
    folder = checkpoint_folder(config)
    if folder is None:
        return []
    iteration = read_start(start).iteration
    later = []
    for path in checkpoints_in(folder, config):
        try:
            if path.resolve() != start.resolve() and read_start(path).iteration > iteration:
                later.append(path)
        except BrokenCheckpointError:
            continue
    return later
