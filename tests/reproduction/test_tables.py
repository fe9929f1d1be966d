"""The rows: their configs exist, the ablations change what they say and no more, and the numbers are the paper's."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config

from strl_mmdet3d.errors import ConfigKeyError
from strl_mmdet3d.reproduction.steps import config_path
from strl_mmdet3d.reproduction.tables import TABLES, Detection, FineTuning, LinearProbe, find_tables

ROWS = [(table, row) for table in TABLES for row in table.rows]
# What the paper reports, by table, in the order of its rows.
REPORTED = {
    '1': [(88.3,), (90.9,)],
    '2a': [(92.2,), (93.1,)],
    '2b': [(60.5,), (82.7,), (86.5,), (89.7,)],
    '3': [((57.0, 57.7),), (58.2,)],
    '5': [(84.50, 57.06, 70.14), (84.70, 57.80, 71.88), (81.63, 39.62, 69.65)],
    '6a': [(90.9,)],
    '6b': [(58.2,), (59.2,)],
}


def test_the_numbers_are_the_papers_and_all_others_are_unknown():
    assert {table.name: [row.paper for row in table.rows if row.paper] for table in TABLES} == {
        table.name: REPORTED.get(table.name, []) for table in TABLES
    }


@pytest.mark.parametrize(('table', 'row'), ROWS, ids=[f'{table.name}-{row.name}' for table, row in ROWS])
def test_a_row_has_configs_and_a_number_for_each_column(table, row):
    for name in filter(None, (row.pretraining, row.evaluation.config)):
        assert Path(config_path(name)).is_file()
    assert not row.paper or len(row.paper) == len(table.columns)
    assert len({other.name for other in table.rows}) == len(table.rows)
    if isinstance(row.evaluation, Detection):
        assert (row.evaluation.arm == 'scratch') == (row.pretraining is None)
    if isinstance(row.evaluation, FineTuning):
        assert row.evaluation.config.endswith('scratch') == (row.pretraining is None)
    if isinstance(row.evaluation, LinearProbe):
        assert row.evaluation.config.partition('/')[2].split('_')[0] in (row.pretraining or row.name.lower())


def test_tables_are_found_by_name():
    def names(*asked):
        return [table.name for table in find_tables(list(asked))]

    assert names('all') == [table.name for table in TABLES]
    assert names('2') == ['2a', '2b']
    assert names('7b', '1', '7') == ['1', '7a', '7b']
    with pytest.raises(ConfigKeyError, match=r"no table '9' here: name one of 1, 2a, .*, or all"):
        find_tables(['9'])


def augment_of(name: str) -> list[str]:
    pipeline = Config.fromfile(config_path(name)).train_dataloader.dataset.pipeline
    return [step.type for step in pipeline.augment]


VIEWS = {'rotation': 'RandomRotatePoints', 'translation': 'RandomTranslatePoints', 'scaling': 'RandomScalePoints'}
SPATIAL = {
    'crop': 'RandomCropPoints',
    'cutout': 'RandomCutoutPoints',
    'drop_out': 'RandomDropPoints',
    'jitter': 'RandomUniformJitterPoints',
}
NORMALISE = 'NormalizePointsToUnitSphere'


@pytest.mark.parametrize(
    ('what', 'removed'),
    [
        *((what, [transform]) for what, transform in (VIEWS | SPATIAL).items()),
        ('normalisation', [NORMALISE]),
        ('view_transforms', [*VIEWS.values()]),
        ('augmentation', [*SPATIAL.values()]),
    ],
)
def test_an_ablation_of_views_removes_what_it_says_and_no_more(what, removed):
    full = Config.fromfile('configs/strl/pointnet_shapenet_pretrain.py')
    assert augment_of('strl/pointnet_shapenet_pretrain') == [NORMALISE, *VIEWS.values(), *SPATIAL.values()]
    name = f'ablations/pointnet_shapenet_without_{what}'
    assert [row for _, row in ROWS if row.pretraining == name], 'no table has it'
    changed = Config.fromfile(config_path(name))
    kept = [step for step in full.train_dataloader.dataset.pipeline.augment if step.type not in removed]
    assert changed.train_dataloader.dataset.pipeline.augment == kept
    full.train_dataloader.dataset.pipeline.augment = kept
    for part in ('model', 'train_dataloader', 'optim_wrapper', 'param_scheduler', 'train_cfg', 'default_hooks'):
        assert changed[part] == full[part]


@pytest.mark.parametrize(
    ('name', 'base', 'setting', 'value'),
    [
        ('votenet_scannet_without_sequence', 'votenet_scannet_pretrain', 'mode', 'spatial'),
        ('dgcnn_scannet_25k', 'dgcnn_scannet_pretrain', 'ann_file', 'sequences_25k.json'),
    ],
)
def test_an_ablation_of_data_changes_one_setting(name, base, setting, value):
    base = Config.fromfile(config_path(f'strl/{base}'))
    assert base.train_dataloader.dataset.get(setting) != value
    base.train_dataloader.dataset[setting] = value
    changed = Config.fromfile(config_path(f'ablations/{name}'))
    for part in ('model', 'train_dataloader', 'optim_wrapper', 'param_scheduler', 'train_cfg', 'default_hooks'):
        assert changed[part] == base[part]


def test_every_ablation_is_in_a_table():
    shipped = {f'ablations/{path.stem}' for path in Path('configs/ablations').glob('*.py')}
    assert shipped == {row.pretraining for _, row in ROWS if (row.pretraining or '').startswith('ablations/')}
