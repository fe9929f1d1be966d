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
    """Return a CPU tensor's values as a contiguous array; float16 and bfloat16 are widened to float32.

    The array shares the tensor's memory if neither the type nor the layout had to change.
    """
    if tensor.dtype in REDUCED_PRECISION:
        tensor = tensor.float()
    return tensor.detach().contiguous().numpy()


@contextmanager
def write_array(tensor: Tensor) -> Iterator[np.ndarray]:
    """Yield the values of a contiguous CPU tensor, to be overwritten or added to.

    For float16 and bfloat16 the array is float32, and its values are rounded once, when the context closes.
    """
    if tensor.dtype in REDUCED_PRECISION:
        wide = tensor.detach().float()
        yield wide.numpy()
        tensor.detach().copy_(wide)
    else:
        yield tensor.detach().numpy()


def check_indices(indices: Tensor, num_points: int) -> None:
    """Refuse point indices, of any shape, that lie outside the cloud that a kernel reads.

    Raises:
        IndexError: If an index lies outside [0, ``num_points``).
    """
    if indices.numel() == 0:
        return
    low, high = (int(bound) for bound in torch.aminmax(indices))
    if low < 0 or high >= num_points:
        raise IndexError(f'point indices span [{low}, {high}], but the cloud has {num_points} points')
