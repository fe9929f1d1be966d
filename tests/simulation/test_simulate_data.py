"""The command line ``tools/simulate_data.py``."""

from __future__ import annotations

import errno
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from strl_mmdet3d import simulation

TOOL = Path(__file__).parents[2] / 'tools' / 'simulate_data.py'


@pytest.fixture
def run(monkeypatch) -> Callable[..., None]:
    """Runs the tool as ``python tools/simulate_data.py ARGUMENTS``."""

    def run_tool(*arguments: str) -> None:
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *arguments])
        runpy.run_path(str(TOOL), run_name='__main__')

    return run_tool


def test_writes_once_and_refuses_what_is_not_its_own(run, tmp_path, capsys):
    out = tmp_path / 'kitti'
    few = [f'--{name}=1' for name in ('drives', 'frames-per-drive', 'train', 'val', 'test')] + ['--azimuth-steps=50']
    run('kitti', '--out', str(out), '--seed', '3', *few)
    assert 'Wrote 4 frames' in capsys.readouterr().out
    assert (out / 'object' / 'training' / 'label_2' / '000001.txt').is_file()
    stamp = (out / 'simulation.json').stat().st_mtime_ns

    run('kitti', '--out', str(out), '--seed', '3', *few)
    assert 'nothing to do' in capsys.readouterr().out
    assert (out / 'simulation.json').stat().st_mtime_ns == stamp

    with pytest.raises(SystemExit, match='other settings'):
        run('kitti', '--out', str(out), '--seed', '4', *few)
    with pytest.raises(SystemExit, match='was not written by this tool'):
        run('kitti', '--out', str(tmp_path), '--seed', '3', *few)


def test_lost_and_added_files_are_named(run, tmp_path, capsys):
    out = tmp_path / 'shapes'
    few = ('shapes', '--out', str(out), '--train=1', '--test=1', '--points=16')
    run(*few)
    (out / 'sequences.json').write_text('{}')
    capsys.readouterr()
    run(*few)
    said = capsys.readouterr().out
    assert 'whole; nothing to do. 1 files are there that this tool did not write, such as sequences.json' in said
    assert 'already holds' not in said
    archive = out / 'shapes.npz'
    archive.write_bytes(archive.read_bytes()[:-1])
    with pytest.raises(SystemExit, match=r'^error: .* 1 of 1 files .* shapes.npz has \d+ bytes instead of \d+\. '):
        run(*few)
    archive.unlink()
    with pytest.raises(SystemExit, match=r'shapes.npz is missing\. Delete .* and simulate it again'):
        run(*few)


def test_a_full_disk_is_one_sentence(run, tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, 'No space left on device', str(path))

    monkeypatch.setattr(Path, 'write_bytes', full)
    with pytest.raises(SystemExit, match=r'^error: .*No space left on device.*000000000\d.bin'):
        run('kitti', '--out', str(tmp_path / 'out'), '--drives=1', '--frames-per-drive=1', '--azimuth-steps=50')
    assert [path.name for path in tmp_path.iterdir()] == ['.out.lock']


DRIVES = ['kitti', '--drives=2', '--frames-per-drive=3', '--train=0', '--val=0', '--test=0', '--azimuth-steps=60']


def start(out: Path, seed: int = 0) -> subprocess.Popen:
    environment = os.environ | dict(OMP_NUM_THREADS='1')
    command = [sys.executable, str(TOOL), *DRIVES, '--out', str(out), '--seed', str(seed)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for_part(out: Path) -> None:
    """Wait until a scan is written."""
    deadline = time.monotonic() + 600  # other work may hold the cores
    while not list(out.parent.glob(f'.{out.name}.*.part/**/*.bin')):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_two_at_once_never_mix_and_a_killed_one_is_no_hindrance(tmp_path, run, capsys):
    out = tmp_path / 'out'
    killed = start(out)
    wait_for_part(out)
    killed.send_signal(signal.SIGSTOP)  # in the middle, for as long as it takes
    with pytest.raises(SystemExit, match=rf'{out} is in use: process {killed.pid} on .* simulating there since \d'):
        run(*DRIVES, '--out', str(out), '--seed=1')
    assert not out.exists()
    killed.kill()
    killed.communicate()

    run(*DRIVES, '--out', str(out), '--seed=1')
    assert 'Wrote 6 frames' in capsys.readouterr().out
    assert len(list(out.rglob('*.bin'))) == 6
    left = [path.name for path in tmp_path.iterdir() if path != out]
    assert left == ['.out.lock'], 'something is left of the killed one'
    run(*DRIVES, '--out', str(out), '--seed=1')
    assert 'already holds this data' in capsys.readouterr().out


def test_bad_settings_are_named(run, tmp_path):
    with pytest.raises(SystemExit, match='drives must be at least 0'):
        run('kitti', '--out', str(tmp_path / 'out'), '--drives', '-1')
    assert not (tmp_path / 'out').exists()


def test_rooms(run, tmp_path, capsys):
    out = tmp_path / 'rooms'
    run('scannet', '--out', str(out), '--scenes=1', '--frames-per-scene=2', '--train=1', '--val=1', '--width=40')
    assert 'Wrote 4 frames' in capsys.readouterr().out
    assert (out / 'frames' / 'scene0000_00' / 'depth' / '000010.png').is_file()
    assert (out / 'sunrgbd' / 'sunrgbd_infos_val.pkl').is_file()
    with pytest.raises(SystemExit, match='multiple of 4'):
        run('scannet', '--out', str(tmp_path / 'other'), '--width=41')


def test_shapes(run, tmp_path, capsys):
    out = tmp_path / 'shapes'
    run('shapes', '--out', str(out), '--train=1', '--test=1', '--points=16')
    assert 'Wrote 24 shapes' in capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == {'shapes.npz', 'simulation.json'}


def test_every_setting_is_an_option_with_the_same_default():
    commands = runpy.run_path(str(TOOL))['COMMANDS']
    for command in commands.values():
        settings = {field.name: field.default for field in fields(getattr(simulation, command.simulation))}
        assert settings.pop('seed') is MISSING
        assert settings == {name: default for name, (default, _) in command.options.items()}
