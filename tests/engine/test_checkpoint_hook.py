"""Checkpoints: whole, the newest ones kept, the last one named; and what a full disk does."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import mmengine.runner.runner as runner_module
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from tiny import tiny_runner

from strl_mmdet3d.atomic_write import _machine
from strl_mmdet3d.engine.finite import DivergedError
from strl_mmdet3d.engine.hooks import checkpoint_hook
from strl_mmdet3d.engine.hooks.unusable_frames_hook import COUNTS_KEY
from strl_mmdet3d.engine.work_dir import WorkDirError, prepare_work_dir

Usage = namedtuple('Usage', 'total used free')


def runner_of(work_dir, **hook):
    options = dict(type='WholeCheckpointHook', interval=1, max_keep_ckpts=2) | hook
    return tiny_runner(work_dir, epochs=4, length=6, default_hooks=dict(checkpoint=options))


def checkpoints(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if '.pth' in path.name)


def test_the_newest_are_kept_and_the_last_is_named(tmp_path):
    runner_of(tmp_path).train()
    assert checkpoints(tmp_path) == ['epoch_3.pth', 'epoch_4.pth']
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'epoch_4.pth')
    meta = torch.load(tmp_path / 'epoch_4.pth', weights_only=True)['meta']
    assert (meta['epoch'], meta['iter']) == (4, 12)


def test_nothing_is_removed_before_the_new_one_is_whole(tmp_path, monkeypatch):
    runner = runner_of(tmp_path, max_keep_ckpts=1)
    seen = []
    save = runner.save_checkpoint

    def watched(out_dir, filename, **kwargs):
        before = checkpoints(tmp_path)
        save(out_dir, filename, **kwargs)
        assert set(checkpoints(tmp_path)) - set(before) == {filename}
        seen.append((before, filename[: filename.index('.pth') + 4]))

    monkeypatch.setattr(runner, 'save_checkpoint', watched)
    runner.train()
    assert seen == [
        ([f'epoch_{number - 1}.pth'] if number > 1 else [], f'.epoch_{number}.pth') for number in range(1, 5)
    ]
    assert checkpoints(tmp_path) == ['epoch_4.pth']


def test_a_full_disk_is_told_and_the_last_good_checkpoint_stays(tmp_path, monkeypatch):
    runner = runner_of(tmp_path)
    save = runner.save_checkpoint

    def full(out_dir, filename, **kwargs):
        if filename.startswith('.epoch_3'):
            (Path(out_dir) / filename).write_bytes(b'half')
            raise OSError(28, 'No space left on device')
        save(out_dir, filename, **kwargs)

    monkeypatch.setattr(runner, 'save_checkpoint', full)
    with pytest.raises(
        WorkDirError,
        match=r'epoch_3\.pth cannot be written .*No space left.*the last good checkpoint is .*epoch_2\.pth.*--resume',
    ):
        runner.train()
    assert checkpoints(tmp_path) == ['epoch_1.pth', 'epoch_2.pth']
    assert (tmp_path / 'last_checkpoint').read_text().endswith('epoch_2.pth')


def test_too_little_space_is_told_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, 'disk_usage', lambda folder: Usage(0, 0, 1000))
    runner = runner_of(tmp_path)
    with pytest.raises(WorkDirError, match=r'0 MiB are free in .* a checkpoint takes up to'):
        runner.train()
    assert runner.iter == 0


def test_what_a_killed_run_left_half_written_is_removed(tmp_path):
    (tmp_path / f'.epoch_9.pth.{_machine()}-{2**22 - 7}-ab12.part').write_bytes(b'half')
    (tmp_path / 'mine.part').write_bytes(b'not ours')
    runner_of(tmp_path).train()
    assert checkpoints(tmp_path) == ['epoch_3.pth', 'epoch_4.pth']
    assert (tmp_path / 'mine.part').exists()


def test_a_checkpoint_waits_for_the_end_of_the_step(tmp_path):
    config = tiny_runner(
        tmp_path,
        length=8,
        accumulate=3,  # 4 iterations an epoch: steps after 3 and 6, and the last, incomplete one after 8
        train_cfg=dict(type='PretrainLoop', max_epochs=2),
        default_hooks=dict(checkpoint=dict(type='WholeCheckpointHook', interval=1)),
    ).cfg
    config.train_dataloader.sampler = dict(type='PairSampler')
    Runner.from_cfg(config).train()
    metas = [torch.load(tmp_path / f'epoch_{number}.pth', weights_only=True)['meta'] for number in (1, 2)]
    assert [(meta['epoch'], meta['iter']) for meta in metas] == [(1, 6), (2, 8)]


def test_a_loop_that_resumes_at_epochs_only_has_its_checkpoints_there(tmp_path):
    """mmengine's, which a checkpoint from within an epoch would let repeat the whole epoch."""
    hook = dict(checkpoint=dict(type='WholeCheckpointHook', interval=1))
    runner = tiny_runner(tmp_path, epochs=3, length=8, accumulate=3, default_hooks=hook)
    runner.train()
    metas = [torch.load(tmp_path / f'epoch_{number}.pth', weights_only=True)['meta'] for number in (1, 2, 3)]
    assert [(meta['epoch'], meta['iter']) for meta in metas] == [(1, 4), (2, 8), (3, 12)]
    resumed = dict(resume=True, load_from=str(tmp_path / 'epoch_1.pth'))
    runner = tiny_runner(tmp_path / 'resumed', epochs=3, length=8, accumulate=3, default_hooks=hook, **resumed)
    runner.train()
    assert runner.iter == 12


