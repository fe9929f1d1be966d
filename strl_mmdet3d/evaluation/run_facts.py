"""Facts about a run for its report: command, commit, versions, and the data that it was trained on."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from torch.utils.data import Dataset

from ..datasets.temporal_pair_dataset import pair_datasets

PACKAGES = ('strl_mmdet3d', 'mmdet3d', 'mmdet', 'mmcv', 'mmengine', 'spconv', 'torch', 'numpy')
PACKAGE_FOLDER = Path(__file__).resolve().parents[1]
GIT_SECONDS = 10
COMMIT_DIGITS = 12


def command() -> str:
    """Return the command of this process, as a shell takes it; a resumed run's is that of its last session."""
    return shlex.join(['python', *sys.argv])


def commit(package: Path = PACKAGE_FOLDER) -> str:
    """Return the commit of the checkout that the package is in, with '-dirty' if files were changed.

    Args:
        package: The package's folder.

    Returns:
        The commit, or a text that says why there is none.
    """
    try:
        root = _git(package, 'rev-parse', '--show-toplevel')
        if (Path(root) / package.name).resolve() != package:  # an environment within another checkout
            return 'not a git checkout'
        return _git(package, 'describe', '--always', '--dirty', f'--abbrev={COMMIT_DIGITS}', '--exclude=*')
    except (OSError, subprocess.SubprocessError):
        return 'not a git checkout'


def _git(folder: Path, *arguments: str) -> str:
    """Return what git says."""
    # Arguments are fixed, and git is the user's own.
    done = subprocess.run(
        ['git', '-C', str(folder), *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=GIT_SECONDS,
    )
    return done.stdout.strip()


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Return the versions of Python and of packages, by default of those that affect a run; '' where there is none."""
    found = {'python': platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = ''
    return found


DATA_HEADER: Sequence[str] = ('index', 'sequences', 'key frames', 'pairs', 'axes', 'range [m]')


def data_rows(dataset: Dataset) -> list[tuple[str, ...]]:
    """Return what a training set holds, a row for each of its pair data sets; see :data:`DATA_HEADER`."""
    rows: list[tuple[str, ...]] = []
    for part in pair_datasets(dataset):
        pairs = {'spatial': 'one frame twice', 'both': 'two frames, augmented', 'temporal': 'two frames, as they are'}
        window = '' if part.mode == 'spatial' else f', window of {part.window}'
        within = ''.join(
            f', at most {getattr(part, name):g} {dict(max_gap="s", max_distance="m")[name]} apart'
            + ('' if bounded == total else f' in {bounded:,} of {total:,} sequences')
            for name, (bounded, total) in part.num_bounded().items()
            if bounded
        )
        axes = 'both frames in the same axes' if part.align_poses else 'each frame in its own'
        box = 'none' if part.point_cloud_range is None else ', '.join(f'{side:g}' for side in part.point_cloud_range)
        numbers = (f'{len(part.table.starts) - 1:,}', f'{len(part):,}')
        rows.append((str(part.ann_file), *numbers, f'{pairs[part.mode]}{window}{within}', axes, box))
    return rows
