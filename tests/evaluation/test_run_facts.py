"""Facts about a run: command, commit and data."""

from __future__ import annotations

import platform
import subprocess
import sys

import numpy as np
import pytest
import torch
from small_pairs import config_of, write_clouds

from strl_mmdet3d.datasets import FrameSequence, write_sequence_index
from strl_mmdet3d.evaluation.run_facts import DATA_HEADER, command, commit, data_rows, versions
from strl_mmdet3d.evaluation.traced_pair import build_pairs


def git(folder, *arguments):
    settings = ['-c', 'user.name=a', '-c', 'user.email=a@b', '-c', 'commit.gpgsign=false']
    done = subprocess.run(['git', '-C', folder, *settings, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_commit_is_named_and_changes_are_told(tmp_path):
    package = tmp_path / 'checkout' / 'package'
    package.mkdir(parents=True)
    (package / 'a.py').write_text('1')
    assert commit(package) == 'not a git checkout'
    git(package.parent, 'init')
    git(package.parent, 'add', '.')
    git(package.parent, 'commit', '-m', 'first')
    head = git(package.parent, 'rev-parse', 'HEAD')[:12]
    assert commit(package) == head
    (package / 'a.py').write_text('2')
    assert commit(package) == f'{head}-dirty'


def test_an_environment_within_another_checkout_has_no_commit(tmp_path):
    package = tmp_path / 'checkout' / 'venv' / 'package'
    package.mkdir(parents=True)
    git(tmp_path / 'checkout', 'init')
    assert commit(package) == 'not a git checkout'


def test_the_command_can_be_pasted_into_a_shell(monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['tools/train.py', 'a config.py', '--resume'])
    assert command() == "python tools/train.py 'a config.py' --resume"


def test_the_data_is_summed_up(tmp_path):
    write_clouds(tmp_path)
    load = dict(type='LoadFrame')
    dataset = build_pairs(config_of(tmp_path, load, point_cloud_range=[-9, -9, -9, 9, 9, 9.5]))[0]
    (row,) = data_rows(dataset)
    assert len(row) == len(DATA_HEADER)
    assert row[0].endswith('index.json')
    assert row[1:3] == ('1', '4')
    assert row[3:] == ('two frames, augmented, window of 2', 'each frame in its own', '-9, -9, -9, 9, 9, 9.5')
    (row,) = data_rows(build_pairs(config_of(tmp_path, load, mode='spatial'))[0])
    assert row[3:] == ('one frame twice', 'each frame in its own', 'none')


@pytest.mark.parametrize(
    ('stamped', 'said'), [(0, ''), (1, ', at most 1 s apart in 1 of 2 sequences'), (2, ', at most 1 s apart')]
)
def test_a_bound_is_told_only_of_the_sequences_that_it_bounds(tmp_path, stamped, said):
    write_clouds(tmp_path)
    sequences = [
        FrameSequence(name, [f'{i}.bin' for i in frames], timestamps=np.array([0.0, 0.1]) if number < stamped else None)
        for number, (name, frames) in enumerate(dict(a=(0, 1), b=(2, 3)).items())
    ]
    write_sequence_index(tmp_path / 'index.json', {'load_dim': 4}, sequences)
    dataset = build_pairs(config_of(tmp_path, dict(type='LoadFrame'), max_gap=1.0))[0]
    (row,) = data_rows(dataset)
    assert row[3] == f'two frames, augmented, window of 2{said}'


def test_versions_name_what_affects_a_run():
    assert {'python', 'torch', 'mmdet3d'} <= versions().keys()
    assert versions(['torch', 'no-such-package']) == {
        'python': platform.python_version(),
        'torch': torch.__version__,
        'no-such-package': '',
    }
