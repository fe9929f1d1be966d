"""Where a run begins: the newest whole checkpoint of its own folder; nothing is overwritten."""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import CheckpointHook

from strl_mmdet3d.engine.run_start import (
    checkpoint_folder,
    checkpoints_in,
    is_own,
    last_good,
    later_than,
    name_pattern,
    newest_whole,
    refuse_to_overwrite,
    set_aside,
    start_to_resume,
)
from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.safe_loading import load_safely


@pytest.fixture(autouse=True)
def _safely():
    load_safely()


def save(path, iteration, **changes):
    content = dict(meta=dict(epoch=0, iter=iteration), state_dict=dict(weight=torch.arange(100.0)))
    content |= dict(message_hub={}, optimizer=dict(state={}, param_groups=[])) | changes
    torch.save({key: value for key, value in content.items() if value is not None}, path)
    return path


def config_of(work_dir, **checkpoint):
    return Config(dict(work_dir=str(work_dir), default_hooks=dict(checkpoint=checkpoint)))


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def flip(path, inside=b'\x00\x00\x80\x3f'):
    """Flip a bit of a tensor; torch.load does not notice."""
    content = bytearray(path.read_bytes())
    content[content.index(inside)] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-200])


def test_the_newest_is_the_one_with_the_most_iterations_whatever_its_name(tmp_path):
    save(tmp_path / 'epoch_9.pth', 90)
    newest = save(tmp_path / 'iter_100.pth', 100)
    save(tmp_path / 'epoch_10.pth', 99)
    start, skipped = start_to_resume(config_of(tmp_path))
    assert (start.path, start.iteration, skipped) == (newest, 100, {})
    assert last_good(tmp_path, config_of(tmp_path)) == f'the last good checkpoint is {newest}'


@pytest.mark.parametrize(
    ('spoil', 'reason'),
    [
        (truncate, 'it is not a whole zip archive .* cut short'),
        (lambda path: path.write_bytes(b''), 'it is not a whole zip archive'),
        (lambda path: path.write_text('hello'), 'another kind of file'),
        (flip, 'it is damaged .* the checksum of its member .*data/0. differs'),
        (lambda path: save(path, 20, optimizer=None), 'has no optimizer'),
        (lambda path: save(path, 20, state_dict=None, message_hub=None), 'no state_dict and no message_hub'),
        (lambda path: save(path, 'many'), 'does not say its epoch and iteration'),
        (lambda path: save(path, True), 'does not say its epoch and iteration'),
        (lambda path: torch.save([1], path), 'has no meta'),
        (lambda path: save(path, 20, extra=Config()), 'asks for mmengine.config.config.Config'),
        (lambda path: (path.unlink(), path.mkdir()), 'IsADirectoryError'),
    ],
    ids=['truncated', 'empty', 'text', 'flipped', 'weights', 'bare', 'words', 'bool', 'list', 'objects', 'folder'],
)
def test_a_broken_newest_is_skipped_with_its_reason(tmp_path, spoil, reason):
    good = save(tmp_path / 'epoch_1.pth', 10)
    broken = save(tmp_path / 'epoch_2.pth', 20)
    spoil(broken)
    start, skipped = newest_whole([good, broken])
    assert start.path == good
    assert list(skipped) == [broken]
    assert re.search(reason, skipped[broken])
    assert '\n' not in skipped[broken]


@pytest.mark.parametrize('last', [None, '', '/elsewhere/epoch_7.pth', 'epoch_7.pth', '\x00'])
def test_the_folder_counts_and_not_what_last_checkpoint_says(tmp_path, last):
    good = save(tmp_path / 'epoch_1.pth', 10)
    if last is not None:
        (tmp_path / 'last_checkpoint').write_text(last)
    assert start_to_resume(config_of(tmp_path))[0].path == good


def test_a_copied_and_a_moved_work_dir_resume_their_own_file(tmp_path):
    save(tmp_path / 'epoch_1.pth', 10)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    copy = tmp_path.parent / 'copy'
    shutil.copytree(tmp_path, copy)
    assert start_to_resume(config_of(copy))[0].path == copy / 'epoch_1.pth'


def test_where_no_checkpoint_is_whole_nothing_begins(tmp_path):
    for number in (1, 2):
        truncate(save(tmp_path / f'epoch_{number}.pth', number))
    with pytest.raises(ConfigError, match=r'no checkpoint in .* whole \(epoch_1\.pth: .*epoch_2\.pth: .*--start-over'):
        start_to_resume(config_of(tmp_path))
    assert last_good(tmp_path, config_of(tmp_path)) == 'there is no checkpoint yet'
    assert start_to_resume(config_of(tmp_path / 'empty')) == (None, {})


