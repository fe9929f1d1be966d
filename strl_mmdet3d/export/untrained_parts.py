"""The parts of a trunk that no gradient has reached: they are as they were initialised, not pre-trained."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from .export_error import ExportError
from .provenance import are_names, as_plain_values

UNTRAINED_KEY = 'strl_untrained'
"""The key of these parts in the ``meta`` of a pre-training checkpoint, and in the message hub of the run."""


def untrained_parts(parameters: Sequence[str], untrained: Collection[str]) -> list[str]:
    """Group parameters into the largest modules that hold no other parameter.

    Args:
        parameters: The dotted names of all parameters of a detector.
        untrained: Those of them that no gradient has reached.

    Returns:
        Names of modules, such as ``'neck.deblocks.2'``, and of single parameters of modules that are trained otherwise.
    """
    # A parameter that is frozen counts as trained: a feature may depend on it.
    trained = {module for name in parameters if name not in untrained for module in _prefixes(name)}
    parts = (next(part for part in _prefixes(name) if part not in trained) for name in parameters if name in untrained)
    return list(dict.fromkeys(parts))


def _prefixes(name: str) -> Iterator[str]:
    """Yield 'a', 'a.b' and 'a.b.c' of 'a.b.c'."""
    for place, letter in enumerate(name):
        if letter == '.':
            yield name[:place]
    yield name


def is_part_of(name: str, parts: Sequence[str]) -> bool:
    """Return whether a tensor belongs to one of some parts: parameters and buffers alike."""
    return any(f'{name}.'.startswith(f'{part}.') for part in parts)


def parts_with_sizes(parts: Sequence[str], detector: nn.Module) -> list[str]:
    """Describe the parts that a detector has, as in 'neck.deblocks.2 (6 tensors, 131,328 parameters)'."""
    tensors, parameters = list(detector.state_dict()), dict(detector.named_parameters(remove_duplicate=False))
    described = []
    for part in parts:
        count = sum(is_part_of(name, [part]) for name in tensors)
        size = sum(parameter.numel() for name, parameter in parameters.items() if is_part_of(name, [part]))
        if count:
            described.append(f'{part} ({count} tensor{"s" * (count != 1)}, {size:,} parameters)')
    return described


def recorded_untrained(meta: Mapping[str, Any], source: str) -> list[str] | None:
    """Read these parts from a pre-training checkpoint.

    Args:
        meta: The checkpoint's ``meta``.
        source: Its name, for the error message.

    Returns:
        The parts, by the detector's names; None if it does not record them.

    Raises:
        ExportError: If the record is damaged.
    """
    if UNTRAINED_KEY not in meta:
        return None
    parts = as_plain_values(meta[UNTRAINED_KEY], f"{source}: the pre-training's record")
    if not are_names(parts):
        raise ExportError(f'{source}: the record of the parts without a gradient is damaged. Take another checkpoint')
    return parts
