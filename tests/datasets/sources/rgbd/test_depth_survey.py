"""What a few frames of each walk tell: the size of the room, the values without a meaning, and which way is up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rgbd_data import CAMERA, level_walk, room_depth, write_png
from scipy.spatial.transform import Rotation

from strl_mmdet3d.datasets.readers.up_axis import AXES, find_up, parse_up, turn_to_z
from strl_mmdet3d.datasets.sequence_index import FrameSequence, SequenceIndexError
from strl_mmdet3d.datasets.sources import DEPTH_SOURCES, DepthFrameLister, scannet_sequences
from strl_mmdet3d.datasets.sources.rgbd.depth_survey import _grid, surveyed
from strl_mmdet3d.datasets.transforms.load_depth import LoadDepthFrame

NUMBER = 8
Y_DOWN = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # a z-up world, as one with y down: z becomes -y


def walk(root, scale=1000.0, turn=None, pitch=0.5, change=lambda image: image):
    """Write the images of a walk through a room, and return its sequence."""
    level = level_walk(NUMBER, pitch=pitch)
    for k, pose in enumerate(level):
        write_png(root / f'{k}.png', change(room_depth(pose) * scale))
    return FrameSequence('w', [f'{k}.png' for k in range(NUMBER)], level_walk(NUMBER, turn, pitch), intrinsics=CAMERA)


def survey(root, sequence, world='z-up', scale=1000.0, **settings):
    """Survey one walk; return it, and what was found."""
    lister = DepthFrameLister(**settings)
    lister.scale_is(scale, 'w')
    (result,) = surveyed([sequence], root, lister, world)
    return result, lister


def angle(first, second):
    return np.degrees(np.arccos(np.clip(np.dot(first, second), -1, 1)))


@pytest.mark.parametrize('world', ['z-up', 'unknown'])
def test_a_world_with_y_down_is_turned(tmp_path, world):
    result, lister = survey(tmp_path, walk(tmp_path, turn=Y_DOWN), world)
    assert lister.found['up'] == [0, 0, 1]
    assert angle(lister.found['up_in_data']['w'], (0, -1, 0)) < 0.5
    assert 'a plane with' in lister.notes[0]
    # The floor is level and below, the camera 1.4 m above it.
    frame = dict(depth_path=str(tmp_path / '0.png'), intrinsics=CAMERA, camera2view=result.poses[0])
    points = LoadDepthFrame(height=True)({'depth_frame': frame})['points'].tensor.numpy()
    floor = points[points[:, 3] < 0.1]
    assert len(floor) > 0.2 * len(points)
    assert np.ptp(floor[:, 2]) < 0.1
    assert result.poses[0, 2, 3] - floor[:, 2].mean() == pytest.approx(1.4, abs=0.05)


def test_a_documented_world_is_left_as_it_is_where_the_floor_agrees(tmp_path):
    sequence = walk(tmp_path)
    result, lister = survey(tmp_path, sequence)
    assert result is sequence
    assert lister.found == {'depth_scale': 1000, 'up': [0, 0, 1]}
    assert 'the data agrees' in lister.notes[0]


def test_given_and_measured_directions_are_taken(tmp_path):
    result, lister = survey(tmp_path, walk(tmp_path, turn=Y_DOWN), 'unknown', up=parse_up('-y'))
    np.testing.assert_allclose(result.poses[:, 2, 3], 1.4, atol=1e-12)
    assert lister.found['up_in_data'] == {'w': [0, -1, 0]}
    sequence = walk(tmp_path, turn=Y_DOWN)
    assert survey(tmp_path, sequence, 'measured z-up')[0] is sequence


def test_without_a_floor_the_cameras_say_what_is_up(tmp_path):
    """Level cameras before a wall: no plane is level."""
    for k in range(NUMBER):
        write_png(tmp_path / f'{k}.png', np.full((60, 80), 1500))
    poses = np.tile(np.eye(4), (NUMBER, 1, 1))
    sequence = FrameSequence('w', [f'{k}.png' for k in range(NUMBER)], poses, intrinsics=CAMERA)
    _, lister = survey(tmp_path, sequence)
    np.testing.assert_allclose(lister.found['up_in_data']['w'], (0, -1, 0), atol=1e-12)
    assert 'no floor was seen' in lister.notes[0]


def test_cameras_held_in_all_ways_leave_up_open(tmp_path):
    sequence = walk(tmp_path)
    sequence.poses[:, :3, :3] = Rotation.random(NUMBER, random_state=1).as_matrix()
    with pytest.raises(SequenceIndexError, match=r'w: which way is up cannot be found.*--up'):
        survey(tmp_path, sequence, 'unknown')
    result, lister = survey(tmp_path, sequence)
    assert result is sequence
    assert 'up' not in lister.found
    assert 'up is taken to be z' in lister.notes[0]


@settings(max_examples=8)
@given(st.integers(0, 2**31 - 1), st.floats(0.2, 0.7))
def test_up_is_found_in_any_world(seed, pitch):
    turn = Rotation.random(random_state=seed).as_matrix()
    grids = [_grid(room_depth(pose) * 1000, CAMERA, 1000.0) for pose in level_walk(NUMBER, pitch=pitch)]
    evidence = find_up(grids, level_walk(NUMBER, turn, pitch))
    assert angle(evidence.up, turn @ (0, 0, 1)) < 0.5
    assert evidence.height == pytest.approx(1.4, abs=0.05)
    np.testing.assert_allclose(turn_to_z(evidence.up)[:3, :3] @ evidence.up, (0, 0, 1), atol=1e-9)


@pytest.mark.parametrize('word', AXES)
def test_every_axis_is_turned_to_z_by_a_rotation(word):
    turn = turn_to_z(parse_up(word))[:3, :3]
    np.testing.assert_allclose(turn @ AXES[word], (0, 0, 1), atol=1e-12)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)


@pytest.mark.parametrize(
    ('scale', 'stated', 'said'),
    [
        (5000.0, 256.0, r'half of the depth is beyond .* m with 256 .*--depth-scale: .*5000 would'),
        (1000.0, 25_000.0, r'beyond 0\.\d+ m with 25000 .*--depth-scale: .*1000 would'),
        (5000.0, 1000.0, r'the floor is [67]\.?\d* m below the cameras.*--depth-scale: .*5000 would'),
    ],
)
def test_a_room_of_no_plausible_size_names_the_scale_that_fits(tmp_path, scale, stated, said):
    with pytest.raises(SequenceIndexError, match=said):
        survey(tmp_path, walk(tmp_path, scale), scale=stated)


def test_a_value_that_marks_what_is_too_far_is_stated_and_dropped(tmp_path):
    def mark(image):
        image[:, ::8] = 8191
        image[:, 1::8] = 65535
        return image

    _, lister = survey(tmp_path, walk(tmp_path, change=mark))
    assert lister.found['largest_depth'] == 8190
    assert "8191 marks 'nothing seen'" in lister.notes[1]
    frame = dict(depth_path=str(tmp_path / '0.png'), intrinsics=CAMERA, camera2view=np.eye(4), largest_depth=8190)
    points = LoadDepthFrame()({'depth_frame': frame})['points']
    assert len(points) == 60 * 60
    assert points.coord[:, 2].max() < 8.1
    del frame['largest_depth']
    assert len(LoadDepthFrame()({'depth_frame': frame})['points']) == 60 * 70  # 65535 is never a depth


def test_images_of_another_camera_are_told(tmp_path):
    sequence = walk(tmp_path)
    sequence.intrinsics = np.array([[585.0, 0, 320], [0, 585, 240], [0, 0, 1]])
    with pytest.raises(SequenceIndexError, match=r'\d\.png has 80 x 60 pixels.*--intrinsics'):
        survey(tmp_path, sequence)


@pytest.mark.real
def test_the_floor_of_the_real_walk_is_level(real_data):
    """A walk of 7-Scenes in ScanNet's layout, whose world has y down and leans by 28 degrees."""
    root = real_data / 'scannet_frames'
    lister = DepthFrameLister()
    (before,) = scannet_sequences(root, DepthFrameLister())
    (after,) = DEPTH_SOURCES['scannet'].sequences(root, lister)
    assert angle(lister.found['up_in_data']['scene0000_00'], (0, -0.883, -0.469)) < 2
    numbers = list(range(5, 120, 20))  # other frames than those that the survey looked at
    images = [LoadDepthFrame().read(str(root / after.frames[number])) for number in numbers]
    grids = [_grid(np.where(image < 65535, image, 0), after.intrinsics, 1000.0) for image in images]
    evidence = find_up(grids, after.poses[numbers])
    assert angle(evidence.up, (0, 0, 1)) < 2
    assert evidence.height > 0.3
    assert angle(find_up(grids, before.poses[numbers]).up, (0, 0, 1)) > 60
