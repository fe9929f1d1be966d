"""spconv's convolutions for CPU tensors: the same on any number of threads, with gradients, in float32 under autocast.

spconv 2.3.8 has a CPU path, but it cannot be used for training. Its backward asks for a CUDA stream. Its
``scatter_add_cpu`` loses additions when OpenMP has several threads, in forward and backward: on two cores, half of the
calls with 50,000 distinct rows got rows wrong, up to 28 of them. Under autocast its products change their type, but its
buffers do not. spconv's modules, autograd functions and index pairs stay in use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from cumm import tensorview as tv
from numba import njit
from torch import Tensor

from .arrays import read_array


@njit(nogil=True, cache=True)
def _add_rows(target: np.ndarray, rows: np.ndarray, source: np.ndarray) -> None:
    """``target[rows[i]] += source[i]``, one after the other: these sums are too short for threads to pay off."""
    for i in range(rows.shape[0]):
        for c in range(source.shape[1]):
            target[rows[i], c] += source[i, c]


def _take_rows(source: np.ndarray, rows: np.ndarray) -> Tensor:
    """``source[rows]`` as a tensor."""
    return torch.from_numpy(source.take(rows, axis=0))


def _connections(
    indice_pairs: Tensor, indice_pair_num: Tensor, num_sites: int, inverse: bool, subm: bool
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield each place of the kernel with the input and the output rows that it connects.

    ``indice_pairs`` holds P pairs of rows for each of K places, (2, K, P); ``indice_pair_num`` (K,) says how many are
    in use. Of a submanifold convolution spconv leaves out the center, which connects each site to itself, and counts
    only the first half of the kernel, which the second half mirrors.
    """
    counts = indice_pair_num.tolist()
    into, out_of = read_array(indice_pairs[int(inverse)]), read_array(indice_pairs[int(not inverse)])
    center = len(counts) // 2
    for place in range(len(counts)):
        if subm and place == center:
            sites = np.arange(num_sites)
            yield place, sites, sites
            continue
        mirrored = subm and place > center
        count = counts[len(counts) - 1 - place] if mirrored else counts[place]
        if count > 0:
            yield place, into[place, :count], out_of[place, :count]


def _weight_per_place(filters: Tensor) -> Tensor:
    """Return weights (C_out, kernel..., C_in) as one matrix per place of the kernel, (K, C_out, C_in)."""
    return torch.from_numpy(read_array(filters.flatten(1, -2).transpose(0, 1)))


def indice_conv(
    features: Tensor,
    filters: Tensor,
    indice_pairs: Tensor,
    indice_pair_num: Tensor,
    num_activate_out: int,
    inverse: bool = False,
    subm: bool = False,
    bias: Tensor | None = None,
    act_type: tv.gemm.Activation = tv.gemm.Activation.None_,
    **kwargs: Any,
) -> Tensor:
    """Convolve: for each place of the kernel gather the input rows, multiply, add to the output rows.

    Args:
        features (Tensor): Features of the input sites, shape (N, C_in).
        filters (Tensor): Weights, shape (C_out, kernel..., C_in).
        indice_pairs (Tensor): Input and output rows, int32 (2, K, P), for K places of the kernel.
        indice_pair_num (Tensor): How many of the P pairs are in use, int32 (K,).
        num_activate_out (int): Number of output sites M.
        inverse (bool): Whether input and output sites are swapped.
        subm (bool): Whether the convolution is submanifold.
        bias (Tensor, optional): Added to each output, shape (C_out,). spconv passes it only in eval mode.
        act_type (Activation): Activation fused by spconv's deployment tools. The CPU supports only ``None_``.
        **kwargs (Any): Options of spconv's CUDA path: algorithm, timer and the activation's parameters.

    Returns:
        Tensor: Features of the output sites, shape (M, C_out), in the input's type; computed at least in float32.

    Raises:
        NotImplementedError: If an activation is fused.
    """
    if act_type != tv.gemm.Activation.None_:
        raise NotImplementedError('spconv layers with a fused activation run on CUDA only')
    with torch.autocast('cpu', enabled=False):
        rows, weight = read_array(features), _weight_per_place(filters)
        out = np.zeros((num_activate_out, weight.shape[1]), rows.dtype)
        for place, into, out_of in _connections(indice_pairs, indice_pair_num, len(rows), inverse, subm):
            _add_rows(out, out_of, torch.mm(_take_rows(rows, into), weight[place].T).numpy())
        if bias is not None:
            out += read_array(bias)
        return torch.from_numpy(out).to(features.dtype)


def indice_conv_backward(
    features: Tensor,
    filters: Tensor,
    out_bp: Tensor,
    indice_pairs: Tensor,
    indice_pair_num: Tensor,
    inverse: bool = False,
    subm: bool = False,
    **kwargs: Any,
) -> tuple[Tensor, Tensor]:
    """Compute the gradients of the features and of the weights of :func:`indice_conv`, in their shapes and types.

    ``out_bp`` is the gradient of the output features, (M, C_out); the other arguments are the same as there.
    """
    with torch.autocast('cpu', enabled=False):
        rows, grad_out, weight = read_array(features), read_array(out_bp), _weight_per_place(filters)
        grad_rows = np.zeros_like(rows)
        grad_weight = torch.zeros_like(weight)
        for place, into, out_of in _connections(indice_pairs, indice_pair_num, len(rows), inverse, subm):
            grad_products = _take_rows(grad_out, out_of)
            _add_rows(grad_rows, into, torch.mm(grad_products, weight[place]).numpy())
            torch.mm(grad_products.T, _take_rows(rows, into), out=grad_weight[place])
    grad_filters = grad_weight.transpose(0, 1).reshape(filters.shape)
    return torch.from_numpy(grad_rows).to(features.dtype), grad_filters.to(filters.dtype)
