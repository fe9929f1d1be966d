"""What a checkpoint may hold: plain dicts, and tensors that own their values.

``weights_only`` keeps a file from running code, but not from holding what nobody expects: a dict whose ``items`` is a
word, a tensor without values, a view that repeats one value 10^12 times.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from .export_error import ExportError

DTYPES = frozenset(
    {torch.float64, torch.float32, torch.float16, torch.bfloat16}
    | {torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool}
)
"""The types of tensors that detectors hold."""


def is_plain_dict(value: Any) -> bool:
    """Return whether it is a dict whose methods are the dict's own: a pickle may give attributes to an OrderedDict."""
    return type(value) is dict or (type(value) is OrderedDict and not vars(value))


def is_name(value: Any) -> bool:
    """Return whether it can be the name of a tensor or setting: printable text, since messages show it."""
    return type(value) is str and value != '' and value.isprintable()


def plain_state_dict(state_dict: Any, source: str, size: int | None = None) -> OrderedDict[str, Tensor]:
    """Check a state dict that was read from a file.

    Args:
        state_dict: What the file holds in its place.
        source: The file's name, for the error message.
        size: The file's size in bytes, which bounds every tensor's. None checks no sizes.

    Returns:
        The same names and tensors, with the ``_metadata`` if there is one: module -> its entry.

    Raises:
        ExportError: If it is no state dict of plain tensors; names the file and the tensor.
    """
    if type(state_dict) not in (dict, OrderedDict):
        raise ExportError(f'{source} holds no state_dict: mmengine did not write it')
    attributes = dict(getattr(state_dict, '__dict__', {}))
    metadata = attributes.pop('_metadata', None)
    if attributes:
        raise ExportError(f'{source}: its state_dict has attributes that no state_dict has: mmengine did not write it')
    checked: OrderedDict[str, Tensor] = OrderedDict()
    for name, tensor in state_dict.items():
        if not is_name(name):
            raise ExportError(f'{source}: its state_dict has a name that is not plain text: mmengine did not write it')
        problem = fault_of(tensor, size)
        if problem:
            raise ExportError(f'{source}: {name} {problem}: mmengine did not write it')
        checked[name] = tensor.detach()
    if metadata is not None:
        checked._metadata = _plain_metadata(metadata, source)  # type: ignore[attr-defined]
    return checked


def fault_of(tensor: Any, size: int | None) -> str:
    """Return what keeps a value from being a plain tensor, or '' if nothing does.

    Args:
        tensor: The value.
        size: The greatest number of bytes that it may have, or None.
    """
    if type(tensor) not in (Tensor, nn.Parameter) or vars(tensor):
        return 'is not a plain tensor'
    if tensor.layout != torch.strided or tensor.is_nested or tensor.is_quantized or tensor.dtype not in DTYPES:
        return f'is not a dense tensor of plain numbers ({tensor.dtype}, {tensor.layout})'
    if tensor.device.type != 'cpu' or tensor.is_neg():
        return f'is a tensor without values of its own ({tensor.device})'
    storage = tensor.untyped_storage().nbytes()
    if tensor.numel() * tensor.element_size() > storage:
        return 'is a view that repeats its values'
    if size is not None and storage > size:
        return 'has more values than the file'
    return ''


def _plain_metadata(metadata: Any, source: str) -> OrderedDict[str, dict[str, Any]]:
    """Check the ``_metadata`` of a state dict: the version of each module, by which torch and spconv load."""
    plain = is_plain_dict(metadata) and all(
        type(module) is str
        and is_plain_dict(entry)
        and all(type(key) is str for key in entry)
        and type(entry.get('version', 1)) in (int, type(None))
        for module, entry in metadata.items()
    )
    if not plain:
        raise ExportError(
            f"{source}: its state_dict's _metadata is damaged. Export from a checkpoint that mmengine wrote"
        )
    versions = {module: entry.get('version') for module, entry in metadata.items()}
    return OrderedDict(
        (module, {} if version is None else dict(version=version)) for module, version in versions.items()
    )
