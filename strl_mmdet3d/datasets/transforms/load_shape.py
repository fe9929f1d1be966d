"""Loading a shape: a row of an archive that holds thousands, a text file, or points on a mesh."""

from __future__ import annotations

import numpy as np
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures.points import get_points_type

from ...errors import ConfigError
from ..readers.frame_file import CorruptFrameError, memory_for
from ..readers.shape_archive import read_row, split_shape_path
from ..readers.shape_mesh import is_mesh, read_mesh_once
from ..readers.shape_text import read_text
from .base import DescribedTransform

# In any unit; in micrometres it is a kilometre. The normalisation squares coordinates, and float32 ends at 3e38.
MAX_COORDINATE = 1e9


@TRANSFORMS.register_module()
class LoadShape(DescribedTransform):
    """Load the points of one shape, a sequence of a single frame.

    Augmenting this frame twice makes the two views of the pair: the synthetic sequence of the STRL paper (Eq. 2).

    The frame's path decides how it is read:

    =====================================================  ========================================================
    path                                                   points
    =====================================================  ========================================================
    ``shapenet57448xyzonly.npz/000123``                    row 123 of the archive, see :func:`find_shapes`
    ``ply_data_train0.h5/000123``                          row 123 of the array ``data``
    ``airplane/airplane_0001.txt``                         the first three numbers of each line
    ``chair/train/chair_0001.off``, ``*.obj``, ``*.ply``   ``mesh_points`` of the surface, see :func:`read_mesh`
    =====================================================  ========================================================

    Axes and unit are the file's own: the recipes' ``shape_augmentation`` normalises to the unit sphere first.

    A member of an archive cannot be memory-mapped, so each archive is decoded once per process and kept in its stored
    type: 1.4 GB for the 57,448 shapes of ShapeNet in float32. ``TemporalPairDataset`` reads its archives when it is
    built. Forked workers then share one copy; spawned workers would each decode their own. The points of meshes are
    kept, too, at 24 kB each, since parsing a mesh takes up to seconds. Text files are read again each time.

    Required Keys:

    - lidar_points (dict)

        - lidar_path (str): As above

    Added Keys:

    - points (:obj:`BasePoints`): float32 (P, 3) with P > 0, no coordinate beyond :data:`MAX_COORDINATE`; a copy of the
      kept points

    Args:
        coord_type (str): 'DEPTH', 'LIDAR' or 'CAMERA': how the detector's transforms will read the axes. Defaults to
            'DEPTH', as in VoteNet.
        mesh_points (int): Number of points to draw from a mesh, at least 1. Defaults to 2048.

    Raises:
        CorruptFrameError: When loading, if the file cannot be read or holds no shapes, or the row is not in it or
            holds NaN, Inf or coordinates beyond :data:`MAX_COORDINATE`.
        MissingExtraError: When loading, if the package that reads the file is not installed.
        ConfigError: If ``mesh_points`` is below 1; when loading, if the path is not one of these.
    """

    def __init__(self, coord_type: str = 'DEPTH', mesh_points: int = 2048) -> None:
        if mesh_points < 1:
            raise ConfigError(f'mesh_points must be at least 1, got {mesh_points}')
        self.coord_type = coord_type
        self.points_type = get_points_type(coord_type)
        self.mesh_points = mesh_points

    def transform(self, results: dict) -> dict:
        """Add the ``points`` of ``lidar_points`` to the result dict."""
        path = results.get('lidar_points', {}).get('lidar_path', '')
        with memory_for(path), np.errstate(over='ignore'):  # values too large for float32 become Inf
            points = self._read(path).astype(np.float32)
        if not np.abs(points).max() <= MAX_COORDINATE:  # NaN fails this, too
            is_bad = ~(np.abs(points) <= MAX_COORDINATE).all(axis=1)
            archive, row = split_shape_path(path) or (path, None)
            name = archive if row is None else f'{archive}: shape {row}'
            what = f'coordinates beyond {MAX_COORDINATE:g}' if np.isfinite(points).all() else 'NaN or Inf'
            raise CorruptFrameError(
                f'{name} holds {what} in {int(is_bad.sum())} of {len(points)} points. Restore the file'
            )
        results['points'] = self.points_type(points, points_dim=3)
        return results

    def _read(self, path: str) -> np.ndarray:
        """Read the points (P, 3) of a path, whose ending decides how."""
        shape = split_shape_path(path)
        if shape is not None:
            return read_row(*shape)
        if is_mesh(path):
            return read_mesh_once(path, self.mesh_points)
        if path.endswith('.txt'):
            return read_text(path)
        raise ConfigError(
            f'LoadShape got the frame {path!r}, which is not a row of an .npz or .h5, a text file or a mesh. Make '
            'the sequence index with `create_sequence_index.py shapes`, or load scans with LoadFrame and depth images '
            'with LoadDepthFrame'
        )
