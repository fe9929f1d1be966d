"""Loading a depth frame: points from a 16-bit depth image and its camera."""

from __future__ import annotations

import os

import numpy as np
import torch
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import DepthPoints
from numba import njit

from ...errors import ConfigError
from ..readers.depth_cache import DepthCache
from ..readers.depth_image import check_size, clear_beyond, read_depth
from ..readers.frame_file import MAX_DISTANCE, CorruptFrameError, check_distances, memory_for
from .base import DescribedTransform, draw_subset, with_rows

FLOOR_PERCENTILE = 0.99  # in per cent, not a share, as in mmdet3d's LoadPointsFromFile(shift_height=True)
DEPTH_SCALE = 1000.0  # millimetres, as ScanNet, 7-Scenes and most sensors give them
# 7-Scenes and several sensors write 65535, the largest value of 16 bits, where they saw nothing.
LARGEST_DEPTH = np.iinfo(np.uint16).max - 1


@TRANSFORMS.register_module()
class LoadDepthFrame(DescribedTransform):
    """Load the points of one depth frame: each pixel with a depth is back-projected through the pinhole camera.

    This is Eq. 1 of the STRL paper. A pixel of column u, row v (counted from 0, integers at the pixels' centres) and
    depth d becomes the point ``camera2view @ (d K^-1 (u, v, 1), 1)``. K is the matrix of the intrinsics, and the
    camera's axes are x right, y down, z forward. The depth is measured along z, not along the ray. Pixels of depth 0 or
    65535, and those beyond the largest value that the index states, are dropped: there the sensor saw nothing.
    The points are in the order of the pixels, row by row.

    ``num_points`` saves the back-projection of points that a later down-sampling drops. A random subset of a random
    subset is a random subset. So before a down-sampling to at most ``num_points``, the option does not change the
    distribution of the result, even if transforms that treat each point on its own (rotation, scaling, jitter) run in
    between. It does change the result of a transform that depends on the whole cloud (translation, cropping and cutout
    use fractions of its extent) or that removes points (cropping, cutout, drop-out), since fewer points may then be
    left than the encoder takes. With the paper's views, keep the default: every pixel.

    Required Keys:

    - depth_frame (dict)

        - depth_path (str): A 16-bit greyscale PNG or PGM (H, W), or a frame of a ``.sens`` recording
        - intrinsics (np.ndarray): 3x3, in pixels
        - camera2view (np.ndarray): 4x4, from the camera's axes to the points' axes, metres
        - depth_scale (float, optional): Depth values per metre, as the index states them
        - largest_depth (int, optional): The largest value that is a depth, as the index states it

    Added Keys:

    - points (:obj:`DepthPoints`): float32 (N, 3), or (N, 4) with ``height``, where N > 0; metres

    Args:
        depth_scale (float, optional): Depth values per metre. Defaults to None: as the index states, or 1000
            (millimetres) if it says nothing. A value that contradicts the index is refused.
        num_points (int, optional): Back-project a random subset of this many pixels, drawn without replacement, or all
            pixels if there are fewer. Defaults to None, all pixels.
        height (bool): Whether to append the height above the floor as a fourth channel, as ``LoadPointsFromFile`` does
            with ``shift_height=True``: z minus the 0.99th percentile (not the 99th) of the frame's z. The z axis must
            point upwards: use a world such as ScanNet's, or no alignment and a level camera. Defaults to False.
        backend_args (dict, optional): Arguments of mmengine's file backend. Defaults to None.
        cache_dir (str, optional): A folder on a fast local disk for decoded frames, see :class:`DepthCache`. It
            serves only images that are on a local disk, too. Defaults to None, no cache.

    Raises:
        CorruptFrameError: When loading, if the file cannot be read, is not a whole 16-bit image, holds no depth, has
            another size than the camera's images, or gives points that are NaN or farther than 100 km.
        ConfigError: If ``depth_scale`` or ``num_points`` is not positive; when loading, if the frame is not a depth
            frame, or the index states another ``depth_scale``.
    """

    def __init__(
        self,
        depth_scale: float | None = None,
        num_points: int | None = None,
        height: bool = False,
        backend_args: dict | None = None,
        cache_dir: str | None = None,
    ) -> None:
        if depth_scale is not None and not 0 < depth_scale < np.inf:
            raise ConfigError(f'LoadDepthFrame: depth_scale must be positive, got {depth_scale}')
        if num_points is not None and num_points < 1:
            raise ConfigError(f'LoadDepthFrame: num_points must be at least 1, or None for all, got {num_points}')
        self.depth_scale = depth_scale
        self.num_points = num_points
        self.height = height
        self.backend_args = backend_args
        self.cache_dir = cache_dir
        self.cache = None if cache_dir is None else DepthCache(cache_dir)
        attribute_dims, points_dim = (dict(height=3), 4) if height else (None, 3)
        self.empty = DepthPoints(torch.empty(0, points_dim), points_dim, attribute_dims)

    def transform(self, results: dict) -> dict:
        """Add the ``points`` of ``depth_frame`` to the result dict."""
        if 'depth_frame' not in results:
            path = results.get('lidar_path', 'a frame')
            raise ConfigError(
                f'LoadDepthFrame got {path} without depth_frame: the sequence index has no intrinsics. Make it with '
                '`create_sequence_index.py scannet`, or load lidar scans with LoadFrame'
            )
        frame = results['depth_frame']
        with memory_for(frame['depth_path']):
            results['points'] = with_rows(self.empty, torch.from_numpy(self.load(frame)))
        return results

    def load(self, frame: dict) -> np.ndarray:
        """Return the points (N, 3) or (N, 4) of a ``depth_frame``."""
        scale = self.scale_of(frame)
        depth = clear_beyond(self.read(frame['depth_path']), frame.get('largest_depth', LARGEST_DEPTH))
        check_size(depth.shape, frame['intrinsics'], frame['depth_path'])
        if self.num_points is not None and np.count_nonzero(depth) > self.num_points:
            depth = keep_some(depth, self.num_points)
        rays, centre = pixel_rays(frame['intrinsics'], frame['camera2view']), frame['camera2view'][:3, 3]
        points = back_project(depth, rays, centre, scale)
        if len(points) == 0:
            raise CorruptFrameError(
                f'{frame["depth_path"]} holds no depth: all of its pixels say that nothing was seen. '
                'Restore it, or rebuild the sequence index without it'
            )
        if not reach(depth.shape, rays, centre, scale) <= MAX_DISTANCE:  # NaN fails this, too
            remedy = 'Check its pose and intrinsics, and rebuild the sequence index'
            check_distances(points, frame['depth_path'], remedy)
        if self.height:
            height = points[:, 2] - np.percentile(points[:, 2], FLOOR_PERCENTILE)
            points = np.column_stack([points, height.astype(np.float32)])
        return points

    def scale_of(self, frame: dict) -> float:
        """Return the depth values per metre of a ``depth_frame``."""
        stated = frame.get('depth_scale')
        if stated is None:
            return DEPTH_SCALE if self.depth_scale is None else self.depth_scale
        if self.depth_scale not in (None, stated):
            raise ConfigError(
                f'LoadDepthFrame: depth_scale={self.depth_scale:g}, but the sequence index of {frame["depth_path"]} '
                f'states {stated:g}. Leave depth_scale out, or make the index with --depth-scale {self.depth_scale:g}'
            )
        return float(stated)

    def read(self, path: str) -> np.ndarray:
        """Return the depth image of a file, from the cache if it is there."""
        if self.cache is None or not os.path.isfile(path):  # noqa: PTH113
            return read_depth(path, self.backend_args)
        return self.cache.get(path, lambda: read_depth(path, self.backend_args))