@pytest.mark.parametrize('name', ['thesis.tex', 'epoch_7.pth', '../epoch_7.pth', 3])
def test_only_checkpoints_out_of_turn_are_removed(tmp_path, name):
    """A checkpoint to resume, which may be anyone's, says what was written out of turn."""
    run = tmp_path / 'run'
    run.mkdir()
    kept = [run / str(name), tmp_path / 'thesis.tex']
    for path in kept:
        path.write_text('not to be deleted')
    for said in (name, str(tmp_path / 'thesis.tex')):
        runner = runner_of(run)
        runner.message_hub.update_info(checkpoint_hook.EXTRA_KEY, said)
        runner.train()
    assert [path.read_text() for path in kept] == ['not to be deleted'] * 2
    (run / 'iter_7.pth').write_text('of a run that was stopped')
    runner = runner_of(run)
    runner.message_hub.update_info(checkpoint_hook.EXTRA_KEY, 'iter_7.pth')
    runner.train()
    assert not (run / 'iter_7.pth').exists()


def test_storage_that_is_no_local_disk_is_left_to_mmengine(tmp_path, monkeypatch):
    runner = runner_of(tmp_path)
    monkeypatch.setattr(checkpoint_hook, 'LocalBackend', dict)  # the backend is none of these
    runner.train()
    assert checkpoints(tmp_path) == ['epoch_3.pth', 'epoch_4.pth']


def test_a_work_dir_that_cannot_be_written_to_is_told(tmp_path):
    prepare_work_dir(tmp_path / 'new' / 'run')
    assert (tmp_path / 'new' / 'run').is_dir()
    (tmp_path / 'file').write_text('')
    with pytest.raises(WorkDirError, match=r'file/run cannot be written to .*--work-dir'):
        prepare_work_dir(tmp_path / 'file' / 'run')