def test_checkpoints_in_another_folder_and_under_another_name(tmp_path):
    config = config_of(tmp_path / 'run', out_dir=str(tmp_path / 'out'), filename_tmpl='mine-{}.pth')
    folder = checkpoint_folder(config)
    assert folder == tmp_path / 'out' / 'run'
    folder.mkdir(parents=True)
    mine = save(folder / 'mine-3.pth', 3)
    assert start_to_resume(config)[0].path == mine
    assert last_good(folder, config) == f'the last good checkpoint is {mine}'
    with pytest.raises(ConfigError, match=r'holds a run already \(mine-3\.pth\)'):
        refuse_to_overwrite(config)
    assert checkpoint_folder(config_of(tmp_path, out_dir='s3://bucket')) is None


def test_the_folder_is_the_one_that_mmengine_writes_to(tmp_path, monkeypatch):
    """It compares strings, and follows no links."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'real').mkdir()
    (tmp_path / 'link').symlink_to('real')
    cases = [
        ('run', 'run'),
        ('link', 'out'),
        ('run/', 'out'),
        (str(tmp_path / 'run'), str(tmp_path / 'run')),
        ('a/..', 'o'),
    ]
    for work_dir, out_dir in cases:
        runner = SimpleNamespace(
            work_dir=str(Path(work_dir).absolute()) if work_dir != 'a/..' else str(tmp_path),
            logger=logging,
            message_hub=None,
        )
        hook = CheckpointHook(out_dir=out_dir)
        hook.before_train(runner)
        found = checkpoint_folder(config_of(work_dir, out_dir=out_dir))
        assert found.absolute() == Path(hook.out_dir).absolute(), (work_dir, out_dir)


@pytest.mark.parametrize(
    ('template', 'names'),
    [('ep_{:03d}.pth', ['ep_007.pth']), ('a[1]_{}.pth', ['a[1]_7.pth']), ('{0}-{0}.pth', ['7-7.pth'])],
)
def test_a_name_with_a_format_is_found(tmp_path, template, names):
    for name in [*names, 'ep.pth', 'a1_7.pth']:
        (tmp_path / name).write_text('')
    assert [path.name for path in tmp_path.glob(name_pattern(template))] == names
    assert [path.name for path in checkpoints_in(tmp_path, config_of(tmp_path, filename_tmpl=template))] == names


@pytest.mark.parametrize('template', ['{:s}.pth', '{name}.pth', '{}_{}.pth', '{.pth', 3])
def test_a_name_that_takes_no_number_is_refused(tmp_path, template):
    with pytest.raises(ConfigError, match=r'default_hooks\.checkpoint\.filename_tmpl=.* takes no number'):
        checkpoints_in(tmp_path, config_of(tmp_path, filename_tmpl=template))


def test_a_checkpoint_of_another_folder_is_not_the_runs_own(tmp_path):
    (tmp_path / 'link').symlink_to(tmp_path)
    config = config_of(tmp_path)
    assert is_own(tmp_path / 'epoch_1.pth', config)
    assert is_own(tmp_path / 'link' / 'epoch_1.pth', config)
    assert not is_own(tmp_path / 'earlier_run_1' / 'epoch_1.pth', config)
    assert not is_own('https://host/epoch_1.pth', config)
    assert is_own('s3://bucket/run/epoch_1.pth', config_of(tmp_path, out_dir='s3://bucket'))


def test_a_new_run_overwrites_nothing(tmp_path):
    config = config_of(tmp_path)
    refuse_to_overwrite(config)
    (tmp_path / '20260101_000000').mkdir()  # the log of a run that never saved
    refuse_to_overwrite(config)
    save(tmp_path / 'encoder.pth', 1)
    with pytest.raises(ConfigError, match=r'holds a run already \(encoder\.pth\): continue it by --resume'):
        refuse_to_overwrite(config)


def test_an_earlier_run_is_set_aside_as_a_whole(tmp_path):
    config = config_of(tmp_path)
    mine = ['notes.txt', '.run.lock']
    run = ['epoch_1.pth', 'last_checkpoint', 'encoder.pth', 'report.html', 'unusable_frames.jsonl']
    for name in mine + run:
        (tmp_path / name).write_text(name)
    (tmp_path / '20260101_000000').mkdir()
    assert set_aside(config) == tmp_path / 'earlier_run_1'
    assert names_in(tmp_path / 'earlier_run_1') == sorted([*run, '20260101_000000'])
    assert names_in(tmp_path) == sorted([*mine, 'earlier_run_1'])
    assert set_aside(config) is None
    (tmp_path / 'epoch_1.pth').write_text('')
    assert set_aside(config) == tmp_path / 'earlier_run_2'


def test_the_branch_that_a_run_leaves_is_found(tmp_path):
    config = config_of(tmp_path)
    paths = [save(tmp_path / f'epoch_{number}.pth', 10 * number) for number in (1, 2, 3, 4)]
    flip(paths[2])
    assert later_than(paths[1], config) == paths[2:]
    assert later_than(paths[3], config) == []
