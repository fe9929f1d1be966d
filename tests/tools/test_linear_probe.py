"""tools/linear_probe.py from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import create_sequence_index
import linear_probe
import numpy as np
import probing
import pytest
import select_labels
import torch
from mmdet3d.registry import MODELS
from tiny_shapes import CLASSES, SIZES, tiny_dataset, tiny_shape_strl, write_shape_config

CONFIG = Path(__file__).parents[2] / 'configs/downstream/pointnet_shapes_from_strl.py'
BASELINES = [probing.CALIBRATED, probing.UNCALIBRATED, probing.HANDCRAFTED]


@pytest.fixture
def config(tmp_path):
    return str(write_shape_config(tmp_path / 'shapes.py'))


@pytest.fixture
def checkpoints(tmp_path):
    paths = []
    for seed in range(2):
        torch.manual_seed(seed)
        model = MODELS.build(tiny_shape_strl())
        if seed:  # an encoder that sees nothing
            torch.nn.init.zeros_(model.online_encoder.detector.backbone[3].weight)
        paths.append(str(tmp_path / f'seed_{seed}.pth'))
        torch.save(dict(meta={}, state_dict=model.state_dict()), paths[-1])
    return paths


def probe(capsys, monkeypatch, *argv):
    monkeypatch.setenv('COLUMNS', '200')
    linear_probe.main([*argv, '--num-points', '70'])
    return capsys.readouterr().out


def test_the_baselines_always_stand_beside_the_checkpoint(config, checkpoints, tmp_path, capsys, monkeypatch):
    out = tmp_path / 'deep' / 'probe.json'
    said = probe(capsys, monkeypatch, config, checkpoints[0], '--seeds', '2', '--min-shapes', '12', '--out', str(out))
    result = json.loads(out.read_text())
    assert result['seeds'] == [0, 1]
    assert [part['num_classes'] for part in result['parts']] == [3, 2]
    assert [(part['num_train'], part['num_test']) for part in result['parts']] == [(26, 15), (22, 11)]
    for part in result['parts']:
        assert [row['name'] for row in part['rows']] == [checkpoints[0], *BASELINES]
        for row in part['rows']:
            for column in probing.COLUMNS:
                assert len(row[column]) == 2
                assert all(0 <= value <= 100 for value in row[column])
    by_name = {row['name']: row for row in result['parts'][0]['rows']}
    assert np.mean(by_name[probing.HANDCRAFTED]['standardised']) > 90
    assert np.mean(by_name[probing.CALIBRATED]['standardised']) > 90
    assert '3 classes: 26 shapes to train on, 15 to test on' in said
    assert '2 classes with at least 12 shapes: 22 shapes to train on' in said
    for part in result['parts']:
        by_name = {row['name']: row for row in part['rows']}
        assert [(row['name'], row['baseline']) for row in part['gains']] == [
            (checkpoints[0], one) for one in BASELINES[:2]
        ]
        for row in part['gains']:
            for column in ('unscaled', 'standardised', 'knn'):
                difference = np.mean(by_name[row['name']][column]) - np.mean(by_name[row['baseline']][column])
                assert row[column]['mean'] == pytest.approx(difference)
                assert row[column]['low'] <= row[column]['mean'] <= row[column]['high']
    by_name = {row['name']: row for row in result['parts'][0]['rows']}
    assert 'gain over "random, calibrated BN" in points, with its 95 % interval over other test shapes' in said
    shown = linear_probe.mean_and_deviation(by_name[probing.CALIBRATED]['standardised'])
    assert any(probing.CALIBRATED in line and shown in line for line in said.splitlines())


def test_the_same_call_gives_the_same_numbers(config, checkpoints, tmp_path, capsys, monkeypatch):
    outs = [tmp_path / name for name in ('a.json', 'b.json')]
    for out in outs:
        probe(capsys, monkeypatch, config, checkpoints[0], '--seeds', '1', '--out', str(out))
    assert outs[0].read_text() == outs[1].read_text()


def test_a_checkpoint_is_chosen_without_the_test_shapes(config, checkpoints, tmp_path, capsys, monkeypatch):
    out = tmp_path / 'probe.json'
    argv = [config, *checkpoints[::-1], '--choose', '--no-baselines', '--seeds', '1', '--out', str(out)]
    encode = probing.Probe.encode

    def spy(self, encoder, name, part):
        assert (name, part) != (checkpoints[1], 'test')
        return encode(self, encoder, name, part)

    monkeypatch.setattr(probing.Probe, 'encode', spy)
    said = probe(capsys, monkeypatch, *argv)
    result = json.loads(out.read_text())
    assert list(result['choice']) == checkpoints
    assert [row['name'] for row in result['parts'][0]['rows']] == checkpoints[:1]
    ranked = [line.split()[-1] for line in said.splitlines() if line.startswith('  ') and line.endswith('.pth')]
    assert ranked == checkpoints


def test_runs_of_a_recipe_are_averaged(config, checkpoints, tmp_path, capsys, monkeypatch):
    out = tmp_path / 'probe.json'
    probe(capsys, monkeypatch, config, *checkpoints, '--average', '--no-baselines', '--seeds', '2', '--out', str(out))
    first, second, both = json.loads(out.read_text())['parts'][0]['rows']
    assert both['name'] == '2 checkpoints, +- over them'
    assert both['knn'] == [np.mean(first['knn']), np.mean(second['knn'])]


def test_the_mean_of_several_runs_is_compared_with_the_baselines(config, checkpoints, tmp_path, capsys, monkeypatch):
    out = tmp_path / 'probe.json'
    probe(capsys, monkeypatch, config, *checkpoints, '--average', '--seeds', '1', '--out', str(out))
    part = json.loads(out.read_text())['parts'][0]
    *each, both = [row['standardised']['mean'] for row in part['gains'] if row['baseline'] == probing.CALIBRATED]
    assert [row['name'] for row in part['gains']][:3] == [*checkpoints, '2 checkpoints']
    assert both == pytest.approx(np.mean(each))


def test_the_picture_is_drawn(config, checkpoints, tmp_path, capsys, monkeypatch):
    picture = tmp_path / 'deep' / 'tsne.png'
    probe(capsys, monkeypatch, config, checkpoints[0], '--seeds', '1', '--no-baselines', '--tsne', str(picture))
    assert picture.read_bytes().startswith(b'\x89PNG')


def test_the_picture_may_be_a_page_in_which_marks_say_their_class(config, checkpoints, tmp_path, capsys, monkeypatch):
    page = tmp_path / 'tsne.html'
    probe(capsys, monkeypatch, config, checkpoints[0], '--seeds', '1', '--no-baselines', '--tsne', str(page))
    html = page.read_text()
    assert all(f'<title>{name}</title>' in html for name in CLASSES)
    assert 'right</text>' in html  # the accuracy


def test_paths_are_shortened_and_never_broken_inside_words():
    runs = [f'work_dirs/pointnet_{name}/seed_0/epoch_110.pth' for name in ('small_data_with_adamw', 'paper_lars')]
    shown = linear_probe.short_names([*runs, probing.CALIBRATED, 'short.pth'], 24)
    assert shown[probing.CALIBRATED] == probing.CALIBRATED
    assert shown['short.pth'] == 'short.pth'
    for run in runs:
        lines = shown[run].split('\n')
        assert ''.join(lines) == run.removeprefix('work_dirs/')
        assert all(len(line) <= 24 for line in lines)
        assert all(line[-1] in '/_-' for line in lines[:-1])


@pytest.mark.parametrize('columns', [40, 80, 200])
def test_a_table_breaks_neither_words_nor_numbers(columns, capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', str(columns))
    names = ['work_dirs/pointnet_shapenet_pretrain_small_data/seed_0/epoch_110.pth', probing.CALIBRATED]
    rows = [dict(name=name) | {column: [60.0, 64.0] for column in probing.COLUMNS} for name in names]
    gains = [
        dict(name=names[0], baseline=probing.CALIBRATED)
        | {column: dict(mean=6.06, low=-3.6, high=8.64) for column in probing.GAIN_COLUMNS}
    ]
    part = dict(title='69 classes: 9 shapes to train on', rows=rows, gains=gains)
    linear_probe.print_scores(part, probing.COLUMNS)
    linear_probe.print_gains(part, probing.GAIN_COLUMNS)
    said = capsys.readouterr().out
    assert said.count('62.0 +- 2.8') == 8
    assert said.count('+6.1 (-3.6 to 8.6)') == 3
    for word in ('standardised', 'cross-validated', 'training', 'unscaled,', 'epoch_110.pth', 'calibrated'):
        assert word in said
    assert 'mean +- standard deviation over 2 seeds' in said
    assert names[0] in said
    assert '\N{HORIZONTAL ELLIPSIS}' not in said


def test_means_and_deviations_by_hand():
    assert linear_probe.mean_and_deviation([60.0]) == '60.0'
    assert linear_probe.mean_and_deviation([60.0, 64.0]) == '62.0 +- 2.8'


@pytest.mark.parametrize(
    ('argv', 'said'),
    [
        (['CONFIG', '--no-baselines'], 'nothing to probe: give CKPT, or leave --no-baselines out'),
        (['CONFIG', 'a.pth', '--choose'], '--choose and --average need several checkpoints'),
        (['CONFIG', 'a.pth', 'a.pth', '--average'], '--choose and --average need several checkpoints'),
        (['CONFIG', 'a.pth', 'b.pth', '--average', '--choose'], 'not allowed with argument --average'),
        (['CONFIG', '--tsne', 'a.png'], '--tsne draws before and after pre-training: give CKPT'),
        (['CONFIG', 'a.pth', '--seeds', '0'], '--seeds, --num-points and --batch-size must be at least 1'),
    ],
)
def test_calls_that_make_no_sense_are_refused(argv, said, capsys):
    with pytest.raises(SystemExit, match='2'):
        linear_probe.parse_args(argv)
    assert said in capsys.readouterr().err


def test_what_does_not_fit_is_told_by_name(config, checkpoints, tmp_path):
    with pytest.raises(SystemExit, match='no config at'):
        linear_probe.main([str(tmp_path / 'none.py')])
    with pytest.raises(SystemExit, match='no checkpoint at'):
        linear_probe.main([config, str(tmp_path / 'none.pth')])
    with pytest.raises(SystemExit, match='did not land'):
        linear_probe.main([config, checkpoints[0], '--cfg-options', 'model.width=8'])
    pretraining = write_shape_config(tmp_path / 'pretraining.py', test_dataloader=None)
    with pytest.raises(SystemExit, match=r'pretraining\.py has no labelled shapes'):
        linear_probe.main([str(pretraining)])
    one = tiny_dataset([2, 2])
    several = dict(dataset=dict(type='ConcatDataset', datasets=[one, one]))
    concatenated = write_shape_config(tmp_path / 'concatenated.py', train_dataloader=several)
    with pytest.raises(SystemExit, match=r'concatenated\.py has no labelled shapes .*several data sets in one'):
        linear_probe.main([str(concatenated)])
    (tmp_path / 'nothing.py').write_text('a = 1')
    with pytest.raises(SystemExit, match=r'nothing\.py has no model'):
        linear_probe.main([str(tmp_path / 'nothing.py')])


def test_shapes_of_different_classes_are_refused(tmp_path):
    other = dict(dataset=tiny_dataset([2, 2, 2]) | dict(classes=['stick', 'ball', 'plate']))
    config = write_shape_config(tmp_path / 'shapes.py', test_dataloader=other)
    with pytest.raises(SystemExit, match='different classes'):
        linear_probe.main([str(config)])


def test_the_shipped_config_with_a_part_of_the_labels(tmp_path, capsys, monkeypatch):
    labels = np.tile(np.arange(3), 12)
    points = np.random.default_rng(0).normal(size=(36, 90, 3)) * SIZES[labels][:, None]
    np.savez(
        tmp_path / 'shapes.npz',
        points=points.astype(np.float32),
        label=labels,
        classes=np.array(CLASSES),
        split=np.repeat(['train', 'test'], 18),
    )
    for split in ('train', 'test'):
        out = str(tmp_path / f'{split}.json')
        create_sequence_index.main(['shapes', '--root', str(tmp_path), '--split', split, '--out', out])
    select_labels.main([str(tmp_path / 'train.json'), str(tmp_path / 'few.json'), '--fraction', '0.5'])
    monkeypatch.setenv('SHAPES_ROOT', str(tmp_path))
    few = ['--cfg-options', 'train_dataloader.dataset.ann_file=few.json']
    said = probe(capsys, monkeypatch, str(CONFIG), '--seeds', '1', *few)
    assert '3 classes: 9 shapes to train on, 18 to test on' in said
    assert '--min-shapes 40: 0 of 3 classes' in said
    assert all(baseline in said for baseline in BASELINES)
