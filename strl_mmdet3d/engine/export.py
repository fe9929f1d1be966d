"""From a pre-training checkpoint to the encoder under the detector's own names, and the proof that it lands."""

from __future__ import annotations

import os
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from torch import Tensor, nn

from ..version import __version__

PREFIX = 'online_encoder.detector.'
"""What STRL and DetectorEncoder put before the detector's own names."""

META_KEY = 'strl'
"""Where in a checkpoint's ``meta`` the provenance of an exported encoder is."""


class ExportError(RuntimeError):
    """A checkpoint that is no STRL pre-training, or an encoder that does not fit the detector in full."""


@dataclass
class LoadReport:
    """What became of an exported encoder in a detector.

    Attributes:
        landed: The names of the tensors that are in the detector bit for bit.
        from_scratch: The names of the detector's tensors that the encoder does not hold.
        left_out: The names of those that it was told not to hold, when it was exported.
    """

    landed: list[str]
    from_scratch: list[str]
    left_out: list[str]

    def __str__(self) -> str:
        """Say it in a line each; tensors are counted by the detector's top-level parts."""
        lines = [
            f'{len(self.landed)} of {len(self.landed)} exported tensors landed bit for bit: {_by_part(self.landed)}'
        ]
        if self.left_out:
            lines.append(f'left out of the export by choice: {", ".join(self.left_out)}')
        lines.append(f'from scratch: {_by_part(self.from_scratch) or "nothing"}')
        return '\n'.join(lines)


def _by_part(names: list[str]) -> str:
    """Count names by their first component: 'backbone 72, neck 12'."""
    return ', '.join(f'{part} {count}' for part, count in Counter(name.split('.')[0] for name in names).items())


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint with ``weights_only``.

    Args:
        path: The file.

    Returns:
        Its content, on the CPU.

    Raises:
        ExportError: If it is missing, broken, refused as unsafe, or no checkpoint; the message names the file.
    """
    path = Path(path)
    if not path.is_file():
        raise ExportError(f'no checkpoint at {path}')
    try:
        checkpoint = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        raise ExportError(f'{path} cannot be read as a checkpoint of tensors and plain values: {error}') from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get('state_dict'), dict):
        raise ExportError(f'{path} holds no state_dict: it was not written by mmengine')
    if not isinstance(checkpoint.setdefault('meta', {}), dict):
        raise ExportError(f'{path} holds a meta of type {type(checkpoint["meta"]).__name__}: mmengine did not write it')
    for name, tensor in checkpoint['state_dict'].items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor) or tensor.layout != torch.strided:
            raise ExportError(f'{path}: {name!r} of its state_dict is no dense tensor with a name')
    return checkpoint


def export_encoder(checkpoint: dict[str, Any], source: str, leave_out: Sequence[str] = ()) -> dict[str, Any]:
    """Take the online encoder out of a pre-training checkpoint.

    Args:
        checkpoint: A checkpoint of `STRL`, as `read_checkpoint` returns it.
        source: The checkpoint's name, for error messages and provenance.
        leave_out: Tensors not to export, by the detector's names: what the downstream detector must learn anew because
            its shape differs there, such as VoteNet's first layer with a height channel more.

    Returns:
        ``{'meta': {'strl': provenance}, 'state_dict': ...}``: tensors and plain values only. The state dict keeps its
        ``_metadata``, without which spconv's weights would be skipped on loading.

    Raises:
        ExportError: If there is no online encoder in it, a tensor holds NaN or infinity, or `leave_out` names one that
            is not there.
    """
    trained = checkpoint['state_dict']
    encoder = OrderedDict((name[len(PREFIX) :], tensor) for name, tensor in trained.items() if name.startswith(PREFIX))
    if not encoder:
        if META_KEY in checkpoint.get('meta', {}):
            raise ExportError(f'{source} is an exported encoder already')
        raise ExportError(f"{source} is no STRL pre-training: none of its names begins with '{PREFIX}'")
    broken = [name for name, tensor in encoder.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ExportError(
            f'{source}: {len(broken)} tensors hold NaN or infinity, {broken[0]} among them; the run diverged'
        )
    for name in leave_out:
        if encoder.pop(name, None) is None:
            near = ', '.join(get_close_matches(name, encoder, n=3, cutoff=0)) or 'nothing'
            raise ExportError(f'{source} has no tensor {name} to leave out; the nearest are {near}')
    metadata = getattr(trained, '_metadata', None)
    if metadata is None:
        raise ExportError(f"{source} has lost its state dict's _metadata; export from a checkpoint that mmengine wrote")
    encoder._metadata = OrderedDict(  # type: ignore[attr-defined]
        [('', {})] + [(name[len(PREFIX) :], dict(entry)) for name, entry in metadata.items() if name.startswith(PREFIX)]
    )
    meta = checkpoint.get('meta', {})
    numbers = {key: meta.get(key) or 0 for key in ('epoch', 'iter', 'seed')}
    if not all(isinstance(number, int) for number in numbers.values()):
        raise ExportError(f'{source} was not written by mmengine: its meta has {numbers}')
    provenance = dict(
        exported_by=f'strl_mmdet3d {__version__}',
        source=Path(source).name,
        **numbers,
        pretrained_at=str(meta.get('time', '')),
        config=str(meta.get('cfg', '')),
        tensors=len(encoder),
        left_out=list(leave_out),
    )
    return dict(meta={META_KEY: provenance}, state_dict=encoder)


def save_exported(exported: dict[str, Any], path: str | Path) -> None:
    """Write an exported encoder so that a kill leaves either the old file or the new one.

    Args:
        exported: What `export_encoder` returns.
        path: The file; its folder is made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        torch.save(exported, unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def compare_loaded(exported: dict[str, Any], model: nn.Module, source: str) -> LoadReport:
    """Count what of an exported encoder is in a model.

    Args:
        exported: What `export_encoder` returned.
        model: The model after loading.
        source: The checkpoint's name, for the error message.

    Returns:
        The report, where everything has landed.

    Raises:
        ExportError: If a tensor is missing in the model, has another shape or type there, or other values. Names each.
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
    """Build a downstream model, load an exported encoder as ``load_from`` does, and count.

    Args:
        path: The exported encoder.
        config: The downstream config: a file's name, or the config itself.

    Returns:
        The report, where every exported tensor has landed bit for bit.

    Raises:
        ExportError: If one has not, or the file is no exported encoder.
    """
    exported = read_checkpoint(path)
    provenance = exported['meta'].get(META_KEY)
    if not isinstance(provenance, dict) or not isinstance(provenance.get('left_out'), list):
        raise ExportError(f'{path} is no exported encoder: run tools/export_encoder.py on the pre-training checkpoint')
    config = config if isinstance(config, Config) else Config.fromfile(config)
    init_default_scope(config.get('default_scope', 'mmdet3d'))
    model = MODELS.build(config.model)
    # Zeroed counters and unit scales would be equal without any loading. After this, what is equal has been loaded.
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.fill_(torch.nan if tensor.is_floating_point() else -1)
    load_checkpoint(model, str(path), map_location='cpu', strict=False, logger='silent')
    return compare_loaded(exported, model, str(path))
