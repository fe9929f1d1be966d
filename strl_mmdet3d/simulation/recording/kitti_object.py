"""Labelled frames in the layout of KITTI's detection data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh

from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.recording import kitti_sensors as calibration
from strl_mmdet3d.simulation.recording.lidar import Scan, SpinningLidar
from strl_mmdet3d.simulation.recording.picture import take_picture
from strl_mmdet3d.simulation.streets.scene import Moment, PlacedActor, Scene
from strl_mmdet3d.simulation.surface import turn_about_z

_LIMITS = np.array(calibration.IMAGE_SIZE) - 1
_FRONT = np.array([0.0, 0.0, 1.0, -0.1])
"""The plane 0.1 m before the camera, from which on it sees; see `_cut`."""

_SIDES = [
    calibration.PROJECTIONS[2][0],
    calibration.PROJECTIONS[2][1],
    _LIMITS[0] * calibration.PROJECTIONS[2][2] - calibration.PROJECTIONS[2][0],
    _LIMITS[1] * calibration.PROJECTIONS[2][2] - calibration.PROJECTIONS[2][1],
]
"""The planes through the left, upper, right and lower border of the picture, positive within."""

_OCCLUSION_LIMITS = (0.8, 0.4)
"""Smallest visible share of an object that counts as fully visible (0), and as partly occluded (1)."""

_FEWEST_RETURNS = 5
"""Objects with fewer returns in the picture get no 3D label: KITTI's annotators could not place a box either."""

_LABELLED_RANGE = np.array([[0.0, -40.0, -3.0], [70.4, 40.0, 0.0]])
"""Smallest and largest x, y, z in metres (LiDAR's frame) of the bottoms of the boxes that get a 3D label.

KITTI's labels end at about 70 m, and mmdet3d 1.4's KITTI metric drops predictions outside this range.
"""

_HORIZON = np.array([579.0, 160.0, 639.0, 186.0])
"""Left, top, right, bottom in pixels: where a straight level road ends in the picture."""


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


def label_lines(moment: Moment, scan: Scan) -> list[str]:
    """Return the lines of a label file: those of the objects, then the ``DontCare`` regions.

    There is always a region, if need be the one at the end of the road. mmdet3d 1.4's KITTI metric fails on a first
    frame without a line, and, if the last frame has no region, on the regions of the others: its converter then
    forgets their class.
    """
    lines = [label.line() for label in label_moment(moment, scan)]
    return lines + [
        'DontCare -1 -1 -10 ' + ' '.join(f'{pixel:.2f}' for pixel in region) + ' -1 -1 -1 -1000 -1000 -1000 -10'
        for region in dont_care_regions(moment, scan) or [_HORIZON]
    ]


def label_moment(moment: Moment, scan: Scan) -> list[Label]:
    """Label the objects in the picture of camera 2 as KITTI does, in the order of the scene's actors.

    Objects that are far away, or that have few LiDAR returns in the picture, get none: see
    :func:`dont_care_regions`.
    """
    return [_label(moment, scan, index) for index in np.flatnonzero(_labelled(moment, scan))]


def dont_care_regions(moment: Moment, scan: Scan) -> list[np.ndarray]:
    """Return the ``(4,)`` rectangles in the picture (as ``Label.bbox``) around the objects that have no 3D label.

    These are the objects that the sensor sees, but that are too far away, or have too few returns, to be labelled.
    Rectangles that overlap become one.
    """
    hit = np.flatnonzero(scan.hits.face >= 0)
    points = moment.position + scan.directions[hit] * scan.hits.distance[hit, None]
    seen = _per_actor(moment, scan.hits.face[hit], moment.in_sensor(points)) > 0
    regions: list[np.ndarray] = []
    for index in np.flatnonzero(seen & ~_labelled(moment, scan)):
        region = _bbox(moment, moment.actors[index])
        # A region that has grown may reach others.
        while touched := [other for other in regions if np.all(np.abs(_gap(region, other)) < _reach(region, other))]:
            regions = [other for other in regions if not any(other is one for one in touched)]
            together = np.array([region, *touched])
            region = np.concatenate([together[:, :2].min(0), together[:, 2:].max(0)])
        regions.append(region)
    return regions


def _gap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return twice the ``(2,)`` distance of two rectangles' centres."""
    return first[:2] + first[2:] - second[:2] - second[2:]


