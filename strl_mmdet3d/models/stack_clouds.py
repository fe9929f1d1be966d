"""Stacks a list of clouds into one tensor, for the models that take a batch as one tensor."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import ConfigError


def stack_clouds(clouds: Sequence[Tensor]) -> Tensor:
    """Stack clouds with the same number of points.

    Args:
        clouds: B clouds (N, C), B > 0.

    Returns:
        (B, N, C).

    Raises:
        ConfigError: If the clouds differ in their number of points.
    """
    sizes = sorted({len(cloud) for cloud in clouds})
    if len(sizes) > 1:
        raise ConfigError(
            f'the clouds have {sizes[0]} to {sizes[-1]} points: end their pipeline with DownSamplePoints, so that all '
            'have the same number'
        )
    return torch.stack(list(clouds))
