from __future__ import annotations

import json
import os
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from strl_mmdet3d.datasets.sequence_index import (
    FORMAT_VERSION,
    FrameSequence,
    SequenceIndexError,
    read_sequence_index,
    write_sequence_index,
)


def poses(n):
    matrices = np.tile(np.eye(4), (n, 1, 1))
    matrices[:, :3, :3] = Rotation.random(n, random_state=0).as_matrix()
    matrices[:, :3, 3] = np.random.default_rng(0).normal(0, 1e3, (n, 3))
    return matrices


SEQUENCES = [
    FrameSequence('a', ['a/0.bin', 'a/1.bin'], poses(2), np.array([0.0, 0.1000000001])),
    FrameSequence('b/ü', ['b/ü/x y.bin']),
    FrameSequence(
        'c', ['c/0.png'], poses(1), intrinsics=np.array([[577.87, 0.0, 319.5], [0, 577.88, 239.5], [0, 0, 1]])
    ),
]


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / 'new' / 'index.json'
    write_sequence_index(path, {'source': 'folder', 'load_dim': 4}, SEQUENCES)
    metainfo, sequences = read_sequence_index(path)
    assert metainfo == {
        'format_version': FORMAT_VERSION,
        'source': 'folder',
        'load_dim': 4,
        'num_sequences': 3,
        'num_frames': 4,
        'num_sequences_with_poses': 2,
    }
    for written, read in zip(SEQUENCES, sequences, strict=True):
        assert (read.sequence_id, read.frames) == (written.sequence_id, written.frames)
        np.testing.assert_array_equal(read.poses, written.poses)  # to the last bit of a float64
        np.testing.assert_array_equal(read.timestamps, written.timestamps)
        np.testing.assert_array_equal(read.intrinsics, written.intrinsics)


