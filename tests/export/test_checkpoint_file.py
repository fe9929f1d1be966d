"""Checkpoints that are read and resumed without running their code, and files that are written whole."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from tiny import tiny_runner

from strl_mmdet3d.export import ExportError, read_checkpoint


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
    with pytest.raises(pickle.UnpicklingError):
        tiny_runner(tmp_path, epochs=2, resume=True).train()
    assert not mark.exists()
    assert np.isfinite(runner.message_hub.get_scalar('train/loss').current())
