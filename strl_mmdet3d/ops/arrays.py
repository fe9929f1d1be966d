"""Converts CPU tensors to the numpy arrays that the kernels read and write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

# Types that numpy or numba lack. The kernels compute in float32 instead.
REDUCED_PRECISION = (torch.float16, torch.bfloat16)


def read_array(tensor: Tensor) -> np.ndarray:
    """Return the tensor's values as a contiguous array.

    Args:
        tensor (Tensor): A CPU tensor. float16 and bfloat16 are widened to float32.

    Returns:
        np.ndarray: The values. They share the tensor's memory if neither its type nor its layout had to change.
    """
    if tensor.dtype in REDUCED_PRECISION:
        tensor = tensor.float()
    return tensor.detach().contiguous().numpy()


@contextmanager
def write_array(tensor: Tensor) -> Iterator[np.ndarray]:
    """Yield an array whose values are in the tensor when the context closes.

    Args:
        tensor (Tensor): A contiguous CPU tensor. For float16 and bfloat16 the array is float32, and its values are
            rounded once, when the context closes.

    Yields:
        np.ndarray: The tensor's values, to be overwritten or added to.
    """
    if tensor.dtype in REDUCED_PRECISION:
        wide = tensor.detach().float()
        yield wide.numpy()
        tensor.detach().copy_(wide)
    else:
        yield tensor.detach().numpy()


def check_indices(indices: Tensor, num_points: int) -> None:
    """Refuse indices that lie outside the array that a kernel reads.

    Args:
        indices (Tensor): Point indices of any shape.
        num_points (int): Number of points of the cloud that they index.

    Raises:
        IndexError: If an index lies outside [0, ``num_points``).
    """
    if indices.numel() == 0:
        return
    low, high = (int(bound) for bound in torch.aminmax(indices))
    if low < 0 or high >= num_points:
        raise IndexError(f'point indices span [{low}, {high}], but the cloud has {num_points} points')
