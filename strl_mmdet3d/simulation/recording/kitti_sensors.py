"""The sensors of the simulated KITTI car: how IMU, LiDAR and cameras are mounted, what the cameras show, and the files.

The module holds the transforms between the sensors, the projections and the size of the four cameras' pictures, the
functions that map LiDAR points to the camera and to pixels, and the writers of KITTI's calibration files.

Frames: IMU and LiDAR x forward, y left, z up; cameras x right, y down, z forward. The numbers come from KITTI's
2011_09_26 recordings, except for the rotations: the simulated sensors are mounted exactly upright and parallel. So a
box that stands upright in the LiDAR's frame also does so in the camera's frame, and its label is exact in both.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

IMAGE_SIZE = (1242, 375)
"""Width and height of the rectified pictures in pixels."""

_FOCAL, _CENTRE = 721.5377, (609.5593, 172.854)
_OFFSETS = {
    0: (0.0, 0.0, 0.0),
    1: (-387.5744, 0.0, 0.0),
    2: (44.85728, 0.2163791, 0.002745884),
    3: (-339.5242, 2.199936, 0.002729905),
}

PROJECTIONS = {
    camera: np.array(
        [[_FOCAL, 0.0, _CENTRE[0], offset[0]], [0.0, _FOCAL, _CENTRE[1], offset[1]], [0.0, 0.0, 1.0, offset[2]]]
    )
    for camera, offset in _OFFSETS.items()
}
"""For each of the four cameras, the ``(3, 4)`` projection of rectified camera coordinates into its picture."""

VELO_TO_CAM = np.array(
    [
        [0.0, -1.0, 0.0, -4.069766e-03],
        [0.0, 0.0, -1.0, -7.631618e-02],
        [1.0, 0.0, 0.0, -2.717806e-01],
        [0.0, 0.0, 0.0, 1.0],
    ]
)
"""``(4, 4)``: from the LiDAR's frame to the rectified frame of camera 0."""

IMU_TO_VELO = np.array(
    [
        [1.0, 0.0, 0.0, -8.086759e-01],
        [0.0, 1.0, 0.0, 3.195559e-01],
        [0.0, 0.0, 1.0, -7.997231e-01],
        [0.0, 0.0, 0.0, 1.0],
    ]
)
"""``(4, 4)``: from the IMU's frame to the LiDAR's."""


def to_camera(points: np.ndarray) -> np.ndarray:
    """Map ``(N, 3)`` points of the LiDAR's frame to the rectified frame of camera 0."""
    return points @ VELO_TO_CAM[:3, :3].T + VELO_TO_CAM[:3, 3]


def to_pixels(points: np.ndarray, camera: int = 2) -> np.ndarray:
    """Return the ``(N, 2)`` pixels of ``(N, 3)`` points in the rectified frame. They must be in front of the camera."""
    projected = points @ PROJECTIONS[camera][:, :3].T + PROJECTIONS[camera][:, 3]
    return projected[:, :2] / projected[:, 2:]


def in_picture(points: np.ndarray) -> np.ndarray:
    """Return ``(N,)`` bool: whether the picture of camera 2 shows each of ``(N, 3)`` points in the rectified frame."""
    shown = points[:, 2] > 0.1
    pixels = to_pixels(points[shown])
    shown[shown] = np.all((pixels >= 0) & (pixels < IMAGE_SIZE), axis=1)
    return shown


def _line(name: str, values: np.ndarray) -> str:
    """Return one line of a calibration file."""
    return f'{name}: ' + ' '.join(f'{value:.12e}' for value in np.ravel(values))


def write_object_calibration(path: Path) -> None:
    """Write a frame's calibration file, as in the detection data set's ``calib`` folder."""
    lines = [_line(f'P{camera}', projection) for camera, projection in PROJECTIONS.items()]
    lines += [
        _line('R0_rect', np.eye(3)),
        _line('Tr_velo_to_cam', VELO_TO_CAM[:3]),
        _line('Tr_imu_to_velo', IMU_TO_VELO[:3]),
    ]
    path.write_text('\n'.join(lines) + '\n')


def write_raw_calibration(folder: Path, time: str) -> None:
    """Write ``calib_imu_to_velo.txt``, ``calib_velo_to_cam.txt`` and ``calib_cam_to_cam.txt``.

    Args:
        folder: The folder of the date.
        time: The calibration time that the files name.
    """
    for name, transform in (('imu_to_velo', IMU_TO_VELO), ('velo_to_cam', VELO_TO_CAM)):
        lines = [f'calib_time: {time}', _line('R', transform[:3, :3]), _line('T', transform[:3, 3])]
        (folder / f'calib_{name}.txt').write_text('\n'.join(lines) + '\n')
    lines = [f'calib_time: {time}', 'corner_dist: 9.950000e-02']
    for camera, projection in PROJECTIONS.items():
        # Rectified pictures without distortion: the camera matrix is the projection's, the baseline its last column.
        lines += [
            _line(f'S_{camera:02d}', np.array(IMAGE_SIZE)),
            _line(f'K_{camera:02d}', projection[:, :3]),
            _line(f'D_{camera:02d}', np.zeros(5)),
            _line(f'R_{camera:02d}', np.eye(3)),
            _line(f'T_{camera:02d}', np.linalg.solve(projection[:, :3], projection[:, 3])),
            _line(f'S_rect_{camera:02d}', np.array(IMAGE_SIZE)),
            _line(f'R_rect_{camera:02d}', np.eye(3)),
            _line(f'P_rect_{camera:02d}', projection),
        ]
    (folder / 'calib_cam_to_cam.txt').write_text('\n'.join(lines) + '\n')
