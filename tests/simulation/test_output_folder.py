"""Output folders are complete or absent."""

from __future__ import annotations

import json

import pytest

from strl_mmdet3d.errors import StrlError
from strl_mmdet3d.simulation.output_folder import OutputFolderError, is_finished, simulated_whole

SETTINGS = {'dataset': 'kitti', 'seed': 1}


def test_finished_run_is_recognised(tmp_path):
    out = tmp_path / 'new' / 'out'
    assert not is_finished(out, SETTINGS)
    with simulated_whole(out, SETTINGS) as folder:
        (folder / 'a.txt').write_text('a')
        assert not out.exists()
    assert (out / 'a.txt').read_text() == 'a'
    assert json.loads((out / 'simulation.json').read_text()) == SETTINGS
    assert is_finished(out, SETTINGS)
    assert [path.name for path in out.parent.iterdir()] == ['out']


def test_broken_run_leaves_nothing_under_the_name_and_the_next_starts_afresh(tmp_path):
    out = tmp_path / 'out'

    def killed() -> None:
        with simulated_whole(out, SETTINGS) as folder:
            (folder / 'half.bin').write_text('')
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    assert list(tmp_path.iterdir()) == []
    with simulated_whole(out, SETTINGS) as folder:
        assert list(folder.iterdir()) == []
    assert is_finished(out, SETTINGS)


def test_empty_folder_is_filled(tmp_path):
    assert not is_finished(tmp_path, SETTINGS)
    (tmp_path / 'out').mkdir()
    with simulated_whole(tmp_path / 'out', SETTINGS):
        pass
    assert is_finished(tmp_path / 'out', SETTINGS)


def test_foreign_folder_is_refused(tmp_path):
    (tmp_path / 'thesis.tex').write_text('')
    with pytest.raises(OutputFolderError, match='was not written by this tool'):
        is_finished(tmp_path, SETTINGS)


def test_other_settings_are_refused(tmp_path):
    with simulated_whole(tmp_path / 'out', SETTINGS):
        pass
    with pytest.raises(OutputFolderError, match='other settings'):
        is_finished(tmp_path / 'out', {**SETTINGS, 'seed': 2})


def test_the_error_is_both_foreseen_and_of_python():
    assert issubclass(OutputFolderError, StrlError)
    assert issubclass(OutputFolderError, FileExistsError)


def test_a_folder_that_is_filled_meanwhile_is_not_overwritten(tmp_path):
    out = tmp_path / 'out'

    def simulate() -> None:
        with simulated_whole(out, SETTINGS):
            out.mkdir()
            (out / 'thesis.tex').write_text('')

    with pytest.raises(OSError, match='not empty'):
        simulate()
    assert [path.name for path in tmp_path.rglob('*')] == ['out', 'thesis.tex']


def test_a_damaged_record_is_refused(tmp_path):
    (tmp_path / 'simulation.json').write_text('{"seed": ')
    with pytest.raises(OutputFolderError, match=r'simulation\.json is damaged'):
        is_finished(tmp_path, {'seed': 0})
