"""The mapping from LiDAR points to pixels, and the calibration files."""

from __future__ import annotations

import numpy as np
import pytest

from strl_mmdet3d.simulation.recording import kitti_sensors as calibration


def _read(path) -> dict[str, np.ndarray]:
    """Numeric lines of a calibration file, as pykitti reads them."""
    lines = (line.split(':', 1) for line in path.read_text().splitlines() if not line.startswith('calib_time'))
    return {name: np.array([float(value) for value in values.split()]) for name, values in lines}


@pytest.mark.parametrize('transform', [calibration.VELO_TO_CAM, calibration.IMU_TO_VELO])
def test_transforms_are_rigid(transform):
    np.testing.assert_allclose(transform[:3, :3] @ transform[:3, :3].T, np.eye(3))
    assert np.linalg.det(transform[:3, :3]) == pytest.approx(1)


def test_ahead_is_in_the_middle_of_the_picture_and_left_is_left():
    ahead, left, behind = calibration.to_camera(np.array([[50.0, 0, 0], [50.0, 10, 0], [-50.0, 0, 0]]))
    assert ahead[2] == pytest.approx(50, abs=0.3)
    pixel = calibration.to_pixels(ahead[None])[0]
    np.testing.assert_allclose(pixel, [609.6, 172.9], atol=3)
    assert calibration.to_pixels(left[None])[0, 0] == pytest.approx(609.6 - 721.5 * 10 / 49.73, abs=3)
    np.testing.assert_array_equal(calibration.in_picture(np.stack([ahead, left, behind])), [True, True, False])


def test_object_file_has_kittis_lines_in_order(tmp_path):
    path = tmp_path / '000000.txt'
    calibration.write_object_calibration(path)
    values = _read(path)
    assert list(values) == ['P0', 'P1', 'P2', 'P3', 'R0_rect', 'Tr_velo_to_cam', 'Tr_imu_to_velo']
    assert [len(value) for value in values.values()] == [12, 12, 12, 12, 9, 12, 12]
    np.testing.assert_allclose(values['Tr_velo_to_cam'].reshape(3, 4), calibration.VELO_TO_CAM[:3])
    np.testing.assert_allclose(values['P2'].reshape(3, 4), calibration.PROJECTIONS[2])


def test_raw_files(tmp_path):
    calibration.write_raw_calibration(tmp_path, '01-Jan-2030 12:00:00')
    values = _read(tmp_path / 'calib_imu_to_velo.txt')
    np.testing.assert_allclose(values['T'], calibration.IMU_TO_VELO[:3, 3])
    np.testing.assert_allclose(values['R'].reshape(3, 3), calibration.IMU_TO_VELO[:3, :3])
    values = _read(tmp_path / 'calib_velo_to_cam.txt')
    np.testing.assert_allclose(values['R'].reshape(3, 3), calibration.VELO_TO_CAM[:3, :3])
    cameras = _read(tmp_path / 'calib_cam_to_cam.txt')
    np.testing.assert_allclose(cameras['P_rect_02'].reshape(3, 4), calibration.PROJECTIONS[2])
    # K (R x + T) is what P_rect projects.
    point = np.array([1.0, -2.0, 15.0])
    unrectified = cameras['K_03'].reshape(3, 3) @ (cameras['R_03'].reshape(3, 3) @ point + cameras['T_03'])
    np.testing.assert_allclose(unrectified, calibration.PROJECTIONS[3] @ [*point, 1.0], rtol=1e-9)
