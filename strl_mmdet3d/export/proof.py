"""Proves, tensor by tensor, that an exported encoder was loaded into a detector."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from torch import Tensor, nn

from .checkpoint_file import META_KEY, ExportError, read_checkpoint


@dataclass
class LoadReport:
    """Which tensors of a detector come from an exported encoder.

    Attributes:
        landed: Names of the exported tensors; all are in the detector bit for bit.
        from_scratch: Names of the detector's tensors that the encoder does not hold.
        left_out: Names of the tensors that the export left out by choice.
    """

    landed: list[str]
    from_scratch: list[str]
    left_out: list[str]

    def __str__(self) -> str:
        """Write a line for each attribute; tensors are counted by the detector's top-level parts."""
        lines = [
            f'{len(self.landed)} of {len(self.landed)} exported tensors landed bit for bit: {_by_part(self.landed)}'
        ]
        if self.left_out:
            lines.append(f'left out of the export by choice: {", ".join(self.left_out)}')
        lines.append(f'from scratch: {_by_part(self.from_scratch) or "nothing"}')
        return '\n'.join(lines)


def _by_part(names: list[str]) -> str:
    """Count names by their first component, as in 'backbone 72, neck 12'."""
    return ', '.join(f'{part} {count}' for part, count in Counter(name.split('.')[0] for name in names).items())


def compare_loaded(exported: dict[str, Any], model: nn.Module, source: str) -> LoadReport:
    """Check that a model holds every tensor of an exported encoder, bit for bit.

    Args:
        exported: The result of `export_encoder`.
        model: The model after loading.
        source: The checkpoint's name, for the error message.

    Returns:
        The report.

    Raises:
        ExportError: If the model lacks a tensor, or has it with another shape, type or value. Names each, up to 20.
    """
    state_dict: dict[str, Tensor] = exported['state_dict']
    if not state_dict:
        raise ExportError(f'{source} holds no tensors')
    mine = model.state_dict()
    problems = []
    for name, tensor in state_dict.items():
        if name not in mine:
            problems.append(f'{name}: not in the model')
        elif mine[name].shape != tensor.shape:
            problems.append(f'{name}: {tuple(tensor.shape)} in the checkpoint, {tuple(mine[name].shape)} in the model')
        elif mine[name].dtype != tensor.dtype:
            problems.append(f'{name}: {tensor.dtype} in the checkpoint, {mine[name].dtype} in the model')
        elif not torch.equal(mine[name].cpu(), tensor.cpu()):
            problems.append(f'{name}: same shape, but the values did not arrive')
    if problems:
        shown = '\n  '.join(problems[:20] + ([f'... and {len(problems) - 20} more'] if len(problems) > 20 else []))
        raise ExportError(
            f'{len(problems)} of {len(state_dict)} tensors of {source} did not land in {type(model).__name__}:'
            f'\n  {shown}\nIs this the detector, with the same settings, that was pre-trained? '
            'Where a layer differs by choice, export with --leave-out and its name.'
        )
    return LoadReport(
        landed=list(state_dict),
        from_scratch=[name for name in mine if name not in state_dict],
        left_out=list(exported['meta'][META_KEY]['left_out']),
    )


def verify_export(path: str | Path, config: str | Path | Config) -> LoadReport:
    """Build a downstream model, load an exported encoder as ``load_from`` does, and compare.

    Args:
        path: The exported encoder.
        config: The downstream config: a file's name, or the config itself.

    Returns:
        The report: every exported tensor is in the model bit for bit.

    Raises:
        ExportError: If a tensor is not in the model, or the file is not an exported encoder.
    """
    exported = read_checkpoint(path)
    provenance = exported['meta'].get(META_KEY)
    if not isinstance(provenance, dict) or not isinstance(provenance.get('left_out'), list):
        raise ExportError(
            f'{path} is not an exported encoder: run tools/export_encoder.py on the pre-training checkpoint'
        )
    config = config if isinstance(config, Config) else Config.fromfile(config)
    init_default_scope(config.get('default_scope', 'mmdet3d'))
    model = MODELS.build(config.model)
    # Zeroed counters and unit scales would be equal without loading. After this, only loaded tensors can be equal.
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.fill_(torch.nan if tensor.is_floating_point() else -1)
    load_checkpoint(model, str(path), map_location='cpu', strict=False, logger='silent')
    return compare_loaded(exported, model, str(path))
