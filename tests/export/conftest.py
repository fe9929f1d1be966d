"""A finished pre-training and its exported encoder."""

from __future__ import annotations

import pytest
from tiny import tiny_runner

from strl_mmdet3d.export import export_encoder, read_checkpoint, save_exported


@pytest.fixture
def trained(tmp_path):
    """A finished run, and its last checkpoint."""
    runner = tiny_runner(tmp_path / 'run', epochs=1)
    runner.train()
    return runner, tmp_path / 'run' / 'epoch_1.pth'


@pytest.fixture
def exported(trained, tmp_path):
    path = tmp_path / 'encoder.pth'
    save_exported(export_encoder(read_checkpoint(trained[1]), source=str(trained[1])), path)
    return path
