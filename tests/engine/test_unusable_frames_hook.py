"""Damaged frames in a run: what is counted and listed, when the run ends, and what a resumed run continues."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from command_line import foreseen_errors
from mmdet3d.registry import DATASETS
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.runner import find_latest_checkpoint
from tiny import random_cloud, tiny_runner

import strl_mmdet3d.engine.hooks.unusable_frames_hook as module
from strl_mmdet3d.datasets import FrameSequence, PairKey, write_sequence_index
from strl_mmdet3d.datasets.unusable_frames import FILE_NAME, read_listed
from strl_mmdet3d.engine.hooks.unusable_frames_hook import COUNTS_KEY, UnusableFramesError, UnusableFramesHook

NUM_FRAMES = 12


@pytest.fixture
def data(tmp_path):
    """A sequence of scans with two damaged ones."""

    root, rng = tmp_path / 'data', np.random.default_rng(0)
    root.mkdir()
    frames = [f'{i}.bin' for i in range(NUM_FRAMES)]
    for frame in frames:
        random_cloud(rng).numpy().tofile(root / frame)
    (root / '3.bin').write_bytes(b'truncated')
    (root / '8.bin').unlink()
    write_sequence_index(root / 'index.json', {}, [FrameSequence('s', frames)])
    return root


def dataset(root):
    view = dict(type='MultiView', load=[dict(type='LoadFrame')])
    return dict(type='TemporalPairDataset', data_root=str(root), ann_file='index.json', window=3, pipeline=[view])


def make_runner(root, work_dir, epochs=2, resume=False, workers=0, **arguments):
    loader = dict(
        batch_size=4,
        num_workers=workers,
        dataset=dataset(root),
        sampler=dict(type='PairSampler', shuffle=True),
        collate_fn=dict(type='pseudo_collate'),
    )
    own = dict(type='UnusableFramesHook', **dict(max_share=1) | arguments)
    runner = tiny_runner(work_dir, epochs=epochs, train_dataloader=loader, custom_hooks=[own], log_level='INFO')
    if resume:
        runner._resume, runner._load_from = True, find_latest_checkpoint(str(work_dir))
    return runner


def expected_of(root, epochs):
    """The number of pairs that are replaced in the first epochs, and the records of the attempts that fail."""

    pairs = DATASETS.build(dataset(root))
    keys = [PairKey(0, epoch, item) for epoch in range(epochs) for item in range(NUM_FRAMES)]
    skipped = [pairs[key]['view_1']['data_samples'].skipped for key in keys]
    return sum(map(bool, skipped)), [record for records in skipped for record in records]


def listed(work_dir):
    return [json.loads(line) for line in (work_dir / FILE_NAME).read_text().splitlines()]


@pytest.mark.parametrize('workers', [0, 1])
def test_pairs_are_counted_and_each_frame_is_listed_once(data, tmp_path, workers):
    runner = make_runner(data, tmp_path / 'run', workers=workers)
    runner.train()
    num_replaced, records = expected_of(data, epochs=2)
    assert num_replaced > 2
    assert runner.message_hub.get_info(COUNTS_KEY) == dict(num_pairs=2 * NUM_FRAMES, num_replaced=num_replaced)
    lines = listed(tmp_path / 'run')
    assert sorted(line['frame_path'] for line in lines) == ['3.bin', '8.bin']
    for line in lines:
        assert line in records
    log = next((tmp_path / 'run').rglob('*.log')).read_text()
    assert f'epoch 1: {expected_of(data, epochs=1)[0]} of {NUM_FRAMES} pairs' in log
    assert f'the whole run: {num_replaced} of {2 * NUM_FRAMES} pairs seen so far were replaced, because of' in log


def test_a_run_without_damage_writes_no_list(data, tmp_path):
    for frame in ('3.bin', '8.bin'):
        (data / frame).write_bytes((data / '0.bin').read_bytes())
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / FILE_NAME).write_text('{"frame_path": "of a run before", "reason": ""}\n')
    runner = make_runner(data, tmp_path / 'run', epochs=1, max_share=0, num_tolerated=0)
    runner.train()
    assert runner.message_hub.get_info(COUNTS_KEY) == dict(num_pairs=NUM_FRAMES, num_replaced=0)
    assert not (tmp_path / 'run' / FILE_NAME).exists()


def test_a_resumed_run_goes_on_with_counts_and_list(data, tmp_path):
    class Die(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if runner.iter == 4:  # of 3 an epoch
                raise KeyboardInterrupt

    whole = make_runner(data, tmp_path / 'whole', epochs=3)
    whole.train()
    killed = make_runner(data, tmp_path / 'run', epochs=3)
    killed.register_hook(Die())
    with pytest.raises(KeyboardInterrupt):
        killed.train()
    path = tmp_path / 'run' / FILE_NAME
    path.write_bytes(path.read_bytes() + b'{"frame_path": "cut o')
    resumed = make_runner(data, tmp_path / 'run', epochs=3, resume=True)
    resumed.train()
    assert resumed.message_hub.get_info(COUNTS_KEY) == whole.message_hub.get_info(COUNTS_KEY)
    assert read_listed(path) == {f'{data}/3.bin', f'{data}/8.bin'}
    whole_lines = [line for line in path.read_text().splitlines() if line.endswith('}')]
    assert len(whole_lines) == 2


def test_too_large_a_share_ends_the_run_and_names_the_list(data, tmp_path):
    path = tmp_path / 'run' / FILE_NAME
    runner = make_runner(data, tmp_path / 'run', epochs=50, max_share=0.1, num_tolerated=3)
    with pytest.raises(UnusableFramesError, match=rf'4 of \d+ pairs .* share of 0\.1\. {path} lists .*--resume'):
        runner.train()
    assert {line['frame_path'] for line in listed(tmp_path / 'run')} <= {'3.bin', '8.bin'}


def test_what_keeps_its_share_or_its_number_goes_on(data, tmp_path):
    num_replaced, _ = expected_of(data, epochs=2)
    make_runner(data, tmp_path / 'few', max_share=0, num_tolerated=num_replaced).train()
    make_runner(data, tmp_path / 'small', max_share=0.99, num_tolerated=0).train()
    with pytest.raises(UnusableFramesError, match=f'{num_replaced} of '):
        make_runner(data, tmp_path / 'many', max_share=0, num_tolerated=num_replaced - 1).train()


def test_more_in_a_row_than_are_replaced_is_the_datasets_own_error(data, tmp_path):
    for path in data.glob('*.bin'):
        path.write_bytes(b'')
    with pytest.raises(ValueError, match=r'11 pair\(s\) in a row could not be used'):
        make_runner(data, tmp_path / 'run').train()


@pytest.mark.parametrize('workers', [0, 1])
def test_a_root_that_is_lost_ends_the_run_in_one_sentence(data, tmp_path, workers):
    class Lose(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if runner.iter == 4:  # of 3 an epoch, so that workers are yet to ask for more
                data.rename(data.with_name('lost'))

    runner = make_runner(data, tmp_path / 'run', epochs=50, workers=workers)
    runner.register_hook(Lose())
    said = rf'error: data_root {data} does not exist\. .*bring it back and continue .* with --resume'
    with pytest.raises(SystemExit, match='does not exist') as error, foreseen_errors():
        runner.train()
    assert re.fullmatch(said, error.value.code)
    assert (tmp_path / 'run/epoch_1.pth').is_file()
    assert not (tmp_path / 'run' / FILE_NAME).exists() or set(read_listed(tmp_path / 'run' / FILE_NAME)) <= {
        f'{data}/3.bin',
        f'{data}/8.bin',
    }


def test_data_that_does_not_say_what_was_skipped_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"finds no 'skipped'.*leave the hook out"):
        tiny_runner(tmp_path, custom_hooks=[dict(type='UnusableFramesHook')]).train()


@pytest.mark.parametrize('arguments', [dict(max_share=-0.1), dict(max_share=1.1), dict(num_tolerated=-1)])
def test_arguments_are_checked(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        UnusableFramesHook(**arguments)


def batch(*skipped):
    """A batch of pairs, each with the frames that were skipped for it."""
    samples = [
        SimpleNamespace(skipped=[dict(frame_path=f, reason='r', epoch=0, item=0) for f in frames]) for frames in skipped
    ]
    return dict(view_1=dict(data_samples=samples))


@pytest.mark.parametrize('rank', [0, 1])
def test_ranks_add_up_and_the_first_one_writes(tmp_path, monkeypatch, rank):
    """The counts of the other rank arrive by `all_gather_object`; here they are the same each time."""
    hub = MessageHub.get_instance(f'two ranks, seen by {rank}')
    runner = SimpleNamespace(message_hub=hub, work_dir=str(tmp_path), _resume=False, iter=0)
    other = (20, [[dict(frame_path='b', reason='r', epoch=0, item=9)]])
    calls = []

    def gather(mine):
        calls.append(mine)
        return [mine, other] if rank == 0 else [other, mine]

    monkeypatch.setattr(module, 'all_gather_object', gather)
    monkeypatch.setattr(module, 'get_world_size', lambda: 2)
    monkeypatch.setattr(module, 'is_main_process', lambda: rank == 0)
    hook = UnusableFramesHook(num_tolerated=5)
    hook.before_train(runner)
    for runner.iter in range(20):
        hook.before_train_iter(runner, 0, batch([], ['a', 'b'] if runner.iter < 2 else []))
    assert [mine[0] for mine in calls] == [20, 20]  # the pairs of 10 iterations
    assert hub.get_info(COUNTS_KEY) == dict(num_pairs=80, num_replaced=4)
    path = tmp_path / FILE_NAME
    assert path.exists() == (rank == 0)
    if rank == 0:
        assert read_listed(path) == {'a', 'b'}
        assert len(path.read_text().splitlines()) == 2
    # All ranks have the same counts, so all end in the same iteration.
    for runner.iter in range(20, 29):
        hook.before_train_iter(runner, 0, batch([], ['a'] if runner.iter == 20 else []))
    runner.iter = 29
    with pytest.raises(UnusableFramesError, match='6 of 120 pairs'):
        hook.before_train_iter(runner, 0, batch([], []))


def test_counts_are_in_the_checkpoint_as_plain_values(data, tmp_path):
    make_runner(data, tmp_path / 'run', epochs=1).train()
    checkpoint = torch.load(tmp_path / 'run' / 'epoch_1.pth', weights_only=True)
    counts = checkpoint['message_hub']['runtime_info'][COUNTS_KEY]
    assert counts['num_pairs'] == NUM_FRAMES
    assert type(counts['num_replaced']) is int
