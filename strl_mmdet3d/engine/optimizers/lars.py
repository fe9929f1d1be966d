"""The paper's optimizer: pytorch-optimizer's LARS, which leaves a weight alone that has no gradient."""

from __future__ import annotations

from typing import Any

import pytorch_optimizer
import torch
from mmdet3d.registry import OPTIMIZERS
from torch import Tensor


@OPTIMIZERS.register_module(force=True)
class LARS(pytorch_optimizer.LARS):
    """SGD with layer-wise rates (You et al., 2017), as BYOL uses it.

    1-D parameters (biases, BatchNorm) have neither layer-wise rates nor weight decay.

    A weight w with the gradient g moves by lr * eta * |w| / (|g| + decay * |w|) * (g + decay * w). Where g is 0, that
    is lr * eta * w, however small the decay: a weight that is not trained would shrink by the same share each step.
    With the paper's recipe that is 2e-4, where SGD's weight decay would take 3e-7. So a weight whose gradient is
    exactly 0 is not decayed, as in the LARS of lightly and solo-learn and in NVIDIA's LARC; its momentum goes on. A
    parameter whose gradient is None is skipped, as in torch's optimizers.

    It takes the arguments of :class:`pytorch_optimizer.LARS`.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Make one step; a `closure` computes the loss and the gradients first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        groups = [(group, group['params']) for group in self.param_groups]
        try:
            for group, params in groups:
                still = _without_gradient(params)
                if group['weight_decay'] and still:
                    group['params'] = [p for p in params if id(p) not in still]
                    self.param_groups.append(dict(group, params=list(still.values()), weight_decay=0.0))
            super().step()
        finally:
            del self.param_groups[len(groups) :]
            for group, params in groups:
                group['params'] = params
        return loss


def _without_gradient(params: list[Tensor]) -> dict[int, Tensor]:
    """Return the parameters of more than one dimension whose gradient is 0 everywhere, by their id."""
    weights = [(p, p.grad) for p in params if p.grad is not None and p.ndim > 1 and p.numel()]
    if not weights:
        return {}
    # Nearly always the first value decides. All values of all gradients would take a third of the step.
    first = torch.stack([grad[(0,) * grad.ndim].float() for _, grad in weights]).tolist()
    return {id(p): p for (p, grad), value in zip(weights, first, strict=True) if value == 0 and not grad.any()}
