"""What a state dict must hold: the name, type and shape of each tensor, and a checksum over all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def manifest_of(state_dict: Mapping[str, Tensor]) -> dict[str, str]:
    """Return name -> type and shape, such as 'float32 [64, 3, 1, 1]'."""
    return {
        name: f'{str(tensor.dtype).removeprefix("torch.")} {list(tensor.shape)}' for name, tensor in state_dict.items()
    }


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Compare two manifests.

    Args:
        expected: What must be there.
        found: What is there.

    Returns:
        A line for each name that is missing, unexpected, or of another type or shape.
    """
    lines = [f'{name} is missing' for name in expected if name not in found]
    for name, tensor in found.items():
        if name not in expected:
            lines.append(f'{name} does not belong there')
        elif tensor != expected[name]:
            lines.append(f'{name} is {tensor}, not {expected[name]}')
    return lines


def shortened(lines: list[str], at_most: int = 5) -> str:
    """Join the first lines for a message, and say how many more there are."""
    return '; '.join(lines[:at_most] + ([f'and {len(lines) - at_most} more'] if len(lines) > at_most else []))


def checksum(provenance: dict[str, Any], state_dict: Mapping[str, Tensor]) -> str:
    """Compute the SHA-256 of an exported encoder. It takes about 0.5 s per GB.

    It goes over the provenance as JSON with sorted keys, and then over the values of each tensor in the order of the
    sorted names: C order, little-endian. Names, types and shapes are in the provenance.

    Args:
        provenance: Plain values; a checksum in it is left out.
        state_dict: The tensors, on the CPU.

    Returns:
        64 hexadecimal digits.
    """
    text = json.dumps({key: value for key, value in provenance.items() if key != 'sha256'}, sort_keys=True)
    digest = hashlib.sha256(text.encode())
    for name in sorted(state_dict):
        digest.update(state_dict[name].contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