def test_the_file_has_the_shared_layout(tmp_path):
    write_sequence_index(tmp_path / 'index.json', {}, SEQUENCES)
    index = json.loads((tmp_path / 'index.json').read_text())
    assert set(index) == {'metainfo', 'data_list'}
    assert index['data_list'][1] == {'sequence_id': 'b/ü', 'frames': ['b/ü/x y.bin']}
    assert np.shape(index['data_list'][0]['poses']) == (2, 4, 4)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / 'index.json'
    write_sequence_index(path, {}, SEQUENCES)
    before = path.read_bytes()
    monkeypatch.setattr(FrameSequence, 'to_json', lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_sequence_index(path, {}, SEQUENCES)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def write_raw(path, **columns):
    sequence = {'sequence_id': 's', 'frames': ['0.bin', '1.bin'], **columns}
    path.write_text(json.dumps({'metainfo': {}, 'data_list': [sequence]}))
    return path


@pytest.mark.parametrize(
    'frame',
    [
        *('/etc/passwd', '//host/x.bin', '../x.bin', 'a/../../x.bin', 'a/..', '..', 'ü/../x', 'a\0b'),
        *('..\\x.bin', 'a\\..\\..\\x', '\\x.bin', 'C:\\x.bin', 'C:x.bin'),
        *('s3://x', 'http://host/x', 'a/x:http://host/x', 'a+b://x', 'file:x'),
    ],
)
def test_a_path_must_not_leave_the_root(tmp_path, frame):
    with pytest.raises(SequenceIndexError, match='leaves the root'):
        read_sequence_index(write_raw(tmp_path / 'index.json', frames=['ok.bin', frame]))
    with pytest.raises(SequenceIndexError, match='leaves the root'):
        write_sequence_index(tmp_path / 'out.json', {}, [FrameSequence('s', [frame])])


@pytest.mark.parametrize(
    'frame',
    [
        *('a/..b/c.bin', 'a..b', '...', 'a/b..bin', '.hidden/x.bin', 'drive (1)/0.bin'),
        *('a/10:30.bin', 'a/b\\c', 'tür/x', '10:11:12/0.bin', '$x/${y}/{{$z}}.bin', ' a b /0.bin'),
    ],
)
def test_what_only_looks_like_it_is_fine(tmp_path, frame):
    _, (sequence,) = read_sequence_index(write_raw(tmp_path / 'index.json', frames=[frame]))
    assert sequence.frames == [frame]


@given(st.lists(st.sampled_from(['..', '.', '', 'a', 'b..', '...', '\n', 'ü']), min_size=1, max_size=6).map('/'.join))
@settings(max_examples=200, deadline=None)
def test_an_accepted_path_stays_below_the_root(path):
    try:
        FrameSequence('s', [path]).check()
    except SequenceIndexError:
        assert not path or path.startswith('/') or '..' in path.split('/') or '\n' in path
    else:
        assert os.path.commonpath(['/root', os.path.normpath(f'/root/{path}')]) == '/root'


@pytest.mark.parametrize(
    ('columns', 'message'),
    [
        ({'frames': []}, 'no frames'),
        ({'frames': 'abc'}, 'no frames'),
        ({'frames': [1]}, 'path is expected'),
        ({'frames': ['0.bin', '']}, 'path is expected'),
        ({'frames': ['0.bin', 'x' * 10**6]}, "frame of 1000000 characters, 'xxx"),
        ({'sequence_id': '\ud800'}, 'surrogate'),
        ({'sequence_id': 'a\n2026/01/01 00:00:00 - mmengine - ERROR - forged'}, 'control character'),
        ({'frames': ['0.bin', '\x1b[31m.bin']}, 'control character'),
        ({'frames': ['0.bin', 'a\u202e.bin']}, 'control character'),
        ({'frames': ['0.bin', '1.bin', '0.bin']}, "frame '0.bin' twice"),
        ({'timestamps': ['0', '1']}, 'other than numbers'),
        ({'timestamps': [True, False]}, 'other than numbers'),
        ({'sequence_id': 'x' * 10**6}, 'string of 1 to 4096 characters'),
        ({'sequence_id': ''}, 'sequence_id'),
        ({'timestamps': [0.0]}, r'shape \(1,\)'),
        ({'timestamps': [0.0, float('nan')]}, 'NaN'),
        ({'poses': [np.eye(4).tolist()]}, r'shape \(1, 4, 4\)'),
        ({'intrinsics': [500, 500, 320, 240]}, r'shape \(4,\)'),
        ({'intrinsics': [[0, 0, 320], [0, 500, 240], [0, 0, 1]]}, 'not .*fx and fy above 0'),  # singular
        ({'intrinsics': [[500, 0, float('inf')], [0, 500, 240], [0, 0, 1]]}, 'Inf'),
        ({'intrinsics': [[500, 0, 0], [0, 500, 0], [320, 240, 1]]}, 'not .*fx and fy above 0'),  # transposed
        ({'intrinsics': [[1e30, 0, 320], [0, 500, 240], [0, 0, 1]]}, 'not .*fx and fy above 0'),
        ({'intrinsics': [[500, 0, 320], [0, 500, 240], [0, 0, 2]]}, 'not .*fx and fy above 0'),
        ({'poses': [[1, 2], [3]]}, 'ragged'),
        ({'poses': 'abc'}, 'ragged'),
        ({'timestamps': [0, 10**400]}, 'ragged'),  # an integer beyond float64
        ({'poses': np.full((2, 4, 4), 1e300).tolist()}, 'not a rotation'),
        ({'poses': (np.eye(4) + np.outer([1e9, 0, 0, 0], [0, 0, 0, 1]) * np.ones((2, 1, 1))).tolist()}, r'1e\+08 m'),
        ({'poses': (2 * np.eye(4) * np.ones((2, 1, 1))).tolist()}, 'not a rotation'),
        ({'poses': (np.diag([1, 1, -1, 1]) * np.ones((2, 1, 1))).tolist()}, 'not a rotation'),  # a mirror
        ({'poses': (np.diag([1, 1, 1, 2]) * np.ones((2, 1, 1))).tolist()}, 'not a rotation'),
    ],
)
def test_a_column_that_does_not_fit_is_named(tmp_path, columns, message):
    with pytest.raises(SequenceIndexError, match=message) as error:
        read_sequence_index(write_raw(tmp_path / 'index.json', **columns))
    assert 'index.json' in str(error.value)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"data_list": [', 'not a readable'),
        ('[]', 'no data_list'),
        ('{"metainfo": {}}', 'no data_list'),
        ('{"metainfo": {}, "data_list": []}', 'lists no sequence'),
        ('{"metainfo": {"format_version": 99}, "data_list": []}', 'format 99'),
        ('{"metainfo": [1], "data_list": [3]}', 'no metainfo'),
        ('{"metainfo": null, "data_list": [3]}', 'no metainfo'),
        ('{"metainfo": {}, "data_list": [], "data_list": [3]}', 'repeats one of them'),
        ('{"data_list": [{"sequence_id": "s", "frames": ["a"]}, {"sequence_id": "s", "frames": ["b"]}]}', "name 's'"),
        ('[' * 10**5, 'not a readable'),
        ('{"metainfo": {"load_dim": "4"}, "data_list": [3]}', "load_dim '4'"),
        ('{"data_list": [3]}', 'sequence is expected'),
        ('{"data_list": [{"frames": ["a"]}]}', 'missing'),
    ],
)
def test_a_file_that_is_no_index_is_named(tmp_path, text, message):
    path = tmp_path / 'index.json'
    path.write_text(text)
    with pytest.raises(SequenceIndexError, match=message) as error:
        read_sequence_index(path)
    assert str(path) in str(error.value)


