"""Folders split into recordings: no sequence, and so no pair, has frames of two."""

from __future__ import annotations

import numpy as np
import pytest
from create_sequence_index import main
from hypothesis import given, settings
from hypothesis import strategies as st

from strl_mmdet3d.datasets import FrameSequence, read_sequence_index
from strl_mmdet3d.datasets.sequence_index import SequenceIndexError
from strl_mmdet3d.datasets.sources.frame_order import in_frame_order, stem_of
from strl_mmdet3d.datasets.sources.lidar.folder import folder_sequences
from strl_mmdet3d.datasets.sources.lidar.scans import ScanLister
from strl_mmdet3d.datasets.sources.recordings import RecordingSplitter, thinned

MICRO = 1_577_836_800_000_000  # the first of January 2020


def split(names, **settings):
    """The names of each recording, and the splitter."""
    names = in_frame_order(names)
    splitter = RecordingSplitter(**settings)
    recordings = splitter.recordings('scans', [stem_of(name) for name in names])
    assert sorted(place for recording in recordings for place in recording.places) == list(range(len(names)))
    splitter.names = [recording.name for recording in recordings]
    return [[names[place] for place in recording.places] for recording in recordings], splitter


def numbered(pattern, numbers):
    return [f'{pattern.format(number)}.bin' for number in numbers]


# How names are made: the recordings of a folder, each a list of its frames in order. `r` recordings of `n` frames.
SCHEMES = {
    'nuScenes logs': lambda r, n: [
        numbered(f'n00{k}-2020-01-0{k + 1}-00-00-00+0000__LIDAR_TOP__{{}}', range(MICRO, MICRO + n * 50_000, 50_000))
        for k in range(r)
    ],
    'gaps within a log': lambda r, n: [
        numbered('n001__LIDAR_TOP__{}', range(start, start + n * 50_000, 50_000))
        for start in range(MICRO, MICRO + r * 10**9, 10**9)
    ],
    'Waymo segments': lambda r, n: [numbered('{:07d}', range(k * 1000, k * 1000 + n)) for k in range(r)],
    'gaps of numbers': lambda r, n: [numbered('{:06d}', range(k * (n + 9), k * (n + 9) + n)) for k in range(r)],
    'every fifth number': lambda r, n: [
        numbered('{}', range(k * 5 * (n + 9), k * 5 * (n + 9) + 5 * n, 5)) for k in range(r)
    ],
    'numbers that restart': lambda r, n: [numbered(f'bag{k}_{{:06d}}', range(n)) for k in range(r)],
    'sensors before': lambda r, n: [numbered(f'{"abcdefgh"[k]}_{{}}', range(n)) for k in range(r)],
    'sensors behind': lambda r, n: [numbered(f'{{}}_{"abcdefgh"[k]}', range(n)) for k in range(r)],
    'numbered sensors': lambda r, n: [numbered(f'{{:05d}}_lidar{k}', range(n)) for k in range(r)],
    'seconds': lambda r, n: [[f'{round(1.6e9 + k * 100 + i * 0.05, 2)}.bin' for i in range(n)] for k in range(r)],
    'nanoseconds': lambda r, n: [
        numbered('{}', range((MICRO + k * 10**8) * 1000, (MICRO + k * 10**8) * 1000 + n * 10**8, 10**8))
        for k in range(r)
    ],
    'dates': lambda r, n: [[f'2020-01-01-0{k}-00-{i:02d}.5.bin' for i in range(n)] for k in range(r)],
    'dates of recordings': lambda r, n: [numbered(f'2020-01-01-00-0{k}-00_{{:04d}}', range(n)) for k in range(r)],
    'counted and timed': lambda r, n: [
        [f'{i + k * n:06d}_{MICRO + k * 10**8 + i * 10**5}.bin' for i in range(n)] for k in range(r)
    ],
    'parts and frames': lambda r, n: [numbered(f'{k + 1}.{{}}', range(max(n, 11))) for k in range(r)],
    'written in two ways': lambda r, n: [numbered('{}', range(n)), numbered('{:08d}', range(n))][:r],
}


