"""Loading a lidar frame, and saying so when the file is damaged."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from mmdet3d.datasets.transforms import LoadPointsFromFile
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures.points import get_points_type
from numba import njit

from .base import with_rows

# Metres. No lidar or depth camera sees 100 km, and farther away float32 could not tell points a centimetre apart.
MAX_DISTANCE = 1e5

# Metres. A scan whose points are all nearer was not written as float32.
MIN_DISTANCE = 1e-6

# Of the other values of a point, such as the reflectance. BatchNorm squares them, which float32 holds up to 3e38.
MAX_FEATURE = 1e18


@njit(nogil=True, cache=True)
def _find_returns(records: np.ndarray, is_return: np.ndarray) -> int:
    """Tell which records (N, 3 + C) are not at (0, 0, 0), and count them."""
    number = 0
    for n in range(records.shape[0]):
        is_return[n] = (records[n, 0] != 0) | (records[n, 1] != 0) | (records[n, 2] != 0)
        number += is_return[n]
    return number


@njit(nogil=True, cache=True)
def _largest_bits(bits: np.ndarray) -> np.uint32:
    """Find the largest of float32 numbers' bits without their signs; those of NaN are the largest of all."""
    largest = np.uint32(0)
    for n in range(bits.shape[0]):
        largest = max(largest, bits[n] & np.uint32(0x7FFFFFFF))
    return largest


def largest_magnitude(values: np.ndarray) -> float:
    """Give the largest absolute value of a float32 array, in one reading; NaN if one of them is."""
    return float(np.uint32(_largest_bits(values.reshape(-1).view(np.uint32))).view(np.float32))


class UnusablePairError(ValueError):
    """A pair that cannot be trained on, for a reason that lies in its data. The dataset draws another one.

    Attributes:
        frame_path: The frame that the reason lies in, relative to the root; :class:`MultiView` fills it in.
    """

    frame_path: str = ''


class CorruptFrameError(UnusablePairError):
    """A frame's file that is missing or damaged. The message names the file and the remedy."""


