"""What every test has: mmdet3d's scope, fixed seeds, the real samples; and a GPU, if it is marked `cuda`."""

from __future__ import annotations

import functools
import gc
import os

# Tests run on the CPU, on any machine: torch sees no GPU, nor does it in the processes that tests start. This comes
# first, because torch looks for GPUs only once.
os.environ.update({} if os.environ.get('STRL_TEST_GPU') else {'CUDA_VISIBLE_DEVICES': ''})

from pathlib import Path

import command_line  # noqa: F401 - before numba, so that it keeps to OMP_NUM_THREADS
import mmengine.config.config
import mmengine.runner.runner
import numpy as np
import pytest
import torch
import torch.utils.data
from gpu_choice import ON_GPU, why_no_gpu
from hypothesis import settings
from mmengine.registry import DefaultScope, init_default_scope

import strl_mmdet3d  # noqa: F401

# On a loaded machine an example may take any time. CI draws the same examples every time; elsewhere they vary.
settings.register_profile('strl', deadline=None, derandomize=bool(os.environ.get('CI')))
settings.load_profile('strl')

# A Runner formats its whole config for every checkpoint, and asks the compilers for their versions: most of the time of
# a tiny run. Here the text stays as it is, and the compilers are asked once.
mmengine.config.config.FormatCode = lambda text, **_: (text, False)
mmengine.runner.runner.collect_env = functools.cache(mmengine.runner.runner.collect_env)

# The workers of a run that has failed are left to the garbage collector, which cannot tell them to end, and waits for
# each of them for 5 s before it kills it, in the middle of another test.
torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL = 0.2


def pytest_collection_modifyitems(config, items):
    """With STRL_TEST_GPU the tests marked `cuda` run, and no others; without it, all others, long files first."""
    items.sort(key=lambda item: item.get_closest_marker('long') is None)  # or one process would end with them alone
    marked = [item for item in items if item.get_closest_marker('cuda')]
    if (reason := why_no_gpu()) is not None:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=reason))
    if ON_GPU:
        config.hook.pytest_deselected(items=[item for item in items if item not in set(marked)])
        items[:] = marked


def pytest_collection_finish():
    """Keep all that is imported by now out of the garbage collector's rounds, of which the KITTI metric makes six."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _scope():
    """Every config here is read in mmdet3d's scope, and no test leaves its random state or Runner to the next."""
    init_default_scope('mmdet3d')
    torch.manual_seed(0)
    np.random.seed(0)
    yield
    for name in list(DefaultScope._instance_dict):
        if name != 'mmdet3d' and not name.startswith('mmengine'):
            DefaultScope._instance_dict.pop(name)


@pytest.fixture
def real_data() -> Path:
    """The folder of real samples; the test is skipped without it."""
    root = os.environ.get('STRL_REAL_DATA')
    if not root:
        pytest.skip('set STRL_REAL_DATA to the folder of real samples')
    return Path(root)