@pytest.mark.parametrize('scheme', SCHEMES.values(), ids=list(SCHEMES))
@given(r=st.integers(1, 4), n=st.integers(3, 24))
@settings(max_examples=12, deadline=None)
def test_recordings_are_told_apart_and_kept_whole(scheme, r, n):
    made = scheme(r, n)
    found, splitter = split([name for recording in made for name in recording])
    assert sorted(found) == sorted(made)
    assert len(set(splitter.names)) == len(made)
    assert sum(splitter.reasons.values()) == len(made) - 1
    assert len(splitter.lines) == (len(made) > 1)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_schemes_together_are_never_joined(data):
    """A folder with recordings of several schemes; theirs may be split further, but not joined."""
    chosen = data.draw(st.lists(st.sampled_from(sorted(SCHEMES)), min_size=2, max_size=3, unique=True))
    text = {'nuScenes logs', 'numbers that restart', 'sensors before', 'sensors behind', 'numbered sensors'}
    if len(set(chosen) - text) > 1:  # plain numbers of two schemes may be the same names
        chosen = [name for name in chosen if name in text] + [name for name in chosen if name not in text][:1]
    made = [recording for name in chosen for recording in SCHEMES[name](2, data.draw(st.integers(3, 9)))]
    owner = {name: k for k, recording in enumerate(made) for name in recording}
    found, _ = split(list(owner))
    assert all(len({owner[name] for name in recording}) == 1 for recording in found)


def test_a_few_lost_frames_are_no_gap():
    (found,), splitter = split(numbered('{:010d}', [*range(177), *range(181, 300)]))  # as in KITTI's drive 9
    assert len(found) == 296
    assert splitter.lines == []
    assert not splitter.reasons


def test_the_gap_can_be_set_and_splitting_turned_off():
    names = numbered('{}', [0, 1, 2, 5, 6, 40, 41])
    assert [len(found) for found in split(names)[0]] == [5, 2]
    assert [len(found) for found in split(names, gap=2)[0]] == [3, 2, 2]
    assert [len(found) for found in split(names, gap=50)[0]] == [7]
    assert split(names, split=False)[0] == [names]
    assert split(names, unrelated=True)[0] == [[name] for name in names]
    with pytest.raises(SequenceIndexError, match='--gap must be above 0, got -1'):
        RecordingSplitter(gap=-1)


def test_what_was_split_and_why_is_said():
    _, splitter = split([name for recording in SCHEMES['nuScenes logs'](6, 3) for name in recording])
    assert dict(splitter.reasons) == {'log names': 5}
    (line,) = splitter.lines
    assert line.startswith("scans: 6 recordings, 'n000-2020-01-01-00-00-00+0000__LIDAR_TOP'")
    assert line.endswith('and 2 more; told apart by log names (5)')