@TRANSFORMS.register_module()
class LoadFrame(LoadPointsFromFile):
    """Load the points of one frame, as ``LoadPointsFromFile`` does, but let nothing damaged pass.

    The file holds little-endian float32 records of ``load_dim`` values, x, y and z in metres first: the layout of
    KITTI's and nuScenes' scans. Records at exactly (0, 0, 0) are dropped: some KITTI scans hold them, and they are no
    returns.

    Required Keys:

    - lidar_points (dict)

        - lidar_path (str)
        - num_pts_feats (int, optional): The values per record that the sequence index was made for

    Added Keys:

    - points (:obj:`BasePoints`): (N, len(use_dim)) with N > 0, all of it finite, no coordinate beyond 100 km

    Args:
        coord_type (str): 'LIDAR', 'DEPTH' or 'CAMERA'. Defaults to 'LIDAR'.
        load_dim (int): Values per record. Defaults to 4, KITTI's x, y, z and reflectance.
        use_dim (int | list[int]): The values to use: the first ones, or those listed. Defaults to 4.
        **kwargs (dict): Further arguments of ``LoadPointsFromFile``.

    Raises:
        CorruptFrameError: When loading, if the file cannot be read, does not hold whole records, holds no returns,
            holds NaN or Inf, or coordinates beyond :data:`MAX_DISTANCE`, or none beyond :data:`MIN_DISTANCE`.
        ValueError: When loading, if the sequence index was made for another ``load_dim``, or for depth images.
    """

    def __init__(
        self, coord_type: str = 'LIDAR', load_dim: int = 4, use_dim: int | list[int] = 4, **kwargs: Any
    ) -> None:
        super().__init__(coord_type=coord_type, load_dim=load_dim, use_dim=use_dim, **kwargs)
        self.changes_values = self.shift_height or self.use_color or self.norm_intensity or self.norm_elongation
        first_ones = list(range(len(self.use_dim)))
        self.columns = slice(len(first_ones)) if self.use_dim == first_ones else self.use_dim

    def transform(self, results: dict) -> dict:
        """Load the points.

        Args:
            results (dict): Result dict with ``lidar_points``.

        Returns:
            dict: The same dict, with ``points`` added.
        """
        if 'lidar_points' not in results:
            raise ValueError('LoadFrame got a frame without lidar_points. Load depth images with LoadDepthFrame')
        indexed = results['lidar_points'].get('num_pts_feats', self.load_dim)
        if indexed != self.load_dim:
            raise ValueError(
                f'LoadFrame(load_dim={self.load_dim}) reads frames that the sequence index lists with {indexed} values '
                f'per point, {results["lidar_points"]["lidar_path"]} among them. Set load_dim={indexed}'
            )
        if self.changes_values:
            return super().transform(results)
        # The base class would copy the scan three times, and have its columns one behind the other in memory.
        records = self._load_points(results['lidar_points']['lidar_path']).reshape(-1, self.load_dim)
        rows = torch.from_numpy(np.array(records[:, self.columns], order='C'))
        results['points'] = with_rows(get_points_type(self.coord_type)(rows[:0], points_dim=rows.shape[1]), rows)
        return results

    def _load_points(self, pts_filename: str) -> np.ndarray:
        """Read and check a file.

        Returns:
            np.ndarray: The values of all records but those at (0, 0, 0), flat, as the base class expects them.
        """
        require_regular_file(pts_filename)
        try:
            values = super()._load_points(pts_filename)
        except OSError as error:
            raise CorruptFrameError(
                f'{pts_filename} cannot be read ({error.strerror or error}). '
                'Restore it, or make the sequence index anew without it'
            ) from error
        except ValueError as error:  # not even a whole number of float32
            raise self._truncated(pts_filename) from error
        if values.size % self.load_dim:
            raise self._truncated(pts_filename)
        records = values.reshape(-1, self.load_dim)
        is_return = np.empty(len(records), np.bool_)
        num_returns = _find_returns(records, is_return)
        if num_returns < len(records):
            records = records[is_return]
        if not num_returns:
            raise CorruptFrameError(
                f'{pts_filename} holds no returns. Restore it, or make the sequence index anew without it'
            )
        largest = largest_magnitude(records)
        if largest < MIN_DISTANCE:
            raise CorruptFrameError(
                f'{pts_filename} holds no point farther than {MIN_DISTANCE:g} m from the sensor. Restore it, and check '
                'that it was written as float32: integers are read as such values'
            )
        if not largest <= MAX_DISTANCE:
            self._find_bad(pts_filename, records)
        return records.reshape(-1)

    def _find_bad(self, path: str, records: np.ndarray) -> None:
        """Raise a CorruptFrameError if records (N, load_dim) have values that no sensor gives, in the columns used."""
        used = sorted({0, 1, 2, *self.use_dim})
        limits = [MAX_DISTANCE if column < 3 else MAX_FEATURE for column in used]
        is_bad = ~(np.abs(records[:, used]) <= limits).all(axis=1)  # NaN is not below the limit either
        if is_bad.any():
            is_finite = np.isfinite(records[:, used]).all()
            what = f'values beyond any sensor (coordinates above {MAX_DISTANCE:g} m)' if is_finite else 'NaN or Inf'
            raise CorruptFrameError(
                f'{path} holds {what} in {int(is_bad.sum())} of {len(records)} points. '
                f'Restore it, and check that load_dim={self.load_dim} is what the file was written with'
            )

    def _truncated(self, path: str) -> CorruptFrameError:
        """Say that a file does not hold whole records."""
        return CorruptFrameError(
            f'{path} is truncated: it does not hold whole points of {self.load_dim} float32 values. '
            'Restore it, or make the sequence index anew with --skip-truncated; or set the right load_dim'
        )


def require_regular_file(path: str) -> None:
    """Refuse what would be read without an end, such as a pipe or a device; also folders.

    Args:
        path: Anything that mmengine's file backends take. What is not on a local disk is left to them.

    Raises:
        CorruptFrameError: If there is something of this name that is no file.
    """
    if not os.path.isfile(path) and os.path.exists(path):  # noqa: PTH110, PTH113 - pathlib's take five times as long
        raise CorruptFrameError(
            f'{path} cannot be read (it is no regular file). Restore it, or make the sequence index anew without it'
        )


def check_distances(coords: np.ndarray, path: str, remedy: str) -> None:
    """Check the coordinates of points that were computed from a frame and its calibration.

    Args:
        coords: (N, 3) in metres, N > 0.
        path: The frame's file.
        remedy: What else may be wrong, and what to do, as a sentence.

    Raises:
        CorruptFrameError: If a coordinate is NaN, or its size is above :data:`MAX_DISTANCE`.
    """
    farthest = largest_magnitude(coords)
    if not farthest <= MAX_DISTANCE:
        raise CorruptFrameError(
            f'{path} gives points at {farthest:g} m, beyond any sensor (farther than {MAX_DISTANCE:g} m). {remedy}'
        )
