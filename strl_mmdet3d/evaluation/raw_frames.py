"""Reading a frame of a sequence index as training would, without a config: its returns, and what is not a return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..datasets import LoadDepthFrame, LoadShape, PairKey, TemporalPairDataset
from ..datasets.frame_table import read_frame_table
from ..datasets.readers.depth_image import read_depth
from ..datasets.readers.lidar_scan import load_scan
from ..datasets.readers.shape_archive import split_shape_path

SHAPE_SUFFIXES = ('.txt', '.off', '.obj')
AXES = ['x', 'y', 'z']


@dataclass
class RawFrame:
    """A frame as it is stored.

    Attributes:
        path: Its path, relative to the data's root.
        rows: Its returns (N, C), float32, x, y and z in metres first; N > 0. A depth frame's z points upwards as far as
            that is known: in the world of its pose or, without poses, from a level camera.
        columns: The names (C,) of the values of a row.
        num_records: How many records, or pixels, the file holds.
        num_broken: How many of them hold NaN or Inf.
        num_empty: How many of them are no returns: (0, 0, 0), or pixels without depth.
        turn: The rotation (3, 3) from the frame's own axes, which its pose is of, to the axes of the rows.
    """

    path: str
    rows: np.ndarray
    columns: list[str]
    num_records: int
    num_broken: int
    num_empty: int
    turn: np.ndarray

    @property
    def own_coords(self) -> np.ndarray:
        """The points (N, 3) in the frame's own axes."""
        return self.rows[:, :3] @ self.turn.astype(np.float32)


class RawFrames:
    """The frames of an index, one by one.

    Args:
        index: The sequence index.
        root: The folder that it was made for.

    Attributes:
        metainfo: The index's metainfo.
        kind: 'lidar', 'depth' or 'shape'.

    Raises:
        SequenceIndexError: As `TemporalPairDataset`.
        CorruptFrameError: If the index is one of shapes, and an archive cannot be read.
    """

    def __init__(self, index: str, root: str) -> None:
        # A pair of a frame with itself, on which no transform runs, says what a loader needs to know.
        _, table = read_frame_table(index)
        upright = table.intrinsics is not None and table.poses is not None and not np.isnan(table.poses).any()
        self._pairs = TemporalPairDataset(index, root, mode='spatial', max_refetch=0, align_poses=upright)
        self.metainfo = self._pairs.index_metainfo
        if self._pairs.table.intrinsics is not None:
            self.kind = 'depth'
        else:
            first = self._pairs.table.frame(0, 0)
            is_shape = split_shape_path(first) is not None or first.endswith(SHAPE_SUFFIXES)
            self.kind = 'shape' if is_shape or self.metainfo.get('source') == 'shapes' else 'lidar'

    def read(self, sequence: int, frame: int) -> RawFrame:
        """Read a frame, by its sequence and its number there.

        Raises:
            CorruptFrameError: If training could not use it either.
        """
        item = int(self._pairs.table.starts[sequence]) + frame
        view = self._pairs[PairKey(seed=0, epoch=0, index=item)]['view_1']
        if self.kind == 'depth':
            return self._read_depth(view)
        if self.kind == 'shape':
            rows = LoadShape().transform(view)['points'].tensor.numpy()
            return RawFrame(view['frame_path'], rows, AXES, len(rows), 0, 0, np.eye(3))
        return self._read_scan(view)

    def _read_depth(self, view: dict[str, Any]) -> RawFrame:
        """Read a depth image."""
        rows = LoadDepthFrame().transform(view)['points']
        turn = view['depth_frame']['camera2view'][:3, :3]
        pixels = read_depth(view['depth_frame']['depth_path']).size
        return RawFrame(view['frame_path'], rows.tensor.numpy(), AXES, pixels, 0, pixels - len(rows), turn)

    def _read_scan(self, view: dict[str, Any]) -> RawFrame:
        """Read a scan."""
        scan = load_scan(view['lidar_points']['lidar_path'], self.metainfo.get('load_dim'))
        num_records = len(scan.records) + scan.num_empty + scan.num_broken
        columns = list(self.metainfo.get('columns') or scan.columns)
        return RawFrame(
            view['frame_path'], scan.records, columns, num_records, scan.num_broken, scan.num_empty, np.eye(3)
        )
