"""The left colour camera's picture of a scene."""

from __future__ import annotations

import numpy as np
from PIL import Image

from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.recording import kitti_sensors as calibration
from strl_mmdet3d.simulation.streets.scene import Moment

_SUN = np.array([0.4, 0.35, 0.85]) / np.linalg.norm([0.4, 0.35, 0.85])
_SKY = np.array([168.0, 200.0, 235.0])
_HAZE_RANGE = 150.0


def take_picture(moment: Moment, caster: RayCaster) -> Image.Image:
    """Render camera 2's 1242 x 375 RGB view: the albedo in sunlight, without shadows, fading into the sky far away.

    ``caster`` casts rays at the scene's surface.
    """
    width, height = calibration.IMAGE_SIZE
    projection = calibration.PROJECTIONS[2]
    column, row = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    pixels = np.stack([column.ravel(), row.ravel(), np.ones(width * height)])
    rays = np.linalg.solve(projection[:, :3], pixels).T
    centre = -np.linalg.solve(projection[:, :3], projection[:, 3])

    camera_to_world = moment.sensor_to_world @ np.linalg.inv(calibration.VELO_TO_CAM)
    rays = rays @ camera_to_world[:3, :3].T
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    hits = caster.first_hits(camera_to_world[:3, :3] @ centre + camera_to_world[:3, 3], rays)

    hit = hits.face >= 0
    face = hits.face[hit]
    # A face is lit on the side that the camera sees.
    normals = caster.normals[face] * -np.sign(np.einsum('nc,nc->n', caster.normals[face], rays[hit]))[:, None]
    light = 0.45 + 0.55 * np.clip(normals @ _SUN, 0.0, 1.0)
    shade = 255 * np.sqrt(moment.surface.albedo[face]) * light
    haze = (1 - np.exp(-hits.distance[hit] / _HAZE_RANGE))[:, None]
    picture = np.broadcast_to(_SKY, rays.shape).copy()
    picture[hit] = (1 - haze) * shade[:, None] + haze * _SKY
    return Image.fromarray(picture.reshape(height, width, 3).round().astype(np.uint8))
