"""What the points of a data set's scans hold, found from a few frames of each folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...readers.frame_file import CorruptFrameError
from ...readers.lidar_scan import LidarScan, PointWidthError, load_scan
from ...sequence_index import SequenceIndexError

KITTI_LOAD_DIM = 4  # x, y, z, reflectance; stated for scans without a single return, whatever their width
MAX_LOOKS = 5  # frames of a folder that are tried until one can be read; mostly, the first can
# The scales that sensors and data sets use: KITTI and Waymo, most sensors, and raw counts such as those of LAS files.
INTENSITY_SCALES = (1.0, 255.0, 65535.0)
# Waymo's intensities are nearly all below 1, but a reflector has 27. So a scale is chosen by all but the largest ones.
MOST, ABOVE_SCALE = 0.99, 1.5


@dataclass
class ScanColumns:
    """Finds out what the values of a point are, and refuses folders that differ.

    Attributes:
        load_dim: Values per point; None until it is given or found.
        columns: Their names, as :func:`name_columns` gives them; empty until a frame was read.
        intensity_max: The end of the scale of the intensities: 1, 255, 65535, or the largest value found; None if there
            are none.
        is_plain: Whether the files are plain float32 values, so that their sizes tell whether they are whole.
        notes: What else the user must know, a sentence each.
    """

    load_dim: int | None = None
    columns: tuple[str, ...] = ()
    intensity_max: float | None = None
    is_plain: bool = True
    notes: list[str] = field(default_factory=list)
    _first: str = ''

    def look_at(self, paths: Sequence[str]) -> None:
        """Look at the first frame of a folder that can be read, and compare it with the folders before.

        Args:
            paths: Frames of the folder.

        Raises:
            SequenceIndexError: If the frames have another width than given, or than another folder's; if the width is
                in doubt and not given; or if the files name their columns and a folder has others.
        """
        doubt: PointWidthError | None = None
        for path in _spread(paths):
            try:
                scan = load_scan(path, self.load_dim)
            except PointWidthError as error:
                doubt = doubt or error
            except CorruptFrameError:  # it may be empty or damaged, which its size or the training will say
                continue
            else:
                self._add(scan, path)
                return
        if doubt:
            other = f' Its other scans, such as {self._first}, have {self.load_dim}.' if self._first else ''
            raise SequenceIndexError(
                f'{str(doubt).replace("Set load_dim=", "Set --load-dim ").replace("Set load_dim", "Set --load-dim")}.'
                f'{other} One index has scans of one width; `create_sequence_index.py folder` reads any'
            )

    def facts(self) -> dict[str, Any]:
        """Return what the metainfo of an index states, as far as it is known."""
        facts: dict[str, Any] = {'load_dim': self.load_dim or KITTI_LOAD_DIM}
        if self.columns:
            facts['columns'] = list(self.columns)
        if self.intensity_max is not None:
            facts['intensity_max'] = self.intensity_max
        return facts

    def describe(self) -> list[str]:
        """Say what the points hold, line by line; nothing if no frame could be read."""
        if not self.columns:
            return []
        lines = [f'points of {self.load_dim} values: {", ".join(self.columns)}']
        if self.intensity_max is not None:
            lines[0] += f'; intensities from 0 to {self.intensity_max:g}'
            if self.intensity_max != INTENSITY_SCALES[0]:
                lines.append(
                    'for a detector whose intensities go from 0 to 1, as those of KITTI, set '
                    f'LoadFrame(intensity_scale=1 / {self.intensity_max:g})'
                )
        return lines

    def _add(self, scan: LidarScan, path: str) -> None:
        """Add what a frame holds."""
        if not self._first:
            self._first, self.load_dim, self.columns = path, len(scan.columns), scan.columns
            self.is_plain = not scan.is_named and path.lower().endswith('.bin')
            self._note_first(scan, path)
        elif scan.is_named and scan.columns != self.columns:
            raise SequenceIndexError(
                f'{path} has the columns {", ".join(scan.columns)}, but {self._first} has {", ".join(self.columns)}. '
                'Make an index of each'
            )
        # A column is called by its kind only where all folders agree.
        self.columns = tuple(
            mine if mine == theirs else f'column {place}'
            for place, (mine, theirs) in enumerate(zip(self.columns, scan.columns, strict=True))
        )
        if scan.num_broken:
            total = len(scan.records) + scan.num_broken
            self.notes.append(
                f'{path}: {scan.num_broken} of {total} returns hold NaN or Inf. Such returns are dropped when they are '
                'loaded'
            )
        if 'intensity' in scan.columns:
            scale = intensity_scale(scan.records[:, scan.columns.index('intensity')])
            if self.intensity_max not in (None, scale):
                self.notes.append(f'{path}: intensities up to {scale:g}, where others reach {self.intensity_max:g}')
            self.intensity_max = max(scale, self.intensity_max or 0.0)

    def _note_first(self, scan: LidarScan, path: str) -> None:
        """Note what the first frame lacks, or has otherwise than usual."""
        if 'intensity' not in scan.columns and 'red' not in scan.columns:
            self.notes.append(f'{path}: no column of intensities is known among {", ".join(scan.columns)}')
        if any(scan.origin):
            self.notes.append(
                f'{path}: coordinates of a map, which float32 cannot hold. They are loaded relative to whole metres '
                f'near their median, here ({", ".join(f"{value:.0f}" for value in scan.origin)})'
            )


def intensity_scale(values: np.ndarray) -> float:
    """Return the end of the scale that intensities (N,) have: 1, 255, 65535, or else their largest value."""
    values = values[np.isfinite(values)]
    if not len(values):
        return INTENSITY_SCALES[0]
    return scale_of(float(np.quantile(values, MOST)), float(values.max()), bool((values == np.rint(values)).all()))


def scale_of(most: float, largest: float, are_whole: bool) -> float:
    """Return the end of a scale, see `intensity_scale`.

    Args:
        most: What `MOST` of the intensities do not exceed.
        largest: Their largest.
        are_whole: Whether all of them are whole numbers.
    """
    if most <= ABOVE_SCALE and not (largest > ABOVE_SCALE and are_whole):
        return INTENSITY_SCALES[0]
    return next((scale for scale in INTENSITY_SCALES[1:] if largest <= scale), largest)


def _spread(paths: Sequence[str]) -> list[str]:
    """Return at most `MAX_LOOKS` of the frames: the first one, and others spread over all."""
    return list(paths[:: max(1, len(paths) // MAX_LOOKS)][:MAX_LOOKS])
