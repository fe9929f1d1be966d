"""mmcv's own sparse convolutions and max pooling for CPU tensors.

mmdetection3d takes them where spconv is not installed, and in Cylinder3D always. mmcv has them for CUDA only. Its
modules and autograd functions stay in use.

Where mmcv's CUDA kernels give the pairs of a place in the order in which the threads finish, they are here in the order
of the input sites. The output sites are in the same order: by cloud, then lexicographic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .arrays import read_array
from .sparse_products import convolve, convolve_backward, max_pool, max_pool_backward


def _numbers_of_sites(cloud: np.ndarray, sites: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Number the cells of all clouds, int64 (..., N); -1 for sites (..., N, D) outside the grid."""
    inside = ((sites >= 0) & (sites < shape)).all(axis=-1)
    number = cloud.astype(np.int64)
    for axis, size in enumerate(shape):
        number = number * size + sites[..., axis]
    return np.where(inside, number, -1)


def _reached(
    sites: np.ndarray,
    place: np.ndarray,
    stride: Sequence[int],
    padding: Sequence[int],
    transpose: bool,
) -> np.ndarray:
    """Return the output site (N, D) that each site meets at a place of the dilated kernel (D,); -1 if none."""
    if transpose:
        return sites * stride - padding + place
    moved = sites + padding - place
    return np.where(moved % stride == 0, moved // stride, -1)


def get_indice_pairs(
    indices: Tensor,
    batch_size: int,
    out_shape: Sequence[int],
    spatial_shape: Sequence[int],
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    out_padding: Sequence[int],
    subm: int,
    transpose: int,
) -> list[Tensor]:
    """List which input site meets which output site at each place of a kernel, for grids of any dimension D.

    Args:
        indices (Tensor): Input sites (cloud, then D cells), integers (N, 1 + D).
        batch_size (int): Number of clouds.
        out_shape (Sequence[int]): Size of the output grid, (D,).
        spatial_shape (Sequence[int]): Size of the input grid, (D,).
        kernel_size (Sequence[int]): Size of the kernel, (D,); K is its product.
        stride (Sequence[int]): Stride, (D,); 1 if submanifold.
        padding (Sequence[int]): Padding, (D,); half the kernel if submanifold.
        dilation (Sequence[int]): Dilation, (D,).
        out_padding (Sequence[int]): Unused, ``out_shape`` contains it.
        subm (int): 1 if submanifold: the output sites are the input sites.
        transpose (int): 1 if the convolution is transposed.

    Returns:
        list[Tensor]: Output sites, int32 (M, 1 + D); the N pairs of input and output rows for each place, padded with
        -1, int32 (K, 2, N); the number of pairs in use, int32 (K,).

    Raises:
        IndexError: If a site lies outside the grid: a CUDA kernel would write past its memory.
        NotImplementedError: If a submanifold convolution is dilated: mmcv's CUDA kernels shift it.
    """
    sites = read_array(indices).astype(np.int64)
    cloud, sites = sites[:, 0], sites[:, 1:]
    number = _numbers_of_sites(cloud, sites, spatial_shape)
    if len(sites) and (number.min() < 0 or cloud.min() < 0 or cloud.max() >= batch_size):
        raise IndexError(f'some sites lie outside of {batch_size} clouds of {list(spatial_shape)} cells')
    if subm:
        if any(size > 1 and step != 1 for size, step in zip(kernel_size, dilation, strict=True)):
            raise NotImplementedError("mmcv's submanifold convolutions are wrong if dilated: use spconv's")
        stride, padding = [1] * len(stride), [size // 2 for size in kernel_size]
    places = [np.multiply(place, dilation) for place in np.ndindex(*kernel_size)]
    target = np.stack(
        [
            _numbers_of_sites(cloud, _reached(sites, place, stride, padding, bool(transpose)), out_shape)
            for place in places
        ]
    )
    if subm:
        # Of sites that occur twice, the last one is met, as with mmcv's grid if it is filled in order.
        order = np.argsort(number, kind='stable')
        position = np.searchsorted(number, target, side='right', sorter=order) - 1
        row = order[position.clip(min=0)]
        connected = number[row] == target
        out_sites = indices
    else:
        connected = target >= 0
        numbers, rows = np.unique(target[connected], return_inverse=True)
        row = np.full(target.shape, -1)
        row[connected] = rows
        out_sites = torch.from_numpy(
            np.stack(np.unravel_index(numbers, (batch_size, *out_shape)), axis=1).astype(np.int32)
        )
    pairs = np.full((len(target), 2, len(sites)), -1, np.int32)
    for place, hit in enumerate(connected):
        pairs[place, 0, : hit.sum()] = hit.nonzero()[0]
        pairs[place, 1, : hit.sum()] = row[place, hit]
    return [out_sites, torch.from_numpy(pairs), torch.from_numpy(connected.sum(axis=1, dtype=np.int32))]


def get_indice_pairs_with_grid(indices: Tensor, grid: Tensor, *sizes: Any) -> list[Tensor]:
    """Do as :func:`get_indice_pairs`. The CUDA kernels number the sites in ``grid``, and clear it in the end."""
    return get_indice_pairs(indices, *sizes)


def _connections(
    indice_pairs: Tensor, indice_pair_num: Tensor, num_sites: int, inverse: bool = False, subm: bool = False
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield each place of the kernel with the input and the output rows that it connects.

    The most connected place of a submanifold convolution is its center, which connects each site to itself, even one
    that occurs twice.
    """
    counts, pairs = indice_pair_num.tolist(), read_array(indice_pairs)
    center = counts.index(max(counts))
    for place, count in enumerate(counts):
        if subm and place == center:
            sites = np.arange(num_sites)
            yield place, sites, sites
        elif count > 0:
            yield place, pairs[place, int(inverse), :count], pairs[place, int(not inverse), :count]


def _weight_per_place(filters: Tensor) -> Tensor:
    """Return weights (kernel..., C_in, C_out) as one matrix per place of the kernel, (K, C_out, C_in)."""
    return torch.from_numpy(read_array(filters.flatten(0, -3).transpose(1, 2)))


def indice_conv_forward(
    features: Tensor,
    filters: Tensor,
    indice_pairs: Tensor,
    indice_pair_num: Tensor,
    num_activate_out: int,
    inverse: int,
    subm: int,
) -> Tensor:
    """Convolve the features of sparse sites.

    Args:
        features (Tensor): Features of the input sites, shape (N, C_in).
        filters (Tensor): Weights, shape (kernel..., C_in, C_out).
        indice_pairs (Tensor): Input and output rows, int32 (K, 2, P), for K places of the kernel.
        indice_pair_num (Tensor): How many of the P pairs are in use, int32 (K,).
        num_activate_out (int): Number of output sites M.
        inverse (int): 1 if input and output sites are swapped.
        subm (int): 1 if the convolution is submanifold.

    Returns:
        Tensor: Features of the output sites, shape (M, C_out), in the input's type; computed at least in float32.
    """
    with torch.autocast('cpu', enabled=False):
        connections = _connections(indice_pairs, indice_pair_num, len(features), bool(inverse), bool(subm))
        out = convolve(features, _weight_per_place(filters), connections, num_activate_out)
        return torch.from_numpy(out).to(features.dtype)


def indice_conv_backward(
    features: Tensor,
    filters: Tensor,
    out_grad: Tensor,
    indice_pairs: Tensor,
    indice_pair_num: Tensor,
    inverse: int,
    subm: int,
) -> list[Tensor]:
    """Compute the gradients of the features and of the weights of :func:`indice_conv_forward`.

    ``out_grad`` is the gradient of the output features, (M, C_out); the other arguments are the same as there. The
    gradients have the shapes and types of features and weights.
    """
    with torch.autocast('cpu', enabled=False):
        connections = _connections(indice_pairs, indice_pair_num, len(features), bool(inverse), bool(subm))
        grad_features, grad_weight = convolve_backward(features, _weight_per_place(filters), out_grad, connections)
        grad_filters = grad_weight.transpose(1, 2).reshape(filters.shape)
        return [grad_features.to(features.dtype), grad_filters.to(filters.dtype)]


def indice_maxpool_forward(
    features: Tensor, indice_pairs: Tensor, indice_pair_num: Tensor, num_activate_out: int
) -> Tensor:
    """Return the maximum of zero and the inputs of each output site, shape (M, C), in the input's type."""
    return max_pool(features, _connections(indice_pairs, indice_pair_num, len(features)), num_activate_out)


def indice_maxpool_backward(
    features: Tensor, out_features: Tensor, out_grad: Tensor, indice_pairs: Tensor, indice_pair_num: Tensor
) -> Tensor:
    """Compute the features' gradient of :func:`indice_maxpool_forward`."""
    return max_pool_backward(
        features, out_features, out_grad, _connections(indice_pairs, indice_pair_num, len(features))
    )
