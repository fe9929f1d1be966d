from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strl_mmdet3d.datasets.readers.lidar_scan import LidarScan
from strl_mmdet3d.datasets.sequence_index import SequenceIndexError
from strl_mmdet3d.datasets.sources.frame_order import natural_key
from strl_mmdet3d.datasets.sources.lidar.folder import folder_sequences
from strl_mmdet3d.datasets.sources.lidar.kitti_raw import kitti_raw_sequences
from strl_mmdet3d.datasets.sources.lidar.scan_columns import ScanColumns, intensity_scale
from strl_mmdet3d.datasets.sources.lidar.scans import ScanLister


def test_natural_order_by_hand():
    names = ['10.bin', '9.bin', 'a2b10', 'a2b9', 'a10b1', '009.bin', 'a', '']
    assert sorted(names, key=natural_key) == ['', '009.bin', '9.bin', '10.bin', 'a', 'a2b9', 'a2b10', 'a10b1']


@given(st.lists(st.integers(0, 10**12), unique=True))
def test_numbers_are_ordered_by_value(numbers):
    names = sorted((f'scan_{number}.bin' for number in numbers), key=natural_key)
    assert names == [f'scan_{number}.bin' for number in sorted(numbers)]


@given(st.lists(st.text('01a.', max_size=5), max_size=10), st.randoms(use_true_random=False))
def test_the_order_of_names_is_total(names, rng):
    shuffled = rng.sample(names, len(names))
    assert sorted(shuffled, key=natural_key) == sorted(names, key=natural_key)


def make_scans(folder, sizes):
    folder.mkdir(parents=True, exist_ok=True)
    for name, size in sizes.items():
        (folder / name).write_bytes(bytes(size))


def test_key_frames_are_every_nth_in_numeric_order(tmp_path):
    make_scans(tmp_path, {f'{i}.bin': 16 for i in range(12)} | {'notes.txt': 3, '._5.bin': 4096})
    (tmp_path / 'folder.bin').mkdir()
    assert ScanLister(key_frame_every=5).key_frames(tmp_path) == ['0.bin', '5.bin', '10.bin']
    assert ScanLister().key_frames(tmp_path) == [f'{i}.bin' for i in range(12)]


@pytest.mark.parametrize(('size', 'what'), [(17, 'truncated'), (20, 'truncated'), (0, 'empty')])
def test_a_truncated_key_frame_is_named_or_left_out(tmp_path, size, what):
    make_scans(tmp_path, {'0.bin': 32, '1.bin': size, '2.bin': 16})
    with pytest.raises(SequenceIndexError, match=rf'1\.bin is {what}.*--skip-truncated'):
        ScanLister().key_frames(tmp_path)
    lister = ScanLister(skip_truncated=True)
    assert lister.key_frames(tmp_path) == ['0.bin', '2.bin']
    assert lister.truncated == [tmp_path / '1.bin']


def test_load_dim_decides_what_is_whole(tmp_path):
    make_scans(tmp_path, {'0.pcd.bin': 20})
    assert ScanLister(load_dim=5, ext='.pcd.bin').key_frames(tmp_path) == ['0.pcd.bin']
    with pytest.raises(SequenceIndexError, match='truncated'):
        ScanLister(load_dim=4).key_frames(tmp_path)


@pytest.mark.parametrize('setting', [{'load_dim': 2}, {'key_frame_every': 0}])
def test_settings_are_checked(setting):
    with pytest.raises(SequenceIndexError, match='at least'):
        ScanLister(**setting)


def test_each_folder_with_scans_is_a_sequence(tmp_path):
    for folder in ('s10', 's9', 's9/part'):
        make_scans(tmp_path / folder, {'10.bin': 16, '9.bin': 16})
    make_scans(tmp_path / 'empty', {'readme.txt': 1})
    sequences = list(folder_sequences(tmp_path, ScanLister()))
    assert [s.sequence_id for s in sequences] == ['s9', 's9/part', 's10']
    assert sequences[0].frames == ['s9/9.bin', 's9/10.bin']
    assert sequences[0].poses is None


def test_scans_in_the_root_are_a_sequence(tmp_path):
    make_scans(tmp_path, {'0.bin': 16})
    (sequence,) = folder_sequences(tmp_path, ScanLister())
    assert (sequence.sequence_id, sequence.frames) == ('.', ['0.bin'])
    sequence.check()


def test_links_are_followed_but_not_in_circles(tmp_path):
    make_scans(tmp_path / 'elsewhere', {'0.bin': 16})
    root = tmp_path / 'root'
    root.mkdir()
    (root / 'linked').symlink_to(tmp_path / 'elsewhere')
    (tmp_path / 'elsewhere/back').symlink_to(root)
    assert [s.frames for s in folder_sequences(root, ScanLister())] == [['linked/0.bin']]


def test_a_missing_root_is_named(tmp_path):
    with pytest.raises(SequenceIndexError, match='nowhere'):
        list(folder_sequences(tmp_path / 'nowhere', ScanLister()))