def _reach(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the ``(2,)`` sum of two rectangles' sizes."""
    return first[2:] - first[:2] + second[2:] - second[:2]


def _labelled(moment: Moment, scan: Scan) -> np.ndarray:
    """Return for each actor, ``(A,)`` bool, whether it gets a 3D label."""
    returns = _per_actor(moment, scan.face, scan.points[:, :3].astype(np.float64))
    bottoms = np.array([actor.box[:3] for actor in moment.actors]).reshape(-1, 3)
    within = np.all((bottoms > _LABELLED_RANGE[0]) & (bottoms < _LABELLED_RANGE[1]), axis=1)
    return (returns >= _FEWEST_RETURNS) & within


def _per_actor(moment: Moment, face: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Count for each actor, ``(A,)``, the points (LiDAR's frame) on its faces that the picture shows."""
    shown = calibration.in_picture(calibration.to_camera(points))
    return np.bincount(moment.owner[face[shown]] + 1, minlength=len(moment.actors) + 1)[1:]


def _label(moment: Moment, scan: Scan, index: int) -> Label:
    """Return the label of one actor."""
    actor = moment.actors[index]
    bottom = calibration.to_camera(actor.box[None, :3])[0]
    length, width, height = actor.box[3:6]
    # KITTI's heading is about the downward axis and 0 along x to the right.
    rotation_y = _wrapped(-actor.box[6] - np.pi / 2)
    visible = _visible_share(moment, scan, index)
    occluded = sum(visible < limit for limit in _OCCLUSION_LIMITS)
    size = np.array([height, width, length])
    return Label(actor.kind, _truncation(actor), occluded, _bbox(moment, actor), size, bottom, rotation_y)


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


def _truncation(actor: PlacedActor) -> float:
    """Return the share of the box's volume outside the picture, estimated from a grid of 1000 points."""
    x, y, z, length, width, height, yaw = actor.box
    steps = (np.arange(10) + 0.5) / 10 - 0.5
    grid = np.stack(np.meshgrid(steps, steps, steps + 0.5), axis=-1).reshape(-1, 3) * [length, width, height]
    grid = grid @ turn_about_z(yaw).T + [x, y, z]
    return 1.0 - float(calibration.in_picture(calibration.to_camera(grid)).mean())


def _bbox(moment: Moment, actor: PlacedActor) -> np.ndarray:
    """Return the ``(4,)`` tight rectangle around the part of the actor's surface that is in the picture."""
    surface = actor.surface
    part = in_front = _cut(calibration.to_camera(moment.in_sensor(surface.vertices)), surface.faces, _FRONT)
    for side in _SIDES:
        part = _cut(*part, side)
    # A point that the sensor's errors have moved into the picture may be all that is in it.
    vertices, faces = part if len(part[1]) else in_front
    pixels = calibration.to_pixels(vertices[np.unique(faces)])
    return np.concatenate([np.clip(pixels.min(0), 0, _LIMITS), np.clip(pixels.max(0), 0, _LIMITS)])


def _cut(vertices: np.ndarray, faces: np.ndarray, plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the vertices and faces of what lies on the side of a plane ``(4,)`` where a x + b y + c z + d > 0."""
    if not len(faces):
        return vertices, faces
    normal, length = plane[:3] / np.linalg.norm(plane[:3]), np.linalg.norm(plane[:3])
    return trimesh.intersections.slice_faces_plane(vertices, faces, normal, -plane[3] / length * normal)[:2]


def write_frame(folder: Path, index: int, lidar: SpinningLidar, rng: np.random.Generator, labelled: bool) -> None:
    """Draw a street scene and write one frame of it, number ``index``.

    ``folder`` is ``training`` or ``testing``; its subfolders must exist (see :func:`make_folders`). A ``labelled``
    frame gets files in ``label_2`` and ``planes`` too.
    """
    moment = Scene.sample(rng, duration=0.0).at(0.0)
    lidar = lidar.with_errors(rng)
    caster = RayCaster(moment.surface)
    scan = lidar.scan(caster, moment.surface, moment.position, moment.rotation, rng)
    (folder / 'velodyne' / f'{index:06d}.bin').write_bytes(scan.points.tobytes())
    calibration.write_object_calibration(folder / 'calib' / f'{index:06d}.txt')
    take_picture(moment, caster).save(folder / 'image_2' / f'{index:06d}.png')
    if labelled:
        (folder / 'label_2' / f'{index:06d}.txt').write_text('\n'.join(label_lines(moment, scan)) + '\n')
        # The road as n x + d = 0 in the rectified camera frame, with n upwards: d is the camera's height.
        plane = moment.road_plane @ np.linalg.inv(calibration.VELO_TO_CAM)
        numbers = ' '.join(f'{number:.6e}' for number in plane)
        (folder / 'planes' / f'{index:06d}.txt').write_text(f'# Plane\nWidth 4\nHeight 1\n{numbers}\n')


def make_folders(folder: Path, *, labelled: bool) -> None:
    """Make the subfolders of ``training`` or ``testing``."""
    for name in ('velodyne', 'calib', 'image_2', *(('label_2', 'planes') if labelled else ())):
        (folder / name).mkdir(parents=True)
