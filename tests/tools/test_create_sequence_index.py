from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from depth_data import write_scene

from strl_mmdet3d.datasets import read_sequence_index
from strl_mmdet3d.version import __version__

SCRIPT = Path(__file__).parents[2] / 'tools/create_sequence_index.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('create_sequence_index', SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_raw(root, num_scans=11):
    folder = root / '2011_09_26/2011_09_26_drive_0048_sync/velodyne_points/data'
    folder.mkdir(parents=True)
    for i in range(num_scans):
        (folder / f'{i:010d}.bin').write_bytes(bytes(32))
    return folder


def test_kitti_raw(tool, tmp_path, capsys):
    make_raw(tmp_path)
    out = tmp_path / 'new/index.json'
    tool.main(['kitti-raw', '--root', str(tmp_path), '--out', str(out), '--key-frame-every', '5'])
    metainfo, (sequence,) = read_sequence_index(out)
    assert [Path(frame).stem for frame in sequence.frames] == ['0000000000', '0000000005', '0000000010']
    assert all((tmp_path / frame).is_file() for frame in sequence.frames)
    assert metainfo == {
        'format_version': 1,
        'created_by': f'strl_mmdet3d {__version__}',
        'source': 'kitti-raw',
        'load_dim': 4,
        'key_frame_every': 5,
        'num_truncated_left_out': 0,
        'num_sequences': 1,
        'num_frames': 3,
        'num_sequences_with_poses': 0,
    }
    assert '3 key frames in 1 sequences' in capsys.readouterr().out
    assert str(tmp_path) not in out.read_text()


def test_a_pause_between_key_frames_ends_a_recording(tool, tmp_path):
    """Of a drive with a pause of 10 s, and of a folder whose poses lack 4 s."""
    folder = make_raw(tmp_path / 'raw', 60)
    seconds = [0.1 * i + (10 if i >= 30 else 0) for i in range(60)]
    (folder.parent / 'timestamps.txt').write_text(''.join(f'2011-09-26 13:00:{time:012.9f}\n' for time in seconds))
    posed = tmp_path / 'posed'
    posed.mkdir()
    for i in range(100):
        (posed / f'{1_600_000_000 + 0.1 * i:.1f}.bin').write_bytes(bytes(16))
    rows = [f'{1_600_000_000 + 0.1 * i:.1f} {i} 0 0 0 0 0 1\n' for i in range(100) if not 30 <= i < 70]
    (tmp_path / 'poses.txt').write_text(''.join(rows))
    for source, root, poses in (
        ('kitti-raw', tmp_path / 'raw', []),
        ('folder', posed, ['--poses', tmp_path / 'poses.txt']),
    ):
        out = tmp_path / f'{source}.json'
        tool.main([source, '--root', str(root), '--out', str(out), '--key-frame-every', '15', *map(str, poses)])
        _, (first, second) = read_sequence_index(out)
        assert (len(first.frames), len(second.frames)) == (2, 2)
        assert second.sequence_id.endswith('#30')
        np.testing.assert_allclose(second.timestamps, [0, 1.5])


def test_each_scan_by_itself_cannot_be_thinned(tool, tmp_path):
    make_raw(tmp_path)
    arguments = ['folder', '--root', str(tmp_path), '--out', str(tmp_path / 'index.json'), '--unrelated']
    with pytest.raises(SystemExit, match='each of the 11 scans is a sequence of its own'):
        tool.main([*arguments, '--load-dim', '4', '--key-frame-every', '2'])
    assert not (tmp_path / 'index.json').exists()


def test_kitti_odometry(tool, tmp_path):
    folder = tmp_path / 'sequences/11/velodyne'
    folder.mkdir(parents=True)
    (folder / '000000.bin').write_bytes(bytes(16))
    tool.main(['kitti-odometry', '--root', str(tmp_path), '--out', str(tmp_path / 'index.json')])
    _, (sequence,) = read_sequence_index(tmp_path / 'index.json')
    assert sequence.frames == ['sequences/11/velodyne/000000.bin']


