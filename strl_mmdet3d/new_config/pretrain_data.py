"""What a pre-training can learn from: the data sets that our configs know, and any sequence index."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.frame_table import FrameTable, read_frame_table
from ..datasets.readers.shape_archive import split_shape_path
from ..errors import ConfigError

LIDAR, DEPTH, SHAPE = 'lidar', 'depth', 'shape'
SHAPE_SUFFIXES = ('.txt', '.off', '.obj')
SECOND = 1.0  # the time in which KITTI's config draws a pair; a street is still the same street
DEFAULT_WINDOW = {LIDAR: 10, DEPTH: 5}  # key frames, of an index without time stamps
MAX_TILT = 0.02  # of the third entry of a unit vector: 11 degrees

STOCK_DATA = dict(
    KittiDataset='kitti',
    SemanticKittiDataset='kitti',
    NuScenesDataset='nuscenes',
    NuScenesSegDataset='nuscenes',
    WaymoDataset='waymo',
    LyftDataset='lyft',
    ScanNetDataset='scannet',
    ScanNetSegDataset='scannet',
    ScanNetInstanceSegDataset='scannet',
    S3DISDataset='scannet',
    S3DISSegDataset='scannet',
    SUNRGBDDataset='scannet',
)
"""The data set of a stock config -> what is pre-trained on if nothing is named."""


@dataclass(frozen=True)
class PretrainData:
    """Data for a pre-training.

    Attributes:
        name: Its name, for a sentence.
        kind: 'lidar', 'depth' or 'shape'.
        base: The fragment in ``configs/_base_/datasets`` that describes it, without ``.py``.
        columns: The values of a scan's point; x, y, z of other data.
        intensity_max: The scale of the intensities, or None if it is not known.
        has_poses: Whether all sequences have poses.
        has_times: Whether all sequences have time stamps.
        is_single: Whether every sequence has one frame, so that a pair is that frame twice.
        settings: Settings of the data set beside the fragment's, each with a remark on where it comes from.
        notes: What the user must know, a sentence each.
    """

    name: str
    kind: str
    base: str
    columns: tuple[str, ...] = ('x', 'y', 'z')
    intensity_max: float | None = None
    has_poses: bool = True
    has_times: bool = True
    is_single: bool = False
    settings: dict[str, tuple[Any, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


DATA_SETS = {
    'kitti': PretrainData('KITTI raw', LIDAR, 'kitti_pairs', ('x', 'y', 'z', 'intensity'), 1.0),
    'nuscenes': PretrainData('nuScenes', LIDAR, 'nuscenes_pairs', ('x', 'y', 'z', 'intensity', 'ring'), 255.0),
    'waymo': PretrainData('Waymo', LIDAR, 'waymo_pairs', ('x', 'y', 'z', 'intensity', 'elongation', 'column 5'), 1.0),
    'lyft': PretrainData('Lyft', LIDAR, 'lyft_pairs', ('x', 'y', 'z', 'intensity', 'ring'), 255.0),
    'scannet': PretrainData("ScanNet's frames", DEPTH, 'scannet_pairs'),
}


def choose_data(name: str | None, stock_dataset: str, root: str | None = None) -> PretrainData:
    """Return the data of a name, or what a sequence index declares.

    Args:
        name: A key of `DATA_SETS`, the path of a sequence index, or None for what the stock config is about.
        stock_dataset: The class of the stock config's data set.
        root: The folder that the index was made for; None takes the index's own.

    Returns:
        The data.

    Raises:
        ConfigError: If it is neither of them; or None, and nothing is known for the stock data set.
        SequenceIndexError: If the index cannot be used.
    """
    if name is None:
        name = STOCK_DATA.get(stock_dataset)
        if name is None:
            raise ConfigError(
                f'the stock config trains on {stock_dataset or "no data set"}, for whose sequences there is no config '
                f'here: name the data by --data, one of {", ".join(DATA_SETS)}, or a sequence index'
            )
    if name in DATA_SETS:
        if root is not None:
            raise ConfigError(
                f'--root is the folder of a sequence index; where {name} is, its environment variable says'
            )
        return DATA_SETS[name]
    if not Path(name).is_file():
        near = difflib.get_close_matches(name, DATA_SETS, n=1)
        raise ConfigError(
            f'--data {name} is neither a file nor one of {", ".join(DATA_SETS)}'
            + (f': did you mean {near[0]}?' if near else ': make an index with tools/create_sequence_index.py')
        )
    return read_index_data(name, root)


def read_index_data(index: str, root: str | None = None) -> PretrainData:
    """Describe a sequence index by what it declares; no frame is read.

    Args:
        index: The index.
        root: The folder that it was made for; None takes the index's own.

    Returns:
        The data; ``settings`` name its files and its window.

    Raises:
        SequenceIndexError: If the index cannot be used.
    """
    metainfo, table = read_frame_table(index)
    folder = root if root is not None else os.path.dirname(index) or '.'  # noqa: PTH120 - as the user wrote it
    settings: dict[str, tuple[Any, str]] = {
        'data_root': (folder, 'the folder that the index was made for'),
        'ann_file': (os.path.relpath(index, folder), ''),
    }
    lengths = np.diff(table.starts)
    first = table.frame(0, 0)
    kind = DEPTH if table.intrinsics is not None else LIDAR
    if kind == LIDAR and (
        metainfo.get('source') == 'shapes' or split_shape_path(first) is not None or first.endswith(SHAPE_SUFFIXES)
    ):
        kind = SHAPE
    notes: list[str] = []
    if kind == SHAPE or lengths.max() == 1:
        settings['mode'] = ('spatial', 'every sequence has one frame')
    else:
        settings |= _window(kind, table, lengths, metainfo.get('key_frame_every', 1), notes)
    posed = table.poses is not None and not np.isnan(np.asarray(table.poses[table.starts[:-1], 0, 0])).any()
    timed = table.timestamps is not None and not np.isnan(np.asarray(table.timestamps[table.starts[:-1]])).any()
    if kind == DEPTH and not posed:
        settings['align_poses'] = (False, 'the index has no poses')
    up = metainfo.get('up')
    if up is not None and up[2] < 1 - MAX_TILT:
        notes.append(
            f'the index states that {up} points up, and detectors take z for up: rebuild it without --up, or with the '
            'right one'
        )
    columns = tuple(metainfo.get('columns') or ())
    if kind == LIDAR and not columns:
        width = metainfo.get('load_dim', 4)
        columns = (*('x', 'y', 'z', 'intensity'), *(f'column {place}' for place in range(4, width)))[:width]
        notes.append(
            f'the index does not say what its {width} values of a point are: {", ".join(columns)} are taken. Rebuild '
            'it with tools/create_sequence_index.py, which states them'
        )
    return PretrainData(
        name=f'the index {index}',
        kind=kind,
        base={LIDAR: 'kitti_pairs', DEPTH: 'scannet_pairs', SHAPE: 'shape_pairs'}[kind],
        columns=columns if kind == LIDAR else ('x', 'y', 'z'),
        intensity_max=metainfo.get('intensity_max'),
        has_poses=posed,
        has_times=timed,
        is_single=bool(lengths.max() == 1),
        settings=settings,
        notes=tuple(notes),
    )


def _window(
    kind: str, table: FrameTable, lengths: np.ndarray, every: int, notes: list[str]
) -> dict[str, tuple[Any, str]]:
    """Choose the window of key frames, from the recordings' lengths and time stamps."""
    longest = int(lengths.max())
    step = _usual_step(table)
    if kind == LIDAR and step:
        number = max(2, round(SECOND / step))
        remark = f'one second: the key frames are {step:.2g} s apart'
        settings: dict[str, tuple[Any, str]] = {}
        if step > SECOND:
            remark = f'neighbours: the key frames are {step:.2g} s apart'
            settings['max_gap'] = (None, '')
            notes.append(f'{remark}: an index with a smaller --key-frame-every gives pairs that overlap more')
    else:
        number = DEFAULT_WINDOW[kind]
        remark = 'key frames; the index has no time stamps' if not step else 'key frames'
        settings = {} if step or kind == DEPTH else {'max_gap': (None, '')}
        if kind == LIDAR and every > 1:
            remark += f', and holds one frame of {every}'
            number = max(2, number // every)
    if number > longest:
        number, remark = longest, f'the longest of the recordings has {longest} key frames'
    short = int((lengths < number).sum())
    if short:
        remark += f'; {short} of {len(lengths)} recordings are shorter'
    return {'window': (number, remark), **settings}


def _usual_step(table: FrameTable) -> float | None:
    """Return the median time between neighbouring frames in seconds, or None without time stamps."""
    if table.timestamps is None:
        return None
    steps = np.diff(np.asarray(table.timestamps[:100_000], dtype=np.float64))
    starts = np.asarray(table.starts[1:-1])
    steps = np.delete(steps, starts[starts <= len(steps)] - 1)  # from one recording to the next
    steps = steps[np.isfinite(steps) & (steps > 0)]
    return float(np.median(steps)) if len(steps) else None
