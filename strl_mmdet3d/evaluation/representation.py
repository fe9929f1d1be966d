"""Measures of batches of projections (spread, rank, alignment, uniformity), and of how far the target network lags."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, all_reduce_dict
from torch import Tensor

from ..models.strl import STRL

ROUNDING = 1e-6
"""Rows that differ from their mean by at most this share of their length are equal up to rounding."""


@torch.no_grad()
def spread(projections: Tensor) -> Tensor:
    """Measure how far the projections of a batch are from collapsing into a single one.

    Args:
        projections: (B, D).

    Returns:
        A scalar: the standard deviation over the batch of the normalised projections, averaged over the D channels and
        times sqrt(D). About 1 if they are spread over the sphere, 0 if all are the same.
    """
    unit = F.normalize(projections.float(), dim=-1)
    return unit.std(dim=0, unbiased=False).mean() * unit.shape[1] ** 0.5


@torch.no_grad()
def covariance(batches: Sequence[Tensor]) -> Tensor:
    """Sum how the rows of some batches vary within their own batch.

    Args:
        batches: Some (B, D) of one width, B >= 1, each of its own size.

    Returns:
        Float64 (D, D): the sum of the covariances, each divided by its trace and times B - 1, the number of directions
        that it can have. So no batch outweighs the others by its scale. A batch whose rows are all the same counts 0;
        NaN throughout if a value is NaN or infinite.
    """
    width = batches[0].shape[1]
    total = torch.zeros(width, width, dtype=torch.float64, device=batches[0].device)
    for batch in batches:
        x = batch.double()
        if not x.isfinite().all():
            return torch.full_like(total, torch.nan)
        centred = x - x.mean(dim=0)
        energy = centred.square().sum()
        if energy > ROUNDING**2 * x.square().sum():
            total += centred.T @ centred * ((len(x) - 1) / energy)
    return total


@torch.no_grad()
def effective_rank(covariance: Tensor) -> Tensor:
    """Measure in how many directions rows vary: the effective rank of their covariance (Roy & Vetterli, 2007).

    Args:
        covariance: (D, D) of any scale, see `covariance`.

    Returns:
        A scalar: the exponential of the entropy of the normalised spectrum, in [1, min(sum of all B - 1, D)]. 0 if all
        rows are the same, NaN if a value is NaN.
    """
    if not covariance.isfinite().all():
        return torch.full((), torch.nan, device=covariance.device)
    energies = torch.linalg.eigvalsh(covariance).clamp_min(0)
    total = energies.sum()
    if total == 0:
        return torch.zeros((), device=covariance.device)
    return torch.special.entr(energies / total).sum().exp().float()


@torch.no_grad()
def alignment(projections_1: Tensor, projections_2: Tensor) -> Tensor:
    """Measure how far apart the two views of a pair are (Wang & Isola, ICML 2020, alpha = 2).

    Args:
        projections_1: (B, D), the first views.
        projections_2: (B, D), the second views.

    Returns:
        A scalar in [0, 4]: the mean squared distance of the normalised projections of a pair. Smaller is better
        aligned; unrelated views have 2.
    """
    unit_1, unit_2 = F.normalize(projections_1.float(), dim=-1), F.normalize(projections_2.float(), dim=-1)
    return (unit_1 - unit_2).square().sum(dim=-1).mean()


@torch.no_grad()
def uniformity(projections: Tensor, t: float = 2.0) -> Tensor:
    """Measure how evenly a batch fills the sphere (Wang & Isola, ICML 2020).

    Args:
        projections: (B, D), B >= 2.
        t: The sharpness of the kernel, 2 in that paper.

    Returns:
        A scalar in [-4 t, 0]: the logarithm of the mean of exp(-t d^2) over all pairs of the batch, where d is the
        distance of their normalised projections. Smaller is more uniform: 0 if all are the same, about -2 t for many
        evenly spread ones.

    Raises:
        ValueError: If the batch has only one row.
    """
    if len(projections) < 2:
        raise ValueError('uniformity is a mean over the pairs of a batch, and a batch of one has no pair')
    unit = F.normalize(projections.float(), dim=-1)
    first, second = torch.triu_indices(len(unit), len(unit), offset=1, device=unit.device)
    squared_distances = 2 - 2 * (unit @ unit.T)[first, second]
    return (-t * squared_distances).exp().mean().log()


@torch.no_grad()
def relative_distance(online: Iterable[Tensor], target: Iterable[Tensor]) -> Tensor:
    """Measure how far the target network is from the online one.

    Args:
        online: The parameters of the online encoder and projector.
        target: The parameters of the target network, in the same order.

    Returns:
        A scalar, at least 0: the Euclidean norm of the difference of all parameters, divided by the norm of the online
        parameters. 0 if both networks are the same.
    """
    online, target = list(online), list(target)
    difference = _norm(torch._foreach_sub(online, target))
    return difference / _norm(online).clamp_min(torch.finfo(torch.float32).tiny)


def _norm(tensors: list[Tensor] | tuple[Tensor, ...]) -> Tensor:
    """Return the Euclidean norm of all values of some tensors."""
    return torch.stack([norm.float() for norm in torch._foreach_norm(tensors)]).norm()


@torch.no_grad()
def measure_projections(model: STRL) -> dict[str, float]:
    """Measure the projections of the model's latest batch, and the distance of the target from the online network.

    Returns:
        The measures by name, averaged over the ranks: all but the effective rank, see `measure_rank`.
    """
    view_1, view_2 = model.projections['view_1'], model.projections['view_2']
    measures = dict(
        spread=(spread(view_1) + spread(view_2)) / 2,
        alignment=alignment(view_1, view_2),
        uniformity=(uniformity(view_1) + uniformity(view_2)) / 2,
        target_distance=relative_distance(
            [*model.online_encoder.parameters(), *model.online_projector.parameters()],
            [*model.target_encoder.parameters(), *model.target_projector.parameters()],
        ),
    )
    all_reduce_dict(measures, op='mean')
    return {name: value.item() for name, value in measures.items()}


@torch.no_grad()
def measure_rank(views: Sequence[Sequence[Tensor]]) -> tuple[float, int]:
    """Measure in how many directions the projections of some batches vary, on all ranks together.

    Args:
        views: The batches (B, D) of each view on this rank. Ranks may differ in their number and sizes.

    Returns:
        The effective rank, averaged over the views, and the most that it can be: min(sum of all B - 1, D).
    """
    room = torch.tensor(sum(len(batch) - 1 for batch in views[0]), device=views[0][0].device)
    all_reduce(room)
    covariances = torch.stack([covariance(batches) for batches in views])
    all_reduce(covariances)
    rank = torch.stack([effective_rank(one) for one in covariances]).mean()
    return rank.item(), min(int(room), views[0][0].shape[1])
