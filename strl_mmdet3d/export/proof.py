"""Proves, tensor by tensor and setting by setting, that an exported encoder was loaded into a detector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from torch import Tensor, nn

from ..errors import ConfigError
from ..models.encoder import build_detector
from .checkpoint_file import read_checkpoint
from .export_error import ExportError
from .provenance import META_KEY, check_exported
from .trunk_settings import differing_settings, trunk_settings
from .untrained_parts import is_part_of, parts_with_sizes


@dataclass
class LoadReport:
    """Which tensors of a detector come from an exported encoder.

    Attributes:
        landed: Names of the exported tensors; all are in the detector bit for bit.
        from_scratch: Names of the detector's tensors that the encoder does not hold, without the next ones.
        as_initialised: Names of the detector's tensors that the encoder does not hold because no gradient has reached
            them in the pre-training.
        left_out: Names of the tensors that the export left out by choice.
        trunk: The detector's children that were pre-trained.
        pretrained: Share of the trunk's parameters that start pre-trained, in [0, 1].
        untrained: The parts of the trunk that no gradient has reached, whether the encoder holds them or not, with
            their sizes; None if the pre-training has not recorded them.
        settings: What the comparison of the settings gave, in words.
    """

    landed: list[str]
    from_scratch: list[str]
    as_initialised: list[str]
    left_out: list[str]
    trunk: list[str]
    pretrained: float
    untrained: list[str] | None
    settings: str = ''

    def __str__(self) -> str:
        """Write a line for each attribute; tensors are counted by the detector's top-level parts."""
        others = [*self.from_scratch, *self.as_initialised]
        of_trunk = len(self.landed) + sum(name.split('.')[0] in self.trunk for name in others)
        lines = [
            f'{len(self.landed)} of {len(self.landed)} exported tensors landed bit for bit: {_by_part(self.landed)}',
            f'they are {len(self.landed)} of the {of_trunk} tensors of the trunk: {", ".join(self.trunk)}',
            f"{self.pretrained:.1%} of the trunk's parameters start pre-trained{self._which_not()}",
        ]
        if self.left_out:
            lines.append(f'left out of the export by choice: {", ".join(self.left_out)}')
        if self.settings:
            lines.append(f'settings: {self.settings}')
        lines.append(f'from scratch: {_by_part(self.from_scratch) or "nothing"}')
        return '\n'.join(lines)

    def _which_not(self) -> str:
        """Name the untrained parts, as the end of a line."""
        if self.untrained is None:
            return ', if a gradient has reached all of them: the checkpoint does not record it'
        if not self.untrained:
            return ''
        return f'; these parts start as initialised, because no gradient has reached them: {", ".join(self.untrained)}'


def _by_part(names: list[str]) -> str:
    """Count names by their first component, as in 'backbone 72, neck 12'."""
    return ', '.join(f'{part} {count}' for part, count in Counter(name.split('.')[0] for name in names).items())


def read_exported(path: str | Path) -> dict[str, Any]:
    """Read an exported encoder, and prove that the file is whole; see `check_exported`.

    Raises:
        ExportError: If it is not an exported encoder, or not the whole of it; the message names the file.
    """
    return check_exported(read_checkpoint(path), str(path))


def compare_loaded(
    exported: dict[str, Any], model: nn.Module, source: str, allow_different: Sequence[str] = ()
) -> LoadReport:
    """Check that a model holds every tensor of an exported encoder, bit for bit, and none of its trunk is missing.

    A tensor that the export left out is not missing: by choice, or because no gradient has reached it.

    Args:
        exported: The result of `export_encoder` or `read_exported`.
        model: The model after loading.
        source: The checkpoint's name, for the error message.
        allow_different: Tensors of the model's trunk that the encoder need not hold; see `is_allowed`.

    Returns:
        The report.

    Raises:
        ExportError: If the model lacks a tensor, or has it with another shape, type or value, or if the trunk has a
            tensor that the encoder lacks. Names each, up to 20.
    """
    state_dict: dict[str, Tensor] = exported['state_dict']
    provenance = exported['meta'][META_KEY]
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
    detector = type(model).__name__
    if problems:
        raise ExportError(
            f'{len(problems)} of {len(state_dict)} tensors of {source} did not land in {detector}:{_listed(problems)}\n'
            'Is this the detector, with the same settings, that was pre-trained? '
            'Where a layer differs by choice, export with --leave-out and its name.'
        )
    trunk, left_out, untrained = (provenance.get(key) for key in ('trunk', 'left_out', 'untrained'))
    others = [name for name in mine if name not in state_dict]
    missing = [
        name
        for name in others
        if name.split('.')[0] in trunk and name not in left_out and not is_allowed(name, allow_different)
    ]
    if missing:
        raise ExportError(
            f'{source} lacks {len(missing)} tensors of the trunk ({", ".join(trunk)}) of {detector}:'
            f'{_listed(missing)}\nExport the encoder again. A layer that the pre-training did not have is allowed by '
            f'its name: {HOW_TO_ALLOW}'
        )
    parts = untrained or []
    as_initialised = [name for name in others if name in left_out and is_part_of(name, parts)]
    sizes = {name: p.numel() for name, p in model.named_parameters() if name.split('.')[0] in trunk}
    trained = [size for name, size in sizes.items() if name in state_dict and not is_part_of(name, parts)]
    return LoadReport(
        landed=list(state_dict),
        from_scratch=[name for name in others if name not in as_initialised],
        as_initialised=as_initialised,
        left_out=[name for name in left_out if not is_part_of(name, parts)],
        trunk=list(trunk),
        pretrained=sum(trained) / max(sum(sizes.values()), 1),
        untrained=None if untrained is None else parts_with_sizes(parts, model),
    )


