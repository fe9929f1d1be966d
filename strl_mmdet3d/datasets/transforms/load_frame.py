"""Loading a lidar frame."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmdet3d.datasets.transforms import LoadPointsFromFile
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures.points import get_points_type
from mmengine.logging import print_log

from ...errors import ConfigError
from ..readers.column_names import AXES, canonical_names
from ..readers.frame_file import CorruptFrameError, memory_for
from ..readers.lidar_scan import check_width, read_table, reshaped, usable_returns
from ..readers.scan_table import ScanTable
from .base import with_rows

INTENSITY = 'intensity'
INTENSITY_COLUMN = 3  # of a scan whose columns have no names: all published layouts put it behind x, y and z


@TRANSFORMS.register_module()
class LoadFrame(LoadPointsFromFile):
    """Load the points of one frame as ``LoadPointsFromFile`` does, of any format, and refuse damaged files.

    The file holds little-endian float32 records of ``load_dim`` values, x, y and z in metres first, which is the layout
    of KITTI's and nuScenes' scans; or it is a PCD, PLY, LAS, LAZ, npy or npz file; or one of them gzipped. What it is,
    is decided by its content. x, y and z come first, then the other columns in the file's order.

    Records at exactly (0, 0, 0) are dropped: some KITTI scans hold them, and they are not returns. Records with NaN or
    Inf are dropped, too, unless they are more than half of the scan.

    Of each sequence, the first frame is compared with ``load_dim``: a wrong one would make nonsense of all points. If
    the data set does not name that frame, it is the first one that is loaded of each folder.

    Required Keys:

    - lidar_points (dict)

        - lidar_path (str)
        - num_pts_feats (int, optional): The values per record that the sequence index was made for
        - columns (list[str], optional): Their names in the sequence index
    - first_of_sequence (str, optional): The path of the frame whose points are compared with ``load_dim``
        - num_broken (int): Added: how many records with NaN or Inf were dropped

    Added Keys:

    - points (:obj:`BasePoints`): (N, len(use_dim)), one column more with ``time_lag``; N > 0, all of it finite, no
      coordinate beyond 100 km

    Args:
        coord_type (str): 'LIDAR', 'DEPTH' or 'CAMERA'. Defaults to 'LIDAR'.
        load_dim (int): Values per record. Defaults to 4, KITTI's x, y, z and reflectance.
        use_dim (int | list[int] | list[str]): The values to use: the first ones, or those listed by number from 0, or
            by name, as in ['x', 'y', 'z', 'intensity']. Names are the file's, or the index's. Defaults to 4.
        intensity_scale (float | None): Multiplies the intensities: 1 / 255 brings a sensor's 0..255 to the 0..1 of
            KITTI. ``create_sequence_index.py`` says what the scans have. Defaults to None: they stay.
        time_lag (bool): Append a column of zeros: the time since the sweep, which detectors of several sweeps take as
            their last value, as mmdet3d's ``LoadPointsFromMultiSweeps`` does for the key frame. Defaults to False.
        **kwargs (dict): Further arguments of ``LoadPointsFromFile``.

    Raises:
        CorruptFrameError: When loading, if :func:`read_scan` refuses the file, or its points do not have ``load_dim``
            values.
        ConfigError: If ``use_dim`` or ``intensity_scale`` cannot be used; when loading, if the sequence index was made
            for another ``load_dim``, or for depth images, or a name of ``use_dim`` is unknown; or if a scan has a map's
            coordinates and is to be aligned by poses.
    """

    def __init__(
        self,
        coord_type: str = 'LIDAR',
        load_dim: int = 4,
        use_dim: int | Sequence[int | str] = 4,
        intensity_scale: float | None = None,
        time_lag: bool = False,
        **kwargs: Any,
    ) -> None:
        wanted: list[Any] = list(range(use_dim)) if isinstance(use_dim, int) else list(use_dim)
        self.names = canonical_names(wanted) if wanted and all(isinstance(name, str) for name in wanted) else None
        if self.names and (self.names[:3] != list(AXES) or len(set(self.names)) < len(self.names)):
            raise ConfigError(f"use_dim={wanted} must begin with 'x', 'y', 'z', and name each column once")
        if not self.names and any(isinstance(column, str) for column in wanted):
            raise ConfigError(f'use_dim={wanted} must be all names or all numbers')
        if intensity_scale is not None and not (np.isfinite(intensity_scale) and intensity_scale > 0):
            raise ConfigError(f'intensity_scale={intensity_scale} must be a number above 0, such as 1 / 255')
        numbers = list(range(3)) if self.names else wanted
        super().__init__(coord_type=coord_type, load_dim=load_dim, use_dim=numbers, **kwargs)
        self.intensity_scale = intensity_scale
        self.changes_values = self.shift_height or self.use_color or self.norm_intensity or self.norm_elongation
        if time_lag and self.changes_values:
            raise ConfigError('time_lag goes with none of shift_height, use_color, norm_intensity and norm_elongation')
        self.time_lag = time_lag
        self._checked: set[str] = set()  # first frames and folders found to have `load_dim` values
        self._says_broken = True

    def transform(self, results: dict) -> dict:
        """Add the ``points`` of ``lidar_points`` to the result dict."""
        if 'lidar_points' not in results:
            path = results.get('depth_frame', {}).get('depth_path', 'a frame')
            raise ConfigError(f'LoadFrame got {path} without lidar_points. Load depth images with LoadDepthFrame')
        frame = results['lidar_points']
        indexed = frame.get('num_pts_feats', self.load_dim)
        if indexed != self.load_dim:
            raise ConfigError(
                f'LoadFrame(load_dim={self.load_dim}) reads frames that the sequence index lists with {indexed} values '
                f'per point, {frame["lidar_path"]} among them. Set load_dim={indexed}'
            )
        path = frame['lidar_path']
        with memory_for(path):
            records = self._read(path, frame, is_aligned='lidar2view_1' in results)
            if self.changes_values:
                self._records = records
                return super().transform(results)
            # The base class would copy the scan three times, and store its columns one behind the other.
            first_ones = list(range(len(self.use_dim)))
            columns = slice(len(first_ones)) if self.use_dim == first_ones else self.use_dim
            rows = torch.from_numpy(np.array(records[:, columns], order='C'))
        if self.time_lag:
            rows = torch.cat([rows, rows.new_zeros(len(rows), 1)], dim=1)
        results['points'] = with_rows(get_points_type(self.coord_type)(rows[:0], points_dim=rows.shape[1]), rows)
        return results

    def _load_points(self, pts_filename: str) -> np.ndarray:
        """Return the records that `transform` has read; the base class asks for them, flat."""
        return self._records.reshape(-1)

    def _read(self, path: str, frame: dict, is_aligned: bool) -> np.ndarray:
        """Read, check and scale the records (N, load_dim) of a file, and find the columns to use."""
        table = read_table(path, self.backend_args)
        # It takes about as long as reading. The frame looked at is the same in whatever order frames are loaded.
        shown_by = frame.get('first_of_sequence') or os.path.dirname(path)  # noqa: PTH120 - it may be an address
        if table.values.ndim == 1 and shown_by not in self._checked:
            self._check_width(table, path, frame.get('first_of_sequence', path))
        records = reshaped(table, self.load_dim, path)
        columns = table.columns or _names(frame.get('columns'), records.shape[1])
        if self.names:
            self.use_dim = self._numbers_of_names(columns, path)
        records, _, num_broken = usable_returns(records, table.is_organised, self.use_dim, path)
        if shown_by != path:
            self._checked.add(shown_by)
        if is_aligned and any(table.origin):
            raise ConfigError(
                f'{path} has coordinates of a map, around {table.origin}, which poses of a sensor do not fit. Set '
                'align_poses=False, or write the scans in the axes of the sensor'
            )
        frame['num_broken'] = num_broken
        if num_broken and self._says_broken:
            self._says_broken = False
            print_log(
                f'{path} has {num_broken} returns with NaN or Inf beside {len(records)} others. Such returns are '
                'dropped, here and in other frames, without further notice',
                logger='current',
                level=logging.WARNING,
            )
        return records if self.intensity_scale is None else self._scaled(records, columns, path)

    def _check_width(self, table: ScanTable, path: str, first: str) -> None:
        """Compare ``load_dim`` with the width that the first frame of a sequence shows, if it can be read."""
        if first != path:
            try:
                table = read_table(first, self.backend_args)
            except CorruptFrameError:
                return
        if table.values.ndim == 1:
            check_width(table, self.load_dim, first)

    def _numbers_of_names(self, columns: Sequence[str], path: str) -> list[int]:
        """Return the numbers of the columns that ``use_dim`` names."""
        assert self.names is not None
        if missing := [name for name in self.names if name not in (columns or AXES)]:
            known = f'it has {", ".join(columns)}' if columns else 'neither the file nor the index names its columns'
            raise ConfigError(
                f'use_dim={self.names} of LoadFrame: {path} has no column {missing[0]!r}, {known}. Name others, or '
                'give numbers'
            )
        return [(columns or AXES).index(name) for name in self.names]

    def _scaled(self, records: np.ndarray, columns: Sequence[str], path: str) -> np.ndarray:
        """Return records whose intensities are multiplied by ``intensity_scale``."""
        column = columns.index(INTENSITY) if INTENSITY in columns else INTENSITY_COLUMN
        if (columns and INTENSITY not in columns) or column >= records.shape[1]:
            raise ConfigError(
                f'LoadFrame(intensity_scale={self.intensity_scale:g}): {path} has no column of intensities. Leave '
                'intensity_scale out'
            )
        records = records.copy()
        records[:, column] *= np.float32(self.intensity_scale)
        return records


def _names(columns: Any, number: int) -> tuple[str, ...]:
    """Return the names that an index states for a number of columns; none if it does not fit them."""
    is_fitting = isinstance(columns, list) and len(columns) == number and all(isinstance(name, str) for name in columns)
    return tuple(canonical_names(columns)) if is_fitting else ()
