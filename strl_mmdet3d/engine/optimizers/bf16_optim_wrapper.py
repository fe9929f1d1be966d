"""Mixed precision without a GPU, which mmengine's ``AmpOptimWrapper`` needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmdet3d.registry import OPTIM_WRAPPERS
from mmengine.optim import OptimWrapper
from torch import nn


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Run the forward pass under ``torch.autocast`` in bfloat16.

    bfloat16 has the range of float32, so the loss needs no scaling and no step is skipped. ``tools/train.py --amp``
    uses this wrapper if there is no GPU. It takes the arguments of :class:`mmengine.optim.OptimWrapper`.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast, inside mmengine's context for gradient accumulation (no synchronisation between micro-batches)."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, dtype=torch.bfloat16):
            yield
