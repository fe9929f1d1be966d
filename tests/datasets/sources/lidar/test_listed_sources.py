"""Data sets that list their scans with poses: mmdet3d's info files, nuScenes' tables, ONCE and KITTI-360."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from strl_mmdet3d.datasets.sequence_index import SequenceIndexError
from strl_mmdet3d.datasets.sources import (
    ScanLister,
    kitti_360_sequences,
    mmdet3d_info_sequences,
    nuscenes_table_sequences,
    once_sequences,
)
from strl_mmdet3d.datasets.sources.lidar.frame_rows import BROKEN_ROW, NO_POSE
from strl_mmdet3d.datasets.sources.lidar.listed_scans import MISSING
from strl_mmdet3d.datasets.sources.recordings import RecordingSplitter

T0 = 1_533_151_603_000_000  # microseconds
LOG = 'n015-2018-08-01-15-16-36+0800'
MOUNT = np.eye(4)
MOUNT[:3, :3] = Rotation.from_euler('z', -90, degrees=True).as_matrix()
MOUNT[:3, 3] = 0.9, 0, 1.8


def motion(yaw, x, y=0.0):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler('z', yaw).as_matrix()
    matrix[:3, 3] = x + 400, y - 1100, 0
    return matrix


def ego(i):
    return motion(0.02 * i, 0.5 * i, 0.1 * i)


def expected(numbers, mount=MOUNT):
    poses = [ego(i) @ mount for i in numbers]
    return [np.linalg.inv(poses[0]) @ pose for pose in poses]


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(16))
    return path


def name(i, log=LOG):
    """Return the name of the i-th sweep; every tenth is a key frame."""
    return f'{log}__LIDAR_TOP__{T0 + 50_000 * i}.pcd.bin'


def nuscenes_root(root, num=31):
    for i in range(num):
        put(root / ('samples' if i % 10 == 0 else 'sweeps') / 'LIDAR_TOP' / name(i))
    return root


def nuscenes_record(i, log=LOG):
    def at(j):
        return {'timestamp': (T0 + 50_000 * j) / 1e6, 'ego2global': ego(j).tolist()}

    sweeps = [
        {
            **at(j),
            'lidar_points': {
                'lidar_path': f'./data/nuscenes/{"samples" if j % 10 == 0 else "sweeps"}/LIDAR_TOP/{name(j, log)}',
                'lidar2ego': MOUNT.tolist(),
            },
        }
        for j in range(max(i - 10, 0), i)
    ]
    points = {'lidar_path': name(i, log), 'lidar2ego': MOUNT.astype(np.float32), 'num_pts_feats': 4}
    return {'token': str(i), **at(i), 'lidar_points': points, 'lidar_sweeps': sweeps, 'instances': []}


def write_infos(path, records, dataset='nuscenes'):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps({'metainfo': {'dataset': dataset}, 'data_list': records}))
    return path


def test_nuscenes_infos_give_key_frames_and_the_sweeps_between_them_once(tmp_path):
    root = nuscenes_root(tmp_path)
    records = [nuscenes_record(i) for i in (30, 0, 20, 10)]
    halves = [write_infos(root / f'{i}.pkl', records[i : i + 2]) for i in (0, 2)]
    (sequence,) = mmdet3d_info_sequences(root, halves, ScanLister())
    folder = ['samples' if i % 10 == 0 else 'sweeps' for i in range(31)]
    assert sequence.frames == [f'{folder[i]}/LIDAR_TOP/{name(i)}' for i in range(31)]
    assert sequence.sequence_id == f'{LOG}__LIDAR_TOP'
    np.testing.assert_allclose(sequence.timestamps, 0.05 * np.arange(31), atol=1e-6)
    np.testing.assert_allclose(sequence.poses, expected(range(31)), atol=1e-4)  # mmdet3d writes float32

    (keys,) = mmdet3d_info_sequences(root, halves, ScanLister(), with_sweeps=False)
    assert keys.frames == sequence.frames[::10]
    (thinned,) = mmdet3d_info_sequences(root, halves, ScanLister(key_frame_every=3), with_poses=False)
    assert thinned.frames == sequence.frames[::3]
    assert thinned.poses is None


def test_logs_and_scenes_of_infos_stay_apart(tmp_path):
    other = 'n008-2018-08-01-15-16-36-0400'
    records = [nuscenes_record(i, log) for log in (LOG, other) for i in (0, 10, 200, 210)]
    for log in (LOG, other):
        for i in (0, 10, 200, 210):
            put(tmp_path / 'samples/LIDAR_TOP' / name(i, log))
    lister = ScanLister()
    found = mmdet3d_info_sequences(tmp_path, [write_infos(tmp_path / 'a.pkl', records)], lister)
    sequences = list(RecordingSplitter().at_gaps(found))
    assert [len(sequence.frames) for sequence in sequences] == [2, 2, 2, 2]
    assert len({sequence.frames[0].partition('__')[0] for sequence in sequences}) == 2
    assert any('the sweeps of' in note and 'only its key frames' in note for note in lister.notes)


def test_what_infos_list_and_the_disk_lacks_is_left_out_and_counted(tmp_path):
    root = nuscenes_root(tmp_path)
    (root / 'sweeps/LIDAR_TOP' / name(3)).unlink()
    records = [nuscenes_record(i) for i in (0, 10, 20, 30)]
    records[1]['lidar_sweeps'][5]['ego2global'] = 'lost'
    records[1]['lidar_sweeps'][6]['ego2global'] = None
    records[1]['lidar_sweeps'][7]['ego2global'] = (2 * np.eye(4)).tolist()
    lister = ScanLister()
    (sequence,) = mmdet3d_info_sequences(root, [write_infos(root / 'a.pkl', records)], lister)
    assert len(sequence.frames) == 27
    np.testing.assert_allclose(sequence.poses[-1], expected([0, 30])[1], atol=1e-4)
    assert lister.left_out[MISSING] == [root / 'sweeps/LIDAR_TOP' / name(3)]
    assert lister.left_out[NO_POSE] == [root / 'sweeps/LIDAR_TOP' / name(6)]
    assert [name(i) in fault for i, fault in zip((5, 7), lister.left_out[BROKEN_ROW], strict=True)] == [True, True]


def test_waymo_infos_are_split_by_segment_and_their_points_are_in_the_vehicles_axes(tmp_path):
    records = []
    for segment in 0, 1:
        for i in range(3):
            scan = f'0{segment:03d}{i:03d}.bin'
            put(tmp_path / 'training/velodyne' / scan)
            record = {'sample_idx': i, 'timestamp': T0 + 100_000 * i, 'ego2global': ego(i).tolist()}
            record |= {'context_name': f'{segment}_context', 'lidar_points': {'lidar_path': scan, 'num_pts_feats': 6}}
            records.append(record)
    info = write_infos(tmp_path / 'waymo.pkl', records, 'waymo')
    first, second = mmdet3d_info_sequences(tmp_path, [info], ScanLister())
    assert (first.sequence_id, second.sequence_id) == ('0_context', '1_context')
    assert second.frames == [f'training/velodyne/0001{i:03d}.bin' for i in range(3)]
    np.testing.assert_allclose(first.timestamps, [0, 0.1, 0.2], atol=1e-6)
    np.testing.assert_allclose(first.poses, expected(range(3), np.eye(4)), atol=1e-9)


def test_kitti_object_frames_of_infos_make_no_recording(tmp_path):
    for i in range(4):
        put(tmp_path / f'training/velodyne/{i:06d}.bin')
    records = [{'sample_idx': i, 'lidar_points': {'lidar_path': f'{i:06d}.bin'}} for i in range(4)]
    lister = ScanLister()
    info = write_infos(tmp_path / 'kitti.pkl', records, 'kitti')
    assert [len(sequence.frames) for sequence in mmdet3d_info_sequences(tmp_path, [info], lister)] == [1, 1, 1, 1]
    assert 'not recordings' in lister.notes[0]


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        ({'infos': [{}], 'metadata': {}}, r'mmdet3d 0\.x.*update_infos_to_v2'),
        ({'metainfo': {}, 'data_list': []}, 'no data_list'),
        ({'metainfo': {}, 'data_list': [{'images': {}}]}, 'no lidar scan in record 0'),
        (
            {'metainfo': {'dataset': 's3dis'}, 'data_list': [{'lidar_points': {'lidar_path': 'a.bin'}}]},
            'data set s3dis',
        ),
        (
            {'metainfo': {'dataset': 'kitti'}, 'data_list': [{'lidar_points': {'lidar_path': 'a.bin'}}]},
            'none of the scans',
        ),
        ({'metainfo': {}, 'data_list': [{'lidar_points': {'lidar_path': 3}}]}, 'no lidar scan'),
    ],
)
def test_other_info_files_are_refused_in_one_sentence(tmp_path, content, said):
    path = tmp_path / 'a.pkl'
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(SequenceIndexError, match=rf'(?=.*a\.pkl).*{said}'):
        list(mmdet3d_info_sequences(tmp_path, [path], ScanLister()))


def test_an_info_file_runs_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.write_text, (tmp_path / 'ran', 'x'))

    (tmp_path / 'a.pkl').write_bytes(pickle.dumps({'data_list': [Evil()]}))
    with pytest.raises(SequenceIndexError, match=r'a\.pkl is refused'):
        list(mmdet3d_info_sequences(tmp_path, [tmp_path / 'a.pkl'], ScanLister()))
    assert not (tmp_path / 'ran').exists()


def test_an_info_file_names_no_scan_outside_the_root(tmp_path):
    put(tmp_path / 'outside.bin')
    put(tmp_path / 'root/training/velodyne/x.bin')
    records = [{'lidar_points': {'lidar_path': '../../../outside.bin'}}]
    path = write_infos(tmp_path / 'a.pkl', records, 'kitti')
    (sequence,) = mmdet3d_info_sequences(tmp_path / 'root', [path], ScanLister())
    with pytest.raises(SequenceIndexError, match='leaves the root'):
        sequence.check()


def nuscenes_tables(root, num=31):
    """Write the tables that the development kit reads, of two scenes with a camera and a lidar."""
    quaternion = np.roll(Rotation.from_matrix(MOUNT[:3, :3]).as_quat(), 1).tolist()
    tables = {
        'sensor': [
            {'token': 'top', 'channel': 'LIDAR_TOP', 'modality': 'lidar'},
            {'token': 'cam', 'channel': 'CAM_FRONT', 'modality': 'camera'},
        ],
        'calibrated_sensor': [
            {'token': f'{sensor}_mount', 'sensor_token': sensor, 'rotation': quaternion, 'translation': [0.9, 0, 1.8]}
            for sensor in ('top', 'cam')
        ],
        'scene': [{'token': f's{k}', 'name': f'scene-{k:04d}', 'log_token': 'l'} for k in (2, 1)],
        'sample': [{'token': f'k{k}', 'scene_token': f's{k}', 'timestamp': T0} for k in (1, 2)],
        'sample_data': [],
        'ego_pose': [],
    }
    for i in reversed(range(num)):
        rotation = np.roll(Rotation.from_matrix(ego(i)[:3, :3]).as_quat(), 1).tolist()
        tables['ego_pose'].append({'token': f'e{i}', 'rotation': rotation, 'translation': ego(i)[:3, 3].tolist()})
        row = {'sample_token': f'k{1 + (i > 20)}', 'ego_pose_token': f'e{i}', 'timestamp': T0 + 50_000 * i}
        row |= {'is_key_frame': i % 10 == 0, 'token': f'd{i}', 'calibrated_sensor_token': 'top_mount'}
        folder = 'samples' if i % 10 == 0 else 'sweeps'
        tables['sample_data'].append({**row, 'filename': f'{folder}/LIDAR_TOP/{name(i)}'})
        tables['sample_data'].append({**row, 'filename': 'a.jpg', 'calibrated_sensor_token': 'cam_mount'})
    folder = root / 'v1.0-mini'
    folder.mkdir(parents=True)
    for table, rows in tables.items():
        (folder / f'{table}.json').write_text(json.dumps(rows))
    return nuscenes_root(root, num)


def test_nuscenes_tables_say_what_its_info_files_say(tmp_path):
    root = nuscenes_tables(tmp_path)
    lister = ScanLister()
    first, second = nuscenes_table_sequences(root, lister)
    assert (first.sequence_id, second.sequence_id) == ('scene-0001', 'scene-0002')
    assert [Path(frame).name for frame in first.frames + second.frames] == [name(i) for i in range(31)]
    np.testing.assert_allclose(first.poses, expected(range(21)), atol=1e-9)
    np.testing.assert_allclose(second.poses, expected(range(21, 31)), atol=1e-9)
    np.testing.assert_allclose(second.timestamps, 0.05 * np.arange(10), atol=1e-6)
    assert not lister.left_out
    keys = list(nuscenes_table_sequences(root, ScanLister(), 'v1.0-mini', with_sweeps=False))
    assert [len(sequence.frames) for sequence in keys] == [3, 1]


def test_tables_are_found_or_asked_for(tmp_path):
    root = nuscenes_tables(tmp_path)
    (root / 'v1.0-test').mkdir()
    (root / 'v1.0-test/sample_data.json').write_text('[{}]')
    with pytest.raises(SequenceIndexError, match=r'several versions: v1\.0-mini, v1\.0-test\. Choose one by --version'):
        list(nuscenes_table_sequences(root, ScanLister()))
    with pytest.raises(SequenceIndexError, match=r'v1\.0-trainval'):
        list(nuscenes_table_sequences(root, ScanLister(), 'v1.0-trainval'))
    for content in '{}', '[1]', 'x', '[' * 100_000, '[{"token": "a"}]':
        (root / 'v1.0-mini/scene.json').write_text(content)
        with pytest.raises(SequenceIndexError, match=r'scene\.json (cannot be read|is no list)'):
            list(nuscenes_table_sequences(root, ScanLister(), 'v1.0-mini'))


def test_the_development_kit_reads_the_same_poses(tmp_path):
    """Lyft's and nuScenes' kits multiply the same two motions; the kit's own function is the reference."""
    quaternion_of = pytest.importorskip('pyquaternion').Quaternion
    geometry = pytest.importorskip('nuscenes.utils.geometry_utils')
    nuscenes_tables(tmp_path)
    tables = {
        table: json.loads((tmp_path / f'v1.0-mini/{table}.json').read_text())
        for table in ('ego_pose', 'calibrated_sensor')
    }
    first, _ = nuscenes_table_sequences(tmp_path, ScanLister())
    egos = {row['token']: row for row in tables['ego_pose']}
    mount = tables['calibrated_sensor'][0]
    poses = [
        geometry.transform_matrix(row['translation'], quaternion_of(row['rotation']))
        @ geometry.transform_matrix(mount['translation'], quaternion_of(mount['rotation']))
        for row in (egos[f'e{i}'] for i in range(21))
    ]
    np.testing.assert_allclose(first.poses, np.linalg.inv(poses[0]) @ poses, atol=1e-9)


