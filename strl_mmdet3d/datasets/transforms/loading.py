"""Loading a lidar frame, and saying so when the file is damaged."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmdet3d.datasets.transforms import LoadPointsFromFile
from mmdet3d.registry import TRANSFORMS


class UnusablePairError(ValueError):
    """A pair that cannot be trained on, for a reason that lies in its data. The dataset draws another one."""


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

    - points (:obj:`BasePoints`): (N, len(use_dim)) with N > 0, all of it finite

    Args:
        coord_type (str): 'LIDAR', 'DEPTH' or 'CAMERA'. Defaults to 'LIDAR'.
        load_dim (int): Values per record. Defaults to 4, KITTI's x, y, z and reflectance.
        use_dim (int | list[int]): The values to use: the first ones, or those listed. Defaults to 4.
        **kwargs (dict): Further arguments of ``LoadPointsFromFile``.

    Raises:
        CorruptFrameError: When loading, if the file cannot be read, does not hold whole records, holds no returns, or
            holds NaN or Inf.
        ValueError: When loading, if the sequence index was made for another ``load_dim``, or for depth images.
    """

    def __init__(
        self, coord_type: str = 'LIDAR', load_dim: int = 4, use_dim: int | list[int] = 4, **kwargs: Any
    ) -> None:
        super().__init__(coord_type=coord_type, load_dim=load_dim, use_dim=use_dim, **kwargs)

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
        return super().transform(results)

    def _load_points(self, pts_filename: str) -> np.ndarray:
        """Read and check a file.

        Returns:
            np.ndarray: The values of all records but those at (0, 0, 0), flat, as the base class expects them.
        """
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
        # Column by column: NumPy reduces along so short an axis ten times slower.
        is_return = (records[:, 0] != 0) | (records[:, 1] != 0) | (records[:, 2] != 0)
        if not is_return.all():
            records = records[is_return]
        if not len(records):
            raise CorruptFrameError(
                f'{pts_filename} holds no returns. Restore it, or make the sequence index anew without it'
            )
        if not np.isfinite(records).all():
            needed = sorted({0, 1, 2, *self.use_dim})
            num_bad = int((~np.isfinite(records[:, needed])).any(axis=1).sum())
            if num_bad:
                raise CorruptFrameError(
                    f'{pts_filename} holds NaN or Inf in {num_bad} of {len(records)} points. '
                    f'Restore it, and check that load_dim={self.load_dim} is what the file was written with'
                )
        return records.reshape(-1)

    def _truncated(self, path: str) -> CorruptFrameError:
        """Say that a file does not hold whole records."""
        return CorruptFrameError(
            f'{path} is truncated: it does not hold whole points of {self.load_dim} float32 values. '
            'Restore it, or make the sequence index anew with --skip-truncated; or set the right load_dim'
        )
