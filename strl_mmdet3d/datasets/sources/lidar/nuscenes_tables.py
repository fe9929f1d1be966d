"""Sequences from the tables of nuScenes and of Lyft Level 5, without info files or a development kit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from ...readers.time_stamps import in_seconds
from ...readers.whole_file import read_whole
from ...sequence_index import FrameSequence, SequenceIndexError
from ..frame_order import natural_key
from ..root_folder import require_folder
from .listed_scans import ListedScan, ScanFolders, listed_sequences
from .scans import ScanLister

MAX_TABLE_BYTES = 2**32  # sample_data.json of nuScenes' trainval has 1.3 GB


def nuscenes_table_sequences(
    root: Path, lister: ScanLister, version: str | None = None, with_sweeps: bool = True, with_poses: bool = True
) -> Iterator[FrameSequence]:
    """Make a sequence for each scene and lidar.

    The layouts are the published ones::

        ROOT/v1.0-trainval/*.json               ROOT/{samples,sweeps}/LIDAR_TOP/*.pcd.bin
        ROOT/v1.01-train/v1.01-train/*.json     ROOT/v1.01-train/lidar/*.bin                 (Lyft, as mmdet3d has it)

    Args:
        root: The data's root.
        lister: How the key frames of a scene are chosen, sweeps among them.
        version: The folder of the tables below the root, such as 'v1.0-mini'; None finds it.
        with_sweeps: Whether to take the sweeps between nuScenes' key frames, too.
        with_poses: Whether to take the poses.

    Yields:
        Sequences named after their scene, with the sensor's name if several lidars have scans. Their world has the
        lidar's axes at the first key frame.

    Raises:
        SequenceIndexError: If the tables are missing, of several versions, or broken.
    """
    require_folder(root)
    tables = _find_tables(root, version)
    lidars = {row['token']: row['channel'] for row in _rows(tables, 'sensor') if row.get('modality') == 'lidar'}
    mounts = {row['token']: row for row in _rows(tables, 'calibrated_sensor') if row.get('sensor_token') in lidars}
    data = [
        row
        for row in _rows(tables, 'sample_data', 'calibrated_sensor_token', mounts.keys())
        if with_sweeps or row.get('is_key_frame')
    ]
    egos = {row['token']: row for row in _rows(tables, 'ego_pose', 'token', {row['ego_pose_token'] for row in data})}
    scene_of = {row['token']: row['scene_token'] for row in _rows(tables, 'sample')}
    scenes = {row['token']: row['name'] for row in _rows(tables, 'scene')}

    folders = ScanFolders(root)
    base = _find_base(folders, tables, [str(row['filename']) for row in data])
    times = _times(tables, data)
    recordings: dict[str, list[ListedScan]] = {}
    channels = {lidars[mounts[row['calibrated_sensor_token']]['sensor_token']] for row in data}
    for row, time in zip(data, times, strict=True):
        mount = mounts[row['calibrated_sensor_token']]
        scene = scenes.get(scene_of.get(row.get('sample_token'), ''), 'no scene')
        name = f'{scene}/{lidars[mount["sensor_token"]]}' if len(channels) > 1 else scene
        ego = egos.get(row['ego_pose_token'])
        pose = None if ego is None else _motion(ego) @ _motion(mount)
        recordings.setdefault(name, []).append(ListedScan(f'{base}{row["filename"]}', time, pose))
    ordered = {name: recordings[name] for name in sorted(recordings, key=natural_key)}
    yield from listed_sequences(ordered, folders, lister, with_poses)


def _find_tables(root: Path, version: str | None) -> Path:
    """Return the folder of the tables."""
    if version is not None:
        found = [folder for folder in (root / version, root / version / version) if _is_tables(folder)]
    else:
        found = [folder for folder in (root, *sorted(root.glob('*')), *sorted(root.glob('*/*'))) if _is_tables(folder)]
    if not found:
        raise SequenceIndexError(
            f'no sample_data.json in {root / version if version else f"{root} or one of its folders"}. Set --root to '
            'the folder that holds v1.0-trainval, and --version to its name'
        )
    if len(found) > 1 and version is None:
        names = ', '.join(folder.relative_to(root).as_posix() for folder in found)
        raise SequenceIndexError(f'{root} holds the tables of several versions: {names}. Choose one by --version')
    return found[0]


def _is_tables(folder: Path) -> bool:
    """Return whether a folder has the largest of the tables."""
    return (folder / 'sample_data.json').is_file()


def _rows(tables: Path, name: str, key: str | None = None, wanted: Any = None) -> list[dict[str, Any]]:
    """Read a table.

    Args:
        tables: The folder of the tables.
        name: The table.
        key: Keep only the rows whose value of this column is ``wanted``; they are dropped while the file is parsed,
            since a table may have millions.
        wanted: The values.

    Raises:
        SequenceIndexError: If the file cannot be read, is no table, or lacks a column.
    """
    path = tables / f'{name}.json'

    def keep(row: dict[str, Any]) -> dict[str, Any] | None:
        return row if key is None or key not in row or row[key] in wanted else None

    try:
        rows = json.loads(read_whole(path, MAX_TABLE_BYTES), object_hook=keep)
    except (OSError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise SequenceIndexError(f'{path} cannot be read as a table ({error}). Restore it') from error
    rows = [row for row in rows if row is not None] if isinstance(rows, list) else None
    needed = {
        'sensor': ('token', 'channel'),
        'calibrated_sensor': ('token', 'sensor_token', 'rotation', 'translation'),
        'sample_data': ('calibrated_sensor_token', 'ego_pose_token', 'timestamp', 'filename'),
        'ego_pose': ('token', 'rotation', 'translation'),
        'sample': ('token', 'scene_token'),
        'scene': ('token', 'name'),
    }[name]
    if rows is None or any(not isinstance(row, dict) or any(column not in row for column in needed) for row in rows):
        raise SequenceIndexError(f'{path} is no list of rows with {", ".join(needed)}. Restore it')
    return rows


def _find_base(folders: ScanFolders, tables: Path, names: list[str]) -> str:
    """Return the folder below the root that the tables' file names start from, '' or with a '/' at its end."""
    inside = [folder for folder in (tables, tables.parent) if folders.root in folder.parents]
    bases = ['', *(f'{folder.relative_to(folders.root).as_posix()}/' for folder in inside)]
    tried = names[:: max(len(names) // 50, 1)]
    return max(bases, key=lambda base: sum(folders.find(f'{base}{name}') is not None for name in tried), default='')


def _times(tables: Path, data: list[dict[str, Any]]) -> list[float]:
    """Return the times of the rows of sample_data in seconds."""
    try:
        return in_seconds([float(row['timestamp']) for row in data]).tolist()
    except (TypeError, ValueError) as error:
        raise SequenceIndexError(
            f'{tables / "sample_data.json"} has a time stamp that is no number ({error})'
        ) from error


def _motion(row: dict[str, Any]) -> np.ndarray:
    """Return the motion (4, 4) of a row with a rotation (w, x, y, z) and a translation; NaN if it has none."""
    try:
        w, x, y, z = row['rotation']
        motion = np.eye(4)
        motion[:3, :3] = Rotation.from_quat([x, y, z, w]).as_matrix()
        motion[:3, 3] = row['translation']
    except (TypeError, ValueError):
        return np.full((4, 4), np.nan)
    return motion
