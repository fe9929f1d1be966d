"""Takes the online encoder out of a pre-training checkpoint, under the detector's own names."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch

from ..version import __version__
from .checkpoint_file import META_KEY, ExportError

PREFIX = 'online_encoder.detector.'
"""The prefix that STRL and DetectorEncoder put before the detector's own names."""


def export_encoder(checkpoint: dict[str, Any], source: str, leave_out: Sequence[str] = ()) -> dict[str, Any]:
    """Take the online encoder out of a pre-training checkpoint.

    Args:
        checkpoint: A checkpoint of `STRL`, as `read_checkpoint` returns it.
        source: The checkpoint's name, for error messages and provenance.
        leave_out: Tensors not to export, by the detector's names. The downstream detector must learn them from scratch
            because their shape differs there, such as VoteNet's first layer with an additional height channel.

    Returns:
        ``{'meta': {'strl': provenance}, 'state_dict': ...}``: tensors and plain values only. The state dict keeps its
        ``_metadata``, without which spconv's weights would be skipped on loading.

    Raises:
        ExportError: If it holds no online encoder, a tensor holds NaN or infinity, or `leave_out` names an unknown
            tensor.
    """
    trained = checkpoint['state_dict']
    encoder = OrderedDict((name[len(PREFIX) :], tensor) for name, tensor in trained.items() if name.startswith(PREFIX))
    if not encoder:
        if META_KEY in checkpoint.get('meta', {}):
            raise ExportError(f'{source} is an exported encoder already')
        raise ExportError(f"{source} is not an STRL pre-training: none of its names begins with '{PREFIX}'")
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
