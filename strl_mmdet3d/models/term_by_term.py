"""A training step that takes the gradient of one term of the loss before it computes the next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from mmengine.dist import all_reduce, all_reduce_params, get_world_size
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import Tensor, nn

from ..errors import ConfigError

if TYPE_CHECKING:
    from .strl import STRL


def train_term_by_term(model: STRL, data: dict, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
    """Train on the sum of ``model.terms``; memory holds the graph of one term, not of all.

    Ranks average their gradients once, ahead of the optimizer's step. So two ranks make the step of one with the same
    global batch, up to BatchNorm's statistics. The exchange does not overlap with the backward passes.

    Args:
        model: The model itself, not its distributed wrapper.
        data: A collated batch of pairs.
        optim_wrapper: An OptimWrapper, or an AmpOptimWrapper.

    Returns:
        ``loss``: the sum of the terms, detached.

    Raises:
        ConfigError: If the optimizer wrapper has another way to take gradients (Apex, DeepSpeed).
    """
    if type(optim_wrapper).backward not in (OptimWrapper.backward, AmpOptimWrapper.backward):
        raise ConfigError(
            f'STRL takes the gradient of one view at a time, which {type(optim_wrapper).__name__} does not allow: set '
            'optim_wrapper.type to OptimWrapper or AmpOptimWrapper'
        )
    values = []
    for term in _computed_terms(model, data, optim_wrapper):
        scaled = optim_wrapper.scale_loss(term)  # its share of an accumulated step
        if isinstance(optim_wrapper, AmpOptimWrapper):
            scaled = optim_wrapper.loss_scaler.scale(scaled)
        scaled.backward()
        values.append(term.detach())
        del term, scaled  # and with them the graph
    total = torch.stack(values).sum()
    # The wrapper counts backward passes, to know when a step is due. This one is of a leaf, and reaches no parameter.
    optim_wrapper.backward(total.clone().requires_grad_())
    if optim_wrapper.should_update():
        average_gradients(list(model.parameters()))
        optim_wrapper.step()
        optim_wrapper.zero_grad()
    return dict(loss=total)


def average_gradients(parameters: list[nn.Parameter]) -> None:
    """Average the gradients over the ranks. One that some ranks lack counts as 0 there; without any, it stays None.

    Args:
        parameters: The same on each rank, in the same order.
    """
    if get_world_size() == 1:
        return
    present = torch.tensor([p.grad is not None for p in parameters], dtype=torch.uint8, device=parameters[0].device)
    all_reduce(present, op='max')
    trained = [p for p, anywhere in zip(parameters, present.tolist(), strict=True) if anywhere]
    for parameter in trained:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    all_reduce_params([p.grad for p in trained], op='mean')


def _computed_terms(model: STRL, data: dict, optim_wrapper: OptimWrapper) -> Iterator[Tensor]:
    """Yield the terms, each computed in the wrapper's context (autocast); its gradient is taken outside of it."""
    with optim_wrapper.optim_context(model):
        terms = model.terms(**model.data_preprocessor(data, True))
    while True:
        with optim_wrapper.optim_context(model):
            term = next(terms, None)
        if term is None:
            return
        yield term
        del term
