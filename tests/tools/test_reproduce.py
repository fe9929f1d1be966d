"""The tables by one command: a row of each kind whole, all others up to their plan; stops, refusals, the report."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest
import reproduce
from matplotlib.figure import Figure

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.reproduction.results import Results
from strl_mmdet3d.reproduction.step import Settings
from strl_mmdet3d.reproduction.steps import steps_of
from strl_mmdet3d.reproduction.tables import RANDOM, TABLES, Table, find_tables


@pytest.fixture
def made(monkeypatch, tmp_path):
    """Steps that take no time: each measurement gives the number of steps before it. The list names what was run."""
    names = []

    def execute(step):
        names.append(step.name)
        left = Path(step.leaves or tmp_path / 'nothing.txt')
        left.parent.mkdir(parents=True, exist_ok=True)
        left.touch() if left.suffix else left.mkdir(exist_ok=True)

    def numbers(step, returned):
        seeds = range(int(step.name.split('/')[-1].split('_')[0])) if step.name.endswith('_seeds') else [step.seed]
        return {seed: {'unscaled': float(len(names)), 'mAP_0.25': 0.5} for seed in seeds} if step.measures else {}

    monkeypatch.setattr(reproduce, 'execute', execute)
    monkeypatch.setattr('strl_mmdet3d.reproduction.numbers.numbers_of', numbers)
    monkeypatch.setattr('strl_mmdet3d.reproduction.table_figure.draw_table', lambda *arguments: Figure())
    return names


def one_row(name: str) -> Table:
    """A table with its first pre-trained row only."""
    (table,) = find_tables([name])
    return Table(table.name, table.title, table.columns, (next(row for row in table.rows if row.pretraining),))


def test_a_table_is_run_whole_and_reported(tmp_path, monkeypatch, capsys):
    """Simulated shapes, two steps of PointNet, its probe with a picture, the page."""
    monkeypatch.setattr('strl_mmdet3d.reproduction.tables.TABLES', (one_row('figure-4'), one_row('1')))
    work = tmp_path / 'work'
    options = ['--size', 'tiny', '--work-dir', str(work)]
    reproduce.main(['run', 'figure-4', *options])
    place = 'evaluate/linearprobe-pointnet_shapes_from_strl-tsne/pointnet_shapenet_pretrain/seed_0.json'
    number = json.loads((work / 'results' / place).read_text())['numbers']['0']['unscaled']
    assert 0 <= number <= 100
    assert (work / 'pretrain/pointnet_shapenet_pretrain/seed_0/encoder.pth').is_file()
    page = (work / 'report.md').read_text()
    assert f'| PointNet | not known here | {number:.1f} (n = 1, seed 0) |' in page
    assert '| PointNet, STRL | 88.3 | not run |' in page
    assert 'The numbers say nothing' in page
    pictures = [line.partition('(')[2][:-1] for line in page.splitlines() if line.startswith('![')]
    assert pictures == ['figures/figure-4.png', f'{place.removesuffix(".json")}_tsne.png']
    assert all((work / picture).stat().st_size > 5000 for picture in pictures)

    before = {path: path.stat().st_mtime_ns for path in work.rglob('*.json')}
    capsys.readouterr()
    reproduce.main(['run', 'figure-4', *options])
    assert '== step' not in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in before} == before
    reproduce.main(['list', *options])
    said = capsys.readouterr().out
    assert 'PointNet: run; the paper: not known here' in said
    assert 'PointNet, STRL: not run; the paper: 88.3' in said


@pytest.mark.parametrize('name', ['2a', '3', '4', '5', 'data-efficiency'])
def test_a_row_of_each_kind_runs_from_data_to_page(tmp_path, monkeypatch, name):
    """Fine-tuning of shapes and scenes, detectors indoors and outdoors, and the probe of what frames have taught."""
    table = one_row(name)
    monkeypatch.setattr('strl_mmdet3d.reproduction.tables.TABLES', (table,))
    reproduce.main(['run', name, '--size', 'tiny', '--work-dir', str(tmp_path)])
    page = (tmp_path / 'report.md').read_text()
    (line,) = [line for line in page.splitlines() if line.startswith(f'| {table.rows[0].name} |')]
    assert '(n = 1, seed 0)' in line
    assert 'not run' not in line
    assert (tmp_path / f'figures/{name}.png').stat().st_size > 5000


def test_a_stopped_run_goes_on(tmp_path, made, monkeypatch, capsys):
    usual, options = reproduce.execute, ['--work-dir', str(tmp_path / 'work')]

    def stop_at_third(step):
        if len(made) == 2:
            raise ConfigError(f'{step.name} failed: the disk is full')
        return usual(step)

    monkeypatch.setattr(reproduce, 'execute', stop_at_third)
    with pytest.raises(SystemExit, match=r'^error: .* failed: the disk is full'):
        reproduce.main(['run', '7a', *options])
    first = list(made)
    assert len(first) == 2
    monkeypatch.setattr(reproduce, 'execute', usual)
    reproduce.main(['run', '7a', *options])
    (table,) = find_tables(['7a'])
    planned = [step.name for step in steps_of([table], Settings(tmp_path / 'work'))]
    assert made == planned, 'nothing twice, nothing left out'
    made.clear()
    reproduce.main(['run', '7a', '--seeds', '2', *options])
    assert made
    assert all('seed_1' in name for name in made), 'the first seed was run'
    assert '| all of them |' in (tmp_path / 'work/report.md').read_text()


def test_a_training_that_is_done_elsewhere_is_taken_as_it_is(tmp_path, made, monkeypatch):
    work = tmp_path / 'work'
    encoder = work / 'pretrain/pointnet_shapenet_pretrain/seed_0/encoder.pth'
    encoder.parent.mkdir(parents=True)
    monkeypatch.setattr('strl_mmdet3d.export.read_exported', lambda path: None)
    encoder.touch()
    reproduce.main(['run', '1', '--work-dir', str(work)])
    assert 'pretrain/pointnet_shapenet_pretrain/seed_0' not in made
    assert 'pretrain/dgcnn_shapenet_pretrain/seed_0' in made
    steps = steps_of(find_tables(['1']), Settings(work))
    assert Results(work).finished(steps) == steps


def test_an_encoder_that_is_not_whole_is_trained(tmp_path, made, capsys):
    encoder = tmp_path / 'pretrain/pointnet_shapenet_pretrain/seed_0/encoder.pth'
    encoder.parent.mkdir(parents=True)
    encoder.touch()
    reproduce.main(['run', '1', '--work-dir', str(tmp_path)])
    assert 'pretrain/pointnet_shapenet_pretrain/seed_0' in made
    assert f'{encoder} is not whole, so the training goes on' in capsys.readouterr().out


def test_what_a_finished_step_left_is_made_again_if_it_is_gone_and_needed(tmp_path, made):
    options = ['--work-dir', str(tmp_path)]
    reproduce.main(['run', '1', *options])
    shutil.rmtree(tmp_path / 'data')
    shutil.rmtree(tmp_path / 'pretrain')
    made.clear()
    reproduce.main(['run', '1', *options])
    assert made == [], 'nothing is left to do'
    reproduce.main(['run', '1', '--seeds', '2', *options])
    assert 'data/shapes' in made, 'the second pre-training reads it'
    assert 'pretrain/pointnet_shapenet_pretrain/seed_1' in made
    assert 'pretrain/pointnet_shapenet_pretrain/seed_0' not in made, 'nobody reads the first encoder'


def test_results_are_found_whatever_the_number_of_seeds(tmp_path, made, capsys):
    options = ['--work-dir', str(tmp_path)]
    reproduce.main(['run', '1', '3', '--seeds', '3', *options])
    for more, expected in (([], 'run'), (['--seeds', '2'], 'run'), (['--seeds', '5'], '3 of 5 seeds run')):
        capsys.readouterr()
        reproduce.main(['list', '1', '3', *more, *options])
        said = capsys.readouterr().out
        for row in (f'PointNet, {RANDOM}', 'PointNet, STRL', 'VoteNet, from scratch', 'VoteNet, STRL'):
            assert f'  {row}: {expected};' in said, (more, row)
    reproduce.main(['report', '3', *options])
    assert '(n = 3, seeds 0-2)' in (tmp_path / 'report.md').read_text()


def test_the_results_of_another_size_are_refused(tmp_path, made):
    options = ['--work-dir', str(tmp_path / 'work')]
    reproduce.main(['run', '8', '--size', 'tiny', *options])
    with pytest.raises(SystemExit, match=r'^error: .* is the result of another command: .* Name another folder'):
        reproduce.main(['run', '8', *options])


def test_simulated_results_are_not_reported_as_real(tmp_path, made):
    options = ['--work-dir', str(tmp_path / 'work')]
    reproduce.main(['run', '1', *options])
    for command in ('list', 'report'):
        with pytest.raises(SystemExit, match=r'holds results of simulated data, not of real'):
            reproduce.main([command, '1', '--data', 'real', *options])


def test_a_plan_leaves_the_place_of_real_data_to_the_shell(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv('SHAPES_ROOT', raising=False)
    reproduce.main(['plan', '2b', '--data', 'real', '--work-dir', str(tmp_path)])
    (line, *_) = [line for line in capsys.readouterr().out.splitlines() if 'select_labels' in line]
    assert ' "$SHAPES_ROOT/train.json" ' in line
    assert reproduce.quoted('$(rm x)/train.json') == "'$(rm x)/train.json'"


def test_real_data_that_is_missing_is_named_before_anything_is_run(tmp_path, made, monkeypatch):
    for name in ('KITTI_RAW_ROOT', 'KITTI_ROOT'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit, match=r'KITTI_ROOT is not set \(KITTI detection\)[^$]*KITTI_RAW_ROOT is not set'):
        reproduce.main(['run', '5', '--data', 'real', '--work-dir', str(tmp_path / 'work')])
    assert not made
    assert not (tmp_path / 'work').exists()


@pytest.mark.parametrize('data', ['simulated', 'real'])
@pytest.mark.parametrize('table', [table.name for table in TABLES])
def test_a_plan_is_commands_for_the_shell(table, data, tmp_path, capsys, monkeypatch):
    reproduce.main(['plan', table, '--data', data, '--size', 'tiny', '--work-dir', str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    steps = steps_of(find_tables([table]), Settings(tmp_path, data, 'tiny'))
    assert len(lines) == len(steps)
    for line, step in zip(lines, steps, strict=True):
        words = shlex.split(line)
        variables = dict(word.split('=', 1) for word in words[: words.index('python')])
        assert variables == dict(step.environment)
        assert words[words.index('python') + 2 :] == list(step.arguments)
        assert Path(words[words.index('python') + 1]).is_file()
    monkeypatch.chdir(tmp_path)
    reproduce.main(['plan', table, '--data', data, '--size', 'tiny', '--work-dir', str(tmp_path)])
    elsewhere = [word for line in capsys.readouterr().out.splitlines() for word in shlex.split(line)]
    paths = [Path(word) for word in elsewhere if word.endswith('.py')]
    assert paths
    assert all(path.is_file() for path in paths), 'configs and tools are found from any folder'


def test_a_failed_step_is_one_sentence_and_leaves_the_environment_as_it_was(monkeypatch):
    (step, *_) = [step for step in steps_of(find_tables(['1']), Settings(Path('W'))) if step.tool == 'train']
    monkeypatch.delenv('SHAPENET_ROOT', raising=False)

    class Tool:
        """Stands for a tool that ends by a foreseen error."""

        @staticmethod
        def main(arguments):
            assert reproduce.os.environ['SHAPENET_ROOT'] == 'W/data/shapes'
            raise SystemExit('error: the index is damaged')

    monkeypatch.setattr(reproduce.importlib, 'import_module', lambda name: Tool)
    with pytest.raises(ConfigError, match=r'^pretrain/.*seed_0 failed: the index is damaged$'):
        reproduce.execute(step)
    assert 'SHAPENET_ROOT' not in reproduce.os.environ


def test_an_unknown_table_is_named(tmp_path):
    with pytest.raises(SystemExit, match=r"^error: the paper has no table '9' here: name one of 1, 2a"):
        reproduce.main(['plan', '9', '--work-dir', str(tmp_path)])