def test_folder(tool, tmp_path):
    (tmp_path / 'drive').mkdir()
    for i in (10, 9):
        (tmp_path / f'drive/{i}.pcd.bin').write_bytes(bytes(40))
    out = tmp_path / 'index.json'
    tool.main(['folder', '--root', str(tmp_path), '--out', str(out), '--ext', '.pcd.bin', '--load-dim', '5'])
    metainfo, (sequence,) = read_sequence_index(out)
    assert sequence.frames == ['drive/9.pcd.bin', 'drive/10.pcd.bin']
    assert metainfo['load_dim'] == 5


def test_a_truncated_frame_stops_or_is_left_out(tool, tmp_path, capsys):
    (make_raw(tmp_path) / '0000000003.bin').write_bytes(bytes(33))
    arguments = ['kitti-raw', '--root', str(tmp_path), '--out', str(tmp_path / 'index.json')]
    with pytest.raises(SystemExit, match=r'0000000003\.bin is truncated.*--skip-truncated'):
        tool.main(arguments)
    assert not (tmp_path / 'index.json').exists()
    tool.main([*arguments, '--skip-truncated'])
    index = json.loads((tmp_path / 'index.json').read_text())
    assert index['metainfo']['num_truncated_left_out'] == 1
    assert index['metainfo']['num_frames'] == 10
    assert '0000000003.bin' in capsys.readouterr().out


def test_a_name_with_control_characters_changes_no_terminal(tool, tmp_path, capsys):
    folder = make_raw(tmp_path, 3)
    (folder / '\x1b[31m.bin').write_bytes(bytes(33))
    arguments = ['kitti-raw', '--root', str(tmp_path), '--out', str(tmp_path / 'index.json'), '--skip-truncated']
    tool.main(arguments)
    printed = capsys.readouterr().out
    assert '\\x1b[31m.bin' in printed
    assert '\x1b[31m' not in printed
    (folder / '\x1b[31m.bin').write_bytes(bytes(32))
    with pytest.raises(SystemExit, match=r'error: .*\\x1b\[31m\.bin.* with a control character'):
        tool.main(arguments)


def test_scannet(tool, tmp_path, capsys):
    scene = write_scene(tmp_path / 'scene0000_00', range(250), extracted_from_sens=True)
    (scene / 'pose/100.txt').write_text('-inf -inf -inf -inf\n' * 4)
    out = tmp_path / 'index.json'
    tool.main(['scannet', '--root', str(tmp_path), '--out', str(out), '--key-frame-every', '50'])
    metainfo, (sequence,) = read_sequence_index(out)
    assert sequence.frames == [f'scene0000_00/depth/{number}.png' for number in (0, 50, 150, 200)]
    assert sequence.poses.shape == (4, 4, 4)
    assert sequence.intrinsics.shape == (3, 3)
    # The poses of these scenes are drawn at random, and so is what the cameras say of up.
    assert {key: value for key, value in metainfo.items() if key not in ('up', 'up_in_data')} == {
        'format_version': 1,
        'created_by': f'strl_mmdet3d {__version__}',
        'source': 'scannet',
        'key_frame_every': 50,
        'num_left_out': {'pose_not_finite': 1},
        'depth_scale': 1000.0,
        'num_sequences': 1,
        'num_frames': 4,
        'num_sequences_with_poses': 1,
    }
    printed = capsys.readouterr().out
    assert f'left out, pose_not_finite: {scene / "pose/100.txt"}' in printed
    assert '4 key frames in 1 sequences, 1 with poses' in printed
    assert '1 frames left out' in printed
    assert str(tmp_path) not in out.read_text()


def test_scannet_without_a_usable_frame_says_why(tool, tmp_path):
    scene = write_scene(tmp_path / 's', range(30))
    for path in (scene / 'pose').iterdir():
        path.unlink()
    with pytest.raises(SystemExit, match=r'(?s)no usable scans below.*no_pose: .*000000\.png.*no_pose: 10 more'):
        tool.main(['scannet', '--root', str(tmp_path), '--out', str(tmp_path / 'index.json')])
    assert not (tmp_path / 'index.json').exists()


def test_scannet_with_singular_intrinsics_names_the_file(tool, tmp_path):
    scene = write_scene(tmp_path / 's', range(2))
    (scene / 'intrinsics_depth.txt').write_text('0 0 0 0\n' * 4)
    with pytest.raises(SystemExit, match=r'intrinsics_depth\.txt holds no intrinsics'):
        tool.main(['scannet', '--root', str(tmp_path), '--out', str(tmp_path / 'index.json')])


