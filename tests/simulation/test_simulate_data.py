"""The command line ``tools/simulate_data.py``."""

from __future__ import annotations

import runpy
import sys
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