def test_a_missing_index_names_the_tool(tmp_path):
    with pytest.raises(SequenceIndexError, match=r'nowhere.json.*create_sequence_index'):
        read_sequence_index(tmp_path / 'nowhere.json')


def test_a_pickle_is_not_read(tmp_path):
    path = tmp_path / 'index.pkl'
    path.write_bytes(pickle.dumps({'metainfo': {}, 'data_list': [{'sequence_id': 's', 'frames': ['a']}]}))
    with pytest.raises(SequenceIndexError, match='not a readable'):
        read_sequence_index(path)


def test_names_are_unique_and_an_index_is_not_empty(tmp_path):
    with pytest.raises(SequenceIndexError, match="name 's'"):
        write_sequence_index(tmp_path / 'i.json', {}, [FrameSequence('s', ['a']), FrameSequence('s', ['b'])])
    with pytest.raises(SequenceIndexError, match='no sequence'):
        write_sequence_index(tmp_path / 'i.json', {}, [])
    assert not list(tmp_path.iterdir())


def test_sequences_may_share_frames(tmp_path):
    write_sequence_index(tmp_path / 'i.json', {}, [FrameSequence('s', ['a', 'b']), FrameSequence('t', ['b', 'a'])])
    assert [sequence.frames for sequence in read_sequence_index(tmp_path / 'i.json')[1]] == [['a', 'b'], ['b', 'a']]


def labelled(*labels):
    return [FrameSequence(str(i), [f'{i}.bin'], label=label) for i, label in enumerate(labels)]


def test_labels_are_kept_with_their_classes(tmp_path):
    write_sequence_index(tmp_path / 'i.json', {'classes': ['chair', 'tür']}, labelled(1, 0, 1))
    metainfo, sequences = read_sequence_index(tmp_path / 'i.json')
    assert metainfo['classes'] == ['chair', 'tür']
    assert [sequence.label for sequence in sequences] == [1, 0, 1]
    write_sequence_index(tmp_path / 'i.json', {}, labelled(None))
    assert read_sequence_index(tmp_path / 'i.json')[1][0].label is None
    assert 'label' not in (tmp_path / 'i.json').read_text()