def test_shapes(tool, tmp_path, capsys):
    np.savez(tmp_path / 'a.npz', points=np.zeros((3, 4, 3)), split=np.array(['train', 'test', 'train']))
    out = tmp_path / 'index.json'
    tool.main(['shapes', '--root', str(tmp_path), '--out', str(out), '--split', 'train'])
    metainfo, sequences = read_sequence_index(out)
    assert [sequence.frames for sequence in sequences] == [['a.npz/000000'], ['a.npz/000002']]
    assert metainfo == {
        'format_version': 1,
        'created_by': f'strl_mmdet3d {__version__}',
        'source': 'shapes',
        'split': 'train',
        'num_sequences': 2,
        'num_frames': 2,
        'num_sequences_with_poses': 0,
    }
    assert '2 key frames in 2 sequences, 0 with poses' in capsys.readouterr().out
    tool.main(['shapes', '--root', str(tmp_path), '--out', str(out)])
    metainfo, sequences = read_sequence_index(out)
    assert (metainfo['split'], len(sequences)) == (None, 3)


def test_labelled_shapes(tool, tmp_path):
    arrays = {'label': np.array([1, 0, 1]), 'classes': np.array(['bed', 'chair'])}
    np.savez(tmp_path / 'a.npz', points=np.zeros((3, 4, 3)), split=np.array(['train', 'test', 'train']), **arrays)
    out = tmp_path / 'index.json'
    tool.main(['shapes', '--root', str(tmp_path), '--out', str(out), '--split', 'train'])
    metainfo, sequences = read_sequence_index(out)
    assert metainfo['classes'] == ['bed', 'chair']
    assert [(sequence.frames, sequence.label) for sequence in sequences] == [
        (['a.npz/000000'], 1),
        (['a.npz/000002'], 1),
    ]
    tool.main(['shapes', '--root', str(tmp_path), '--out', str(out), '--no-labels'])
    metainfo, sequences = read_sequence_index(out)
    assert 'classes' not in metainfo
    assert [sequence.label for sequence in sequences] == [None] * 3


def test_a_package_that_is_missing_is_named(tool, tmp_path, monkeypatch):
    for name, content in {'shape_names': 'a', 'train_files': 'a.h5', 'test_files': 'a.h5'}.items():
        (tmp_path / f'{name}.txt').write_text(content)
    monkeypatch.setitem(sys.modules, 'h5py', None)
    with pytest.raises(SystemExit, match=r"h5py is not installed.*pip install 'strl_mmdet3d\[probe\]'"):
        tool.main(['shapes', '--root', str(tmp_path), '--out', str(tmp_path / 'index.json')])


def test_a_file_without_shapes_is_named(tool, tmp_path):
    np.savez(tmp_path / 'labels.npz', np.zeros(3))
    with pytest.raises(SystemExit, match=r'labels\.npz holds no arrays that could be the shapes'):
        tool.main(['shapes', '--root', str(tmp_path), '--out', str(tmp_path / 'index.json')])
    assert not (tmp_path / 'index.json').exists()


def test_frames_behind_links_that_lead_out_are_told_once(tool, tmp_path, capsys):
    root, elsewhere = tmp_path / 'root', tmp_path / 'elsewhere'
    for folder in (root / 'drive', elsewhere / 'linked'):
        folder.mkdir(parents=True)
        for i in range(3):
            (folder / f'{i}.bin').write_bytes(bytes(16))
    arguments = ['folder', '--root', str(root), '--out', str(tmp_path / 'index.json')]
    (root / 'drive/3.bin').symlink_to(root / 'drive/0.bin')
    tool.main(arguments)
    assert 'outside' not in capsys.readouterr().out
    (root / 'drive/4.bin').symlink_to(elsewhere / 'linked/0.bin')
    (root / 'linked').symlink_to(elsewhere / 'linked')
    tool.main(arguments)
    printed = capsys.readouterr().out
    assert f'4 key frames lie outside of {root}, behind links that training will follow' in printed
    assert f'The first: drive/4.bin -> {elsewhere}/linked/0.bin' in printed
    assert read_sequence_index(tmp_path / 'index.json')[0]['num_frames'] == 8
    (tmp_path / 'link').symlink_to(root / 'drive')  # a root that is a link is no link below the root
    tool.main(['folder', '--root', str(tmp_path / 'link'), '--out', str(tmp_path / 'index.json')])
    assert '1 key frames lie outside' in capsys.readouterr().out