def write(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        points = np.random.default_rng(0).uniform(1, 9, (40, 4)).astype(np.float32)
        (folder / name).write_bytes(points.tobytes())


def test_samples_and_sweeps_are_one_recording_in_order_of_time(tmp_path):
    names = numbered('n001__LIDAR_TOP__{}', range(MICRO, MICRO + 12 * 50_000, 50_000))
    write(tmp_path / 'samples/LIDAR_TOP', names[::4])
    write(tmp_path / 'sweeps/LIDAR_TOP', [name for name in names if name not in names[::4]])
    write(tmp_path / 'sweeps/LIDAR_REAR', ['0.bin', '1.bin'])
    top, rear = sorted(folder_sequences(tmp_path, ScanLister()), key=lambda sequence: sequence.sequence_id)
    assert [frame.rpartition('/')[2] for frame in top.frames] == names
    assert top.sequence_id == 'samples+sweeps/LIDAR_TOP'
    np.testing.assert_allclose(top.timestamps, np.arange(12) * 0.05)
    assert rear.frames == ['sweeps/LIDAR_REAR/0.bin', 'sweeps/LIDAR_REAR/1.bin']


def test_key_frames_are_counted_in_each_recording(tmp_path):
    write(tmp_path, numbered('a_{}', range(7)) + numbered('b_{}', range(4)))
    sequences = list(folder_sequences(tmp_path, ScanLister(key_frame_every=3)))
    assert [s.frames for s in sequences] == [['a_0.bin', 'a_3.bin', 'a_6.bin'], ['b_0.bin', 'b_3.bin']]
    assert [s.sequence_id for s in sequences] == ['.#a', '.#b']


@pytest.mark.parametrize(
    ('lines', 'times'),
    [
        (['0.0', '1e-1', '0.2', '60.0'], [[0, 0.1, 0.2], [0]]),
        (['\ufeff10', '11', '12', '13'], [[0, 1, 2, 3]]),
        (['2011-09-26 13:02:25.9', '2011-09-26 13:02:26', '2011-09-26 13:02:27', '2011-09-26 13:02:20'],
         [[0, 0.1, 1.1], [0]]),
        ([f'{MICRO}', f'{MICRO + 10**5}', f'{MICRO + 3 * 10**5}', f'{MICRO + 4 * 10**5}', ''], [[0, 0.1, 0.3, 0.4]]),
    ],
    ids=['seconds', 'byte order mark', 'dates that go back', 'microseconds'],
)  # fmt: skip
@pytest.mark.parametrize('place', ['timestamps.txt', 'data/times.txt'])
def test_time_stamps_beside_the_scans(tmp_path, lines, times, place):
    write(tmp_path / 'drive/data', numbered('{}', range(4)))
    (tmp_path / 'drive' / place).write_text('\r\n'.join(lines))
    sequences = list(folder_sequences(tmp_path, ScanLister()))
    assert [s.timestamps.tolist() for s in sequences] == [pytest.approx(recording) for recording in times]


def test_the_lines_are_of_the_numbers_where_scans_are_missing(tmp_path):
    write(tmp_path / 'data', numbered('{:06d}', [0, 1, 3]))
    (tmp_path / 'times.txt').write_text('0\n0.1\n0.2\n0.3\n')
    (sequence,) = folder_sequences(tmp_path, ScanLister())
    assert sequence.timestamps.tolist() == pytest.approx([0, 0.1, 0.3])


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        (b'0\n0.1\n', 'has 2 time stamps for 3 frames'),
        (b'0\nx\n2', "line 2: 'x' is not a time"),
        (b'0\n1\nNaN', "line 3: 'NaN' is not a time"),
        (b'0\n1\n1e99999', 'line 3: .* is not a time'),
        (b'0\n1\n2011-02-31 10:00:00', 'line 3: .* is not a time'),
        (b'\xff\n1\n2', 'cannot be read'),
    ],
)
def test_time_stamps_that_do_not_fit_are_named_by_file_and_line(tmp_path, content, said):
    write(tmp_path, numbered('x{}', range(3)))
    (tmp_path / 'times.txt').write_bytes(content)
    with pytest.raises(SequenceIndexError, match=rf'times\.txt,? ?{said}.*move it away'):
        list(folder_sequences(tmp_path, ScanLister()))


@pytest.mark.parametrize('beside', ['label_2', 'calib'])
def test_kittis_object_frames_are_refused_or_kept_apart(tmp_path, beside):
    write(tmp_path / 'training/velodyne', numbered('{:06d}', range(4)))
    (tmp_path / 'training' / beside).mkdir()
    with pytest.raises(SequenceIndexError, match=f'velodyne lies beside {beside}: .* kitti-raw .* --unrelated'):
        list(folder_sequences(tmp_path, ScanLister()))
    apart = list(folder_sequences(tmp_path, ScanLister(), RecordingSplitter(unrelated=True)))
    assert [s.sequence_id for s in apart] == [f'training/velodyne#{i:06d}' for i in range(4)]
    (joined,) = folder_sequences(tmp_path, ScanLister(), RecordingSplitter(split=False))
    assert len(joined.frames) == 4


def test_waymos_frames_in_kittis_layout_are_no_object_frames(tmp_path):
    write(tmp_path / 'training/velodyne', [name for part in SCHEMES['Waymo segments'](2, 3) for name in part])
    (tmp_path / 'training/calib').mkdir()
    assert len(list(folder_sequences(tmp_path, ScanLister()))) == 2


