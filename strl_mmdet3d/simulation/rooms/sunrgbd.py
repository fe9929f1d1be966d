"""Labelled views of rooms, in the layout of SUN RGB-D as mmdet3d prepares it."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.rooms.camera_walk import camera_pose
from strl_mmdet3d.simulation.rooms.depth_camera import DepthCamera, DepthImage
from strl_mmdet3d.simulation.rooms.furniture import CLASSES
from strl_mmdet3d.simulation.rooms.room import CAMERA_CLEARANCE, Furniture, Room

MAX_POINTS = 50000
"""Largest number of points in a file, chosen at random, as in mmdet3d's preparation of SUN RGB-D."""

IMAGE_FOLDER = 'sunrgbd_trainval/image'
"""The folder that mmdet3d reads the pictures from."""

_VIEWS_TRIED = 8
"""Number of views that are drawn of a room. The view with the most furniture is kept."""

_LEAST_PIXELS = 1e-3
"""Share of the picture that must measure a depth on a labelled object: 307 pixels of 640 x 480."""

_LEAST_VISIBLE = 0.3
"""Smallest visible share of a labelled object's pixels."""


@dataclass(frozen=True)
class View:
    """A picture of a room.

    Attributes:
        room: The room.
        camera: The camera.
        pose: ``(4, 4)`` camera to room.
        yaw: Direction of view in the room, radians from +x to +y.
        image: What the camera saw.
    """

    room: Room
    camera: DepthCamera
    pose: np.ndarray
    yaw: float
    image: DepthImage

    @property
    def room_to_upright(self) -> np.ndarray:
        """``(3, 3)`` rotation from the room's axes to SUN RGB-D's upright depth axes: x right, y forward, z up."""
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        return np.array([[sin, -cos, 0.0], [cos, sin, 0.0], [0.0, 0.0, 1.0]])

    @property
    def depth2img(self) -> np.ndarray:
        """``(3, 3)`` projection from upright depth coordinates to homogeneous pixels."""
        return self.camera.intrinsics @ self.pose[:3, :3].T @ self.room_to_upright.T

    def upright(self, points: np.ndarray) -> np.ndarray:
        """Map ``(N, 3)`` points of the room to upright depth coordinates. Their origin is the camera."""
        return (points - self.pose[:3, 3]) @ self.room_to_upright.T

    def colours(self) -> np.ndarray:
        """Return ``(H, W, 3)`` float64 red, green and blue in [0, 1], lit from the camera; black without a face."""
        face = self.image.face
        light = 0.35 + 0.65 * self.image.cos_incidence
        colour = np.sqrt(self.room.surface.albedo[face])[..., None] * self.room.tint[face] * light[..., None]
        return np.where(face[..., None] >= 0, colour, 0.0)

    def points(self, rng: np.random.Generator) -> np.ndarray:
        """Choose measured pixels at random, and return their points.

        Args:
            rng: Source of the choice and of the order of the points.

        Returns:
            ``(N, 6)`` float32, up to :data:`MAX_POINTS` points: x, y, z in upright depth coordinates (metres), and
            red, green, blue in [0, 1].
        """
        measured = np.flatnonzero(self.image.depth)
        kept = rng.permutation(measured)[:MAX_POINTS]
        in_camera = self.camera.back_project(self.image.depth / 1000.0).reshape(-1, 3)[kept]
        upright = in_camera @ self.pose[:3, :3].T @ self.room_to_upright.T
        return np.column_stack([upright, self.colours().reshape(-1, 3)[kept]]).astype(np.float32)

    def labels(self) -> list[dict[str, Any]]:
        """Label the furniture that can be seen well enough, as mmdet3d's ``instances``.

        A piece is labelled if its gravity centre is in the picture, at least a thousandth of the picture's pixels
        measure a depth on it, and other things hide at most 70 % of the pixels that it would fill alone.

        Returns:
            For each labelled piece, in the room's order: ``bbox_3d`` (gravity centre, full size along its front,
            across it and upwards, and yaw of the front from +x to +y; metres and radians in upright depth
            coordinates), ``bbox`` (left, top, right and bottom pixel of its visible part), and its index in
            :data:`CLASSES` as ``bbox_label_3d`` and ``bbox_label``.
        """
        shown = np.where(self.image.face >= 0, self.room.owner[self.image.face], -1)
        measured = np.bincount(shown[self.image.depth > 0] + 1, minlength=len(self.room.furniture) + 1)[1:]
        least = max(1.0, _LEAST_PIXELS * shown.size)
        labels = []
        for index in np.flatnonzero(measured >= least):
            piece, mine = self.room.furniture[index], shown == index
            if (
                in_picture(self.camera, self.pose, piece.box[None, :3])[0]
                and self._visible_share(piece, mine) >= _LEAST_VISIBLE
            ):
                labels.append(self._label(piece, mine))
        return labels

    def _visible_share(self, piece: Furniture, mine: np.ndarray) -> float:
        """Return the piece's visible pixels, ``(H, W)`` bool ``mine``, as a share of the pixels that it fills alone."""
        # A grid of about 160 x 120 pixels is enough.
        step = -(-self.camera.width // 160)
        grid = np.zeros(mine.shape, dtype=bool)
        grid[::step, ::step] = True
        rays = self.camera.rays[grid.ravel()] @ self.pose[:3, :3].T
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        alone = RayCaster(piece.surface).first_hits(self.pose[:3, 3], rays).face >= 0
        return float(mine[grid].sum() / max(1, alone.sum()))

    def _label(self, piece: Furniture, mine: np.ndarray) -> dict[str, Any]:
        """Return the entry of a piece that the ``(H, W)`` bool pixels ``mine`` show, in plain Python values."""
        centre = self.upright(piece.box[None, :3])[0]
        # The view's forward direction is +y: a front that faces away from the camera has yaw pi / 2.
        turned = piece.box[6] - self.yaw + np.pi / 2
        yaw = np.arctan2(np.sin(turned), np.cos(turned))
        rows, columns = np.nonzero(mine)
        label = CLASSES.index(piece.kind)
        return {
            'bbox': [float(limit) for limit in (columns.min(), rows.min(), columns.max(), rows.max())],
            'bbox_3d': [float(value) for value in (*centre, *piece.box[3:6], yaw)],
            'bbox_label': label,
            'bbox_label_3d': label,
        }


def in_picture(camera: DepthCamera, pose: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return ``(N,)`` bool: which of ``(N, 3)`` points are in front of the camera at ``pose`` and in its picture."""
    column, row, depth = camera.intrinsics @ pose[:3, :3].T @ (points - pose[:3, 3]).T
    within = (column >= 0) & (column <= depth * (camera.width - 1)) & (row >= 0) & (row <= depth * (camera.height - 1))
    return within & (depth > 0)


def take_view(kind: str, camera: DepthCamera, rng: np.random.Generator) -> View:
    """Draw a room and take a picture of its furniture: from eye level, 8-40 degrees down, rolled by up to 3 degrees."""
    room = Room.sample(rng, kind)
    centres = np.array([piece.box[:3] for piece in room.furniture])
    # A photographer chooses the viewpoint: of a few views, keep the one with the most furniture.
    views = [_draw_pose(room, centres[rng.integers(len(centres))], rng) for _ in range(_VIEWS_TRIED)]
    pose, yaw = max(views, key=lambda view: in_picture(camera, view[0], centres).sum())
    return View(room, camera, pose, yaw, camera.look(RayCaster(room.surface), room.surface, pose, rng))


def _draw_pose(room: Room, target: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Draw the ``(4, 4)`` pose and the yaw of a camera that points roughly at the ``(3,)`` point ``target``."""
    position = rng.uniform([CAMERA_CLEARANCE, CAMERA_CLEARANCE, 1.25], [*room.size[:2] - CAMERA_CLEARANCE, 1.65])
    x, y, z = target - position
    yaw = np.arctan2(y, x) + np.radians(rng.uniform(-15, 15))
    pitch = np.clip(np.arctan2(-z, np.hypot(x, y)) + np.radians(rng.uniform(-10, 5)), *np.radians([8, 40]))
    roll = np.radians(rng.uniform(-3, 3))
    return camera_pose(position, float(yaw), float(pitch), float(roll)), float(yaw)


def write_view(root: Path, number: int, kind: str, camera: DepthCamera, rng: np.random.Generator) -> dict[str, Any]:
    """Draw a view with at least one label, and write its points and its picture to files named by ``number``.

    The folder of the data set must have its subfolders, see :func:`make_folders`.

    Returns:
        The view's entry in the ``data_list`` of an info file.
    """
    view = take_view(kind, camera, rng)
    while not (instances := view.labels()):
        view = take_view(kind, camera, rng)
    (root / 'points' / f'{number:06d}.bin').write_bytes(view.points(rng).tobytes())
    picture = Image.fromarray((255 * view.colours()).round().astype(np.uint8))
    picture.save(root / IMAGE_FOLDER / f'{number:06d}.jpg', quality=90)
    return {
        'lidar_points': {'num_pts_feats': 6, 'lidar_path': f'{number:06d}.bin'},
        'images': {
            'CAM0': {
                'depth2img': view.depth2img.tolist(),
                'img_path': f'{number:06d}.jpg',
                'height': camera.height,
                'width': camera.width,
            }
        },
        'instances': instances,
    }


def make_folders(root: Path) -> None:
    """Make the data set's folder and its subfolders."""
    for name in ('points', IMAGE_FOLDER):
        (root / name).mkdir(parents=True)


def write_infos(path: Path, data_list: list[dict[str, Any]]) -> None:
    """Write an info file of mmdet3d's version 1.1: a pickle of plain Python values, which loads without classes."""
    metainfo = {
        'categories': {name: label for label, name in enumerate(CLASSES)},
        'dataset': 'sunrgbd',
        'info_version': '1.1',
    }
    # Pickle's bytes depend on which equal values are one object, and so on which process made them.
    plain = json.loads(json.dumps(data_list))
    path.write_bytes(pickle.dumps({'metainfo': metainfo, 'data_list': plain}, protocol=4))
