"""What makes a run is recorded in its checkpoints, and a resumed run must be the same."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, Runner
from tiny import tiny_config

from strl_mmdet3d.engine.hooks import SameRunHook
from strl_mmdet3d.engine.run_record import NOT_SET, ResumeError, differences, record_of
from strl_mmdet3d.errors import ConfigError


@pytest.fixture
def config(tmp_path):
    for name in ('index.json', 'infos.pkl'):
        (tmp_path / name).write_text(f'content of {name}')
    dataset = dict(
        type='TemporalPairDataset',
        data_root=str(tmp_path),
        ann_file='index.json',
        pipeline=dict(type='MultiView', augment=[dict(type='Jitter', maximum=0.05), dict(type='Crop')]),
    )
    loader = dict(batch_size=8, num_workers=2, dataset=dataset)
    return Config(
        tiny_config(
            train_dataloader=loader,
            train_cfg=dict(type='PretrainLoop', max_epochs=10),
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1), accumulative_counts=2),
            param_scheduler=[dict(type='CosineAnnealingLR', T_max=10)],
            randomness=dict(seed=1),
            default_hooks=dict(target=dict(type='TargetUpdateHook', tau_start=0.99), report=dict(type='ReportHook')),
        )
    )


def changed(config, **settings):
    other = copy.deepcopy(config)
    other.merge_from_dict({key.replace('__', '.'): value for key, value in settings.items()})
    return other


@pytest.mark.parametrize(
    ('key', 'value', 'said'),
    [
        ('train_dataloader.batch_size', 4, 'is 4 and was 8'),
        ('optim_wrapper.optimizer.lr', 0.2, 'is 0.2 and was 0.1'),
        ('optim_wrapper.optimizer.type', 'Adam', 'is "Adam" and was "SGD"'),
        ('optim_wrapper.accumulative_counts', 1, 'is 1 and was 2'),
        ('optim_wrapper.type', 'AmpOptimWrapper', 'is "AmpOptimWrapper"'),
        ('model.predictor.hidden_channels', 16, 'is 16 and was 32'),
        ('train_cfg.max_epochs', 20, 'is 20 and was 10'),
        ('randomness.seed', 2, 'is 2 and was 1'),
        ('train_dataloader.dataset.pipeline.augment.0.maximum', 0.1, 'is 0.1 and was 0.05'),
        ('train_dataloader.dataset.mode', 'spatial', f'is "spatial" and was {NOT_SET}'),
        ('default_hooks.target.tau_start', 0.9, 'is 0.9 and was 0.99'),
        ('param_scheduler.0.T_max', 20, 'is 20 and was 10'),
    ],
)
def test_what_changes_the_run_is_named_with_both_values(config, key, value, said):
    found = differences(record_of(changed(config, **{key: value}), 1), record_of(config, 1))
    assert list(found) == [key]
    assert found[key] == f'{key} {said}' or said in found[key]


@pytest.mark.parametrize(
    'settings',
    [
        {'train_dataloader.num_workers': 0},
        {'train_dataloader.pin_memory': True},
        {'default_hooks.report': None},
        {'work_dir': 'elsewhere'},
        {'log_level': 'ERROR'},
    ],
)
def test_what_changes_nothing_is_not(config, settings):
    assert differences(record_of(changed(config, **settings), 1), record_of(config, 1)) == {}


def test_the_data_counts_by_its_content_and_not_by_its_place(config, tmp_path):
    before = record_of(config, 1)
    moved = tmp_path / 'moved'
    moved.mkdir()
    (tmp_path / 'index.json').rename(moved / 'again.json')
    elsewhere = changed(config, train_dataloader__dataset__data_root=str(moved))
    elsewhere.train_dataloader.dataset.ann_file = 'again.json'
    assert differences(record_of(elsewhere, 1), before) == {}
    (moved / 'again.json').write_text('content of Index.json')  # of the same length
    assert list(differences(record_of(elsewhere, 1), before)) == ['train_dataloader.dataset.ann_file']


def test_files_that_stand_relative_to_the_current_folder_count_by_content(config, tmp_path, monkeypatch):
    """As those of transforms, which do not know the data's root."""
    monkeypatch.chdir(tmp_path)
    config.train_dataloader.dataset.data_root = 'somewhere'
    config.train_dataloader.dataset.pipeline.pair = [dict(type='PasteMoved', things='here/things.npz')]
    Path('here').mkdir()
    Path('here/things.npz').write_text('one')
    before = record_of(config, 1)
    Path('here/things.npz').rename('things.npz')
    config.train_dataloader.dataset.pipeline.pair[0].things = 'things.npz'
    assert differences(record_of(config, 1), before) == {}
    Path('things.npz').write_text('two')
    (key,) = differences(record_of(config, 1), before)
    assert key.endswith('.pair.0.things')


def test_the_number_of_ranks_counts(config):
    assert differences(record_of(config, 2), record_of(config, 1)) == {'ranks': 'ranks is 2 and was 1'}


