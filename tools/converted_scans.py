"""What the converters write: scans as .npy files, their time stamps, and a trajectory, for the source ``folder``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def seconds(nanoseconds: int) -> str:
    """Return a time in seconds with all its digits."""
    return f'{nanoseconds // 10**9}.{nanoseconds % 10**9:09d}'


def write_scan(folder: Path, nanoseconds: int, records: np.ndarray) -> None:
    """Write a scan of records (N, C), named by its time."""
    import numpy as np

    from strl_mmdet3d.atomic_write import written_whole

    with written_whole(folder / f'{nanoseconds:019d}.npy') as part, part.open('wb') as file:
        np.save(file, records)


def write_times(folder: Path, times: Iterable[int]) -> None:
    """Write the times of a folder's scans, in nanoseconds, to ``timestamps.txt`` in it."""
    from strl_mmdet3d.atomic_write import written_whole

    with written_whole(folder / 'timestamps.txt') as part:
        part.write_text(''.join(f'{seconds(time)}\n' for time in sorted(times)))


def write_trajectory(path: Path, poses: dict[int, tuple[float, ...]]) -> None:
    """Write a trajectory as TUM has it.

    Args:
        path: The file.
        poses: Nanoseconds -> x, y, z in metres, and the quaternion qx, qy, qz and qw.
    """
    from strl_mmdet3d.atomic_write import written_whole

    lines = [f'{seconds(time)} {" ".join(f"{value:.17g}" for value in poses[time])}\n' for time in sorted(poses)]
    with written_whole(path) as part:
        part.write_text('# time x y z qx qy qz qw\n' + ''.join(lines))