HOW_TO_ALLOW = '--allow-different NAME, or VerifyLoadHook(allow_different=[NAME])'


def compare_settings(exported: dict[str, Any], config: Config, source: str, allow_different: Sequence[str] = ()) -> str:
    """Check that a downstream config gives the trunk's tensors the meaning that they had in the pre-training.

    Args:
        exported: The result of `export_encoder` or `read_exported`.
        config: The downstream config.
        source: The checkpoint's name, for the error message.
        allow_different: Settings that may differ; see `is_allowed`.

    Returns:
        What was compared, in words.

    Raises:
        ExportError: If a setting differs that is not in `allow_different`. Names each, up to 20, with both values.
    """
    before = exported['meta'][META_KEY]['settings']
    if before is None:
        return 'not compared, because the checkpoint does not record those of its pre-training'
    here = trunk_settings(config.model, exported['meta'][META_KEY]['trunk'], config.get('train_dataloader'))
    different = differing_settings(before, here)
    refused = [f'{name}: {how}' for name, how in different.items() if not is_allowed(name, allow_different)]
    if refused:
        raise ExportError(
            f'{source} was pre-trained with other settings, so its tensors mean something else:{_listed(refused)}\n'
            f'Make them equal. What differs by choice is allowed by its name: {HOW_TO_ALLOW}'
        )
    said = f'equal in the pre-training and here ({len(before)} compared)'
    if different:
        said = f'different by choice: {"; ".join(f"{name}: {how}" for name, how in different.items())}'
    if not ('points.channels' in before and 'points.channels' in here):
        said += "; the points' channels are not compared, because one side's are unknown"
    return said


def is_allowed(name: str, allowed: Sequence[str]) -> bool:
    """Return whether a dotted name is allowed: by itself, by its last components, or by its first ones."""
    return any(f'.{name}.'.startswith(f'.{each}.') or f'.{name}.'.endswith(f'.{each}.') for each in allowed)


def _listed(lines: list[str]) -> str:
    """Write lines below each other, up to 20."""
    return ''.join(f'\n  {line}' for line in lines[:20] + [f'... and {len(lines) - 20} more'] * (len(lines) > 20))


def verify_export(path: str | Path, config: str | Path | Config, allow_different: Sequence[str] = ()) -> LoadReport:
    """Build a downstream model, load an exported encoder as ``load_from`` does, and compare.

    Args:
        path: The exported encoder.
        config: The downstream config: a file's name, or the config itself.
        allow_different: Settings that may differ, and tensors of the trunk that the encoder need not hold.

    Returns:
        The report: every exported tensor is in the model bit for bit.

    Raises:
        ExportError: If the file is not a whole exported encoder, a tensor is not in the model, the trunk has a tensor
            that is not in the file, or a setting differs.
        ConfigError: If the config has no model, or mmdet3d cannot build it.
    """
    exported = read_exported(path)
    config = config if isinstance(config, Config) else Config.fromfile(config)
    init_default_scope(config.get('default_scope', 'mmdet3d'))
    if 'model' not in config:
        raise ConfigError('the downstream config has no model: name the config of a detector')
    model = build_detector(config.model)
    # Zeroed counters and unit scales would be equal without loading. After this, only loaded tensors can be equal.
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.fill_(torch.nan if tensor.is_floating_point() else -1)
    load_checkpoint(model, str(path), map_location='cpu', strict=False, logger='silent')
    report = compare_loaded(exported, model, str(path), allow_different)
    report.settings = compare_settings(exported, config, str(path), allow_different)
    return report
