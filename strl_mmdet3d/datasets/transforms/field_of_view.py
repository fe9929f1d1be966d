"""Cutting a scan to the field of view of a camera, and turning another part of the scan into it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmdet3d.registry import TRANSFORMS
from torch import Tensor

from ...errors import ConfigError
from .base import DescribedTransform, keep_points, require_points
from .point_kernels import move
from .regions import regions_of


@TRANSFORMS.register_module()
class DrawHeading(DescribedTransform):
    """Draw one direction for both frames of a pair, which :class:`CutToFieldOfView` then looks into.

    It is a transform of the pair, so it stands before :class:`MultiView`, not in it: the two views must see the same
    places. The car turns a little between the frames, and the two sectors by as much.

    Required Keys:

    - view_1, view_2 (dict)

    Modified Keys:

    - view_1, view_2: With the added key ``heading`` (float), in radians, from x towards y

    Args:
        directions (Sequence[float]): One of these is drawn, all equally likely, in radians. Defaults to (0, ), forward.
        max_angle (float): Uniform in [-max_angle, max_angle] is added to it, in radians, [0, pi]. Defaults to pi: then
            the heading is uniform in the whole circle.

    Raises:
        ConfigError: If there is no direction, or ``max_angle`` is not in [0, pi].
    """

    def __init__(self, directions: Sequence[float] = (0.0,), max_angle: float = np.pi) -> None:
        if not directions:
            raise ConfigError('DrawHeading: directions must name one direction at least')
        if not 0 <= max_angle <= np.pi:
            raise ConfigError(f'DrawHeading: max_angle must be in [0, pi], got {max_angle}')
        self.directions = directions
        self.max_angle = max_angle

    def transform(self, results: dict) -> dict:
        """Add the same ``heading`` to both views."""
        heading = np.random.choice(self.directions) + np.random.uniform(-self.max_angle, self.max_angle)
        for view in ('view_1', 'view_2'):
            results[view]['heading'] = float(heading)
        return results


@TRANSFORMS.register_module()
class CutToFieldOfView(DescribedTransform):
    """Keep the points that a camera on the car would see, as KITTI's ``velodyne_reduced`` does for its detectors.

    A pre-training on whole scans sees other clouds than the detector, which is trained and tested on this part of them.
    The camera is a pinhole, so its image ends at two vertical planes, and at two planes through the horizontal axis to
    its left and right; the angles are measured between each plane and x.

    The defaults are KITTI's camera 2 of 2011-09-26: 1242 x 375 pixels, focal length 721.5, principal point (609.6,
    172.9), which looks 0.6 degrees upwards in the LiDAR's axes and stands 0.27 m before the LiDAR, 0.06 m to its left
    and 0.07 m below it (Geiger et al., IJRR 2013, and the calibration files there). So the left border is at
    atan(609.6 / 721.5) = 40.2 degrees, the right one at atan((1242 - 609.6) / 721.5) = 41.2, the upper one at 14.0 and
    the lower one at -15.1 degrees. Of three KITTI scans, 98 % of the points that are seen by this camera or by the
    calibrated one are seen by both.

    With a ``heading`` (see :class:`DrawHeading`) the scan is first turned by minus this angle about z, so that the
    camera looks into that direction of the scan, which is x from then on. A motion ``lidar2view_1`` is turned likewise.

    It must run in the LiDAR's own axes: in ``load`` of :class:`MultiView`, behind the loading. There the frame has not
    been moved or cut to the range yet.

    Regions (see :class:`DrawRegions`) that the camera does not see are removed.

    Required Keys:

    - points: (N, 3 + C), metres, x forward, y to the left, z upwards
    - heading (float, optional): Radians. Defaults to 0.
    - lidar2view_1 (np.ndarray, optional): (4, 4)

    Modified Keys:

    - points, lidar2view_1 (optional), gt_bboxes_3d (optional), gt_labels_3d (optional)

    Args:
        horizontal (tuple[float, float]): The right and the left border, in degrees, within (-90, 90), from x towards y.
            Defaults to (-41.2, 40.2).
        vertical (tuple[float, float]): The lower and the upper border, in degrees, within (-90, 90), from x towards z.
            Defaults to (-15.1, 14.0).
        camera (tuple[float, float, float]): The camera's place in the LiDAR's axes, metres. Defaults to (0.27, 0.06,
            -0.07).

    Raises:
        ConfigError: If an angle is out of its range.
    """

    def __init__(
        self,
        horizontal: tuple[float, float] = (-41.2, 40.2),
        vertical: tuple[float, float] = (-15.1, 14.0),
        camera: tuple[float, float, float] = (0.27, 0.06, -0.07),
    ) -> None:
        for name, (low, high) in dict(horizontal=horizontal, vertical=vertical).items():
            if not -90 < low < high < 90:
                raise ConfigError(
                    f'CutToFieldOfView: {name} must be (low, high) in degrees within (-90, 90), got ({low}, {high})'
                )
        self.horizontal = horizontal
        self.vertical = vertical
        self.camera = camera

    def sees(self, coord: Tensor) -> Tensor:
        """Return which coordinates (N, 3 + C) are within the borders: a mask (N,)."""
        forward, left, up = (coord[:, axis] - place for axis, place in enumerate(self.camera))
        mask = forward > 0
        for across, borders in ((left, self.horizontal), (up, self.vertical)):
            low, high = np.tan(np.radians(borders)).tolist()
            mask &= (across >= low * forward) & (across <= high * forward)
        return mask

    def transform(self, results: dict) -> dict:
        """Turn the frame by its heading, and cut it."""
        require_points(self, results)
        if results.get('heading'):
            turn_frame(results, -results['heading'])
        results['points'] = keep_points(results['points'], self.sees(results['points'].tensor))
        regions = regions_of(results)
        if regions is not None:
            regions.keep(self.sees(regions.rows))
        return results


def turn_frame(results: dict, angle: float) -> None:
    """Turn a frame's points, regions and motion about z, by an angle in radians from x towards y."""
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    move(results['points'].tensor, turn[:3, :3])
    regions = regions_of(results)
    if regions is not None:
        move(regions.rows, turn[:3, :3])
    if 'lidar2view_1' in results:
        results['lidar2view_1'] = turn @ results['lidar2view_1'] @ turn.T
