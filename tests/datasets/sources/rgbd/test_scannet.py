"""ScanNet's layouts, and the frames that are left out."""

from __future__ import annotations

import numpy as np
import pytest
from depth_data import INTRINSICS, camera_pose, write_scene

from strl_mmdet3d.datasets.sequence_index import SequenceIndexError
from strl_mmdet3d.datasets.sources import DepthFrameLister, scannet_sequences


def numbers(sequence):
    """The numbers of a sequence's frames."""
    return [int(frame.rsplit('/', 1)[1].removesuffix('.png')) for frame in sequence.frames]


@pytest.mark.parametrize('extracted_from_sens', [False, True])
def test_a_scene_in_either_layout(tmp_path, extracted_from_sens):
    write_scene(tmp_path / 'scene0000_00', range(8, 12), extracted_from_sens)
    lister = DepthFrameLister()
    (sequence,) = scannet_sequences(tmp_path, lister)
    sequence.check()
    assert sequence.sequence_id == 'scene0000_00'
    assert numbers(sequence) == [8, 9, 10, 11]  # as numbers: '10' comes before '9' as text
    assert sequence.frames[2] == f'scene0000_00/depth/{"10" if extracted_from_sens else "000010"}.png'
    assert all((tmp_path / path).is_file() for path in sequence.frames)
    np.testing.assert_allclose(sequence.poses, [camera_pose(number) for number in range(8, 12)])
    np.testing.assert_allclose(sequence.intrinsics, INTRINSICS)
    assert lister.left_out == {}


def test_scenes_are_in_natural_order_and_mixed_layouts_are_fine(tmp_path):
    write_scene(tmp_path / 'scene0010_00', range(2))
    write_scene(tmp_path / 'scene0009_01', range(2), extracted_from_sens=True)
    (tmp_path / 'notes').mkdir()
    names = [sequence.sequence_id for sequence in scannet_sequences(tmp_path, DepthFrameLister())]
    assert names == ['scene0009_01', 'scene0010_00']


def test_key_frames_are_every_nth(tmp_path):
    write_scene(tmp_path / 's', range(25), extracted_from_sens=True)
    (sequence,) = scannet_sequences(tmp_path, DepthFrameLister(key_frame_every=10))
    assert numbers(sequence) == [0, 10, 20]


def test_other_files_are_no_frames(tmp_path):
    scene = write_scene(tmp_path / 's', range(2))
    for name in ('depth/._000000.png', 'depth/notes.txt', 'depth/left.png', 'depth/²2.png', 'pose/list.txt'):
        (scene / name).write_bytes(b'x')
    lister = DepthFrameLister()
    (sequence,) = scannet_sequences(tmp_path, lister)
    assert numbers(sequence) == [0, 1]
    assert lister.left_out == {}


BAD_POSES = {
    'pose_not_finite': ['-inf -inf -inf -inf\n' * 4, '1 0 0 nan\n0 1 0 0\n0 0 1 0\n0 0 0 1'],
    'pose_not_rigid': [
        '0 0 0 0\n' * 4,
        '2 0 0 0\n0 2 0 0\n0 0 2 0\n0 0 0 1',
        '1 0 0 0\n0 1 0 0\n0 0 -1 0\n0 0 0 1',
        '1 0 0 0\n1 0 0 0\n0 0 1 0\n0 0 0 1',
    ],
    'pose_unreadable': ['', '1 0 0 0\n0 1 0 0\n0 0 1 0', '1 0 0 0\n0 1 0\n', 'a b c d\n' * 4],
}


@pytest.mark.parametrize(('reason', 'text'), [(reason, text) for reason, texts in BAD_POSES.items() for text in texts])
def test_a_frame_without_a_usable_pose_is_left_out_and_counted(tmp_path, reason, text):
    scene = write_scene(tmp_path / 's', range(4))
    (scene / 'pose/000002.txt').write_text(text)
    lister = DepthFrameLister()
    (sequence,) = scannet_sequences(tmp_path, lister)
    assert numbers(sequence) == [0, 1, 3]
    np.testing.assert_allclose(sequence.poses, [camera_pose(number) for number in (0, 1, 3)])
    assert lister.left_out == {reason: [scene / 'pose/000002.txt']}


