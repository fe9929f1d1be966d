"""Sparse convolution and max pooling from pairs of connected rows, for spconv's modules and for mmcv's.

Both toolboxes list for each place of a kernel which input row meets which output row, in two layouts of their own. What
follows is the same.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numba import njit
from torch import Tensor

from .arrays import read_array

# For each place of the kernel that connects any rows: the place, the input rows, the output rows, both (P,).
Connections = Iterable[tuple[int, np.ndarray, np.ndarray]]


@njit(nogil=True, cache=True)
def _add_rows(target: np.ndarray, rows: np.ndarray, source: np.ndarray) -> None:
    """``target[rows[i]] += source[i]``, one after the other: these sums are too short for threads to pay off."""
    for i in range(rows.shape[0]):
        for c in range(source.shape[1]):
            target[rows[i], c] += source[i, c]


def _take_rows(source: np.ndarray, rows: np.ndarray) -> Tensor:
    """``source[rows]`` as a tensor."""
    return torch.from_numpy(source.take(rows, axis=0))


def convolve(features: Tensor, weight: Tensor, connections: Connections, num_out: int) -> np.ndarray:
    """Convolve: for each place of the kernel gather the input rows, multiply, add to the output rows.

    Args:
        features (Tensor): Features of the input sites, shape (N, C_in).
        weight (Tensor): One matrix per place of the kernel, shape (K, C_out, C_in).
        connections (Connections): The connected rows.
        num_out (int): Number of output sites M.

    Returns:
        np.ndarray: Features of the output sites, shape (M, C_out), at least float32.
    """
    rows = read_array(features)
    out = np.zeros((num_out, weight.shape[1]), rows.dtype)
    for place, into, out_of in connections:
        _add_rows(out, out_of, torch.mm(_take_rows(rows, into), weight[place].T).numpy())
    return out


def convolve_backward(
    features: Tensor, weight: Tensor, grad_out: Tensor, connections: Connections
) -> tuple[Tensor, Tensor]:
    """Compute the gradients of the features (N, C_in) and of the weight (K, C_out, C_in) of :func:`convolve`.

    ``grad_out`` is the gradient of the output, (M, C_out). The gradients are at least float32.
    """
    rows, grad_sites = read_array(features), read_array(grad_out)
    grad_rows, grad_weight = np.zeros_like(rows), torch.zeros_like(weight)
    for place, into, out_of in connections:
        grad_products = _take_rows(grad_sites, out_of)
        _add_rows(grad_rows, into, torch.mm(grad_products, weight[place]).numpy())
        torch.mm(grad_products.T, _take_rows(rows, into), out=grad_weight[place])
    return torch.from_numpy(grad_rows), grad_weight


@njit(nogil=True, cache=True)
def _raise_rows(target: np.ndarray, out_of: np.ndarray, source: np.ndarray, into: np.ndarray) -> None:
    """``target[out_of[i]] = max(target[out_of[i]], source[into[i]])``."""
    for i in range(into.shape[0]):
        for c in range(source.shape[1]):
            if source[into[i], c] > target[out_of[i], c]:
                target[out_of[i], c] = source[into[i], c]


@njit(nogil=True, cache=True)
def _add_where_equal(
    grad_in: np.ndarray,
    into: np.ndarray,
    features: np.ndarray,
    grad_out: np.ndarray,
    out_of: np.ndarray,
    out: np.ndarray,
) -> None:
    """Add an output's gradient to the connected input rows that equal it."""
    for i in range(into.shape[0]):
        for c in range(features.shape[1]):
            if features[into[i], c] == out[out_of[i], c]:
                grad_in[into[i], c] += grad_out[out_of[i], c]


def max_pool(features: Tensor, connections: Connections, num_out: int) -> Tensor:
    """Return the maximum of the connected input rows and zero: the CUDA kernels of spconv and mmcv start from zero.

    Where all inputs are negative, the output is 0, and no input gets its gradient.

    Args:
        features (Tensor): Features of the input sites, shape (N, C).
        connections (Connections): The connected rows.
        num_out (int): Number of output sites M.

    Returns:
        Tensor: Features of the output sites, shape (M, C), in the input's type.
    """
    rows = read_array(features)
    out = np.zeros((num_out, rows.shape[1]), rows.dtype)
    for _, into, out_of in connections:
        _raise_rows(out, out_of, rows, into)
    return torch.from_numpy(out).to(features.dtype)


def max_pool_backward(features: Tensor, out_features: Tensor, grad_out: Tensor, connections: Connections) -> Tensor:
    """Compute the features' gradient (N, C) of :func:`max_pool`: every input that equals its output gets all of it."""
    rows, out, grad_sites = read_array(features), read_array(out_features), read_array(grad_out)
    grad_rows = np.zeros_like(rows)
    for _, into, out_of in connections:
        _add_where_equal(grad_rows, into, rows, grad_sites, out_of, out)
    return torch.from_numpy(grad_rows).to(features.dtype)
