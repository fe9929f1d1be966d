"""What steps leave: it is found again, also elsewhere, and never mistaken for the result of another command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.reproduction.numbers import numbers_of
from strl_mmdet3d.reproduction.results import Results
from strl_mmdet3d.reproduction.step import Settings, Step
from strl_mmdet3d.reproduction.steps import evaluation_steps
from strl_mmdet3d.reproduction.tables import Column, find_tables


def settings_of(tmp_path, **changes):
    return Settings(tmp_path / 'work', **changes)


def row_of(table: str, place: int):
    (found,) = find_tables([table])
    return found.rows[place], found.columns


def test_a_result_is_found_again_where_the_folder_has_moved(tmp_path, monkeypatch):
    settings = settings_of(tmp_path, seeds=2)
    row, _ = row_of('1', 1)
    step, other = evaluation_steps(row, settings)
    results = Results(settings.work_dir)
    assert results.read(step) is None
    results.write(step, {0: {'unscaled': 50.0}}, 1.23)
    assert results.read(step).numbers == {0: {'unscaled': 50.0}}
    assert results.read(step).seconds == 1.2
    assert results.read(other) is None
    assert results.finished([step, other]) == [step]
    assert results.state(row, settings) == '1 of 2 seeds run'

    settings.work_dir.rename(tmp_path / 'moved')
    monkeypatch.chdir(tmp_path)
    moved = Settings(Path('moved'), seeds=2)
    assert Results(moved.work_dir).finished(evaluation_steps(row, moved)) == evaluation_steps(row, moved)[:1]


def test_a_result_of_real_data_is_found_again_where_the_data_has_moved(tmp_path, monkeypatch):
    row, _ = row_of('2b', 1)
    settings, described = settings_of(tmp_path, data='real'), []
    for place in (tmp_path / 'here', tmp_path / 'there', Path('relative')):
        monkeypatch.setenv('SHAPES_ROOT', str(place))
        (chosen, *_) = evaluation_steps(row, settings)
        described.append(Results(settings.work_dir).described(chosen))
    assert described[0][0] == '$SHAPES_ROOT/train.json'
    assert described[0] == described[1] == described[2]


@pytest.mark.parametrize('name', ['evaluate', 'data', 's', 'a=b'])
def test_the_folders_name_may_stand_in_its_own_paths(name, tmp_path, monkeypatch):
    row, _ = row_of('2a', 1)
    monkeypatch.chdir(tmp_path)
    results, moved = Results(Path(name)), Results(tmp_path / name)
    for step, same in zip(
        evaluation_steps(row, Settings(Path(name))), evaluation_steps(row, Settings(tmp_path / name)), strict=True
    ):
        assert results.described(step) == moved.described(same)
        assert 'configs/downstream/' in step.arguments[0]
        assert moved.described(same)[0] == step.arguments[0]


def test_the_result_of_another_command_is_refused(tmp_path):
    row, _ = row_of('2a', 1)
    results = Results(tmp_path / 'work')
    tiny = next(step for step in evaluation_steps(row, settings_of(tmp_path, size='tiny')) if step.tool == 'train')
    full = next(step for step in evaluation_steps(row, settings_of(tmp_path)) if step.tool == 'train')
    assert results.path(tiny) == results.path(full)
    results.write(tiny, {}, 0)
    with pytest.raises(ConfigError, match=r'result of another command: .*max_epochs=1.* Name another folder'):
        results.read(full)
    results.path(full).write_text('{"tool":')
    with pytest.raises(ConfigError, match=r'is damaged .* remove it'):
        results.read(full)
    results.path(full).write_text('{}')
    with pytest.raises(ConfigError, match=r'is damaged .* remove it'):
        results.read(full)


def test_numbers_are_in_the_unit_of_the_column_and_simulated_ones_may_have_another_name(tmp_path):
    row, (column,) = row_of('3', 0)
    numbers = {0: {'mAP_0.25': 0.5, 'known_mAP_0.25': 0.75}, 1: {'mAP_0.25': None, 'known_mAP_0.25': 0.25}, 2: {}}
    results = Results(tmp_path / 'work')
    for data, expected in (('simulated', {0: 50.0, 1: 25.0}), ('real', {0: 50.0})):
        settings = settings_of(tmp_path, data=data, seeds=3)
        (step,) = evaluation_steps(row, settings)
        results.path(step).unlink(missing_ok=True)
        results.write(step, numbers, 0)
        assert results.values(row, column, settings) == expected
    assert results.values(row, Column('x', 'another'), settings) == {}


def test_the_probes_numbers_are_those_of_its_row(tmp_path):
    rows = [
        dict(name='random, calibrated BN', unscaled=[1.0, 2.0], standardised=[3.0, 4.0], knn=[5.0, 6.0]),
        dict(name='encoder.pth', unscaled=[7.0], standardised=[8.0], knn=[9.0]),
    ]
    path = tmp_path / 'probe.json'
    path.write_text(json.dumps(dict(parts=[dict(rows=rows), dict(rows=[])])))
    arguments = ('config.py', '--out', str(path))
    random = Step('x', 'linear_probe', arguments, measures='random, calibrated BN')
    assert numbers_of(random, None) == {
        0: dict(unscaled=1.0, standardised=3.0, knn=5.0),
        1: dict(unscaled=2.0, standardised=4.0, knn=6.0),
    }
    trained = Step('x', 'linear_probe', arguments, seed=2, measures='encoder.pth')
    assert numbers_of(trained, None) == {2: dict(unscaled=7.0, standardised=8.0, knn=9.0)}


def test_the_detectors_numbers_are_those_of_its_arm_and_seeds(tmp_path):
    for seed, arm in ((0, 'scratch'), (0, 'frozen-strl'), (1, 'scratch')):
        path = tmp_path / f'results/seed_{seed}/8_frames/{arm}.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dict(metrics={'a': seed + len(arm)})))
    step = Step('x', 'evaluate_pretraining', ('--out', str(tmp_path), '--seeds', '2'), measures='scratch')
    assert numbers_of(step, None) == {0: {'a': 7}, 1: {'a': 8}}
    frozen = Step('x', 'evaluate_pretraining', step.arguments, measures='frozen-strl')
    with pytest.raises(ConfigError, match='no result of seed 1'):
        numbers_of(frozen, None)


def test_a_number_that_is_not_finite_is_none():
    step = Step('x', 'test', (), seed=4, measures='test')
    assert numbers_of(step, dict(acc=0.5, miou=float('nan'))) == {4: dict(acc=0.5, miou=None)}
    assert numbers_of(Step('x', 'train', ()), object()) == {}
