"""Frames as arrays: every path comes back unchanged, from memory and from the file, and no file is trusted."""

from __future__ import annotations

import json
import os
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strl_mmdet3d.datasets import FrameSequence, SequenceIndexError, TemporalPairDataset, write_sequence_index
from strl_mmdet3d.datasets import frame_table as module
from strl_mmdet3d.datasets.frame_table import FrameTable, as_arrays, read_frame_table, write_frame_table

names = st.text(st.characters(codec='utf-8', exclude_characters='\0/\\:'), min_size=1, max_size=8).filter(
    lambda name: '..' not in name
)
paths = st.lists(names, min_size=1, max_size=3).map('/'.join)


@settings(max_examples=200, deadline=None)
@given(frames=st.lists(st.lists(paths, min_size=1, max_size=6), min_size=1, max_size=4))
def test_every_path_comes_back(frames):
    sequences = [FrameSequence(f'é{number}', of_one) for number, of_one in enumerate(frames)]
    table = FrameTable(as_arrays(sequences))
    assert len(table) == sum(map(len, frames))
    assert [table.sequence_id(s) for s in range(table.num_sequences)] == [one.sequence_id for one in sequences]
    for s, of_one in enumerate(frames):
        assert [table.frame(s, number) for number in range(len(of_one))] == of_one


def drive(number: int, length: int, posed: bool) -> FrameSequence:
    poses = np.tile(np.eye(4), (length, 1, 1)) if posed else None
    if posed:
        poses[:, 0, 3] = np.arange(length)
    return FrameSequence(f'drive_{number}', [f'{number}/data/{n:010d}.bin' for n in range(length)], poses=poses)


@pytest.fixture
def large(tmp_path, monkeypatch):
    """An index that counts as large, with its arrays beside it; the second sequence has no poses."""
    monkeypatch.setattr(module, 'MIN_FRAMES_FOR_FILE', 10)
    sequences = [drive(0, 7, True), drive(1, 5, False)]
    return tmp_path / 'sequences.json', write(tmp_path / 'sequences.json', sequences)


def write(path, sequences):
    write_sequence_index(path, dict(load_dim=4), sequences)
    write_frame_table(path, dict(load_dim=4), sequences)
    return sequences


def beside(path):
    return path.with_name(f'{path.name}.npz')


def without_parsing(monkeypatch):
    """Fail if the JSON is parsed."""
    monkeypatch.setattr(module, 'read_sequence_index', lambda path: pytest.fail('the JSON was parsed'))


def test_the_file_gives_what_the_json_gives(large, monkeypatch):
    path, sequences = large
    beside(path).rename(path.with_name('kept'))
    _, parsed = read_frame_table(path)
    path.with_name('kept').rename(beside(path))
    without_parsing(monkeypatch)
    metainfo, mapped = read_frame_table(path)
    assert metainfo['load_dim'] == 4
    for table in (parsed, mapped):
        for s, sequence in enumerate(sequences):
            assert [table.frame(s, n) for n in range(len(sequence.frames))] == sequence.frames
        assert np.array_equal(table.poses[:7], sequences[0].poses)
        assert np.isnan(table.poses[7:]).all()
        assert table.intrinsics is None


def test_names_that_differ_within_a_character_come_back_from_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(module, 'MIN_FRAMES_FOR_FILE', 1)
    for number, frames in enumerate([['\uff11.bin', '\uff12.bin'], ['é/1.bin', 'è/1.bin'], ['a\u00e90', 'a\u00e91']]):
        path = tmp_path / f'{number}.json'
        write(path, [FrameSequence('s', frames)])
        monkeypatch.setattr(module, 'read_sequence_index', None)  # the JSON is not read
        _, table = read_frame_table(path)
        assert [table.frame(0, place) for place in range(2)] == frames


def test_the_file_is_mapped_not_read(large):
    _, table = read_frame_table(large[0])
    assert isinstance(table.poses, np.memmap)
    assert not table.poses.flags.writeable


def test_a_small_index_has_no_file_and_removes_that_of_a_larger_one(large):
    path, _ = large
    assert beside(path).is_file()
    write(path, [drive(0, 3, False)])
    assert not beside(path).exists()
    assert len(read_frame_table(path)[1]) == 3


def test_an_index_that_was_changed_by_hand_is_parsed(large):
    path, _ = large
    text = path.read_text().replace('drive_1', 'drive_9')
    path.write_text(text)
    os.utime(path, ns=(0, 0))
    assert read_frame_table(path)[1].sequence_id(1) == 'drive_9'