def test_a_full_disk_is_told_by_the_small_file(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('os.fsync', full)
    with pytest.raises(WorkDirError, match='No space left on device'):
        prepare_work_dir(tmp_path)


@pytest.mark.parametrize('what', ['weight', 'buffer', 'momentum'])
def test_non_finite_values_never_replace_a_good_checkpoint(tmp_path, what):
    runner = runner_of(tmp_path, max_keep_ckpts=1)
    poisoned = []

    class Poison(Hook):
        def after_train_epoch(self, runner):
            if runner.epoch == 2:
                neck = runner.model.online_encoder.detector.neck.deblocks[0][1]
                state = next(iter(runner.optim_wrapper.optimizer.state.values()))
                tensor = dict(weight=neck.weight, buffer=neck.running_mean, momentum=state['momentum_buffer'])[what]
                tensor.detach().view(-1)[0] = torch.inf
                poisoned.append(what)

    runner.register_hook(Poison(), priority='HIGHEST')
    with pytest.raises(DivergedError, match=r'iteration \d+: .* so epoch_3\.pth is not saved; the last good .*epoch_2'):
        runner.train()
    assert poisoned == [what]
    assert checkpoints(tmp_path) == ['epoch_2.pth']


def test_a_checkpoint_out_of_turn_is_replaced_by_the_next_regular_one(tmp_path):
    runner = runner_of(tmp_path, by_epoch=False, interval=4, max_keep_ckpts=5)
    seen = []

    class OutOfTurn(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if runner.iter + 1 in (4, 6):
                saving = next(hook for hook in runner.hooks if hasattr(hook, 'write_now'))
                saving.write_now(runner)
                seen.append(checkpoints(tmp_path))

    runner.register_hook(OutOfTurn(), priority='LOWEST')
    runner.train()
    assert seen == [['iter_4.pth'], ['iter_4.pth', 'iter_6.pth']]  # 4 is a regular one
    assert checkpoints(tmp_path) == ['iter_12.pth', 'iter_4.pth', 'iter_8.pth']


def test_a_checkpoint_by_iterations_waits_in_any_loop(tmp_path):
    hook = dict(checkpoint=dict(type='WholeCheckpointHook', interval=2, by_epoch=False))
    tiny_runner(tmp_path, epochs=2, length=8, accumulate=3, default_hooks=hook).train()
    metas = [torch.load(tmp_path / f'iter_{number}.pth', weights_only=True)['meta'] for number in (2, 4)]
    assert [meta['iter'] for meta in metas] == [3, 6]


class Judge(Hook):
    """Hands the checkpoint hook what a validation would have found after each epoch."""

    priority = 'LOWEST'

    def __init__(self, values):
        self.values = values

    def before_train_epoch(self, runner):
        if runner.epoch:
            metrics = {name: values[runner.epoch - 1] for name, values in self.values.items()}
            saving = next(hook for hook in runner.hooks if hasattr(hook, 'write_now'))
            saving.after_val_epoch(runner, metrics)


@pytest.mark.parametrize(
    ('values', 'kept'),
    [
        (dict(acc=[0.1, 0.3, 0.2]), ['best_acc_epoch_2.pth']),
        (dict(acc=[0.1, 0.3, 0.2], iou=[0.1, 0.2, 0.3]), ['best_acc_epoch_2.pth', 'best_iou_epoch_3.pth']),
    ],
)
def test_the_best_checkpoint_is_kept(tmp_path, values, kept):
    runner = runner_of(tmp_path, save_best=list(values), rule='greater')
    runner.register_hook(Judge(values))
    runner.train()
    assert [name for name in checkpoints(tmp_path) if name.startswith('best')] == kept


@pytest.mark.parametrize('failing', ['best_acc_epoch_2', 'epoch_2'])
def test_the_best_checkpoint_before_stays_until_the_new_one_is_whole(tmp_path, monkeypatch, failing):
    runner = runner_of(tmp_path, save_best='acc', rule='greater')
    runner.register_hook(Judge(dict(acc=[0.1, 0.2, 0.3])))
    save = runner_module.save_checkpoint

    def full(checkpoint, path, *args, **kwargs):
        if Path(path).name.startswith('.best_acc_epoch_2') or (tmp_path / 'best_acc_epoch_2.pth').exists():
            Path(path).write_bytes(b'half')
            raise OSError(28, 'No space left on device')
        save(checkpoint, path, *args, **kwargs)

    if failing == 'epoch_2':  # which is written once more, with the name of the best one
        whole = full

        def full(checkpoint, path, *args, **kwargs):
            (save if Path(path).name.startswith('.best') else whole)(checkpoint, path, *args, **kwargs)

    monkeypatch.setattr(runner_module, 'save_checkpoint', full)
    with pytest.raises(WorkDirError, match=rf'{failing}\.pth cannot be written .*No space left.*the last good'):
        runner.train()
    assert set(checkpoints(tmp_path)) >= {'best_acc_epoch_1.pth', 'epoch_2.pth'}
    for name in checkpoints(tmp_path):
        torch.load(tmp_path / name, weights_only=True)


def test_a_name_with_a_format(tmp_path):
    """Of three digits, say."""
    runner_of(tmp_path, filename_tmpl='ep_{:03d}.pth').train()
    assert checkpoints(tmp_path) == ['ep_003.pth', 'ep_004.pth']


def test_what_the_run_of_a_checkpoint_from_elsewhere_keeps_is_not_removed_here(tmp_path):
    tiny_runner(tmp_path / 'one', epochs=2, length=6, default_hooks=runner_hooks()).train()
    mine = tmp_path / 'other' / 'epoch_1.pth'
    mine.parent.mkdir()
    mine.write_text('of another run')
    start = dict(resume=True, load_from=str(tmp_path / 'one' / 'epoch_2.pth'))
    tiny_runner(mine.parent, epochs=4, length=6, default_hooks=runner_hooks(), **start).train()
    assert checkpoints(mine.parent) == ['epoch_1.pth', 'epoch_3.pth', 'epoch_4.pth']
    assert mine.read_text() == 'of another run'


def runner_hooks():
    return dict(checkpoint=dict(type='WholeCheckpointHook', interval=1, max_keep_ckpts=2))


def test_hooks_are_told_before_any_checkpoint(tmp_path):
    runner = runner_of(tmp_path, by_epoch=False, interval=4)
    told = []

    class Told(Hook):
        priority = 'LOWEST'

        def before_write_checkpoint(self, runner):
            told.append(runner.iter + 1)

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if runner.iter + 1 == 6:
                next(hook for hook in runner.hooks if hasattr(hook, 'write_now')).write_now(runner)

    runner.register_hook(Told())
    runner.train()
    assert told == [4, 6, 8, 12]


def test_the_counts_of_unusable_frames_are_those_up_to_the_checkpoint(tmp_path, monkeypatch):
    """On several ranks, which add them up every 10 iterations only."""
    monkeypatch.setattr('strl_mmdet3d.engine.hooks.unusable_frames_hook.get_world_size', lambda: 2)
    monkeypatch.setattr('strl_mmdet3d.engine.hooks.unusable_frames_hook.skipped_of', lambda batch: [[], []])
    hooks = runner_hooks() | dict(frames=dict(type='UnusableFramesHook'))
    hooks['checkpoint'] |= dict(by_epoch=False, interval=4)
    tiny_runner(tmp_path, epochs=1, length=14, default_hooks=hooks).train()
    counts = torch.load(tmp_path / 'iter_4.pth', weights_only=True)['message_hub']['runtime_info'][COUNTS_KEY]
    assert counts == dict(num_pairs=8, num_replaced=0)
