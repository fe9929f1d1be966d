"""A linear layer and the maximum over each cloud's points, without keeping the layer's output for every point."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from .threads import run_over_rows

CLOUDS_AT_A_TIME = 8
"""So few that the outputs of their points stay in the cache: 1 MB for a cloud of 256 points and 1024 channels."""


@njit(nogil=True, cache=True)
def _max_over_points(start: int, stop: int, values: np.ndarray, best: np.ndarray, where: np.ndarray) -> None:
    """Find the largest of ``values[b, :, c]``, and its point. A row is a cloud; the first point wins a tie."""
    for b in range(start, stop):
        for c in range(values.shape[2]):
            best[b, c] = values[b, 0, c]
            where[b, c] = 0
        for n in range(1, values.shape[1]):
            for c in range(values.shape[2]):
                # A NaN is the maximum, as in torch: it must not pass unseen.
                if values[b, n, c] > best[b, c] or values[b, n, c] != values[b, n, c]:
                    best[b, c] = values[b, n, c]
                    where[b, c] = n


@njit(nogil=True, cache=True)
def _grad_points(
    start: int, stop: int, grad: np.ndarray, where: np.ndarray, weight: np.ndarray, grad_points: np.ndarray
) -> None:
    """``grad_points[b, where[b, c]] += grad[b, c] * weight[c]``; a row is a cloud."""
    for b in range(start, stop):
        for c in range(grad.shape[1]):
            n, value = where[b, c], grad[b, c]
            for i in range(weight.shape[1]):
                grad_points[b, n, i] += value * weight[c, i]


@njit(nogil=True, cache=True)
def _grad_weight(
    start: int, stop: int, grad: np.ndarray, where: np.ndarray, points: np.ndarray, grad_weight: np.ndarray
) -> None:
    """``grad_weight[c] += grad[b, c] * points[b, where[b, c]]``; a row is a channel."""
    for c in range(start, stop):
        for b in range(grad.shape[0]):
            n, value = where[b, c], grad[b, c]
            for i in range(points.shape[2]):
                grad_weight[c, i] += value * points[b, n, i]


class _LinearMax(Function):
    """See `linear_max`."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, weight: Tensor) -> Tensor:
        """Take the maxima, and save the points that hold them."""
        if not points.shape[1]:
            raise ValueError('linear_max needs at least one point per cloud, got empty clouds')
        ctx.dtypes = points.dtype, weight.dtype
        common = torch.promote_types(torch.promote_types(*ctx.dtypes), torch.float32)
        points, weight = points.detach().to(common).contiguous(), weight.detach().to(common).contiguous()
        best = points.new_empty(len(points), len(weight))
        where = torch.empty(best.shape, dtype=torch.int32)
        for start in range(0, len(points), CLOUDS_AT_A_TIME):
            some = slice(start, start + CLOUDS_AT_A_TIME)
            with torch.autocast('cpu', enabled=False):
                values = points[some] @ weight.T
            run_over_rows(_max_over_points, len(values), values.numpy(), best[some].numpy(), where[some].numpy())
        ctx.save_for_backward(points, weight, where)
        return best

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        """Pass the gradient on to the points that hold the maxima, and to the weight."""
        points, weight, where = ctx.saved_tensors
        grad = grad.to(points.dtype).contiguous()
        grad_points, grad_weight = torch.zeros_like(points), torch.zeros_like(weight)
        arrays = grad.numpy(), where.numpy()
        run_over_rows(_grad_points, len(points), *arrays, weight.numpy(), grad_points.numpy())
        run_over_rows(_grad_weight, len(weight), *arrays, points.numpy(), grad_weight.numpy())
        return grad_points.to(ctx.dtypes[0]), grad_weight.to(ctx.dtypes[1])


def linear_max(points: Tensor, weight: Tensor) -> Tensor:
    """Compute ``(points @ weight.T).amax(dim=1)`` on the CPU.

    For each cloud and channel the gradient goes to the point that holds the maximum, and to the first of several equal
    ones. The (B, N, D) outputs are not kept.

    Args:
        points: Features of the clouds' points (B, N, C), N > 0. float16 and bfloat16 are computed in float32.
        weight: Weight of the linear layer (D, C).

    Returns:
        The maxima (B, D), float32, or float64 if an input is; NaN where an output is.

    Raises:
        ValueError: If N is 0.
    """
    return _LinearMax.apply(points, weight)
