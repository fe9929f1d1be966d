"""Loading a depth frame: from a 16-bit depth image and its camera to points."""

from __future__ import annotations

import os

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import DepthPoints
from numba import njit

from ..readers.depth_cache import DepthCache
from ..readers.depth_image import check_size, read_depth
from ..readers.frame_file import MAX_DISTANCE, CorruptFrameError, check_distances
from .base import draw_subset, with_rows

FLOOR_PERCENTILE = 0.99  # per cent, not a share: that of mmdet3d's LoadPointsFromFile(shift_height=True)
MAX_DEPTH = np.iinfo(np.uint16).max


@TRANSFORMS.register_module()
class LoadDepthFrame(BaseTransform):
    """Load the points of one depth frame: each pixel with a depth is back-projected through the pinhole camera.

    A pixel of column u, row v (counted from 0, integers at the pixels' centres) and depth d is the point
    ``camera2view @ (d K^-1 (u, v, 1), 1)``, with the intrinsics K and the camera's axes x right, y down, z forward. The
    depth is measured along z, not along the ray. Pixels of depth 0, where the sensor saw nothing, are dropped. The
    points are in the order of the pixels, row by row.

    ``num_points`` saves the back-projection of what is down-sampled away later on. A random subset of a random subset
    is a random subset, so ahead of down-sampling to at most ``num_points`` it changes nothing in distribution, also
    across transforms that treat each point on its own: rotation, scaling, jitter. It does change what comes out of a
    transform that looks at the whole cloud (translation, cropping and cutout count in parts of its extent) or that
    removes points (cropping, cutout, drop-out), after which fewer are left than the encoder takes. With the paper's
    views keep every pixel, the default.

    Required Keys:

    - depth_frame (dict)

        - depth_path (str): A 16-bit greyscale PNG (H, W)
        - intrinsics (np.ndarray): 3x3, in pixels
        - camera2view (np.ndarray): 4x4, from the camera's axes to those of the points, metres

    Added Keys:

    - points (:obj:`DepthPoints`): float32 (N, 3), or (N, 4) with ``height``, where N > 0; metres

    Args:
        depth_scale (float): Depth values per metre. Defaults to 1000, millimetres.
        num_points (int, optional): Back-project a random subset of this many pixels, drawn without replacement; all of
            them where there are fewer. Defaults to None, all pixels.
        height (bool): Whether to append the height above the floor as a fourth channel, as ``LoadPointsFromFile`` does
            with ``shift_height=True``: z minus the 0.99th percentile (not the 99th) of the frame's z. It
            supposes z upwards: a world such as ScanNet's, or no alignment and a level camera. Defaults to False.
        backend_args (dict, optional): Arguments of mmengine's file backend. Defaults to None.
        cache_dir (str, optional): A folder on a fast local disk in which decoded frames are kept, for images that are
            on a local disk too: see :class:`DepthCache`. Defaults to None, none are kept.

    Raises:
        CorruptFrameError: When loading, if the file cannot be read, is no whole 16-bit image, holds no depth, is of
            another size than the camera's, or gives points that are NaN or farther than 100 km.
        ValueError: If ``depth_scale`` or ``num_points`` is not positive; when loading, if the frame is no depth frame.
    """

    def __init__(
        self,
        depth_scale: float = 1000,
        num_points: int | None = None,
        height: bool = False,
        backend_args: dict | None = None,
        cache_dir: str | None = None,
    ) -> None:
        if not 0 < depth_scale < np.inf:
            raise ValueError(f'LoadDepthFrame: depth_scale must be positive, got {depth_scale}')
        if num_points is not None and num_points < 1:
            raise ValueError(f'LoadDepthFrame: num_points must be at least 1, or None for all, got {num_points}')
        self.depth_scale = depth_scale
        self.num_points = num_points
        self.height = height
        self.backend_args = backend_args
        self.cache = None if cache_dir is None else DepthCache(cache_dir)
        attribute_dims, points_dim = (dict(height=3), 4) if height else (None, 3)
        self.empty = DepthPoints(torch.empty(0, points_dim), points_dim, attribute_dims)

    def transform(self, results: dict) -> dict:
        """Load the points.

        Args:
            results (dict): Result dict with ``depth_frame``.

        Returns:
            dict: The same dict, with ``points`` added.
        """
        if 'depth_frame' not in results:
            raise ValueError(
                'LoadDepthFrame got a frame without depth_frame: the sequence index has no intrinsics. Make it with '
                '`create_sequence_index.py scannet`, or load lidar scans with LoadFrame'
            )
        frame = results['depth_frame']
        depth = self.read(frame['depth_path'])
        check_size(depth.shape, frame['intrinsics'], frame['depth_path'])
        if self.num_points is not None and np.count_nonzero(depth) > self.num_points:
            depth = keep_some(depth, self.num_points)
        rays, centre = pixel_rays(frame['intrinsics'], frame['camera2view']), frame['camera2view'][:3, 3]
        points = back_project(depth, rays, centre, self.depth_scale)
        if len(points) == 0:
            raise CorruptFrameError(
                f'{frame["depth_path"]} holds no depth: all of its pixels are 0. '
                'Restore it, or make the sequence index anew without it'
            )
        if not reach(depth.shape, rays, centre, self.depth_scale) <= MAX_DISTANCE:  # neither where it is NaN
            remedy = 'Check its pose and intrinsics, and make the sequence index anew'
            check_distances(points, frame['depth_path'], remedy)
        if self.height:
            height = points[:, 2] - np.percentile(points[:, 2], FLOOR_PERCENTILE)
            points = np.column_stack([points, height.astype(np.float32)])
        results['points'] = with_rows(self.empty, torch.from_numpy(points))
        return results

    def read(self, path: str) -> np.ndarray:
        """Give the depth image of a file, from the cache if there is one and it is there."""
        if self.cache is None or not os.path.isfile(path):  # noqa: PTH113
            return read_depth(path, self.backend_args)
        return self.cache.get(path, lambda: read_depth(path, self.backend_args))

    def __repr__(self) -> str:
        """Describe the transform."""
        return (
            f'{type(self).__name__}(depth_scale={self.depth_scale}, num_points={self.num_points}, '
            f'height={self.height}, backend_args={self.backend_args}, '
            f'cache_dir={None if self.cache is None else str(self.cache.folder)!r})'
        )


