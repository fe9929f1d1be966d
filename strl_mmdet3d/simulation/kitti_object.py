"""Labelled frames in the layout of KITTI's detection data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from strl_mmdet3d.simulation import kitti_sensors as calibration
from strl_mmdet3d.simulation.lidar import SENSOR_HEIGHT, Scan, SpinningLidar
from strl_mmdet3d.simulation.picture import take_picture
from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.scene import Moment, PlacedActor, Scene
from strl_mmdet3d.simulation.surface import turn_about_z

_NEAR = 0.1
"""Smallest visible distance in front of the camera, metres."""

_OCCLUSION_LIMITS = (0.8, 0.4)
"""Smallest visible share of an object that counts as fully visible (0), and as partly occluded (1)."""


@dataclass(frozen=True)
class Label:
    """One line of a label file; see KITTI's object development kit.

    Attributes:
        kind: The class.
        truncated: Share of the box that is outside the picture, 0 to 1.
        occluded: 0 fully visible, 1 partly occluded, 2 largely occluded.
        bbox: Left, top, right, bottom in pixels of the object's part in the picture, regardless of occlusion.
        size: Height, width, length in metres.
        location: Bottom centre in the rectified camera frame, metres.
        rotation_y: Heading about the camera's y axis in [-pi, pi].
    """

    kind: str
    truncated: float
    occluded: int
    bbox: np.ndarray
    size: np.ndarray
    location: np.ndarray
    rotation_y: float

    @property
    def alpha(self) -> float:
        """Observation angle in [-pi, pi]: the heading relative to the line of sight."""
        return _wrapped(self.rotation_y - np.arctan2(self.location[0], self.location[2]))

    def line(self) -> str:
        """Return the label as text: KITTI's 15 columns, but with 4 decimals (0.1 mm) instead of KITTI's 2 (1 cm)."""
        numbers = [self.alpha, *self.bbox, *self.size, *self.location, self.rotation_y]
        return f'{self.kind} {self.truncated:.2f} {self.occluded} ' + ' '.join(f'{number:.4f}' for number in numbers)


def _wrapped(angle: float) -> float:
    """Return the angle in [-pi, pi]."""
    return float(np.arctan2(np.sin(angle), np.cos(angle)))


def label_moment(moment: Moment, scan: Scan) -> list[Label]:
    """Label the objects in the picture of camera 2 as KITTI does, in the order of the scene's actors.

    An object without any LiDAR return of ``scan`` in the picture counts as hidden and gets no label.
    """
    shown = calibration.in_picture(calibration.to_camera(scan.points[:, :3].astype(np.float64)))
    returns = np.bincount(moment.owner[scan.face[shown]] + 1, minlength=len(moment.actors) + 1)[1:]
    return [_label(moment, scan, index) for index in np.flatnonzero(returns)]


def _label(moment: Moment, scan: Scan, index: int) -> Label:
    """Return the label of one actor."""
    actor = moment.actors[index]
    bottom = calibration.to_camera(moment.in_sensor(actor.box[None, :3]))[0]
    length, width, height = actor.box[3:6]
    # KITTI's heading is about the downward axis and 0 along x to the right.
    rotation_y = _wrapped(-(actor.box[6] - moment.yaw) - np.pi / 2)
    visible = _visible_share(moment, scan, index)
    occluded = sum(visible < limit for limit in _OCCLUSION_LIMITS)
    size = np.array([height, width, length])
    return Label(actor.kind, _truncation(moment, actor), occluded, _bbox(moment, actor), size, bottom, rotation_y)


def _visible_share(moment: Moment, scan: Scan, index: int) -> float:
    """Return the share of the beams that hit the actor, among the beams that would hit it if it were alone."""
    surface = moment.actors[index].surface
    towards = surface.vertices - moment.position
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    axis = towards.mean(0) / np.linalg.norm(towards.mean(0))
    near = np.flatnonzero(scan.directions @ axis >= (towards @ axis).min() - 1e-6)
    alone = RayCaster(surface).first_hits(moment.position, scan.directions[near]).face >= 0
    face = scan.hits.face[near]
    seen = (face >= 0) & (moment.owner[face] == index)
    return float(seen.sum() / max(1, alone.sum()))


def _truncation(moment: Moment, actor: PlacedActor) -> float:
    """Return the share of the box's volume outside the picture, estimated from a grid of 1000 points."""
    x, y, z, length, width, height, yaw = actor.box
    steps = (np.arange(10) + 0.5) / 10 - 0.5
    grid = np.stack(np.meshgrid(steps, steps, steps + 0.5), axis=-1).reshape(-1, 3) * [length, width, height]
    grid = grid @ turn_about_z(yaw).T + [x, y, z]
    return 1.0 - float(calibration.in_picture(calibration.to_camera(moment.in_sensor(grid))).mean())


def _bbox(moment: Moment, actor: PlacedActor) -> np.ndarray:
    """Return the ``(4,)`` tight rectangle around the actor's surface in the picture, clipped to the picture."""
    surface = actor.surface
    vertices = calibration.to_camera(moment.in_sensor(surface.vertices))
    start, end = np.concatenate([vertices[surface.faces[:, [0, 1]]], vertices[surface.faces[:, [1, 2]]]]).swapaxes(0, 1)
    crossing = (start[:, 2] < _NEAR) != (end[:, 2] < _NEAR)
    start, end = start[crossing], end[crossing]
    share = (_NEAR - start[:, 2:]) / (end[:, 2:] - start[:, 2:])
    points = np.concatenate([vertices[vertices[:, 2] >= _NEAR], start + share * (end - start)])
    pixels = calibration.to_pixels(points)
    limits = np.array(calibration.IMAGE_SIZE) - 1
    return np.concatenate([np.clip(pixels.min(0), 0, limits), np.clip(pixels.max(0), 0, limits)])


def write_frame(folder: Path, index: int, lidar: SpinningLidar, rng: np.random.Generator, *, labelled: bool) -> None:
    """Draw a street scene and write one frame of it, number ``index``.

    ``folder`` is ``training`` or ``testing``; its subfolders must exist (see :func:`make_folders`). A ``labelled``
    frame gets files in ``label_2`` and ``planes`` too.
    """
    moment = Scene.sample(rng, duration=0.0).at(0.0)
    caster = RayCaster(moment.surface)
    scan = lidar.scan(caster, moment.surface, moment.position, moment.yaw, rng)
    (folder / 'velodyne' / f'{index:06d}.bin').write_bytes(scan.points.tobytes())
    calibration.write_object_calibration(folder / 'calib' / f'{index:06d}.txt')
    take_picture(moment, caster).save(folder / 'image_2' / f'{index:06d}.png')
    if labelled:
        lines = [label.line() + '\n' for label in label_moment(moment, scan)]
        (folder / 'label_2' / f'{index:06d}.txt').write_text(''.join(lines))
        # The road as n x + d = 0 in the rectified camera frame, with n upwards: d is the camera's height.
        camera_height = SENSOR_HEIGHT + float(np.linalg.inv(calibration.VELO_TO_CAM)[2, 3])
        plane = f'# Plane\nWidth 4\nHeight 1\n0.000000e+00 -1.000000e+00 0.000000e+00 {camera_height:.6e}\n'
        (folder / 'planes' / f'{index:06d}.txt').write_text(plane)


def make_folders(folder: Path, *, labelled: bool) -> None:
    """Make the subfolders of ``training`` or ``testing``."""
    for name in ('velodyne', 'calib', 'image_2', *(('label_2', 'planes') if labelled else ())):
        (folder / name).mkdir(parents=True)
