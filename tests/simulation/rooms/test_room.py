"""The labels of rooms match their furniture."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from strl_mmdet3d.simulation.rooms.floor_plan import Footprint
from strl_mmdet3d.simulation.rooms.furniture import CLASSES
from strl_mmdet3d.simulation.rooms.room import CAMERA_CLEARANCE, PLANS, Room

SEEDS = range(6)


@pytest.fixture(scope='module', params=PLANS)
def rooms(request) -> list[Room]:
    return [Room.sample(np.random.default_rng(seed), request.param) for seed in SEEDS]


def test_boxes_are_the_exact_extents(rooms):
    for room in rooms:
        for index, piece in enumerate(room.furniture):
            vertices = room.surface.vertices[np.unique(room.surface.faces[room.owner == index])]
            cos, sin = np.cos(piece.box[6]), np.sin(piece.box[6])
            inside = (vertices - piece.box[:3]) @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
            np.testing.assert_allclose(inside.max(0), piece.box[3:6] / 2, atol=1e-9)
            np.testing.assert_allclose(inside.min(0), -piece.box[3:6] / 2, atol=1e-9)
            assert piece.box[2] == pytest.approx(piece.box[5] / 2)
            assert piece.kind in CLASSES


def test_no_two_pieces_meet(rooms):
    for room in rooms:
        spots = [Footprint(box[0], box[1], box[3], box[4], box[6]) for box in (piece.box for piece in room.furniture)]
        assert not any(one.overlaps(other) for one, other in combinations(spots, 2))


def test_all_is_within_the_walls(rooms):
    for room in rooms:
        low, high = room.surface.bounds
        np.testing.assert_allclose(low, 0, atol=1e-9)
        np.testing.assert_allclose(high, room.size, atol=1e-9)


def test_a_camera_at_eye_level_meets_nothing(rooms):
    for room in rooms:
        vertices = room.surface.vertices
        tall = (vertices[:, 2] > 1.2) & (vertices[:, 2] < room.size[2] - 1e-9)
        to_wall = np.minimum(vertices[tall, :2], room.size[:2] - vertices[tall, :2]).min(1)
        assert np.all(to_wall < CAMERA_CLEARANCE)


def test_the_plans_hold_all_classes():
    found = {
        piece.kind
        for kind in PLANS
        for seed in SEEDS
        for piece in Room.sample(np.random.default_rng(seed), kind).furniture
    }
    assert found == set(CLASSES)
