"""The RGB-D data sets' layouts: every value of the images, poses, times and cameras comes back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rgbd_data import CAMERA, level_walk, room_depth, write_png, write_sens
from scipy.spatial.transform import Rotation

from strl_mmdet3d.datasets.readers.depth_image import read_depth
from strl_mmdet3d.datasets.sequence_index import SequenceIndexError
from strl_mmdet3d.datasets.sources import DEPTH_SOURCES, DepthFrameLister

POSES = level_walk(6)
FOUR_NUMBERS = '60 62 39.5 29.5'


def listed(source, root, **settings):
    """List a source without the survey: sequences as the data has them."""
    lister = DepthFrameLister(**settings)
    sequences = list(DEPTH_SOURCES[source].listed(root, lister))
    for sequence in sequences:
        sequence.check()
    return sequences, lister


def images_of(root, sequence):
    return [read_depth(str(root / frame)) for frame in sequence.frames]


def write_images(folder, names, scale=1000):
    return [write_png(folder / name, room_depth(pose) * scale) for name, pose in zip(names, POSES, strict=True)]


def test_seven_scenes(tmp_path):
    folder = tmp_path / 'chess/seq-01'
    written = write_images(folder, [f'frame-{k:06d}.depth.png' for k in range(6)])
    for k, pose in enumerate(POSES):
        np.savetxt(folder / f'frame-{k:06d}.pose.txt', pose)
    (folder / 'frame-000004.pose.txt').unlink()
    (sequence,), lister = listed('7-scenes', tmp_path)
    assert sequence.sequence_id == 'chess/seq-01'
    assert all(map(np.array_equal, images_of(tmp_path, sequence), [*written[:4], written[5]]))
    np.testing.assert_allclose(sequence.poses, POSES[[0, 1, 2, 3, 5]])
    assert sequence.intrinsics.tolist() == [[585, 0, 320], [0, 585, 240], [0, 0, 1]]
    assert list(lister.left_out) == ['no_pose']
    (tmp_path / 'camera-intrinsics.txt').write_text(FOUR_NUMBERS)
    for root, name in ((tmp_path, 'chess/seq-01'), (tmp_path / 'chess', 'seq-01'), (folder, '.')):
        (sequence,), _ = listed('7-scenes', root)
        assert sequence.sequence_id == name
        assert np.array_equal(sequence.intrinsics, CAMERA) == (root == tmp_path)


def write_tum(folder, stamps, motion_stamps=None):
    """Write a recording; the images hold 5000 values per metre, and the poses are at other times than the images."""
    written = write_images(folder, [f'depth/{stamp:.6f}.png' for stamp in stamps], 5000)
    lines = ['# depth maps', *(f'{stamp:.6f} depth/{stamp:.6f}.png' for stamp in stamps)]
    (folder / 'depth.txt').write_text('\n'.join(lines))
    rows = []
    for stamp, pose in zip(stamps if motion_stamps is None else motion_stamps, POSES, strict=True):
        rows.append([stamp, *pose[:3, 3], *Rotation.from_matrix(pose[:3, :3]).as_quat()])
    text = '\n'.join(' '.join(f'{value:.9f}' for value in row) for row in rows)
    (folder / 'groundtruth.txt').write_text('# timestamp tx ty tz qx qy qz qw\n' + text)
    return written


def test_tum_interpolates_the_poses_to_the_times_of_the_images(tmp_path):
    stamps = 1305031102.175304 + 0.05 * np.arange(6)
    written = write_tum(tmp_path / 'rgbd_dataset_freiburg1_desk', stamps, stamps + 0.02)
    (sequence,), lister = listed('tum', tmp_path)
    assert lister.found == {'depth_scale': 5000}
    assert {reason: len(paths) for reason, paths in lister.left_out.items()} == {'no_pose': 1}  # before the first pose
    assert all(map(np.array_equal, images_of(tmp_path, sequence), written[1:]))
    np.testing.assert_allclose(sequence.timestamps, 0.05 * np.arange(5), atol=1e-6)
    np.testing.assert_allclose(sequence.poses[:, :3, 3], 0.6 * POSES[1:, :3, 3] + 0.4 * POSES[:-1, :3, 3], atol=1e-4)
    half_way = Rotation.from_matrix(POSES[0, :3, :3]).inv() * Rotation.from_matrix(sequence.poses[0, :3, :3])
    assert half_way.magnitude() == pytest.approx(0.6 * 0.4 * 1, rel=0.01)  # of the yaw of 0.4 between two poses
    assert sequence.intrinsics.tolist() == [[517.3, 0, 318.6], [0, 516.5, 255.3], [0, 0, 1]]


def test_a_recording_of_another_camera_needs_its_intrinsics(tmp_path):
    write_tum(tmp_path / 'mine', np.arange(6) * 0.03)
    with pytest.raises(SequenceIndexError, match=r'mine has no intrinsics\.txt.*give --intrinsics FX,FY,CX,CY'):
        listed('tum', tmp_path)
    (tmp_path / 'mine/intrinsics.txt').write_text(FOUR_NUMBERS)
    (sequence,), _ = listed('tum', tmp_path)
    assert np.array_equal(sequence.intrinsics, CAMERA)
    given = DepthFrameLister.from_words(1, None, '61,61,40,30', None).intrinsics
    (sequence,), _ = listed('tum', tmp_path, intrinsics=given)
    assert sequence.intrinsics[0].tolist() == [61, 0, 40]


def test_arkit_scenes(tmp_path):
    folder = tmp_path / 'Training/42/42_frames'
    stamps = 1000.1 + 0.1 * np.arange(6)
    written = write_images(folder, [f'lowres_depth/42_{stamp:.3f}.png' for stamp in stamps])
    rows = []
    for stamp, pose in zip(stamps, POSES, strict=True):
        inverse = np.linalg.inv(pose)
        rows.append([stamp, *Rotation.from_matrix(inverse[:3, :3]).as_rotvec(), *inverse[:3, 3]])
    np.savetxt(folder / 'lowres_wide.traj', rows, fmt='%.9f')
    (folder / 'lowres_wide_intrinsics').mkdir()
    for k, stamp in enumerate(stamps):
        fx = 80 if k == 4 else 60 + 0.1 * (k % 2)
        name = f'42_{stamp + 0.001 * (k == 2):.3f}.pincam'
        if k != 5:
            (folder / 'lowres_wide_intrinsics' / name).write_text(f'80 60 {fx} 62 39.5 29.5')
    (sequence,), lister = listed('arkitscenes', tmp_path)
    assert sequence.sequence_id == 'Training/42/42_frames'
    assert all(map(np.array_equal, images_of(tmp_path, sequence), written[:4]))
    np.testing.assert_allclose(sequence.poses, POSES[:4], atol=1e-6)
    np.testing.assert_allclose(sequence.timestamps, [0, 0.1, 0.2, 0.3], atol=1e-6)
    np.testing.assert_allclose(sequence.intrinsics, [[60.1, 0, 39.5], [0, 62, 29.5], [0, 0, 1]])
    assert {reason: len(paths) for reason, paths in lister.left_out.items()} == {
        'intrinsics_differ': 1,
        'no_intrinsics': 1,
    }


def test_an_arkit_trajectory_without_a_pose_is_named(tmp_path):
    write_images(tmp_path / '42', [f'lowres_depth/42_{n}.000.png' for n in range(6)])
    (tmp_path / '42/lowres_wide.traj').write_text('1.0 nan nan nan nan nan nan\n' * 3)
    with pytest.raises(SequenceIndexError, match=r'lowres_wide\.traj, line 1: .* no other line holds a pose'):
        listed('arkitscenes', tmp_path)


@pytest.fixture
def redwood(tmp_path):
    write_images(tmp_path / 'room', [f'depth/{k + 1:05d}.png' for k in range(6)])
    entries = [
        f'{k} {k} {k + 1}\n' + '\n'.join(' '.join(map(repr, row)) for row in POSES[k].tolist()) for k in range(6)
    ]
    (tmp_path / 'room/trajectory.log').write_text('\n'.join(entries) + '\n')
    camera = dict(width=80, height=60, intrinsic_matrix=CAMERA.T.ravel().tolist())
    (tmp_path / 'room/intrinsic.json').write_text(json.dumps(camera))
    return tmp_path


def test_redwood(redwood):
    (sequence,), lister = listed('redwood', redwood)
    assert sequence.frames == [f'room/depth/{k + 1:05d}.png' for k in range(6)]
    assert np.array_equal(sequence.poses, POSES)
    assert np.array_equal(sequence.intrinsics, CAMERA)
    assert lister.left_out == {}


def test_a_trajectory_that_is_not_of_these_images_is_named(redwood):
    (redwood / 'room/depth/00006.png').unlink()
    with pytest.raises(SequenceIndexError, match=r'trajectory\.log has the pose of image 5, .* has 5 images'):
        listed('redwood', redwood)
    (redwood / 'room/trajectory.log').write_text('0 0 1\n1 0 0 0\n')
    with pytest.raises(SequenceIndexError, match=r'trajectory\.log is not a trajectory.*2 lines are not entries'):
        listed('redwood', redwood)


def write_pgm(path, image):
    """Write a PGM as its format says: the most significant byte first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'P5\n# depth\n80 60\n65535\n' + image.astype('>u2').tobytes())