def test_dead_links_are_missing_frames(tmp_path):
    """8 of 12 links point nowhere; so does a folder."""
    make_scans(tmp_path / 'elsewhere', {f'{i}.bin': 16 for i in range(4)})
    root = tmp_path / 'root'
    root.mkdir()
    for i in range(12):
        (root / f'{i}.bin').symlink_to(tmp_path / f'elsewhere/{i}.bin')
    (root / 'drive').symlink_to(tmp_path / 'no/such/disk')
    (root / 'readme.txt').symlink_to(tmp_path / 'nowhere.txt')
    lister = ScanLister()
    (sequence,) = folder_sequences(root, lister)
    assert sequence.frames == [f'{i}.bin' for i in range(4)]
    missing = lister.left_out['missing, behind a dead link']
    assert sorted(path.name for path in missing) == sorted([*(f'{i}.bin' for i in range(4, 12)), 'drive'])


def test_links_are_followed_at_each_level_of_a_layout(tmp_path):
    make_scans(tmp_path / 'disk/data', {f'{i:010d}.bin': 16 for i in range(2)})
    drive = tmp_path / 'root/2011_09_26/2011_09_26_drive_0001_sync'
    (drive / 'velodyne_points').mkdir(parents=True)
    (drive / 'velodyne_points/data').symlink_to(tmp_path / 'disk/data')
    (drive.parent / '2011_09_26_drive_0002_sync').symlink_to(drive)
    (drive.parent / '2011_09_26_drive_0003_sync').symlink_to(tmp_path / 'nowhere')
    (tmp_path / 'root/2011_09_28').symlink_to(drive.parent)
    lister = ScanLister()
    assert len(list(kitti_raw_sequences(tmp_path / 'root', lister))) == 4
    missing = lister.left_out['missing, behind a dead link']
    assert [path.name for path in missing] == ['2011_09_26_drive_0003_sync'] * 2


def write_points(folder, number, columns, name='{}.bin'):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(number):
        rng = np.random.default_rng(i)
        xyz = rng.uniform((-50, -30, -2), (50, 30, 1), (480, 3))
        points = np.column_stack([xyz, rng.integers(0, 256, 480), np.arange(480) % 32, np.zeros(480)])[:, :columns]
        path = folder / name.format(i)
        points = points.astype(np.float32)
        np.save(path, points) if path.suffix == '.npy' else points.tofile(path)


@pytest.mark.parametrize(('columns', 'names'), [(3, []), (4, ['intensity']), (5, ['intensity', 'ring'])])
def test_the_width_is_found_and_stated(tmp_path, columns, names):
    """480 points of any of these widths are whole points of the others, too."""
    write_points(tmp_path / 's', 3, columns)
    lister = ScanLister(load_dim=None)
    assert len(lister.key_frames(tmp_path / 's')) == 3
    facts = dict(load_dim=columns, columns=['x', 'y', 'z', *names], **({'intensity_max': 255.0} if names else {}))
    assert lister.facts() == facts
    said = ' '.join([*lister.notes, *lister.describe_points()])
    assert ('intensity_scale=1 / 255' in said) == bool(names)
    assert ('no column of intensities is known' in said) == (not names)


@pytest.mark.parametrize('given', [4, 6])
def test_a_given_width_that_does_not_fit_is_refused(tmp_path, given):
    write_points(tmp_path, 3, 5)
    with pytest.raises(
        SequenceIndexError, match=rf'0\.bin has 5 values per point, not load_dim={given}.* --load-dim 5'
    ):
        ScanLister(load_dim=given).key_frames(tmp_path)


def test_one_damaged_frame_does_not_decide_the_width(tmp_path):
    write_points(tmp_path, 4, 5)
    (tmp_path / '0.bin').write_bytes(bytes(20))
    write_points(tmp_path, 1, 4, name='00.bin')
    lister = ScanLister(load_dim=5)
    assert len(lister.key_frames(tmp_path)) == 5
    assert lister.facts()['columns'] == ['x', 'y', 'z', 'intensity', 'ring']


def test_folders_of_different_widths_are_refused(tmp_path):
    write_points(tmp_path / 'a', 2, 4)
    write_points(tmp_path / 'b', 2, 5)
    with pytest.raises(SequenceIndexError, match=r'b.0\.bin has 5 values .*, such as .*a.0\.bin, have 4'):
        list(folder_sequences(tmp_path, ScanLister(load_dim=None)))


def test_a_width_in_doubt_is_asked_for(tmp_path):
    for i in range(3):
        np.random.default_rng(i).normal(size=1200).astype(np.float32).tofile(tmp_path / f'{i}.bin')
    with pytest.raises(SequenceIndexError, match=r'0\.bin does not tell how many values a point has. Set --load-dim'):
        ScanLister(load_dim=None).key_frames(tmp_path)
    assert len(ScanLister(load_dim=4).key_frames(tmp_path)) == 3


