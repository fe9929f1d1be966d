"""What a batch of projections tells of a representation: rank, alignment, uniformity; and the way of the target."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

ROUNDING = 1e-6
"""Rows that differ from their mean by no more than this share of their length are the same up to rounding."""


@torch.no_grad()
def spread(projections: Tensor) -> Tensor:
    """Measure how far the projections of a batch are from having collapsed into one.

    Args:
        projections: (B, D).

    Returns:
        A scalar: the standard deviation over the batch of the normalised projections, averaged over the D channels and
        times sqrt(D). About 1 where they are spread over the sphere, 0 where all are the same.
    """
    unit = F.normalize(projections.float(), dim=-1)
    return unit.std(dim=0, unbiased=False).mean() * unit.shape[1] ** 0.5


@torch.no_grad()
def effective_rank(x: Tensor) -> Tensor:
    """In how many directions a batch varies (Roy & Vetterli 2007, of the covariance).

    Args:
        x: (B, D), B >= 1.

    Returns:
        A scalar: the exponential of the entropy of the covariance's normalised spectrum, in [1, min(B - 1, D)]; 0 where
        all rows are the same, NaN where a value is NaN or infinite.
    """
    x = x.double()
    if not x.isfinite().all():
        return torch.full((), torch.nan, device=x.device)
    centred = x - x.mean(dim=0)
    energies = torch.linalg.svdvals(centred).square()
    total = energies.sum()
    if total <= ROUNDING**2 * x.square().sum():
        return torch.zeros((), device=x.device)
    shares = energies / total
    return torch.special.entr(shares).sum().exp().float()


@torch.no_grad()
def alignment(projections_1: Tensor, projections_2: Tensor) -> Tensor:
    """How far apart the two views of a pair are (Wang & Isola, ICML 2020, alpha = 2).

    Args:
        projections_1: (B, D), of the first views.
        projections_2: (B, D), of the second views.

    Returns:
        A scalar in [0, 4]: the mean squared distance of the normalised projections of a pair. The smaller, the better
        aligned; 2 for views that have nothing to do with each other.
    """
    unit_1, unit_2 = F.normalize(projections_1.float(), dim=-1), F.normalize(projections_2.float(), dim=-1)
    return (unit_1 - unit_2).square().sum(dim=-1).mean()


@torch.no_grad()
def uniformity(projections: Tensor, t: float = 2.0) -> Tensor:
    """How evenly a batch fills the sphere (Wang & Isola, ICML 2020).

    Args:
        projections: (B, D), B >= 2.
        t: The sharpness of the kernel; the paper's is 2.

    Returns:
        A scalar in [-4 t, 0]: the logarithm of the mean of exp(-t d^2) over all pairs of the batch, d the distance of
        their normalised projections. 0 where all are the same; -2 t is what many evenly spread ones give. The smaller,
        the more uniform.

    Raises:
        ValueError: If the batch has no pair.
    """
    if len(projections) < 2:
        raise ValueError('uniformity is a mean over the pairs of a batch, and a batch of one has none')
    unit = F.normalize(projections.float(), dim=-1)
    first, second = torch.triu_indices(len(unit), len(unit), offset=1, device=unit.device)
    squared_distances = 2 - 2 * (unit @ unit.T)[first, second]
    return (-t * squared_distances).exp().mean().log()


@torch.no_grad()
def relative_distance(online: Iterable[Tensor], target: Iterable[Tensor]) -> Tensor:
    """How far the target network is behind the online one.

    Args:
        online: The parameters of the online encoder and projector.
        target: Those of the target network, in the same order.

    Returns:
        A scalar, at least 0: the Euclidean norm of the difference of all parameters over that of the online ones.
        0 where both networks are the same.
    """
    online, target = list(online), list(target)
    difference = _norm(torch._foreach_sub(online, target))
    return difference / _norm(online).clamp_min(torch.finfo(torch.float32).tiny)


def _norm(tensors: list[Tensor] | tuple[Tensor, ...]) -> Tensor:
    """Give the Euclidean norm of all values of some tensors."""
    return torch.stack([norm.float() for norm in torch._foreach_norm(tensors)]).norm()
