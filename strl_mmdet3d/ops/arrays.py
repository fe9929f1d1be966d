"""Converts CPU tensors to the numpy arrays that the kernels read and write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

# Types that numpy or numba lack. The kernels compute in float32 instead.
REDUCED_PRECISION = (torch.float16, torch.bfloat16)


def read_points(*tensors: Tensor) -> list[np.ndarray]:
    """Return positions, features or distances as `read_array` does: float32, or float64 if one of them is.

    Raises:
        TypeError: If a tensor holds no floating-point numbers.
    """
    for tensor in tensors:
        if not tensor.is_floating_point():
            raise TypeError(f'points are floating-point numbers, got {tensor.dtype}: convert them with .float()')
    arrays = [read_array(tensor) for tensor in tensors]
    common = np.result_type(*arrays)
    return [array.astype(common, copy=False) for array in arrays]


def check_clouds(*tensors: Tensor) -> None:
    """Refuse tensors (B, ...) that differ in their number of clouds: a kernel would read past the shortest.

    Raises:
        ValueError: If they do.
    """
    sizes = [len(tensor) for tensor in tensors]
    if len(set(sizes)) > 1:
        raise ValueError(f'the tensors of one call hold the same number of clouds, got {sizes}')


def check_triples(*tensors: Tensor) -> None:
    """Refuse positions (..., C) of fewer than three coordinates.

    Raises:
        ValueError: If C is less than 3.
    """
    for tensor in tensors:
        if tensor.shape[-1] < 3:
            raise ValueError(f'a position has three coordinates, got a tensor of shape {tuple(tensor.shape)}')


def read_counts(counts: Tensor, total: int) -> np.ndarray:
    """Return how many of ``total`` stacked rows belong to each cloud, int64 (B,).

    Raises:
        ValueError: If the counts do not add up to ``total``.
    """
    values = read_array(counts).astype(np.int64)
    if (values < 0).any() or values.sum() != total:
        raise ValueError(f'the counts of stacked clouds add up to their {total} rows, got {values.tolist()}')
    return values


def read_array(tensor: Tensor) -> np.ndarray:
    """Return a CPU tensor's values as a contiguous array; float16 and bfloat16 are widened to float32.

    The array shares the tensor's memory if neither the type nor the layout had to change.
    """
    return widen(tensor).detach().contiguous().numpy()


def widen(tensor: Tensor) -> Tensor:
    """Return float16 and bfloat16 as float32, which has the digits that sums need; other types as they are."""
    return tensor.float() if tensor.dtype in REDUCED_PRECISION else tensor


@contextmanager
def write_array(tensor: Tensor) -> Iterator[np.ndarray]:
    """Yield the values of a CPU tensor as a contiguous array, to be overwritten or added to.

    For float16 and bfloat16 the array is float32, and its values are rounded once, when the context closes.
    """
    if tensor.dtype in REDUCED_PRECISION or not tensor.is_contiguous():
        copied = tensor.detach().to(torch.float32 if tensor.dtype in REDUCED_PRECISION else tensor.dtype)
        copied = copied.contiguous()
        yield copied.numpy()
        tensor.detach().copy_(copied)
    else:
        yield tensor.detach().numpy()


def check_indices(indices: Tensor, num_points: int) -> None:
    """Refuse point indices, of any shape, that lie outside the cloud that a kernel reads.

    Raises:
        IndexError: If an index lies outside [0, ``num_points``).
        TypeError: If the indices are not int32 or int64.
    """
    if indices.dtype not in (torch.int32, torch.int64):
        raise TypeError(f'point indices are int32 or int64, got {indices.dtype}')
    if indices.numel() == 0:
        return
    low, high = (int(bound) for bound in torch.aminmax(indices))
    if low < 0 or high >= num_points:
        raise IndexError(f'point indices span [{low}, {high}], but the cloud has {num_points} points')
