"""A pre-training in an environment without the optional dependencies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# mmengine's Visualizer needs matplotlib, and mmdet3d needs trimesh: only our own imports are refused.
SCRIPT = """
import builtins
import sys

from mmengine.registry import init_default_scope

OPTIONAL = ('sklearn', 'matplotlib', 'trimesh', 'embreex', 'h5py')
plain_import = builtins.__import__


def import_without_extras(name, globals=None, locals=None, fromlist=(), level=0):
    top = name.partition('.')[0]
    if top in OPTIONAL and level == 0 and (globals or {}).get('__name__', '').startswith('strl_mmdet3d'):
        raise ModuleNotFoundError(f'No module named {top!r}', name=top)
    return plain_import(name, globals, locals, fromlist, level)


builtins.__import__ = import_without_extras

import strl_mmdet3d
from strl_mmdet3d.extras import MissingExtraError
from tiny import tiny_runner

init_default_scope('mmdet3d')
hooks = [dict(type=name) for name in ('TargetUpdateHook', 'CollapseMonitorHook', 'ReportHook', 'ExportEncoderHook')]
runner = tiny_runner(sys.argv[1] + '/run', epochs=1, length=4, batch=2, custom_hooks=hooks)
runner.train()
assert runner.iter == 2
try:
    hooks = [dict(type='OnlineProbeHook', train=dict(), test=dict())]
    tiny_runner(sys.argv[1] + '/probed', custom_hooks=hooks).train()
except MissingExtraError as error:
    print('refused:', error)
"""


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """The folder of the runs, and what the script has printed."""
    folder = tmp_path_factory.mktemp('runs')
    command = [sys.executable, '-c', SCRIPT, str(folder)]
    environment = os.environ | {'PYTHONPATH': f'{ROOT}:{ROOT / "tests"}'}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_a_pretraining_needs_no_extra(run):
    folder, _ = run
    assert (folder / 'run' / 'epoch_1.pth').is_file()
    assert (folder / 'run' / 'encoder.pth').is_file()


def test_the_missing_report_is_one_warning_that_names_the_remedy(run):
    folder, _ = run
    assert not (folder / 'run' / 'report.html').exists()
    (log,) = (folder / 'run').glob('*/*.log')
    warnings = [line for line in log.read_text().splitlines() if 'no report' in line]
    assert len(warnings) == 1
    assert 'WARNING' in warnings[0]
    assert (
        "matplotlib is not installed. Install the extra that brings it: pip install 'strl_mmdet3d[vis]'" in warnings[0]
    )


def test_the_online_probe_is_refused_before_the_training(run):
    folder, printed = run
    assert 'refused: sklearn is not installed.' in printed
    assert "pip install 'strl_mmdet3d[probe]'" in printed
    assert not list((folder / 'probed').glob('*.pth'))
