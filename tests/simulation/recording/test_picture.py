"""The rendered picture."""

from __future__ import annotations

import numpy as np

from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.recording import kitti_sensors as calibration
from strl_mmdet3d.simulation.recording.lidar import SENSOR_HEIGHT
from strl_mmdet3d.simulation.recording.picture import take_picture
from strl_mmdet3d.simulation.streets.scene import Moment
from strl_mmdet3d.simulation.surface import cuboid, join, quads, turn_about_z


def test_object_appears_where_its_corners_project():
    yaw = 0.8
    road = quads(np.array([[-200, -200, 0], [200, -200, 0], [200, 200, 0], [-200, 200, 0]]), 0.3)
    position = np.array([4.0, 2.0, SENSOR_HEIGHT])
    cos, sin = np.cos(yaw), np.sin(yaw)
    # A white board 20 m ahead and 3 m to the left, across the view.
    x, y = position[:2] + np.array([20 * cos - 3 * sin, 20 * sin + 3 * cos])
    board = cuboid([-0.05, -1, 0.5], [0.05, 1, 2.5], 1.0).placed(x, y, 0, yaw)
    surface = join([road, board])
    plane = np.array([0, 0, 1, SENSOR_HEIGHT])
    moment = Moment(surface, np.full(len(surface.faces), -1), [], position, turn_about_z(yaw), plane)
    picture = np.asarray(take_picture(moment, RayCaster(surface)), dtype=int)
    assert picture.shape == (375, 1242, 3)

    empty = Moment(road, np.full(2, -1), [], position, turn_about_z(yaw), plane)
    without = np.asarray(take_picture(empty, RayCaster(road)), dtype=int)
    rows, columns = np.nonzero(np.any(picture != without, axis=2))
    corners = calibration.to_pixels(calibration.to_camera(moment.in_sensor(board.vertices)))
    np.testing.assert_allclose([columns.min(), rows.min()], corners.min(0), atol=1)
    np.testing.assert_allclose([columns.max() + 1, rows.max() + 1], corners.max(0), atol=1)
    # Sky above, road below.
    assert picture[0, 0, 2] > picture[0, 0, 0]
    assert abs(picture[-1, 600, 2] - picture[-1, 600, 0]) < 15
