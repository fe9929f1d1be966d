"""Which parameters lie behind a result, as autograd recorded it."""

from __future__ import annotations

from torch import Tensor, nn


def parameters_behind(result: Tensor) -> tuple[set[int], int]:
    """Walk the graph of a result back to its leaves.

    No gradient is computed, so it takes no time beside the forward pass. A parameter behind a result gets a gradient in
    the backward pass; all others get none.

    Args:
        result: What the loss is made of; it may need no gradient.

    Returns:
        The ``id`` of each leaf, such as a parameter, and the number of operations behind the result.
    """
    found: set[int] = set()
    waiting = [result.grad_fn] if result.grad_fn is not None else []
    seen = set(waiting)
    if result.is_leaf and result.requires_grad:
        found.add(id(result))
    while waiting:
        node = waiting.pop()
        leaf = getattr(node, 'variable', None)
        if leaf is not None:
            found.add(id(leaf))
        for earlier, _ in node.next_functions:
            if earlier is not None and earlier not in seen:
                seen.add(earlier)
                waiting.append(earlier)
    return found, len(seen)


def shares_reached(module: nn.Module, children: list[str], reached: set[int]) -> dict[str, float]:
    """Return how much of each child is reached.

    Args:
        module: The detector.
        children: Names of its children.
        reached: Of `parameters_behind`.

    Returns:
        Child -> share of its parameters, in [0, 1]; children without parameters are left out.
    """
    shares = {}
    for name in children:
        parameters = list(getattr(module, name).parameters())
        total = sum(parameter.numel() for parameter in parameters)
        if total:
            shares[name] = sum(parameter.numel() for parameter in parameters if id(parameter) in reached) / total
    return shares
