"""Mixed precision without a GPU, which mmengine's ``AmpOptimWrapper`` needs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmdet3d.registry import OPTIM_WRAPPERS
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from torch import nn


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Run the forward pass under ``torch.autocast`` in bfloat16.

    bfloat16 has the range of float32, so the loss needs no scaling and no step is skipped. ``tools/train.py --amp``
    uses this wrapper if there is no GPU. It takes the arguments of :class:`mmengine.optim.OptimWrapper`.

    On a CPU it is made for AVX-512 and what follows it. A CPU with AVX2 alone has no fast path for bfloat16. There a
    step took 4.6 (PointNet) and 22 times as long (VoteNet), see docs/performance.md, and the log warns.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not torch.cuda.is_available() and torch.backends.cpu.get_cpu_capability() == 'AVX2':
            print_log(
                'this CPU has AVX2 and no AVX-512, so bfloat16 is slow on it: a step took up to 22 times as long. '
                'Train without --amp',
                logger='current',
                level=logging.WARNING,
            )

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast, inside mmengine's context for gradient accumulation (no synchronisation between micro-batches)."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, dtype=torch.bfloat16):
            yield