def test_archives_behind_links_are_told(tool, tmp_path, capsys):
    (tmp_path / 'root').mkdir()
    np.savez(tmp_path / 'a.npz', points=np.zeros((3, 4, 3)))
    (tmp_path / 'root/a.npz').symlink_to(tmp_path / 'a.npz')
    tool.main(['shapes', '--root', str(tmp_path / 'root'), '--out', str(tmp_path / 'index.json')])
    assert f'3 key frames lie outside of {tmp_path}/root, behind links' in capsys.readouterr().out


@pytest.mark.parametrize(
    'source',
    ['kitti-raw', 'kitti-odometry', 'scannet', '7-scenes', 'tum', 'arkitscenes', 'redwood', 'shapes', 'folder'],
)
def test_without_scans_the_layout_is_named(tool, tmp_path, source):
    arguments = [source, '--root', str(tmp_path), '--out', str(tmp_path / 'index.json')]
    with pytest.raises(SystemExit, match='no scans below'):
        tool.main(arguments)
    with pytest.raises(SystemExit, match='nowhere is not a folder'):
        tool.main([source, '--root', str(tmp_path / 'nowhere'), '--out', str(tmp_path / 'index.json')])
    assert not list(tmp_path.iterdir())


@pytest.mark.real
def test_real_drive(tool, real_data, tmp_path):
    out = tmp_path / 'index.json'
    tool.main(['kitti-raw', '--root', str(real_data / 'kitti_raw'), '--out', str(out)])
    _, (sequence,) = read_sequence_index(out)
    assert [int(Path(frame).stem) for frame in sequence.frames] == list(range(22))


@pytest.mark.real
def test_real_walk(tool, real_data, tmp_path, capsys):
    out = tmp_path / 'index.json'
    tool.main(['scannet', '--root', str(real_data / 'scannet_frames'), '--out', str(out)])
    metainfo, (sequence,) = read_sequence_index(out)
    assert [int(Path(frame).stem) for frame in sequence.frames] == list(range(0, 600, 5))
    assert metainfo['num_left_out'] == {}
    assert '0 frames left out' in capsys.readouterr().out


@pytest.mark.real
def test_real_shapes(tool, real_data, tmp_path):
    out = tmp_path / 'index.json'
    (tmp_path / 'shapes').mkdir()
    (tmp_path / 'shapes/shapes69_2048.npz').symlink_to(real_data / 'shapes69_2048.npz')
    for split, number in [('train', 1264), ('test', 385)]:
        tool.main(['shapes', '--root', str(tmp_path / 'shapes'), '--out', str(out), '--split', split])
        metainfo, sequences = read_sequence_index(out)
        assert metainfo['num_sequences'] == number
        assert len(metainfo['classes']) == 69
        assert {sequence.label for sequence in sequences} == set(range(69))


def test_two_at_once_are_one_after_the_other_or_refused(tool, tmp_path):
    """The index and the arrays beside it are two files, which must be of one run."""
    folder = tmp_path / 's'
    folder.mkdir()
    np.zeros((4, 4), np.float32).tofile(folder / '0.bin')
    out = tmp_path / 'index.json'
    argv = ['folder', '--root', str(tmp_path), '--out', str(out)]
    hold = (
        'import sys; from strl_mmdet3d.locks import locked\n'
        'with locked(sys.argv[1], "writing an index"): print("held", flush=True); sys.stdin.read()'
    )
    command = [sys.executable, '-c', hold, str(out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == 'held\n'
        with pytest.raises(SystemExit, match=f'index.json is in use: process {process.pid} on .* writing an index'):
            tool.main(argv)
        assert not out.exists()
        process.stdin.close()
    tool.main(argv)
    assert out.exists()
