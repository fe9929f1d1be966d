"""The plans: commands that the tools accept, in an order in which they can run, each once."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from mmengine.config import Config

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.reproduction.data import check_real_data
from strl_mmdet3d.reproduction.step import Settings
from strl_mmdet3d.reproduction.steps import data_needed, steps_of
from strl_mmdet3d.reproduction.tables import TABLES, find_tables

CONFIGS: dict[tuple, Config] = {}
# Settings with a default in mmengine, which not every config repeats.
NEW = {'randomness.seed', 'train_dataloader.dataset.indices'}
NEW |= {f'{name}_dataloader.persistent_workers' for name in ('train', 'val', 'test')}


def plan(*names, work_dir='W', **settings):
    return steps_of(find_tables(list(names)), Settings(Path(work_dir), **settings))


def read(path: str, area: str) -> Config:
    """Each config once, with the area of S3DIS that it is read for."""
    if (path, area) not in CONFIGS:
        CONFIGS[path, area] = Config.fromfile(path)
    return CONFIGS[path, area]


@pytest.mark.parametrize('size', ['full', 'tiny'])
@pytest.mark.parametrize('data', ['simulated', 'real'])
@pytest.mark.parametrize('table', [table.name for table in TABLES])
def test_every_command_is_accepted_and_finds_what_it_needs(table, data, size, monkeypatch):
    for name in ('SHAPES_ROOT', 'S3DIS_TRAIN_AREA'):
        monkeypatch.delenv(name, raising=False)
    steps = plan(table, data=data, size=size, seeds=2)
    written: set[str] = set()
    for step in steps:
        if 'mim' in step.tool:
            assert Path(step.tool).is_file()
            continue
        args = importlib.import_module(step.tool).parse_args(list(step.arguments))
        needed = [argument.rpartition('=')[2] for argument in step.arguments if argument.endswith('encoder.pth')]
        assert set(needed) <= written, f'{step.name} comes before its pre-training'
        if step.tool == 'train':
            written.add(f'{args.work_dir}/encoder.pth')
        variables = dict(step.environment)
        if hasattr(args, 'config'):
            assert bool(variables.keys() - {'S3DIS_TRAIN_AREA'}) == (data == 'simulated')
        if not getattr(args, 'cfg_options', None):
            continue
        config = read(args.config, variables.get('S3DIS_TRAIN_AREA', ''))
        for setting in args.cfg_options:
            if setting.partition('=')[0] in NEW:
                continue
            *parents, last = setting.partition('=')[0].split('.')
            node = config
            for parent in parents:
                node = node[int(parent)] if isinstance(node, list) else node[parent]
            assert last in node, f'{step.name}: {setting}'
    names = [step.name for step in steps]
    assert len(set(names)) == len(names)
    simulated = [name for name in names if name.startswith('data/')]
    assert bool(simulated) == (data == 'simulated')
    assert names[: len(simulated[:1])] == simulated[:1], 'data come first'


def test_what_two_tables_need_is_run_once():
    together = {step.name for step in plan('1', '6a')}
    alone = {step.name for step in plan('1')} & {step.name for step in plan('6a')}
    assert {'pretrain/dgcnn_shapenet_pretrain/seed_0'} < alone
    assert len(together) == len(plan('1')) + len(plan('6a')) - len(alone)
    (of_all,) = [step for step in plan('all') if step.name == 'pretrain/pointnet_shapenet_pretrain/seed_0']
    assert of_all in plan('7a')


@pytest.mark.parametrize('table', ['1', '3', '5'])
def test_a_seed_is_a_pretraining_and_what_follows_from_it(table):
    few, many = plan(table, seeds=2), plan(table, seeds=3)
    pretrainings = [step for step in many if step.name.startswith('pretrain')]
    configs = {step.arguments[0] for step in pretrainings}
    assert sorted(step.seed for step in pretrainings) == sorted([0, 1, 2] * len(configs))
    for step in pretrainings:
        assert f'randomness.seed={step.seed}' in step.arguments
    assert {step.name for step in few if step.name.startswith('pretrain')} < {step.name for step in pretrainings}
    for step in many:
        if step.tool == 'evaluate_pretraining':
            assert step.arguments[step.arguments.index('--seeds') + 1] == '3'
            given = [word for word in step.arguments if word.startswith('strl=')]
            # Of three checkpoints of one name, seed s takes number s mod 3.
            assert [Path(word).parent.name for word in given] == ['seed_0', 'seed_1', 'seed_2'] * (len(given) > 0)
            assert len({Path(word).parents[1].name for word in given}) <= 1
    assert sum(step.tool == 'evaluate_pretraining' for step in many) == {'1': 0, '3': 2, '5': 3}[table]


def test_each_area_of_s3dis_and_each_share_of_labels_has_its_own_training():
    areas = [dict(step.environment)['S3DIS_TRAIN_AREA'] for step in plan('4') if step.name.startswith('evaluate')]
    assert sorted(set(areas)) == ['1', '2', '3', '4', '5']
    assert len(areas) == 20  # trained and tested, from scratch and from STRL
    chosen = [step for step in plan('2b') if step.tool == 'select_labels']
    assert [step.arguments[3] for step in chosen] == ['0.01', '0.05', '0.1', '0.2']
    for step in plan('2b'):
        if step.tool == 'train' and step.name.startswith('evaluate'):
            (index,) = [option for option in step.arguments if 'ann_file=' in option]
            share = step.name.split('-')[-1].partition('_')[0]
            assert index.endswith(f'/labels/{share}_percent/seed_0.json')


def test_missing_data_is_named(monkeypatch, tmp_path):
    needed = [data for table in find_tables(['3']) for row in table.rows for data in data_needed(row)]
    monkeypatch.delenv('SCANNET_FRAMES_ROOT', raising=False)
    monkeypatch.setenv('SUNRGBD_ROOT', str(tmp_path))
    (tmp_path / 'sunrgbd_infos_train.pkl').touch()
    with pytest.raises(ConfigError, match='SCANNET_FRAMES_ROOT is not set') as refused:
        check_real_data(needed)
    assert str(refused.value).count('SCANNET_FRAMES_ROOT') == 1
    assert f'{tmp_path / "sunrgbd_infos_val.pkl"} (SUN RGB-D)' in str(refused.value)
    assert 'infos_train' not in str(refused.value)
    (tmp_path / 'sunrgbd_infos_val.pkl').touch()
    (tmp_path / 'sequences.json').touch()
    monkeypatch.setenv('SCANNET_FRAMES_ROOT', str(tmp_path))
    check_real_data(needed)