def rewrite(path, **changes):
    """Replace arrays in the file beside an index."""
    with np.load(beside(path)) as arrays:
        np.savez(beside(path), **{**arrays, **changes})


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        (dict(prefixes=np.array([b'../', b'1/'])), 'leaves the root'),
        (dict(prefixes=np.array([b'/etc/', b'1/'])), 'leaves the root'),
        (dict(prefixes=np.array([b's', b'1/']), suffixes=np.array([b':/x', b'.bin'])), 'leaves the root'),
        (dict(middles=np.array([b'../../x'] * 12)), 'leaves the root'),
        (dict(starts=np.array([0, 7, 13])), 'do not cover'),
        (dict(starts=np.array([0, 12, 12])), 'do not cover'),
        (dict(starts=np.array([1, 7, 12])), 'do not cover'),
        (dict(poses=np.zeros((3, 4, 4))), 'shape'),
        (dict(suffixes=np.array([b'.bin'])), 'shape'),
        (dict(metainfo=np.frombuffer(b'{', np.uint8)), 'cannot be used'),
        (dict(starts=np.array([0.0, 7, 12])), 'starts has the type float64'),
        (dict(middles=np.arange(12)), 'middles has the type int64'),
        (dict(sequence_ids=np.array([b's', b's'])), 'same name'),
        (dict(sequence_ids=np.array([b's', b's\n'])), 'control character'),
        (dict(prefixes=np.array([b'a\n', b'1/'])), 'control character'),
        (dict(intrinsics=np.zeros((2, 3, 3))), 'not the matrices of cameras'),
        (dict(metainfo=np.frombuffer(b'{"load_dim": 1}', np.uint8)), 'load_dim'),
    ],
)
def test_arrays_that_do_not_fit_or_leave_the_root_are_refused(large, changes, said):
    rewrite(large[0], **changes)
    with pytest.raises(SequenceIndexError, match=said):
        read_frame_table(large[0])


class Bomb:
    def __reduce__(self):
        return os.mkdir, ('unpickled',)


@pytest.mark.parametrize('damage', ['truncated', 'empty', 'pickled array', 'pickle', 'compressed'])
def test_damaged_files_are_refused_by_name_and_nothing_is_unpickled(large, damage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, _ = large
    file = beside(path)
    if damage == 'truncated':
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif damage == 'empty':
        file.write_bytes(b'')
    elif damage == 'pickled array':
        rewrite(path, poses=np.array([Bomb()] * 12, dtype=object))
    elif damage == 'pickle':
        file.write_bytes(pickle.dumps(Bomb()))
    else:
        with np.load(file) as arrays:
            np.savez_compressed(file, **arrays)
    with pytest.raises(SequenceIndexError, match=file.name):
        read_frame_table(path)
    assert not (tmp_path / 'unpickled').exists()


def test_a_dataset_of_the_file_is_that_of_the_json(large, tmp_path, monkeypatch):
    path, sequences = large
    for sequence in sequences:
        for frame in sequence.frames:
            (tmp_path / frame).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / frame).touch()
    arguments = dict(ann_file=str(path), data_root=str(tmp_path), pipeline=[lambda pair: pair], window=3)
    beside(path).rename(path.with_name('kept'))
    parsed = TemporalPairDataset(**arguments)
    expected = [parsed[item] for item in range(len(parsed))]
    path.with_name('kept').rename(beside(path))
    without_parsing(monkeypatch)
    mapped = TemporalPairDataset(**arguments)
    assert [mapped[item] for item in range(len(mapped))] == expected
    with pytest.raises(SequenceIndexError, match="'drive_1' has no poses"):
        TemporalPairDataset(**arguments, align_poses=True)


def test_a_pose_that_was_forged_there_is_skipped(large, tmp_path):
    path, sequences = large
    poses = np.tile(np.eye(4), (12, 1, 1))
    poses[2], poses[3, 0, 3], poses[4] = 0, np.nan, np.diag([2, 2, 2, 1])
    rewrite(path, poses=poses)
    for sequence in sequences:
        for frame in sequence.frames:
            (tmp_path / frame).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / frame).touch()
    dataset = TemporalPairDataset(str(path), str(tmp_path), [lambda pair: pair], align_poses=True, max_refetch=99)
    skipped = [record for item in range(12) for record in dataset[item]['view_1']['skipped']]
    assert {record['frame_path'] for record in skipped} == {sequences[0].frames[n] for n in (2, 3, 4)}
    assert all('not a rotation and a translation' in record['reason'] for record in skipped)


def test_a_pipe_beside_an_index_is_not_opened(large):
    beside(large[0]).unlink()
    os.mkfifo(beside(large[0]))
    with pytest.raises(SequenceIndexError, match=r'json\.npz cannot be used.*not a regular file'):
        read_frame_table(large[0])


def test_one_long_path_that_widens_all_of_an_index_is_refused(large, monkeypatch):
    def no_memory(_):
        raise MemoryError

    beside(large[0]).unlink()
    monkeypatch.setattr(module, 'as_arrays', no_memory)
    with pytest.raises(SequenceIndexError, match=r'sequences\.json does not fit into the memory'):
        read_frame_table(large[0])


def test_the_tool_writes_it(tmp_path, monkeypatch):
    import create_sequence_index

    monkeypatch.setattr(module, 'MIN_FRAMES_FOR_FILE', 3)
    (tmp_path / 'a').mkdir()
    for number in range(4):
        np.zeros((5, 4), np.float32).tofile(tmp_path / 'a' / f'{number}.bin')
    out = tmp_path / 'sequences.json'
    create_sequence_index.main(['folder', '--root', str(tmp_path), '--out', str(out), '--load-dim', '4'])
    assert zipfile.is_zipfile(beside(out))
    assert json.loads(out.read_text())['metainfo']['num_frames'] == 4
    without_parsing(monkeypatch)
    assert [read_frame_table(out)[1].frame(0, number) for number in range(4)] == [f'a/{n}.bin' for n in range(4)]
