"""Which tests see a GPU: with STRL_TEST_GPU those marked `cuda` run, and no others; without it all others do."""

from __future__ import annotations

import os

import mmcv.ops
import torch

ON_GPU = bool(os.environ.get('STRL_TEST_GPU'))


def why_no_gpu(on_gpu: bool = ON_GPU) -> str | None:
    """What the tests marked `cuda` lack, or None."""
    if not on_gpu:
        return 'set STRL_TEST_GPU=1 on a machine with a GPU, and mmcv built with CUDA ops'
    if not torch.cuda.is_available():
        return 'needs a GPU: torch sees none'
    if mmcv.ops.get_compiling_cuda_version() == 'not available':
        return 'needs mmcv built with CUDA ops: this one has ops for the CPU only'
    return None