def once_root(root, below='data'):
    folder = root / below / '000027'
    frames = []
    for i in range(5):
        stamp = str(1_616_005_007_200 + 100 * i)
        if i != 3:
            put(folder / f'lidar_roof/{stamp}.bin')
        pose = [*Rotation.from_matrix(ego(i)[:3, :3]).as_quat(), *ego(i)[:3, 3]]
        frames.append({'sequence_id': '000027', 'frame_id': stamp, 'pose': pose})
    (folder / '000027.json').write_text(json.dumps({'meta_info': {}, 'calib': {}, 'frames': frames}))
    return folder


@pytest.mark.parametrize('below', ['data', 'train/data', 'raw_0/data'])
def test_once(tmp_path, below):
    once_root(tmp_path, below)
    lister = ScanLister()
    (sequence,) = once_sequences(tmp_path, lister)
    assert sequence.sequence_id == '000027'
    assert sequence.frames[0] == f'{below}/000027/lidar_roof/1616005007200.bin'
    np.testing.assert_allclose(sequence.timestamps, [0, 0.1, 0.2, 0.4], atol=1e-6)
    np.testing.assert_allclose(sequence.poses, expected([0, 1, 2, 4], np.eye(4)), atol=1e-9)
    assert len(lister.left_out[MISSING]) == 1


