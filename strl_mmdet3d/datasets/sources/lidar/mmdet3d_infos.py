"""Sequences from mmdet3d's own info files: nuScenes, Lyft, Waymo, KITTI and SemanticKITTI."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ....safe_loading.pickles import PlainUnpickler, UnsafePickleError
from ...readers.time_stamps import in_seconds
from ...readers.whole_file import require_regular
from ...sequence_index import FrameSequence, SequenceIndexError
from ..frame_order import natural_key
from ..root_folder import require_folder
from .listed_scans import ListedScan, ScanFolders, as_pose, listed_sequences
from .scans import ScanLister

NUM_TRIED = 50  # scans looked for below each prefix


class Layout(NamedTuple):
    """Where mmdet3d's configs look for the scans of a data set.

    Attributes:
        scans: Folders of key frames below the root, the usual one first.
        sweeps: Folders of the sweeps between key frames.
    """

    scans: tuple[str, ...]
    sweeps: tuple[str, ...] = ()


LAYOUTS = {
    'nuscenes': Layout(('samples/LIDAR_TOP', 'LIDAR_TOP', ''), ('sweeps/LIDAR_TOP', 'sweeps', 'LIDAR_TOP')),
    'lyft': Layout(('v1.01-train/lidar', 'v1.01-test/lidar', 'lidar', ''), ('v1.01-train/lidar', 'lidar')),
    'waymo': Layout(
        tuple(f'{base}{split}/velodyne' for base in ('', 'kitti_format/') for split in ('training', 'testing')),
        tuple(f'{base}training/velodyne' for base in ('', 'kitti_format/')),
    ),
    'kitti': Layout(('training/velodyne', 'testing/velodyne', 'training/velodyne_reduced', 'velodyne')),
    'semantickitti': Layout(('', 'dataset')),
}


class _Infos(NamedTuple):
    """The content of an info file."""

    path: Path
    dataset: str
    data_list: list[dict[str, Any]]


def mmdet3d_info_sequences(
    root: Path,
    info_paths: Sequence[Path],
    lister: ScanLister,
    prefix: str | None = None,
    with_sweeps: bool = True,
    with_poses: bool = True,
) -> Iterator[FrameSequence]:
    """Make sequences of the scans that info files of mmdet3d 1.1 to 1.4 list, and of the sweeps between them.

    A scan's pose is ``ego2global @ lidar2ego``; Waymo's points are in the vehicle's axes already. Scans belong to one
    recording if they are from one log (in the names of nuScenes' and Lyft's files), one segment (Waymo's
    ``context_name``, or its number in the scan's) or one folder (SemanticKITTI). KITTI's object frames belong to none,
    so each is a sequence of its own. `RecordingSplitter.at_gaps` splits the sequences where their times leave gaps.

    Args:
        root: The data's root, mmdet3d's ``data_root``.
        info_paths: The ``*_infos_*.pkl`` files, such as those for training and validation.
        lister: How the key frames of a recording are chosen. It finds the width of the points: info files state 4
            for nuScenes and Lyft at times, and they have 5.
        prefix: The folder of the scans below the root, mmdet3d's ``data_prefix['pts']``; None finds it.
        with_sweeps: Whether to take the sweeps between nuScenes', Lyft's or Waymo's key frames, too.
        with_poses: Whether to take the poses.

    Yields:
        Sequences in natural order of their names.

    Raises:
        SequenceIndexError: If a file cannot be read, is from mmdet3d 0.x, lists no scans or is of different data sets,
            or none of its scans is below the root.
    """
    require_folder(root)
    infos = [_read_infos(path) for path in info_paths]
    datasets = {info.dataset for info in infos}
    if len(datasets) > 1:
        raise SequenceIndexError(
            f'the info files are of different data sets ({", ".join(sorted(datasets))}). Make an index of each, and '
            'train on both with ConcatDataset'
        )
    (dataset,) = datasets
    folders = ScanFolders(root)
    recordings: dict[str, list[ListedScan]] = {}
    for info in infos:
        scans = [record['lidar_points']['lidar_path'] for record in info.data_list]
        folder = _find_prefix(folders, scans, LAYOUTS[dataset].scans if prefix is None else (prefix.strip('/'),), info)
        times = _times([record.get('timestamp') for record in info.data_list])
        for record, scan, time in zip(info.data_list, scans, times, strict=True):
            pose = _lidar_pose(record, record['lidar_points'], dataset)
            name = _recording(dataset, record, scan)
            recordings.setdefault(name, []).append(ListedScan(_join(folder, scan), time, pose))
        if with_sweeps:
            _add_sweeps(recordings, info, folder, folders, lister)
    ordered = {name: recordings[name] for name in sorted(recordings, key=natural_key)}
    if dataset == 'kitti':
        lister.notes.append(
            "KITTI's object frames are not recordings: each is a sequence of its own, for mode='spatial'. KITTI raw "
            'has whole drives'
        )
    yield from listed_sequences(ordered, folders, lister, with_poses)


def _read_infos(path: Path) -> _Infos:
    """Read and check an info file, without running what its pickle may ask for."""
    try:
        require_regular(path)
        with path.open('rb') as file:
            content = PlainUnpickler(file).load()
    except UnsafePickleError as error:
        raise SequenceIndexError(f'{path} is refused: {error}') from error
    except (OSError, EOFError) as error:
        raise SequenceIndexError(f'{path} cannot be read ({error}). Name the info file by --info') from error
    if isinstance(content, list) or (isinstance(content, dict) and 'infos' in content):
        raise SequenceIndexError(
            f"{path} is an info file of mmdet3d 0.x. Convert it with mmdet3d's "
            'tools/dataset_converters/update_infos_to_v2.py'
        )
    records = content.get('data_list') if isinstance(content, dict) else None
    if isinstance(records, dict):  # SemanticKITTI's, in some versions
        records = list(records.values())
    if not isinstance(records, list) or not records or not isinstance(records[0], dict):
        raise SequenceIndexError(f"{path} has no data_list. Name one of mmdet3d's *_infos_*.pkl files by --info")
    for i, record in enumerate(records):
        points = record.get('lidar_points') if isinstance(record, dict) else None
        if not isinstance(points, dict) or not isinstance(points.get('lidar_path'), str):
            raise SequenceIndexError(
                f'{path} lists no lidar scan in record {i}. Only info files of lidar data sets make sequences'
            )
    metainfo = content.get('metainfo') or {}
    return _Infos(path, _find_dataset(path, metainfo if isinstance(metainfo, dict) else {}, records[0]), records)


def _find_dataset(path: Path, metainfo: dict[str, Any], record: dict[str, Any]) -> str:
    """Return the key of `LAYOUTS` that an info file is of: by the names of its scans, else by its metainfo."""
    scan = record['lidar_points']['lidar_path'].rpartition('/')[2]
    said = str(metainfo.get('dataset') or metainfo.get('DATASET') or '').lower()
    if '__LIDAR' in scan:
        return 'nuscenes'
    if scan.startswith('host-'):
        return 'lyft'
    if 'context_name' in record:
        return 'waymo'
    if said in LAYOUTS:
        return said
    raise SequenceIndexError(
        f'{path} is of the data set {said or "without a name"}, expected one of {", ".join(LAYOUTS)}. '
        'Use the source folder with --poses for other data'
    )


def _find_prefix(folders: ScanFolders, scans: Sequence[str], prefixes: Sequence[str], info: _Infos) -> str:
    """Return the folder below the root that holds most of the first scans."""
    tried = scans[:: max(len(scans) // NUM_TRIED, 1)]
    found = [sum(folders.find(_join(prefix, scan)) is not None for scan in tried) for prefix in prefixes]
    if not any(found):
        raise SequenceIndexError(
            f'none of the scans of {info.path} is below {folders.root}, such as '
            f'{_join(prefixes[0], scans[0])}. Set --root to data_root, and --prefix to data_prefix of the pts'
        )
    return prefixes[int(np.argmax(found))]


def _add_sweeps(
    recordings: dict[str, list[ListedScan]], info: _Infos, folder: str, folders: ScanFolders, lister: ScanLister
) -> None:
    """Add the sweeps that the key frames of an info file list. They repeat: each key frame lists the ten before it."""
    sweeps = [
        (record, sweep)
        for record in info.data_list
        for sweep in record.get('lidar_sweeps') or ()
        if isinstance(sweep, dict) and isinstance(sweep.get('lidar_points'), dict)
    ]
    paths = [str(sweep['lidar_points'].get('lidar_path')) for _, sweep in sweeps]
    # The paths are from the machine that made the file; mmdet3d, too, takes the names only.
    outside = [path.rpartition('/')[2] for path in paths if 'samples' not in path]
    if not paths:
        return
    prefix = folder
    if outside:
        try:
            prefix = _find_prefix(folders, outside, (*LAYOUTS[info.dataset].sweeps, folder), info)
        except SequenceIndexError:
            lister.notes.append(
                f'the sweeps of {info.path} are not below {folders.root}: only its key frames are taken'
            )
            return
    times = _times([sweep.get('timestamp') for _, sweep in sweeps])
    for (record, sweep), path, time in zip(sweeps, paths, times, strict=True):
        scan = path.rpartition('/')[2]
        pose = _lidar_pose(sweep, sweep['lidar_points'], info.dataset)
        name = _recording(info.dataset, record, scan)
        recordings.setdefault(name, []).append(
            ListedScan(_join(folder if 'samples' in path else prefix, scan), time, pose)
        )


def _lidar_pose(record: dict[str, Any], points: dict[str, Any], dataset: str) -> np.ndarray | None:
    """Return the pose (4, 4) of the lidar, NaN where it is no matrix; None if the record does not have it."""
    if record.get('ego2global') is None:
        return None
    if dataset == 'waymo':
        return as_pose(record['ego2global'])
    if points.get('lidar2ego') is None:
        return None
    return as_pose(record['ego2global']) @ as_pose(points['lidar2ego'])


def _times(stamps: list[Any]) -> list[float | None]:
    """Return time stamps in seconds, None for all of them if one is missing."""
    if not all(isinstance(stamp, (int, float, np.number)) and np.isfinite(stamp) for stamp in stamps):
        return [None] * len(stamps)
    return in_seconds(stamps).tolist()


def _recording(dataset: str, record: dict[str, Any], scan: str) -> str:
    """Return the name of the recording that a scan is from."""
    folder, _, name = scan.rpartition('/')
    if dataset == 'waymo':
        return str(record.get('context_name') or f'segment {name.partition(".")[0][:-3]}')
    if dataset == 'kitti':
        return name.partition('.')[0]
    if dataset == 'semantickitti':
        return folder.removesuffix('/velodyne').rpartition('/')[2]
    return re.sub(r'_+\d+\.[a-z.]+$', '', name)  # LOG__SENSOR__TIME.pcd.bin, HOST_SENSOR_TIME.bin


def _join(folder: str, name: str) -> str:
    """Join two parts of a path; the first may be empty."""
    return f'{folder}/{name}' if folder else name