def keep_some(depth: np.ndarray, number: int) -> np.ndarray:
    """Set all pixels but so many to 0; which ones stay is drawn by NumPy's global random state.

    Args:
        depth: The image (H, W), with more pixels above 0 than that.
        number: How many pixels stay.

    Returns:
        A new image.
    """
    pixels = np.flatnonzero(depth)
    chosen = pixels[draw_subset(len(pixels), number)]
    kept = np.zeros_like(depth)
    kept.flat[chosen] = depth.flat[chosen]
    return kept


def pixel_rays(intrinsics: np.ndarray, camera2view: np.ndarray) -> np.ndarray:
    """Give the rays of a pinhole camera's pixels.

    Args:
        intrinsics: K (3, 3), in pixels.
        camera2view: (4, 4) from the camera's axes (x right, y down, z forward, metres) to those of the points.

    Returns:
        R K^-1 (3, 3), float64: times a pixel (u, v, 1), its ray of depth 1 in the axes of the points.
    """
    (fx, skew, cx), (_, fy, cy), _ = intrinsics
    inverse = np.array([[1 / fx, -skew / (fx * fy), (skew * cy / fy - cx) / fx], [0, 1 / fy, -cy / fy], [0, 0, 1]])
    return np.asarray(camera2view[:3, :3], dtype=np.float64) @ inverse


def reach(shape: tuple[int, ...], rays: np.ndarray, centre: np.ndarray, depth_scale: float) -> float:
    """Give a distance, in metres, that no coordinate is beyond, whatever a depth image of this shape (H, W) holds."""
    farthest = MAX_DEPTH / depth_scale * (np.abs(rays) @ (shape[1], shape[0], 1)) + np.abs(centre)
    return float(farthest.max())


def back_project(depth: np.ndarray, rays: np.ndarray, centre: np.ndarray, depth_scale: float) -> np.ndarray:
    """Back-project the pixels of a depth image, row by row, and leave those of 0 out.

    Args:
        depth: The image (H, W), uint16; depth along the optical axis.
        rays: :func:`pixel_rays`.
        centre: The camera's (3,), in the axes of the points, metres.
        depth_scale: Depth values per metre.

    Returns:
        The points (N, 3), float32, metres.
    """
    points = np.empty((np.count_nonzero(depth) + 1, 3), np.float32)  # one more, where pixels of 0 are written
    return points[: _back_project(depth, rays, np.asarray(centre, np.float64), 1 / depth_scale, points)]


@njit(nogil=True, cache=True)
def _back_project(depth: np.ndarray, rays: np.ndarray, centre: np.ndarray, unit: float, points: np.ndarray) -> int:
    """``depth * unit * rays (column, row, 1) + centre`` for each pixel that is not 0, in double precision; count them.

    A row's coordinates are computed axis by axis, as vectors, and then put together without a branch.
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
