"""Checkpoints that are read and resumed without running their code, and files that are written whole."""

from __future__ import annotations

import errno
import os
import pickle
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import tiny_runner

from strl_mmdet3d.export import ExportError, check_out, read_checkpoint, save_exported


class Evil:
    """Unpickling it would write a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, 'w')


def test_unsafe_and_broken_files_are_refused_by_name(tmp_path):
    mark = tmp_path / 'mark'
    evil, truncated, missing = tmp_path / 'evil.pth', tmp_path / 'truncated.pth', tmp_path / 'missing.pth'
    torch.save(dict(state_dict=Evil(mark)), evil)
    torch.save(dict(state_dict={}), truncated)
    truncated.write_bytes(truncated.read_bytes()[:100])
    plain = tmp_path / 'plain.pkl'
    plain.write_bytes(pickle.dumps(Evil(mark)))
    for path in (evil, truncated, missing, plain):
        with pytest.raises(ExportError, match=path.name):
            read_checkpoint(path)
    assert not mark.exists()


def test_saving_leaves_no_unfinished_file(exported):
    assert [path.name for path in exported.parent.iterdir() if 'tmp' in path.name] == []


def test_resume_goes_on_where_the_run_stopped(tmp_path):
    whole = tiny_runner(tmp_path / 'whole', epochs=3)
    whole.train()
    stopped = tiny_runner(tmp_path / 'stopped', epochs=3)
    stopped.train_loop._max_epochs = 2
    stopped.train()
    resumed = tiny_runner(tmp_path / 'stopped', epochs=3, resume=True)
    resumed.train()
    assert resumed.iter == whole.iter == 12
    for name, tensor in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], tensor, msg=name)
    assert resumed.message_hub.get_scalar('train/tau').current() == whole.message_hub.get_scalar('train/tau').current()


def test_resume_keeps_weights_only(tmp_path):
    runner = tiny_runner(tmp_path, epochs=1)
    runner.train()
    mark = tmp_path / 'mark'
    checkpoint = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)
    checkpoint['message_hub']['extra'] = Evil(mark)
    torch.save(checkpoint, tmp_path / 'epoch_1.pth')
    with pytest.raises(pickle.UnpicklingError, match=r'asks for _?io\.open, which could run any code'):
        tiny_runner(tmp_path, epochs=2, resume=True).train()
    assert not mark.exists()
    assert np.isfinite(runner.message_hub.get_scalar('train/loss').current())


def test_a_refusal_does_not_advise_to_read_the_file_unsafely(tmp_path):
    path = tmp_path / 'evil.pth'
    torch.save(dict(state_dict=Evil(tmp_path / 'mark')), path)
    with pytest.raises(
        ExportError, match=r'evil\.pth cannot be read .*: it asks for _?io\.open, which could run any code'
    ) as refused:
        read_checkpoint(path)
    assert 'weights_only' not in str(refused.value)


@pytest.fixture
def small():
    return dict(meta={}, state_dict={'backbone.weight': torch.zeros(100_000)})


def test_a_full_disk_keeps_the_old_file_and_leaves_no_part(tmp_path, small):
    path = tmp_path / 'encoder.pth'
    path.write_bytes(b'old')
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(ExportError, match=r'cannot be written to .*encoder\.pth \(.*\); a file .* stays as it was'):
            save_exported(small, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [('encoder.pth', b'old')]


@pytest.mark.parametrize(
    'number', [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO], ids=errno.errorcode.get
)
@pytest.mark.parametrize('where', ['mkdir', 'save', 'fsync', 'replace'])
def test_what_the_system_says_is_passed_on(tmp_path, small, monkeypatch, number, where):
    def refuse(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    folder = tmp_path / 'deep'
    place = dict(mkdir=(Path, 'mkdir'), save=(torch, 'save'), fsync=(os, 'fsync'), replace=(Path, 'replace'))[where]
    monkeypatch.setattr(*place, refuse)
    with pytest.raises(ExportError, match=rf'deep/encoder\.pth \({os.strerror(number)}\)'):
        save_exported(small, folder / 'encoder.pth')
    assert not folder.exists() or list(folder.iterdir()) == []


def test_names_that_cannot_be_written_to(tmp_path, small):
    (tmp_path / 'file').write_text('')
    for path, said in (
        (tmp_path / 'file' / 'encoder.pth', r'Not a directory|File exists'),
        (tmp_path / ('x' * 300), 'File name too long'),
        (tmp_path, 'Is a directory'),
    ):
        with pytest.raises(ExportError, match=said):
            save_exported(small, path)
    assert [path.name for path in tmp_path.iterdir()] == ['file']


def test_the_checkpoint_a_folder_and_a_device_are_not_replaced(tmp_path):
    checkpoint, link = tmp_path / 'epoch_1.pth', tmp_path / 'link.pth'
    checkpoint.write_bytes(b'abc')
    link.symlink_to(checkpoint)
    for same in (checkpoint, link, tmp_path / 'x' / '..' / 'epoch_1.pth'):
        (tmp_path / 'x').mkdir(exist_ok=True)
        with pytest.raises(ExportError, match='is the checkpoint itself: name another file'):
            check_out(same, checkpoint)
    for other in (tmp_path, '/dev/null'):
        with pytest.raises(ExportError, match='is not a file that can be replaced'):
            check_out(other, checkpoint)
    check_out(tmp_path / 'encoder.pth', checkpoint)
    with pytest.raises(ExportError, match='cannot be written'):
        check_out(tmp_path / ('x' * 300), checkpoint)
