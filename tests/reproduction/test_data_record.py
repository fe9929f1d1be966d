"""Results are taken and reported for the data that they are of, only."""

from __future__ import annotations

import pytest

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.reproduction import data_record
from strl_mmdet3d.reproduction.data import EVALUATION_DATA
from strl_mmdet3d.reproduction.data_record import FILE, record_data, recorded_files
from strl_mmdet3d.reproduction.step import Settings

SHAPES = EVALUATION_DATA['shapes']


@pytest.fixture
def shapes(tmp_path, monkeypatch):
    """A folder that stands for real shapes."""
    folder = tmp_path / 'shapes'
    folder.mkdir()
    for name in SHAPES.files:
        (folder / name).write_text(name)
    monkeypatch.setenv(SHAPES.variable, str(folder))
    return folder


def test_simulated_results_are_no_real_ones_and_the_other_way_round(tmp_path, shapes):
    for first, second in (('simulated', 'real'), ('real', 'simulated')):
        work = tmp_path / first
        record_data(Settings(work, first), [SHAPES])
        record_data(Settings(work, first, seeds=3), [SHAPES])
        for look in (recorded_files, lambda settings: record_data(settings, [SHAPES])):
            with pytest.raises(ConfigError, match=rf'holds results of {first} data, not of {second}\. Name another'):
                look(Settings(work, second))


def test_real_data_may_move_but_not_change(tmp_path, shapes, monkeypatch):
    settings = Settings(tmp_path / 'work', 'real')
    record_data(settings, [SHAPES, SHAPES])
    assert sorted(recorded_files(settings)) == ['SHAPES_ROOT/test.json', 'SHAPES_ROOT/train.json']
    moved = shapes.rename(tmp_path / 'moved')
    monkeypatch.setenv(SHAPES.variable, str(moved))
    record_data(settings, [SHAPES])
    (moved / 'test.json').write_text('others')
    with pytest.raises(ConfigError, match=r'moved/test\.json is not the file of the results in .*work'):
        record_data(settings, [SHAPES])


def test_what_another_run_records_meanwhile_stays(tmp_path, shapes, monkeypatch):
    settings, kitti = Settings(tmp_path / 'work', 'real'), EVALUATION_DATA['kitti']
    folder = tmp_path / 'kitti'
    folder.mkdir()
    for name in kitti.files:
        (folder / name).write_text(name)
    monkeypatch.setenv(kitti.variable, str(folder))
    usual, begun = data_record.sha256_of, []

    def slow(path):
        if not begun:
            begun.append(path)
            record_data(settings, [kitti])
        return usual(path)

    monkeypatch.setattr(data_record, 'sha256_of', slow)
    record_data(settings, [SHAPES])
    assert {key.partition('/')[0] for key in recorded_files(settings)} == {SHAPES.variable, kitti.variable}


def test_results_that_do_not_say_of_which_data_are_refused(tmp_path):
    settings = Settings(tmp_path)
    assert recorded_files(settings) == {}
    (tmp_path / FILE).write_text('{"data"')
    with pytest.raises(ConfigError, match=r'data\.json is damaged'):
        recorded_files(settings)
    (tmp_path / FILE).unlink()
    (tmp_path / 'results').mkdir()
    with pytest.raises(ConfigError, match=r'holds results, and no data\.json'):
        recorded_files(settings)
