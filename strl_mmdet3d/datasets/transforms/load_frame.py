"""Loading a lidar frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmdet3d.datasets.transforms import LoadPointsFromFile
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures.points import get_points_type

from ...errors import ConfigError
from ..readers.frame_file import memory_for
from ..readers.lidar_scan import read_scan
from .base import with_rows


@TRANSFORMS.register_module()
class LoadFrame(LoadPointsFromFile):
    """Load the points of one frame as ``LoadPointsFromFile`` does, and refuse damaged files.

    The file holds little-endian float32 records of ``load_dim`` values, x, y and z in metres first: the layout of
    KITTI's and nuScenes' scans. Records at exactly (0, 0, 0) are dropped: some KITTI scans hold them, and they are not
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
        CorruptFrameError: When loading, if :func:`read_scan` refuses the file.
        ConfigError: When loading, if the sequence index was made for another ``load_dim``, or for depth images.
    """

    def __init__(
        self, coord_type: str = 'LIDAR', load_dim: int = 4, use_dim: int | list[int] = 4, **kwargs: Any
    ) -> None:
        super().__init__(coord_type=coord_type, load_dim=load_dim, use_dim=use_dim, **kwargs)
        self.changes_values = self.shift_height or self.use_color or self.norm_intensity or self.norm_elongation
        first_ones = list(range(len(self.use_dim)))
        self.columns = slice(len(first_ones)) if self.use_dim == first_ones else self.use_dim

    def transform(self, results: dict) -> dict:
        """Add the ``points`` of ``lidar_points`` to the result dict."""
        if 'lidar_points' not in results:
            path = results.get('depth_frame', {}).get('depth_path', 'a frame')
            raise ConfigError(f'LoadFrame got {path} without lidar_points. Load depth images with LoadDepthFrame')
        indexed = results['lidar_points'].get('num_pts_feats', self.load_dim)
        if indexed != self.load_dim:
            raise ConfigError(
                f'LoadFrame(load_dim={self.load_dim}) reads frames that the sequence index lists with {indexed} values '
                f'per point, {results["lidar_points"]["lidar_path"]} among them. Set load_dim={indexed}'
            )
        path = results['lidar_points']['lidar_path']
        with memory_for(path):
            if self.changes_values:
                return super().transform(results)
            # The base class would copy the scan three times, and store its columns one behind the other.
            records = self._load_points(path).reshape(-1, self.load_dim)
            rows = torch.from_numpy(np.array(records[:, self.columns], order='C'))
        results['points'] = with_rows(get_points_type(self.coord_type)(rows[:0], points_dim=rows.shape[1]), rows)
        return results

    def _load_points(self, pts_filename: str) -> np.ndarray:
        """Read and check a file; the values are flat, as the base class expects them."""
        return read_scan(pts_filename, self.load_dim, self.use_dim, self.backend_args).reshape(-1)