def test_sequences_of_other_sources_are_split_at_gaps_of_time():
    poses = np.tile(np.eye(4), (5, 1, 1))
    poses[:, 0, 3] = range(5)
    drive = FrameSequence('d', list('abcde'), poses, np.array([0, 0.1, 0.2, 30, 30.1]))
    still = FrameSequence('s', list('ab'))
    splitter = RecordingSplitter()
    first, second, other = splitter.at_gaps([drive, still])
    assert (first.sequence_id, first.frames) == ('d', list('abc'))
    assert (second.sequence_id, second.frames) == ('d#3', list('de'))
    assert second.timestamps.tolist() == pytest.approx([0, 0.1])
    assert second.poses[:, 0, 3].tolist() == [3, 4]
    assert other is still
    assert splitter.reasons == {'gaps of the time stamps': 1}
    assert list(RecordingSplitter(split=False).at_gaps([drive])) == [drive]


def test_time_stamps_since_1970_of_other_sources_are_split_at_gaps_too():
    drive = FrameSequence('d', list('abcd'), None, 1.7e9 + np.array([0, 0.1, 60, 60.1]))
    assert [each.frames for each in RecordingSplitter().at_gaps([drive])] == [['a', 'b'], ['c', 'd']]


def test_sequences_are_thinned_once_they_are_split():
    poses = np.tile(np.eye(4), (6, 1, 1))
    poses[:, 0, 3] = range(6)
    drive = FrameSequence('d', list('abcdef'), poses, np.array([0, 0.1, 0.2, 5, 5.1, 5.2]))
    first, second = thinned(RecordingSplitter().at_gaps([drive]), 2)
    assert (first.frames, second.frames) == (list('ac'), list('df'))
    assert second.timestamps.tolist() == pytest.approx([0, 0.2])
    assert second.poses[:, 0, 3].tolist() == [3, 5]
    singles = [FrameSequence(name, [name]) for name in 'ab']
    with pytest.raises(SequenceIndexError, match=r'each of the 2 scans .* --key-frame-every 2 would leave none out'):
        list(thinned(singles, 2))
    assert [each.frames for each in thinned(singles, 1)] == [['a'], ['b']]
    with pytest.raises(SequenceIndexError, match='--key-frame-every must be at least 1, got 0'):
        list(thinned([drive], 0))


def test_the_command_splits_and_says_why(tmp_path, capsys):
    write(tmp_path / 'scans', numbered('a_{}', range(3)) + numbered('b_{}', range(3)))
    index = tmp_path / 'index.json'
    main(['folder', '--load-dim', '4', '--root', str(tmp_path / 'scans'), '--out', str(index)])
    assert ".: 2 recordings, 'a', 'b'; told apart by names (1)" in capsys.readouterr().out
    metainfo, sequences = read_sequence_index(index)
    assert metainfo['split_reasons'] == {'names': 1}
    assert [s.sequence_id for s in sequences] == ['.#a', '.#b']
    main(['folder', '--load-dim', '4', '--root', str(tmp_path / 'scans'), '--out', str(index), '--no-split'])
    metainfo, (sequence,) = read_sequence_index(index)
    assert 'split_reasons' not in metainfo
    assert len(sequence.frames) == 6


@pytest.mark.parametrize('name', ['10:11:12', '$HOME', ' a b ', '${x}', 'ü', '[1]*?'])
def test_odd_names_of_folders_work(tmp_path, name):
    write(tmp_path / 'scans' / name, ['0.bin', '1.bin'])
    main(['folder', '--load-dim', '4', '--root', str(tmp_path / 'scans'), '--out', str(tmp_path / 'index.json')])
    _, (sequence,) = read_sequence_index(tmp_path / 'index.json')
    assert sequence.frames == [f'{name}/0.bin', f'{name}/1.bin']


@pytest.mark.parametrize(
    ('name', 'said'), [(b'\xe9t\xe9', 'bytes that are not UTF-8'), (b'a\nb', 'control character'), (b'log:1', 'colon')]
)
def test_other_odd_names_are_refused_in_one_true_sentence(tmp_path, name, said):
    folder = tmp_path / 'scans'
    write(folder / name.decode(errors='surrogateescape'), ['0.bin', '1.bin'])
    with pytest.raises(SystemExit, match=said) as refusal:
        main(['folder', '--load-dim', '4', '--root', str(folder), '--out', str(tmp_path / 'index.json')])
    str(refusal.value).encode()  # it can be printed
