"""spconv's convolutions and max pooling for CPU tensors, with gradients, also under autocast.

spconv 2.3.8 has a CPU path, but it cannot be used for training. Its backward asks for a CUDA stream. Its
``scatter_add_cpu`` loses additions when OpenMP has several threads, in forward and backward: on two cores, half of the
calls with 50,000 distinct rows got rows wrong, up to 28 of them. Under autocast its products change their type, but its
buffers do not, and its max pooling does not know bfloat16. Here every number of threads gives the same, computed at
least in float32. spconv's modules, autograd functions and index pairs stay in use.

A spconv built with CUDA gives its layers an algorithm that exists on a GPU only. :func:`by_native_algorithm` lets them
take the other one, ``ConvAlgo.Native``, where the features are on the CPU. The weights have the same layout for both.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from cumm import tensorview as tv
from spconv.core import ConvAlgo
from spconv.pytorch import SparseConvTensor
from torch import Tensor, nn

from .arrays import read_array
from .sparse_products import convolve, convolve_backward, max_pool, max_pool_backward


def by_native_algorithm(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of a spconv layer by which CPU features take ``ConvAlgo.Native``, whatever the layer has.

    The original becomes the ``__wrapped__`` of the result. Features on another device take it, with the layer's own
    algorithm. An error leaves the layer with its own, too.
    """

    @functools.wraps(forward)
    def dispatch(layer: nn.Module, *args: Any, **kwargs: Any) -> Any:
        sites = next(value for value in (*args, *kwargs.values()) if isinstance(value, SparseConvTensor))
        if not sites.features.is_cpu or layer.algo == ConvAlgo.Native:
            return forward(layer, *args, **kwargs)
        own, layer.algo = layer.algo, ConvAlgo.Native
        try:
            return forward(layer, *args, **kwargs)
        finally:
            layer.algo = own

    return dispatch


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
        connections = _connections(indice_pairs, indice_pair_num, len(features), inverse, subm)
        out = convolve(features, _weight_per_place(filters), connections, num_activate_out)
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
        connections = _connections(indice_pairs, indice_pair_num, len(features), inverse, subm)
        grad_features, grad_weight = convolve_backward(features, _weight_per_place(filters), out_bp, connections)
    grad_filters = grad_weight.transpose(0, 1).reshape(filters.shape)
    return grad_features.to(features.dtype), grad_filters.to(filters.dtype)


def indice_maxpool(features: Tensor, indice_pairs: Tensor, indice_pair_num: Tensor, num_activate_out: int) -> Tensor:
    """Return the maximum of zero and the inputs of each output site.

    Args:
        features (Tensor): Features of the input sites, shape (N, C).
        indice_pairs (Tensor): Input and output rows, int32 (2, K, P), for K places of the kernel.
        indice_pair_num (Tensor): How many of the P pairs are in use, int32 (K,).
        num_activate_out (int): Number of output sites M.

    Returns:
        Tensor: Features of the output sites, shape (M, C), in the input's type.
    """
    connections = _connections(indice_pairs, indice_pair_num, len(features), inverse=False, subm=False)
    return max_pool(features, connections, num_activate_out)


def indice_maxpool_backward(
    features: Tensor, out_features: Tensor, out_bp: Tensor, indice_pairs: Tensor, indice_pair_num: Tensor
) -> Tensor:
    """Compute the gradient of the features of :func:`indice_maxpool`, in their shape and type.

    ``out_features`` is its output and ``out_bp`` the gradient of it, both (M, C); the rest is the same as there.
    """
    connections = _connections(indice_pairs, indice_pair_num, len(features), inverse=False, subm=False)
    return max_pool_backward(features, out_features, out_bp, connections)
