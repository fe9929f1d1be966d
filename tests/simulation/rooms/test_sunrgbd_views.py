"""Labels of single views, as mmdet3d reads SUN RGB-D."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from mmdet3d.structures import DepthInstance3DBoxes

from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.rooms.camera_walk import camera_pose
from strl_mmdet3d.simulation.rooms.depth_camera import DepthCamera
from strl_mmdet3d.simulation.rooms.furniture import CLASSES
from strl_mmdet3d.simulation.rooms.room import PLANS, Furniture, Room
from strl_mmdet3d.simulation.rooms.sunrgbd import MAX_POINTS, View, in_picture, take_view, write_infos
from strl_mmdet3d.simulation.surface import Surface, cuboid, join

CAMERA = DepthCamera(80)
YAW = 0.4


def _view(
    pieces: list[tuple[str, float, float, float]], walls: tuple[Surface, ...] = (), camera: DepthCamera = CAMERA
) -> View:
    """Boxes of 0.6 x 1 x 0.8 m, seen level from 1 m above the floor.

    Args:
        pieces: Class, metres ahead of the camera, metres to its right, and yaw in the camera's upright axes.
        walls: More surfaces, with x ahead and y to the left of the camera and z above the floor.
        camera: The camera.
    """
    position = np.array([3.0, -2.0, 1.0])
    furniture = []
    for kind, ahead, right, yaw in pieces:
        x = position[0] + ahead * np.cos(YAW) + right * np.sin(YAW)
        y = position[1] + ahead * np.sin(YAW) - right * np.cos(YAW)
        in_room = yaw + YAW - np.pi / 2
        block = cuboid([-0.3, -0.5, 0.0], [0.3, 0.5, 0.8], 0.5).placed(x, y, 0.0, in_room)
        furniture.append(Furniture(kind, block, np.array([x, y, 0.4, 0.6, 1.0, 0.8, in_room])))
    parts = [(piece.surface, index) for index, piece in enumerate(furniture)]
    parts += [(wall.placed(*position[:2], 0.0, YAW), -1) for wall in walls]
    surface = join([part for part, _ in parts])
    owner = np.concatenate([np.full(len(part.faces), index) for part, index in parts])
    room = Room(np.array([9.0, 9.0, 3.0]), surface, owner, np.ones((len(owner), 3)), furniture)
    pose = camera_pose(position, YAW, 0.2, 0.05)
    return View(room, camera, pose, YAW, camera.look(RayCaster(surface), surface, pose, np.random.default_rng(0)))


def test_label_of_a_chair_ahead():
    (label,) = _view([('chair', 2.5, 0.3, -1.2)]).labels()
    # Upright depth axes: x right, y forward, z up; the camera is 1 m up.
    np.testing.assert_allclose(label['bbox_3d'], [0.3, 2.5, -0.6, 0.6, 1.0, 0.8, -1.2], atol=1e-9)
    assert label['bbox_label_3d'] == label['bbox_label'] == CLASSES.index('chair')


def test_depth2img_gives_the_pixels():
    view = _view([('bed', 2.5, 0.3, -1.2)], (cuboid([4.0, -9, -9], [5.0, 9, 9], 0.8),))
    column, row = np.meshgrid(np.arange(80), np.arange(60))
    seen = view.camera.back_project(view.image.true_depth).reshape(-1, 3) @ view.pose[:3, :3].T + view.pose[:3, 3]
    pixels = view.upright(seen) @ view.depth2img.T
    np.testing.assert_allclose(pixels[:, 0] / pixels[:, 2], column.ravel(), atol=1e-9)
    np.testing.assert_allclose(pixels[:, 1] / pixels[:, 2], row.ravel(), atol=1e-9)


def test_the_floor_is_level_and_the_view_is_forward():
    view = _view([('bed', 2.5, 0.0, 0.0)])
    np.testing.assert_allclose(
        view.upright(np.array([[3 + np.cos(YAW), -2 + np.sin(YAW), 0.0]])), [[0, 1, -1]], atol=1e-12
    )


def test_bbox_is_what_is_seen():
    view = _view([('desk', 2.5, 0.0, 0.0)])
    (label,) = view.labels()
    rows, columns = np.nonzero(view.image.face >= 0)
    assert label['bbox'] == [columns.min(), rows.min(), columns.max(), rows.max()]


@pytest.mark.parametrize(('covered', 'labelled'), [(0.0, True), (0.5, True), (0.65, True), (0.75, False), (1.0, False)])
def test_at_most_70_percent_may_be_hidden(covered, labelled):
    # A wall at 1.2 m hides the left of a block that is 1 m wide, with its front at 2.7 m.
    edge = (0.5 - covered) * 1.2 / 2.7
    view = _view([('bed', 3.0, 0.0, -np.pi / 2)], (cuboid([1.19, edge, -9], [1.2, 9, 9], 0.9),), DepthCamera(160))
    assert bool(view.labels()) == labelled


@pytest.mark.parametrize(('right', 'labelled'), [(0.0, True), (1.2, True), (1.6, False), (-1.6, False)])
def test_the_centre_must_be_in_the_picture(right, labelled):
    # The picture ends at 0.55 to the right for 1 ahead.
    assert bool(_view([('bed', 2.5, right, 0.3)]).labels()) == labelled


def test_a_thousandth_of_the_picture_must_measure_it():
    far = _view([('bed', 5.9, 0.0, 0.0)], camera=DepthCamera(80, max_depth=9.0))
    assert len(far.labels()) == 1
    # Beyond the camera's range it is in the picture, but not in the depth.
    assert _view([('bed', 7.0, 0.0, 0.0)]).labels() == []


def test_behind_the_camera_is_not_in_the_picture():
    points = np.array([[0, 0, 2.0], [0, 0, -2.0], [1.0, 0, 2.0], [1.2, 0, 2.0], [0, 0.85, 2.0]])
    np.testing.assert_array_equal(in_picture(CAMERA, np.eye(4), points), [True, False, True, False, False])


def test_points_are_the_measured_pixels_in_another_order():
    view = _view([('bed', 2.5, 0.3, -1.2)], (cuboid([4.0, -9, -9], [5.0, 9, 9], 0.8),))
    points = view.points(np.random.default_rng(0))
    assert points.dtype == np.float32
    assert points.shape == (np.count_nonzero(view.image.depth), 6)
    assert np.all((points[:, 3:] > 0) & (points[:, 3:] <= 1))
    in_camera = points[:, :3] @ np.linalg.solve(view.camera.intrinsics, view.depth2img).T
    np.testing.assert_allclose(
        np.sort(1000 * in_camera[:, 2]), np.sort(view.image.depth[view.image.depth > 0]), atol=0.01
    )
    large = _view([('bed', 2.5, 0.3, -1.2)], (cuboid([4.0, -9, -9], [5.0, 9, 9], 0.8),), DepthCamera(320))
    assert len(large.points(np.random.default_rng(0))) == MAX_POINTS


@pytest.mark.parametrize('kind', PLANS)
def test_noise_free_points_are_in_mmdet3ds_boxes(kind):
    """Every pixel that shows a labelled piece is in its box, and they reach the box's sides."""
    view = take_view(kind, DepthCamera(160), np.random.default_rng(7))
    labels = view.labels()
    assert labels
    seen = view.camera.back_project(view.image.true_depth).reshape(-1, 3) @ view.pose[:3, :3].T + view.pose[:3, 3]
    seen, owner = view.upright(seen), view.room.owner[view.image.face.ravel()]
    centres = view.upright(np.array([piece.box[:3] for piece in view.room.furniture]))
    for label in labels:
        index = int(np.linalg.norm(centres - label['bbox_3d'][:3], axis=1).argmin())
        mine = torch.tensor(seen[owner == index], dtype=torch.float32)
        box = DepthInstance3DBoxes(torch.tensor([label['bbox_3d']]), origin=(0.5, 0.5, 0.5))
        # mmdet3d's own corners give the box's axes.
        corners = box.corners[0]
        sides = torch.stack([corners[4] - corners[0], corners[3] - corners[0], corners[1] - corners[0]])
        shares = (mine - corners[0]) @ sides.T / (sides**2).sum(1)
        assert shares.min() > -1e-3
        assert shares.max() < 1 + 1e-3
        assert shares[:, 2].max() > 0.8
        assert CLASSES[label['bbox_label_3d']] == view.room.furniture[index].kind


def test_infos_need_no_class_to_load(tmp_path):
    class Plain(pickle.Unpickler):
        """Loads plain values only."""

        def find_class(self, module: str, name: str) -> None:
            raise AssertionError(f'{module}.{name} is in the pickle')

    view = _view([('bed', 2.5, 0.3, -1.2)])
    write_infos(tmp_path / 'infos.pkl', [{'instances': view.labels()}])
    with (tmp_path / 'infos.pkl').open('rb') as file:
        infos = Plain(file).load()
    assert infos['metainfo']['categories']['bathtub'] == 9
    assert infos['data_list'] == [{'instances': view.labels()}]