@pytest.mark.parametrize(
    ('classes', 'labels', 'message'),
    [
        (['a', 'b'], [0, 2], r"'1' has the label 2, but there are 2 classes"),
        (['a', 'b'], [-1], 'has the label -1'),
        (['a', 'b'], [0, None, None], r"2 of 3 sequences have no label \(the first is '1'\)"),
        (None, [0], 'no classes'),
        (['a', 'a'], [0], 'same name'),
        ('ab', [0], 'list of words'),
        (['a', ''], [0], 'list of words'),
        (['a', 'b\n'], [0], 'too long or has a control character'),
        (['a', '\ud800'], [0], 'too long or has a control character'),
        (['a', 'b' * 5000], [0], 'too long or has a control character'),
        ([], [0], 'list of words'),
        (['a', 'b'], [True], 'label True'),
        (['a', 'b'], [1.0], r'label 1\.0'),
        (['a', 'b'], ['a'], "label 'a'"),
    ],
)
def test_labels_that_do_not_fit_are_named_in_reading_and_in_writing(tmp_path, classes, labels, message):
    metainfo = {} if classes is None else {'classes': classes}
    with pytest.raises(SequenceIndexError, match=message):
        write_sequence_index(tmp_path / 'out.json', metainfo, labelled(*labels))
    data_list = [{'sequence_id': str(i), 'frames': ['0.bin'], 'label': label} for i, label in enumerate(labels)]
    path = tmp_path / 'in.json'
    path.write_text(json.dumps({'metainfo': metainfo, 'data_list': data_list}))
    with pytest.raises(SequenceIndexError, match=rf'in\.json: .*{message}'):
        read_sequence_index(path)


@pytest.mark.parametrize(
    ('frame', 'remedy'),
    [
        ('\udce9t\udce9/0.bin', 'bytes that are not UTF-8 text .*convmv'),
        ('\ud800.bin', 'bytes that are not UTF-8 text'),
        ('log:1/0.bin', 'begins with a word and a colon.*Rename it'),
        ('a\nb.bin', 'control character. Rename the file'),
    ],
)
def test_a_name_that_cannot_be_used_is_refused_for_what_it_is(frame, remedy):
    with pytest.raises(SequenceIndexError, match=remedy):
        FrameSequence('s', [frame]).check()


FACTS = dict(load_dim=5, columns=['x', 'y', 'z', 'intensity', 'ring'], intensity_max=255, depth_scale=1000.0)
FACTS |= dict(largest_depth=4095)


def test_what_the_metainfo_states_is_kept(tmp_path):
    facts = FACTS | dict(up=[0, -1, 0], split_reasons={'log names': 2})
    write_sequence_index(tmp_path / 'index.json', facts, [FrameSequence('s', ['0.bin'])])
    metainfo, _ = read_sequence_index(tmp_path / 'index.json')
    assert {name: metainfo[name] for name in facts} == facts


@pytest.mark.parametrize(
    'wrong',
    [
        *(dict(columns=columns) for columns in (['x', 'y'], ['x', 'x', 'y', 'z', 'i'], 'xyzir', [1, 2, 3, 4, 5])),
        *(dict(intensity_max=value) for value in (0, -1, True, '255', float('nan'))),
        *(dict(depth_scale=value) for value in (0, [1000])),
        *(dict(largest_depth=value) for value in ('4095', None, -5, float('nan'))),
        *(dict(up=value) for value in ([0, 0, 2], [0, 1], 'z', [0, 0, True])),
        *(dict(split_reasons=value) for value in (['gap'], {'gap': 0}, {'gap': '2'})),
    ],
    ids=str,
)
def test_what_the_metainfo_states_wrongly_is_named(tmp_path, wrong):
    path = write_raw(tmp_path / 'index.json', frames=['0.bin'])
    path.write_text(json.dumps(json.loads(path.read_text()) | dict(metainfo=FACTS | wrong)))
    with pytest.raises(SequenceIndexError, match=f'the {next(iter(wrong))} .*expected'):
        read_sequence_index(path)