def test_depth_images_and_poses_that_do_not_match_are_left_out_and_counted(tmp_path):
    scene = write_scene(tmp_path / 's', range(6))
    (scene / 'pose/000001.txt').unlink()
    (scene / 'depth/000003.png').unlink()
    (scene / 'depth/000005.png').unlink()
    lister = DepthFrameLister()
    (sequence,) = scannet_sequences(tmp_path, lister)
    assert numbers(sequence) == [0, 2, 4]
    assert lister.left_out == {
        'no_pose': [scene / 'depth/000001.png'],
        'no_depth': [scene / 'pose/000003.txt', scene / 'pose/000005.txt'],
    }


def test_a_scene_without_a_usable_frame_is_left_out(tmp_path):
    write_scene(tmp_path / 'good', range(2))
    lost = write_scene(tmp_path / 'lost', range(3))
    for path in (lost / 'pose').iterdir():
        path.write_text('-inf -inf -inf -inf\n' * 4)
    (write_scene(tmp_path / 'poseless', range(1)) / 'pose/000000.txt').unlink()
    lister = DepthFrameLister()
    assert [sequence.sequence_id for sequence in scannet_sequences(tmp_path, lister)] == ['good']
    assert {reason: len(paths) for reason, paths in lister.left_out.items()} == {'pose_not_finite': 3, 'no_pose': 1}


@pytest.mark.parametrize(
    'text',
    [
        '0 0 320 0\n0 500 240 0\n0 0 1 0\n0 0 0 1',  # singular
        '-500 0 320 0\n0 500 240 0\n0 0 1 0\n0 0 0 1',
        'nan 0 320 0\n0 500 240 0\n0 0 1 0\n0 0 0 1',
        '500 0 0\n0 500 0\n320 240 1',  # transposed
        '500 0 320\n0 500 240',
        '500 500 320 240 0.1',
        'fx = 500',
        '',
    ],
)
def test_unusable_intrinsics_are_named(tmp_path, text):
    scene = write_scene(tmp_path / 's', range(2))
    (scene / 'intrinsics_depth.txt').write_text(text)
    with pytest.raises(SequenceIndexError, match=r'intrinsics_depth\.txt holds no intrinsics.*Extract'):
        list(scannet_sequences(tmp_path, DepthFrameLister()))


def test_missing_intrinsics_are_named(tmp_path):
    (write_scene(tmp_path / 's', range(2)) / 'intrinsics_depth.txt').unlink()
    with pytest.raises(SequenceIndexError, match=r's has neither intrinsics_depth\.txt.*Extract'):
        list(scannet_sequences(tmp_path, DepthFrameLister()))


def test_a_missing_root_and_a_wrong_setting_are_named(tmp_path):
    with pytest.raises(SequenceIndexError, match='nowhere'):
        list(scannet_sequences(tmp_path / 'nowhere', DepthFrameLister()))
    with pytest.raises(SequenceIndexError, match='key_frame_every'):
        DepthFrameLister(key_frame_every=0)


@pytest.mark.parametrize('text', ['500 0 320\n0 510 240\n0 0 1', '500 510 320 240'])
def test_three_rows_or_four_numbers_are_intrinsics_too(tmp_path, text):
    scene = write_scene(tmp_path / 's', range(2))
    (scene / 'intrinsics_depth.txt').write_text(text)
    (sequence,) = scannet_sequences(tmp_path, DepthFrameLister())
    assert sequence.intrinsics.tolist() == [[500, 0, 320], [0, 510, 240], [0, 0, 1]]


@pytest.mark.parametrize('kind', ['depth/1.png', 'pose/0001.txt'])
def test_two_files_of_one_number_are_named(tmp_path, kind):
    scene = write_scene(tmp_path / 'scene0000_00', range(2))
    (scene / kind).touch()
    with pytest.raises(
        SequenceIndexError, match=r'000001\.\w+ have the same number|000001\.\w+ and .* the same number'
    ):
        list(scannet_sequences(tmp_path, DepthFrameLister()))