def test_the_end_of_the_names_is_found(tmp_path):
    write_points(tmp_path / 'npy', 2, 4, '{}.npy')
    assert ScanLister(None, ext=None).key_frames(tmp_path / 'npy') == ['0.npy', '1.npy']
    (tmp_path / 'npy/0.pcd').write_bytes(b'# .PCD v0.7\n')
    with pytest.raises(
        SequenceIndexError, match=r'scans end in \.npy \(in .*\), \.pcd \(in .*\)\. Choose one by --ext'
    ):
        ScanLister(None, ext=None).key_frames(tmp_path / 'npy')
    write_points(tmp_path / 'npy', 2, 4)  # plain scans come first
    assert ScanLister(None, ext=None).key_frames(tmp_path / 'npy') == ['0.bin', '1.bin']
    assert ScanLister(None, ext=None).key_frames(tmp_path) == []


def test_formats_that_are_not_read_are_named(tmp_path):
    for name in ('a.db3', 'b.db3', 'c.tfrecord', 'd.txt'):
        (tmp_path / name).write_bytes(b'x')
    lister = ScanLister(None, ext=None)
    assert lister.key_frames(tmp_path) == []
    said = sorted(lister.describe_foreign())
    assert len(said) == 2
    assert said[0].startswith(f'{tmp_path}/a.db3 is not read: tools/convert_bags.py')
    assert said[1].startswith(f'{tmp_path}/c.tfrecord is not read: mmdet3d')
    with pytest.raises(SequenceIndexError, match=r'^\.db3 files are not read: tools/convert_bags\.py'):
        ScanLister(ext='.db3')


@pytest.mark.parametrize(
    ('values', 'scale'),
    [
        (np.linspace(0, 0.99, 500), 1),
        (np.r_[np.linspace(0, 1, 500), 27], 1),  # one reflector, as in Waymo
        (np.zeros(9), 1),
        (np.arange(256), 255),
        (np.r_[np.zeros(999), 234], 255),  # dark, but whole numbers
        (np.linspace(0, 65535, 9), 65535),
        (np.linspace(0, 1e6, 9), 1e6),
        (np.full(9, np.nan), 1),
    ],
)
def test_the_scale_of_intensities(values, scale):
    assert intensity_scale(values.astype(np.float32)) == scale


def test_columns_that_folders_do_not_share_lose_their_name():
    columns = ScanColumns()
    records = np.ones((5, 5), np.float32)
    for names in (('x', 'y', 'z', 'intensity', 'ring'), ('x', 'y', 'z', 'intensity', 'column 4')):
        columns._add(LidarScan(records, names, 0, 0, (0.0, 0.0, 0.0), False), 'a.bin')
    assert columns.facts()['columns'] == ['x', 'y', 'z', 'intensity', 'column 4']
    with pytest.raises(SequenceIndexError, match=r'b\.pcd has the columns x, y, z, ring, but a\.bin has x, y, z'):
        columns._add(LidarScan(records, ('x', 'y', 'z', 'ring'), 0, 0, (0.0, 0.0, 0.0), True), 'b.pcd')


@pytest.mark.parametrize('beside', ['calib.npz', 'a/map.npy', 'sequences.json.npz'])
def test_a_file_of_another_format_in_the_first_folder_is_no_scan(tmp_path, beside):
    """The end of the names is that of all folders, and what is not taken is named; but for the table of an index."""
    write_points(tmp_path / 'lidar', 3, 4)
    (tmp_path / 'a').mkdir()
    (tmp_path / beside).write_bytes(b'no scan')
    lister = ScanLister(None, ext=None)
    (sequence,) = folder_sequences(tmp_path, lister)
    assert sequence.frames == [f'lidar/{i}.bin' for i in range(3)]
    said = [note for note in lister.notes if 'are not taken: the scans end in .bin' in note]
    assert len(said) == (not beside.endswith('.json.npz'))


def test_scans_of_two_formats_in_two_folders_are_told(tmp_path):
    write_points(tmp_path / 'a', 2, 4, '{}.npy')
    write_points(tmp_path / 'b', 2, 4, '{}.npz')
    with pytest.raises(SequenceIndexError, match=r'scans end in \.npy \(in .*/a\), \.npz \(in .*/b\)'):
        list(folder_sequences(tmp_path, ScanLister(None, ext=None)))


def test_a_stray_plain_file_does_not_replace_the_scans(tmp_path):
    for drive in ('a', 'b'):
        write_points(tmp_path / drive, 3, 4, '{}.npy')
    write_points(tmp_path / 'z_model', 1, 4, 'weights.bin')
    lister = ScanLister(None, ext=None)
    assert [sequence.sequence_id for sequence in folder_sequences(tmp_path, lister)] == ['a', 'b']
    assert 'files that end in .bin, such as those in' in ''.join(lister.notes)
