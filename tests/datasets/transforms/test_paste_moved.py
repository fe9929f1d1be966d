"""Things pasted into a scan: where they stand, what they hide, and what hides them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import LiDARPoints

from strl_mmdet3d.datasets.moved_things import MovedThings
from strl_mmdet3d.datasets.transforms.mark_moved import MOVED, STAYS, UNKNOWN
from strl_mmdet3d.datasets.transforms.paste_moved import ROOM, PasteMoved, compare, is_free
from strl_mmdet3d.errors import ConfigError

ROAD = -1.7


def block(x, y, size=(0.8, 0.8, 1.7), step=0.1):
    """A box of points whose feet are on the road, with a fourth channel of 0.9."""
    sides = [np.arange(0, side, step) for side in size]
    places = np.stack(np.meshgrid(*sides, indexing='ij'), axis=-1).reshape(-1, 3) + np.array([x, y, ROAD])
    return np.column_stack([places, np.full(len(places), 0.9)]).astype(np.float32)


def road(low=4, high=30, step=0.25):
    x, y = np.meshgrid(np.arange(low, high, step), np.arange(-10, 10, step))
    return np.column_stack([x.ravel(), y.ravel(), np.full(x.size, ROAD), np.full(x.size, 0.2)]).astype(np.float32)


@pytest.fixture(scope='module')
def paste(tmp_path_factory):
    path = tmp_path_factory.mktemp('things') / 'things.npz'
    MovedThings.of([block(12, 0), block(7, 3), block(20, -4, (4.0, 1.8, 1.5), 0.2)]).save(path)
    return TRANSFORMS.build(dict(type='PasteMoved', things=str(path), number=6))


def frames(*clouds, poses=None):
    """Frames of a pair in common axes."""
    made = {}
    for number, rows in enumerate(clouds):
        made[f'view_{number + 1}'] = dict(
            points=LiDARPoints(torch.from_numpy(rows.copy()), points_dim=4),
            lidar2view_1=np.eye(4) if poses is None else poses[number],
            pts_semantic_mask=np.where(rows[:, 2] > ROAD + 0.3, STAYS, UNKNOWN),
            pts_instance_mask=np.full(len(rows), -1),
        )
    return made


@settings(max_examples=25)
@example(seed=413)
@given(seed=st.integers(0, 10_000))
def test_pasted_things_stand_free_on_the_ground_and_nothing_else_moves(paste, seed):
    before = np.concatenate([road(), block(15, 2, (2, 2, 3))])
    pose = np.eye(4)
    pose[:3, 3] = [2.0, -1.0, 0.1]
    moved = before.copy()
    moved[:, :3] += pose[:3, 3].astype(np.float32)
    np.random.seed(seed)
    made = paste(frames(before, moved, poses=[np.eye(4), pose]))
    for frame, own in zip(made.values(), (before, moved), strict=True):
        rows = frame['points'].tensor.numpy()
        things = frame['pts_instance_mask']
        assert len(rows) == len(things) == len(frame['pts_semantic_mask'])
        pasted = things >= 0
        assert pasted.any()
        assert (frame['pts_semantic_mask'][pasted] == MOVED).all()
        assert not (frame['pts_semantic_mask'][~pasted] == MOVED).any()
        # What is left of the scan is a part of it, bit for bit but for the shift of the sensor.
        left = rows[~pasted].round(4)
        assert {tuple(row) for row in left} <= {tuple(row) for row in own.round(4)}
        sensor = np.zeros(3) if own is before else pose[:3, 3]
        for number in np.unique(things[pasted]):
            thing = rows[things == number]
            assert thing[:, 2].min() >= ROAD + sensor[2] - 0.01
            assert np.ptp(thing[:, 2]) <= 1.71
            middle = (thing[:, :2].min(axis=0) + thing[:, :2].max(axis=0)) / 2 - sensor[:2]
            assert 4 < np.hypot(*middle) < 25  # as far as it was, give or take a metre
            # Of what stood there before it: a later one may stand in a corner of the rectangle around it.
            before_it = rows[(things < number) & (rows[:, 2] > ROAD + sensor[2] + 0.31)]
            assert is_free(thing, before_it[:, :2])


def test_what_stands_before_a_thing_hides_it_and_it_hides_what_is_behind(paste):
    thing = block(12, 0)
    behind, beside, before = block(16, 0.2, (0.2, 0.2, 0.5)), block(16, 5), block(6, -0.2, (0.2, 0.8, 1.0), 0.02)
    visible, hidden = compare(paste.rays_of(thing), paste.rays_of(np.concatenate([behind, beside])))
    assert visible.all()
    assert hidden[: len(behind)].all()
    assert not hidden[len(behind) :].any()
    visible, hidden = compare(paste.rays_of(thing), paste.rays_of(before))
    assert not hidden.any()
    assert 0.1 < visible.mean() < 0.9  # its upper part is seen over what stands before it
    assert thing[visible, 2].mean() > thing[~visible, 2].mean()


def test_a_thing_keeps_its_distance_shape_and_channels(paste):
    thing = block(12, 1)
    for seed in range(8):
        np.random.seed(seed)
        placed = paste.place(thing, road())
        assert np.ptp(placed[:, 2]) == pytest.approx(np.ptp(thing[:, 2]), abs=1e-5)
        np.testing.assert_allclose(np.hypot(*placed[:, :2].T), np.hypot(*thing[:, :2].T), atol=1e-4)
        np.testing.assert_array_equal(placed[:, 3], thing[:, 3])
    assert paste.place(thing, road(low=20)) is None  # no ground at its distance


def test_room_is_needed_on_all_sides():
    thing = block(12, 0)
    edge = thing[:, 0].max()
    assert is_free(thing, np.array([[edge + ROOM + 0.01, 0.2]]))
    assert not is_free(thing, np.array([[edge + ROOM - 0.01, 0.2]]))
    assert is_free(thing, np.empty((0, 2)))


def test_a_scan_without_room_stays_as_it_is(paste):
    rows = np.concatenate([road(high=6), block(4, -10, (2, 20, 2), 0.3)])
    made = paste(frames(rows, rows))
    for frame in made.values():
        np.testing.assert_array_equal(frame['points'].tensor.numpy(), rows)
        assert (frame['pts_instance_mask'] == -1).all()


def test_wrong_use_is_refused(paste):
    with pytest.raises(ConfigError, match='number must be at least 1'):
        PasteMoved(paste.things, number=0)
    with pytest.raises(ConfigError, match='does not exist'):
        PasteMoved('nowhere.npz')
    unmarked = frames(road())
    del unmarked['view_1']['pts_semantic_mask']
    with pytest.raises(ConfigError, match='behind MarkMoved'):
        paste(unmarked)
    other = frames(road())
    other['view_1']['points'] = LiDARPoints(torch.zeros(len(road()), 5), points_dim=5)
    with pytest.raises(ConfigError, match='points of 4 values, the frames of 5'):
        paste(other)