@pytest.mark.parametrize(
    'content', ['{"frames": 3}', '{', '[]', '{"frames": [{"frame_id": "now"}]}', '{"frames": [{}]}']
)
def test_a_broken_once_sequence_is_named(tmp_path, content):
    (once_root(tmp_path) / '000027.json').write_text(content)
    with pytest.raises(SequenceIndexError, match=r'000027\.json'):
        list(once_sequences(tmp_path, ScanLister()))


def kitti_360_root(root):
    """Write a drive whose poses begin at frame 1 and lack frame 3; returns camera to lidar and camera to body."""
    drive = '2013_05_28_drive_0000_sync'
    to_lidar, to_body = motion(0.3, -399.5, 1100.2), motion(-0.2, -399, 1100)
    for i in range(6):
        put(root / f'data_3d_raw/{drive}/velodyne_points/data/{i:010d}.bin')
    calibration = root / 'calibration'
    calibration.mkdir()
    (calibration / 'calib_cam_to_velo.txt').write_text(' '.join(map(repr, to_lidar[:3].ravel().tolist())))
    (calibration / 'calib_cam_to_pose.txt').write_text(
        'image_00: ' + ' '.join(map(repr, to_body[:3].ravel().tolist())) + '\nimage_01: ' + '0 ' * 12
    )
    poses = root / 'data_poses' / drive
    poses.mkdir(parents=True)
    turn = motion(0.01, 0, 0)[:3, :3]  # of the rectified camera, whose poses cam0_to_world.txt holds
    (calibration / 'perspective.txt').write_text(
        'calib_time: 01-Jan\nR_rect_00: ' + ' '.join(map(repr, turn.ravel().tolist())) + '\n'
    )
    rectified = to_body.copy()
    rectified[:3, :3] = to_body[:3, :3] @ turn.T
    for file, of, rows in ('cam0_to_world.txt', rectified, 4), ('poses.txt', np.eye(4), 3):
        lines = [f'{i} ' + ' '.join(map(repr, (ego(i) @ of)[:rows].ravel().tolist())) for i in (1, 2, 4, 5)]
        (poses / file).write_text('\r\n'.join(lines) + '\r\n')
    return to_lidar, to_body, poses


