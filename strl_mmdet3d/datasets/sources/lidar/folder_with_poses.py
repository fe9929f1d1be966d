"""Poses from a trajectory, for the recordings of a plain folder of scans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from ...readers.kitti_calibration import relative_to_first
from ...readers.trajectory import EXACT, MAX_POSE_GAP, Trajectory, poses_at, read_trajectory
from ...sequence_index import FrameSequence, SequenceIndexError
from ..frame_order import split_last_number, stem_of
from ..name_times import NANOSECONDS
from ..recordings import counting_digits, times_of_names
from ..times_file import find_times_file, read_times
from .frame_rows import NO_POSE, usable_frames
from .scans import ScanLister


@dataclass
class PoseFiles:
    """Where the poses of a folder's recordings are, and what they are poses of.

    Attributes:
        path: One trajectory for all recordings, as an existing file; or its name, such as 'poses.txt', in each
            recording's folder or in the folder above it.
        pose_format: A key of `trajectory.WIDTHS`.
        lidar_to_body: The motion (4, 4) from the lidar to what the poses are of, such as an IMU.
        max_gap: The longest time between two poses that a scan's pose is interpolated from, in seconds.
    """

    path: Path
    pose_format: str = 'auto'
    lidar_to_body: np.ndarray | None = None
    max_gap: float = MAX_POSE_GAP

    def find(self, folder: Path) -> Path | None:
        """Return the trajectory of a folder of scans; None if it has none."""
        if self.path.is_file():
            return self.path
        return next((place / self.path for place in (folder, folder.parent) if (place / self.path).is_file()), None)


def with_trajectories(
    root: Path, sequences: Iterable[FrameSequence], files: PoseFiles, lister: ScanLister
) -> Iterator[FrameSequence]:
    """Give poses to the recordings of a folder.

    A trajectory with time stamps is matched to those of the scans, in their names or in the file beside them; between
    two poses the scan's is interpolated. One with the numbers of frames is matched by the numbers in the scans' names.
    One with neither has a line for each scan of the folder in order, or, if some scans are missing, the line of a scan
    is the number in its name, from 0.

    Args:
        root: The data's root.
        sequences: The recordings, as `folder_sequences` makes them.
        files: Where their poses are.
        lister: Lists the scans of a folder; it records those left out, and notes what was interpolated.

    Yields:
        The recordings without the scans that have no pose. Their world has the lidar's axes at the first scan.

    Raises:
        SequenceIndexError: If a recording has no trajectory, or the trajectory does not fit its scans; or if one
            without time stamps and numbers is found for two folders: it cannot tell which one it is of.
    """
    read: dict[Path, Trajectory] = {}
    folder_of: dict[Path, Path] = {}
    stems: dict[Path, list[str]] = {}
    clocks: dict[Path, dict[str, float]] = {}
    counted: dict[Path, dict[str, str]] = {}
    total, num_interpolated = 0, 0
    for sequence in sequences:
        folders = {(root / frame).parent for frame in sequence.frames}
        folder = (root / sequence.frames[0]).parent
        path = files.find(folder)
        if path is None:
            raise SequenceIndexError(
                f'{folder} has no {files.path.name}, nor has the folder above it. Set --poses to a file, or to its '
                'name in each folder of scans'
            )
        for each in folders - stems.keys():
            stems[each] = [stem_of(scan.name) for scan in lister.scans(each)]
        if path not in read:
            read[path] = read_trajectory(path, files.pose_format, len(stems[folder]))
        trajectory = read[path]
        if trajectory.times is None and trajectory.numbers is None:
            first = folder_of.setdefault(path, folder)
            if first != folder:
                raise SequenceIndexError(
                    f'{path} has poses without time stamps and numbers, which are of one folder, but it is found for '
                    f'{first} and {folder}. Lay a file beside the scans of each folder and set --poses to its name, or '
                    'use a trajectory with time stamps, such as TUM'
                )
        names = [PurePosixPath(frame).name for frame in sequence.frames]
        if trajectory.times is None:
            if folder not in counted:
                counted[folder] = dict(zip(stems[folder], counting_digits(stems[folder]) or (), strict=False))
            poses, faults = _by_number(trajectory, names, stems[folder], counted[folder])
        else:
            times = _times(root, sequence, stems, clocks, trajectory)
            poses, interpolated = poses_at(trajectory, times, files.max_gap)
            faults = [None] * len(poses)
            num_interpolated += int(interpolated.sum())
        total += len(names)
        there = np.array(
            [np.isfinite(pose).all() or fault is not None for pose, fault in zip(poses, faults, strict=True)]
        )
        _check_enough(trajectory, folder, names, there)
        for frame, is_there in zip(sequence.frames, there, strict=True):
            if not is_there:
                lister.leave_out(NO_POSE, root / frame)
        posed = np.flatnonzero(there)
        keep = posed[usable_frames([faults[i] for i in posed], [names[i] for i in posed], lister)]
        poses = poses[keep] if files.lidar_to_body is None else poses[keep] @ files.lidar_to_body
        yield replace(
            sequence,
            frames=[sequence.frames[i] for i in keep],
            poses=relative_to_first(poses),
            timestamps=None
            if sequence.timestamps is None
            else sequence.timestamps[keep] - sequence.timestamps[keep[0]],
        )
    if num_interpolated:
        lister.notes.append(
            f'{num_interpolated} of {total} poses are interpolated between two neighbours in time, at most '
            f'{files.max_gap:g} s apart; a pose within {EXACT:g} s of a scan is taken as it is'
        )


def _by_number(
    trajectory: Trajectory, names: list[str], stems: list[str], counted: dict[str, str]
) -> tuple[np.ndarray, list[str | None]]:
    """Return the poses (N, 4, 4) of scans by the order or the numbers of all scans in the folder, and their faults.

    Args:
        trajectory: The poses, without time stamps.
        names: The names of the recording's key frames.
        stems: The names of all scans of the folder, without extension.
        counted: Stem -> the digits that count the scan, 000001 in 000001_lidar0; empty if the stems do not show it.
    """
    if trajectory.numbers is None and len(trajectory) == len(stems):
        place = {stem: i for i, stem in enumerate(stems)}
        if strange := [name for name in names if stem_of(name) not in place]:
            raise SequenceIndexError(
                f'{trajectory.path} has one pose for each scan of a folder, but {strange[0]} lies in another. Use a '
                'trajectory with time stamps, such as TUM'
            )
        rows: list[int | None] = [place[stem_of(name)] for name in names]
    else:
        digits = _digits_of(names, counted)
        if digits is None or (trajectory.numbers is None and any(len(each) > 8 for each in digits)):
            raise SequenceIndexError(
                f'{trajectory.path} has {len(trajectory)} poses without time stamps for the {len(stems)} scans of the '
                f'folder, whose names (such as {names[0]}) are no numbers of lines. Use a trajectory with time stamps, '
                'such as TUM, or one pose for each scan'
            )
        numbers = [*map(int, digits)]
        name_of: dict[int, str] = {}
        for name, number in zip(names, numbers, strict=True):
            if (twin := name_of.setdefault(number, name)) != name:
                raise SequenceIndexError(
                    f'{trajectory.path} has a pose for each number, but {twin} and {name} have the same one, {number}. '
                    'Use a trajectory with time stamps, or one pose for each scan'
                )
        if trajectory.numbers is None:
            rows = [number if number < len(trajectory) else None for number in numbers]
        else:
            row_of = {number: row for row, number in enumerate(trajectory.numbers.tolist()) if number >= 0}
            rows = [row_of.get(number) for number in numbers]
        if trajectory.numbers is None and None in rows:
            raise SequenceIndexError(
                f'{trajectory.path} ends at line {len(trajectory)}, but the scan {names[rows.index(None)]} needs line '
                f'{numbers[rows.index(None)] + 1}, and the folder has {len(stems)} scans. Restore the file, or use one '
                'with a pose for each scan'
            )
    poses = np.full((len(names), 4, 4), np.nan)
    faults: list[str | None] = [None] * len(names)
    for i, row in enumerate(rows):
        if row is not None:
            poses[i], faults[i] = trajectory.poses[row], trajectory.rows.fault(row)
    return poses, faults


def _digits_of(names: list[str], counted: dict[str, str]) -> list[str] | None:
    """Return the digits that count the frames of a recording, see `_by_number`; None if a name has none."""
    members = [stem_of(name) for name in names]
    if counted.keys() >= set(members):
        return [counted[stem] for stem in members]
    if digits := counting_digits(members):
        return digits
    parts = [split_last_number(stem) for stem in members]
    return [part[1] for part in parts if part] if all(parts) else None


def _times(
    root: Path,
    sequence: FrameSequence,
    stems: dict[Path, list[str]],
    clocks: dict[Path, dict[str, float]],
    trajectory: Trajectory,
) -> np.ndarray:
    """Return the times (N,) of a recording's scans in seconds, by their names or by the file beside them.

    Args:
        root: The data's root.
        sequence: The recording.
        stems: Folder -> the stems of all its scans.
        clocks: Folder -> stem -> seconds, of the folders read so far. A folder may have many recordings.
        trajectory: What the times are needed for.
    """
    of_folder: dict[Path, dict[str, float]] = {}
    for folder in {(root / frame).parent for frame in sequence.frames}:
        if folder not in clocks:
            clocks[folder] = _clock(folder, stems[folder])
        of_folder[folder] = clocks[folder]
        names = [stem_of(PurePosixPath(frame).name) for frame in sequence.frames if (root / frame).parent == folder]
        if not all(name in clocks[folder] for name in names):
            raise SequenceIndexError(
                f'{trajectory.path} has time stamps, but the scans of {folder}, such as {names[0]}, have none in '
                'their names, and neither timestamps.txt nor times.txt is beside them'
            )
    return np.array([of_folder[(root / frame).parent][stem_of(PurePosixPath(frame).name)] for frame in sequence.frames])


def _clock(folder: Path, stems: list[str]) -> dict[str, float]:
    """Return stem -> seconds of those scans of a folder that have a time, by the file beside them or by their names."""
    path = find_times_file(folder)
    known = times_of_names(stems) if path is None else dict(zip(stems, read_times(path, stems).tolist(), strict=True))
    return {stem: nanoseconds / NANOSECONDS for stem, nanoseconds in known.items()}


def _check_enough(trajectory: Trajectory, folder: Path, names: list[str], there: np.ndarray) -> None:
    """Raise a SequenceIndexError if fewer than half of a recording's scans have a pose: then the clocks differ."""
    if 2 * int(there.sum()) >= len(names) and there.any():
        return
    missing = int(np.argmin(there))
    span = ''
    if trajectory.times is not None:
        good = trajectory.times[np.isfinite(trajectory.times)]
        span = f', which run from {good.min():.3f} to {good.max():.3f} s'
    raise SequenceIndexError(
        f'{trajectory.path} has a pose for {int(there.sum())} of the {len(names)} scans of a recording in '
        f'{folder}{span}; {names[missing]} has none. Check that the poses are of this recording and by the same clock'
    )