def test_a_difference_is_allowed_by_name_or_by_the_beginning_of_its_name(config):
    other = record_of(changed(config, optim_wrapper__optimizer__lr=1.0, optim_wrapper__accumulative_counts=1), 1)
    before = record_of(config, 1)
    assert len(differences(other, before)) == 2
    assert list(differences(other, before, ['optim_wrapper.optimizer'])) == ['optim_wrapper.accumulative_counts']
    assert differences(other, before, ['optim_wrapper']) == {}
    assert len(differences(other, before, ['optim', 'optim_wrapper.optimizer.l'])) == 2


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from('abcde'), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from('abcde'), PLAIN, max_size=3))
def test_the_same_settings_have_the_same_record(model):
    one, other = (Config(dict(model=copy.deepcopy(model))) for _ in range(2))
    assert record_of(one, 1) == record_of(other, 1)
    assert all(isinstance(text, str) for pair in record_of(one, 1).items() for text in pair)


class Stub:
    """What the hook sees of a Runner."""

    _resume, _load_from = True, 'epoch_1.pth'

    def __init__(self, config):
        self.cfg, self.said = config, []
        self.logger = self

    def warning(self, message):
        self.said.append(message)


def saved(config):
    checkpoint = dict(meta={})
    SameRunHook().before_save_checkpoint(Stub(config), checkpoint)
    return checkpoint


def test_a_changed_run_is_refused_before_anything_is_loaded(config):
    other = Stub(changed(config, train_dataloader__batch_size=4, optim_wrapper__optimizer__lr=1.0))
    with pytest.raises(ResumeError, match='is not the run of') as refusal:
        SameRunHook().after_load_checkpoint(other, saved(config))
    said = str(refusal.value)
    assert 'this run is not the run of epoch_1.pth: optim_wrapper.optimizer.lr is 1.0 and was 0.1' in said
    assert '--allow-change optim_wrapper.optimizer.lr train_dataloader.batch_size;' in said
    assert 'load_from=epoch_1.pth without --resume' in said


def test_an_allowed_change_is_said(config):
    other = Stub(changed(config, train_dataloader__batch_size=4))
    SameRunHook(allow=['train_dataloader']).after_load_checkpoint(other, saved(config))
    assert other.said == ['the run goes on with changes: train_dataloader.batch_size is 4 and was 8']
    same = Stub(config)
    SameRunHook().after_load_checkpoint(same, saved(config))
    assert same.said == []


def test_another_model_is_named_by_its_section(config):
    other = copy.deepcopy(config)
    other.model = dict(type='Other', **{f'a{number}': number for number in range(20)})
    with pytest.raises(ResumeError, match=r'\d+ more\. .* by --allow-change model;'):
        SameRunHook().after_load_checkpoint(Stub(other), saved(config))


@pytest.mark.parametrize('meta', [{}, dict(strl_run=3), dict(strl_run={'ranks': 1}), dict(strl_run=[])])
def test_a_checkpoint_without_a_record_is_said(config, meta):
    runner = Stub(config)
    SameRunHook().after_load_checkpoint(runner, dict(meta=meta))
    assert 'epoch_1.pth has no record of its run' in runner.said[0]


def test_weights_alone_may_come_from_any_run(config):
    runner = Stub(changed(config, train_dataloader__batch_size=4))
    runner._resume = False
    SameRunHook().after_load_checkpoint(runner, saved(config))
    assert runner.said == []


def test_the_index_is_recorded_as_the_run_read_it(config, tmp_path):
    """Not as it is when the checkpoint is written."""
    runner, hook, checkpoint = Stub(config), SameRunHook(), dict(meta={})
    runner._train_loop, runner._resume = BaseLoop.__new__(EpochBasedTrainLoop), False
    hook.before_run(runner)
    (tmp_path / 'index.json').write_text('another one')
    hook.before_save_checkpoint(runner, checkpoint)
    with pytest.raises(ResumeError, match='ann_file is sha256'):
        SameRunHook().after_load_checkpoint(Stub(config), checkpoint)
    hook.before_run(runner)
    hook.before_save_checkpoint(runner, checkpoint)
    SameRunHook().after_load_checkpoint(Stub(config), checkpoint)


@pytest.mark.parametrize('allow', [(), ('randomness',)])
def test_the_seed_stays(config, allow):
    other = Stub(changed(config, randomness__seed=2, train_dataloader__batch_size=4))
    said = 'randomness.seed is 2 and was 1.* by --allow-change train_dataloader.batch_size; .* keeps its seed'
    with pytest.raises(ResumeError, match=said):
        SameRunHook(allow=allow).after_load_checkpoint(other, saved(config))
    with pytest.raises(ResumeError, match=r'is 2 and was 1\. Undo the changes; or begin'):
        SameRunHook(allow=['train_dataloader', *allow]).after_load_checkpoint(other, saved(config))
    with pytest.raises(ConfigError, match='a resumed run keeps the seed'):
        SameRunHook(allow=['randomness.seed'])


def test_mmengine_calls_the_hook_where_it_must():
    assert {'before_save_checkpoint', 'after_load_checkpoint'} <= set(vars(Hook))
    assert callable(Runner.load_checkpoint)
