"""Mixed precision where mmengine's ``AmpOptimWrapper`` refuses to work: without a GPU."""

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

    bfloat16 has float32's range, so the loss needs no scaling and no step is ever skipped. ``tools/train.py --amp``
    takes it where there is no GPU; all arguments are those of :class:`mmengine.optim.OptimWrapper`.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast, inside of what gradient accumulation needs (no synchronisation between its micro-batches)."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, dtype=torch.bfloat16):
            yield
