"""Recordings from data sets that list their scans in a file: with a time and a pose for each, in any order."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...readers.kitti_calibration import relative_to_first
from ...sequence_index import FrameSequence, are_rigid
from .frame_rows import NO_POSE, usable_frames
from .scans import ScanLister

MISSING = 'missing'
"""The reason for leaving out a scan that a data set lists and that is not below the root."""


class ListedScan(NamedTuple):
    """A scan as a data set lists it.

    Attributes:
        path: The file, relative to the data's root.
        time: Seconds, by the clock that all scans of its recording share; None if it is unknown.
        pose: Float64 (4, 4), lidar to world; None if the data set has none, NaN if it is no matrix of 4x4 numbers.
    """

    path: str
    time: float | None
    pose: np.ndarray | None


@dataclass
class ScanFolders:
    """Finds files below a root by listing each folder once: a data set may list a million scans of one folder.

    Attributes:
        root: The data's root.
        listed: Folder -> its entries by name, for the folders listed so far.
    """

    root: Path
    listed: dict[str, dict[str, os.DirEntry[str]]] = field(default_factory=dict)

    def find(self, path: str) -> os.DirEntry[str] | None:
        """Return the entry of a file; None if it is not there."""
        folder, _, name = path.rpartition('/')
        if folder not in self.listed:
            try:
                with os.scandir(self.root / folder) as entries:
                    self.listed[folder] = {entry.name: entry for entry in entries}
            except OSError:  # no such folder
                self.listed[folder] = {}
        entry = self.listed[folder].get(name)
        return entry if entry is not None and entry.is_file() else None


def as_pose(values: Any) -> np.ndarray:
    """Return a matrix (4, 4) that a file holds as lists or an array; NaN if it is something else."""
    try:
        matrix = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        matrix = np.empty(0)
    return matrix if matrix.shape == (4, 4) else np.full((4, 4), np.nan)


def in_time_order(scans: Sequence[ListedScan]) -> list[ListedScan]:
    """Put scans into the order of their times; a scan that is listed twice counts once.

    The order stays as it is if a scan has no time.
    """
    once = list({scan.path: scan for scan in scans}.values())
    times = [scan.time for scan in once if scan.time is not None]
    return [once[i] for i in np.argsort(times, kind='stable')] if len(times) == len(once) else once


def listed_sequences(
    recordings: Mapping[str, Sequence[ListedScan]], folders: ScanFolders, lister: ScanLister, with_poses: bool = True
) -> Iterator[FrameSequence]:
    """Make the sequences of the scans that are there.

    Args:
        recordings: Name -> the scans of one sensor and one drive, in any order.
        folders: Finds the files.
        lister: Takes every n-th scan, checks the sizes, and records what is left out.
        with_poses: Whether to take the poses.

    Yields:
        Sequences named after their recording. Their world has the lidar's axes at the first key frame.
    """
    for name, scans in recordings.items():
        there = []
        for scan in in_time_order(scans):
            if folders.find(scan.path) is None:
                lister.leave_out(MISSING, folders.root / scan.path)
            else:
                there.append(scan)
        sequence = _make_sequence(name, there, folders, lister, with_poses)
        if sequence is not None:
            yield sequence


def _make_sequence(
    sequence_id: str, scans: list[ListedScan], folders: ScanFolders, lister: ScanLister, with_poses: bool
) -> FrameSequence | None:
    """Make the sequence of a recording; None if none of its scans can be used."""
    entries = {scan.path: folders.find(scan.path) for scan in scans[:: lister.key_frame_every]}
    usable = {entry.path for entry in lister.usable([entry for entry in entries.values() if entry is not None])}
    scans = [scan for scan in scans if (entry := entries.get(scan.path)) is not None and entry.path in usable]
    if not scans:
        return None
    with_pose = [scan for scan in scans if scan.pose is not None] if with_poses else []
    if 2 * len(with_pose) > len(scans):
        for scan in scans:
            if scan.pose is None:
                lister.leave_out(NO_POSE, folders.root / scan.path)
        faults = [
            None if are_rigid(scan.pose[None]) else f'{folders.root / scan.path}: its pose is no rigid motion'
            for scan in with_pose
            if scan.pose is not None
        ]
        scans = [with_pose[i] for i in usable_frames(faults, [scan.path for scan in with_pose], lister)]
        poses = relative_to_first(np.array([scan.pose for scan in scans]))
    else:
        poses = None
        if with_pose:
            lister.notes.append(f'{sequence_id}: {len(with_pose)} of {len(scans)} scans have a pose, so none is used')
    times = [scan.time for scan in scans if scan.time is not None]
    return FrameSequence(
        sequence_id=sequence_id,
        frames=[scan.path for scan in scans],
        poses=poses,
        timestamps=np.array(times) - times[0] if len(times) == len(scans) else None,
    )