@pytest.mark.parametrize('file', ['cam0_to_world.txt', 'poses.txt'])
def test_kitti_360_poses_are_found_by_the_numbers_of_the_frames(tmp_path, file):
    to_lidar, to_body, folder = kitti_360_root(tmp_path)
    for other in folder.iterdir():
        if other.name != file:
            other.unlink()
    lister = ScanLister()
    (sequence,) = kitti_360_sequences(tmp_path, lister)
    assert [frame[-5:] for frame in sequence.frames] == ['1.bin', '2.bin', '4.bin', '5.bin']
    np.testing.assert_allclose(sequence.poses, expected([1, 2, 4, 5], to_body @ np.linalg.inv(to_lidar)), atol=1e-7)
    assert [path.name[-5:] for path in lister.left_out[NO_POSE]] == ['0.bin', '3.bin']


def test_a_broken_pose_of_kitti_360_leaves_out_its_frame(tmp_path):
    *_, folder = kitti_360_root(tmp_path)
    path = folder / 'poses.txt'
    lines = path.read_text().split('\n')
    path.write_text('\n'.join([lines[0], '2 nan' + ' 0' * 11, *lines[2:]]))
    lister = ScanLister()
    (sequence,) = kitti_360_sequences(tmp_path, lister)
    assert [frame[-5:] for frame in sequence.frames] == ['1.bin', '4.bin', '5.bin']
    (sequence,) = kitti_360_sequences(tmp_path, ScanLister(), with_poses=False)
    assert len(sequence.frames) == 6


def test_real_scans_of_nuscenes_overlap_best_where_their_poses_put_them(real_data):
    root = real_data / 'mmdet3d_samples/nuscenes'
    (sequence,) = mmdet3d_info_sequences(root, [root / 'nus_info.pkl'], ScanLister(load_dim=None))
    assert len(sequence.frames) == 2
    first, second = (np.fromfile(root / frame, '<f4').reshape(-1, 5)[:, :3] for frame in sequence.frames)
    tree = cKDTree(first)

    def overlap(pose):
        return float((tree.query(second @ pose[:3, :3].T + pose[:3, 3])[0] < 0.3).mean())

    aligned = overlap(sequence.poses[1])
    moved = sequence.poses[1].copy()
    moved[:3, 3] += (0.5, 0.5, 0)
    assert aligned > 0.9
    assert aligned > overlap(moved) + 0.02