def keep_some(depth: np.ndarray, number: int) -> np.ndarray:
    """Return a new image (H, W) with a random ``number`` of the pixels above 0, which must be more; the others are 0.

    They are drawn from NumPy's global random state.
    """
    pixels = np.flatnonzero(depth)
    chosen = pixels[draw_subset(len(pixels), number)]
    kept = np.zeros_like(depth)
    kept.flat[chosen] = depth.flat[chosen]
    return kept


def pixel_rays(intrinsics: np.ndarray, camera2view: np.ndarray) -> np.ndarray:
    """Return the matrix that gives the ray of each pixel of a pinhole camera.

    Args:
        intrinsics: K (3, 3), in pixels.
        camera2view: (4, 4) from the camera's axes (x right, y down, z forward, metres) to the points' axes.

    Returns:
        R K^-1 (3, 3), float64. Its product with a pixel (u, v, 1) is the pixel's ray of depth 1 in the points' axes.
    """
    (fx, skew, cx), (_, fy, cy), _ = intrinsics
    inverse = np.array([[1 / fx, -skew / (fx * fy), (skew * cy / fy - cx) / fx], [0, 1 / fy, -cy / fy], [0, 0, 1]])
    return np.asarray(camera2view[:3, :3], dtype=np.float64) @ inverse


def reach(shape: tuple[int, ...], rays: np.ndarray, centre: np.ndarray, depth_scale: float) -> float:
    """Return an upper bound, in metres, of the coordinates that any depth image of this shape (H, W) can give."""
    farthest = LARGEST_DEPTH / depth_scale * (np.abs(rays) @ (shape[1], shape[0], 1)) + np.abs(centre)
    return float(farthest.max())


def back_project(depth: np.ndarray, rays: np.ndarray, centre: np.ndarray, depth_scale: float) -> np.ndarray:
    """Back-project the pixels of a depth image that are not 0, row by row: Eq. 1 of the STRL paper.

    Args:
        depth: The image (H, W), uint16; depth along the optical axis.
        rays: The matrix (3, 3) that :func:`pixel_rays` returns.
        centre: The camera's centre (3,), in the points' axes, metres.
        depth_scale: Depth values per metre.

    Returns:
        The points (N, 3), float32, metres.
    """
    points = np.empty((np.count_nonzero(depth) + 1, 3), np.float32)  # one row more, for pixels of 0
    return points[: _back_project(depth, rays, np.asarray(centre, np.float64), 1 / depth_scale, points)]


@njit(nogil=True, cache=True)
def _back_project(depth: np.ndarray, rays: np.ndarray, centre: np.ndarray, unit: float, points: np.ndarray) -> int:
    """Compute ``depth * unit * rays (column, row, 1) + centre`` in double precision for the pixels that are not 0.

    A row's coordinates are computed axis by axis, vectorised, and then put together without a branch.

    Returns:
        The number of pixels that are not 0.
    """
    number, coords = 0, np.empty((3, depth.shape[1]), np.float32)
    for row in range(depth.shape[0]):
        for axis in range(3):
            along, at_row = rays[axis, 0], rays[axis, 1] * row + rays[axis, 2]
            for column in range(depth.shape[1]):
                coords[axis, column] = depth[row, column] * unit * (along * column + at_row) + centre[axis]
        for column in range(depth.shape[1]):
            for axis in range(3):
                points[number, axis] = coords[axis, column]
            number += depth[row, column] != 0
    return number
