"""mmdet3d's synchronised BatchNorm under mixed precision: it refuses half precision, so its input is widened."""

from __future__ import annotations

from mmdet3d.models.layers.norm import NaiveSyncBatchNorm1d, NaiveSyncBatchNorm2d
from torch import Tensor, nn


def widen_for_sync_norms(model: nn.Module) -> None:
    """Have each of mmdet3d's ``naiveSyncBN1d`` and ``naiveSyncBN2d`` of a model take its input as float32.

    They assert that dtype, the one of one dimension over several processes only, and autocast hands them what a
    convolution gives: bfloat16 or float16. torch's own BatchNorms widen within.
    """
    for module in model.modules():
        if isinstance(module, (NaiveSyncBatchNorm1d, NaiveSyncBatchNorm2d)):
            module.register_forward_pre_hook(_widen)


def _widen(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the input of a module as float32."""
    return tuple(each.float() for each in inputs)
