"""Output folders are complete or absent."""

from __future__ import annotations

import json

import pytest

from strl_mmdet3d.errors import StrlError
from strl_mmdet3d.simulation.output_folder import OutputFolderError, added_files, is_finished, simulated_whole

SETTINGS = {'dataset': 'kitti', 'seed': 1}


def test_finished_run_is_recognised(tmp_path):
    out = tmp_path / 'new' / 'out'
    assert not is_finished(out, SETTINGS)
    with simulated_whole(out, SETTINGS) as folder:
        (folder / 'a.txt').write_text('a')
        assert not out.exists()
    assert (out / 'a.txt').read_text() == 'a'
    assert json.loads((out / 'simulation.json').read_text()) == {'settings': SETTINGS, 'files': {'a.txt': 1}}
    assert is_finished(out, SETTINGS)
    assert [path.name for path in out.parent.iterdir()] == ['out']


def test_data_of_another_version_is_not_taken_for_this_ones(tmp_path):
    for number, version in enumerate((dict(version=1), {})):
        with simulated_whole(tmp_path / str(number), SETTINGS | version):
            pass
        with pytest.raises(OutputFolderError, match='another version of the simulation'):
            is_finished(tmp_path / str(number), SETTINGS | dict(version=2))
        with pytest.raises(OutputFolderError, match='with other settings'):
            is_finished(tmp_path / str(number), SETTINGS | dict(version=2, seed=9))
        assert is_finished(tmp_path / str(number), SETTINGS | version)


def test_a_mount_point_is_refused_before_anything_is_simulated(tmp_path, monkeypatch):
    monkeypatch.setattr('os.path.ismount', lambda path: path == tmp_path / 'volume')
    with pytest.raises(OutputFolderError, match='volume is a mount point'), simulated_whole(tmp_path / 'volume', {}):
        pytest.fail('begun')
    with simulated_whole(tmp_path / 'volume' / 'data', {}):
        pass


def test_broken_run_leaves_nothing_under_the_name_and_the_next_starts_afresh(tmp_path):
    out = tmp_path / 'out'

    def killed() -> None:
        with simulated_whole(out, SETTINGS) as folder:
            (folder / 'half.bin').write_text('')
            raise KeyboardInterrupt('stopped')

    with pytest.raises(KeyboardInterrupt, match='stopped'):
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


@pytest.fixture
def finished(tmp_path):
    out = tmp_path / 'out'
    with simulated_whole(out, SETTINGS) as folder:
        (folder / 'raw' / 'drive').mkdir(parents=True)
        for name in ('a.bin', 'b.bin', 'c.bin'):
            (folder / 'raw' / 'drive' / name).write_bytes(b'12345')
    return out


@pytest.mark.parametrize(
    ('lose', 'said'),
    [
        (lambda drive: (drive / 'b.bin').unlink(), r'1 of 3 files are missing .* raw/drive/b.bin is missing'),
        (lambda drive: (drive / 'c.bin').write_bytes(b'123'), r'1 of 3 .* raw/drive/c.bin has 3 bytes instead of 5'),
        (lambda drive: (drive / 'a.bin').write_bytes(b''), r'1 of 3 .* raw/drive/a.bin has 0 bytes instead of 5'),
        (lambda drive: (drive / 'a.bin').write_bytes(b'123456'), r'raw/drive/a.bin has 6 bytes instead of 5'),
        (lambda drive: drive.rename(drive.with_name('moved')), r'3 of 3 files .* raw/drive/a.bin is missing'),
        (lambda drive: [(drive / 'b.bin').unlink(), (drive / 'b.bin').mkdir()], r'raw/drive/b.bin is missing'),
    ],
)
def test_lost_and_shortened_files_are_named_with_what_to_do(finished, lose, said):
    lose(finished / 'raw' / 'drive')
    with pytest.raises(OutputFolderError, match=rf'no longer holds all .* {said}.* Delete .* and simulate it again'):
        is_finished(finished, SETTINGS)


def test_files_of_others_are_no_fault_and_are_named(finished):
    assert added_files(finished) == []
    (finished / 'raw' / 'sequences.json').write_text('{}')
    assert is_finished(finished, SETTINGS)
    assert added_files(finished) == ['raw/sequences.json']


@pytest.mark.parametrize(
    'record',
    [
        {'dataset': 'kitti', 'seed': 1},  # of before the list
        {'settings': SETTINGS},
        {'settings': SETTINGS, 'files': []},
        {'settings': SETTINGS, 'files': {'a': '5'}},
        {'settings': SETTINGS, 'files': {'a': -5}},
        {'settings': SETTINGS, 'files': {'a': True}},
        {'settings': SETTINGS, 'files': {'/etc/passwd': 5}},
        {'settings': SETTINGS, 'files': {'a/../../b': 5}},
        {'files': {}},
        [],
        7,
        None,
    ],
)
def test_a_record_without_a_list_of_files_proves_nothing(tmp_path, record):
    (tmp_path / 'simulation.json').write_text(json.dumps(record))
    with pytest.raises(OutputFolderError, match=r'simulation\.json lists no files .* simulate it again'):
        is_finished(tmp_path, SETTINGS)


def test_a_record_that_is_no_text_is_damaged(tmp_path):
    (tmp_path / 'simulation.json').write_bytes(b'\xff\xfe{}')
    with pytest.raises(OutputFolderError, match=r'simulation\.json is damaged'):
        is_finished(tmp_path, SETTINGS)
