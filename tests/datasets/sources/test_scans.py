from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strl_mmdet3d.datasets.sequence_index import SequenceIndexError
from strl_mmdet3d.datasets.sources.folder import folder_sequences
from strl_mmdet3d.datasets.sources.scans import ScanLister, natural_key


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