def test_the_export_of_scannets_cpp_tool(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 2**16, (6, 60, 80), dtype=np.uint16)
    for k, pose in enumerate(POSES):
        write_pgm(tmp_path / f's/frame-{k:06d}.depth.pgm', images[k])
        np.savetxt(tmp_path / f's/frame-{k:06d}.pose.txt', pose)
    matrix = '60 0 39.5 0 0 62 29.5 0 0 0 1 0 0 0 0 1'
    info = f'm_versionNumber = 4\nm_depthShift = 1000\nm_calibrationDepthIntrinsic = {matrix}\nm_frames.size = 6\n'
    (tmp_path / 's/_info.txt').write_text(info)
    (sequence,), _ = listed('scannet', tmp_path)
    assert np.array_equal(images_of(tmp_path, sequence), images)
    np.testing.assert_allclose(sequence.poses, POSES)
    assert np.array_equal(sequence.intrinsics, CAMERA)
    (tmp_path / 's/_info.txt').write_text('m_depthShift = 1000\n')
    with pytest.raises(SequenceIndexError, match=r'_info\.txt does not state m_calibrationDepthIntrinsic'):
        listed('scannet', tmp_path)


def test_scenes_of_two_scales_do_not_go_together(tmp_path):
    images = [np.ones((60, 80), np.uint16)] * 6
    write_sens(tmp_path / 'a/a.sens', images, POSES)
    write_sens(tmp_path / 'b/b.sens', images, POSES, scale=4000)
    with pytest.raises(SequenceIndexError, match=r'b\.sens has 4000 depth values .* have 1000\. Make an index of each'):
        listed('scannet', tmp_path)
    _, lister = listed('scannet', tmp_path, depth_scale=2000.0)
    assert lister.found == {'depth_scale': 2000}


@pytest.mark.parametrize(
    ('settings', 'said'),
    [
        ((1, None, '1,2,3', None), '--intrinsics 1,2,3 cannot be used'),
        ((1, None, None, 'north'), '--up north cannot be used'),
        ((1, None, None, '0,0,0'), '--up 0,0,0 cannot be used'),
        ((1, -5.0, None, None), 'depth scale must be above 0'),
    ],
)
def test_wrong_settings_are_named(settings, said):
    with pytest.raises(SequenceIndexError, match=said):
        DepthFrameLister.from_words(*settings)
