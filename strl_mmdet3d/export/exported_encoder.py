"""Takes the online encoder out of a pre-training checkpoint, under the detector's own names."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .export_error import ExportError
from .manifest import differences, manifest_of, shortened
from .provenance import META_KEY, sealed
from .trunk_record import recorded_trunk
from .untrained_parts import is_part_of, recorded_untrained

PREFIX = 'online_encoder.detector.'
"""The prefix that STRL and DetectorEncoder put before the detector's own names."""

TARGET_PREFIX = 'target_encoder.detector.'
"""The same for the target network, whose encoder has the same tensors."""


def export_encoder(
    checkpoint: dict[str, Any], source: str, leave_out: Sequence[str] = (), *, include_untrained: bool = False
) -> dict[str, Any]:
    """Take the online encoder out of a pre-training checkpoint, without the parts that no gradient has reached.

    Args:
        checkpoint: A checkpoint of `STRL`, as `read_checkpoint` returns it.
        source: The checkpoint's name, for error messages and provenance.
        leave_out: Tensors not to export, by the detector's names. The downstream detector must learn them from scratch
            because their shape differs there, such as VoteNet's first layer with an additional height channel.
        include_untrained: Whether to export the parts that no gradient has reached too, as they were initialised. They
            are known if the run had an `UntrainedPartsHook`; the provenance names them in either case.

    Returns:
        ``{'meta': {'strl': provenance}, 'state_dict': ...}``: tensors and plain values only, see `sealed`. The state
        dict keeps its ``_metadata``, without which spconv's weights would be skipped on loading.

    Raises:
        ExportError: If it holds no online encoder, or not the whole of it, a tensor holds NaN or infinity, or
            `leave_out` names an unknown tensor.
    """
    trained, meta = checkpoint['state_dict'], checkpoint.get('meta', {})
    encoder, untrained = _below(PREFIX, trained), recorded_untrained(meta, source)
    if not encoder:
        if META_KEY in meta:
            raise ExportError(f'{source} is an exported encoder already')
        raise ExportError(f"{source} is not an STRL pre-training: none of its names begins with '{PREFIX}'")
    metadata = getattr(trained, '_metadata', None)
    if metadata is None:
        raise ExportError(f"{source} has lost its state dict's _metadata; export from a checkpoint that mmengine wrote")
    record = recorded_trunk(meta, source)
    compared_with = _check_whole(encoder, record, trained, source)
    broken = [name for name, tensor in encoder.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ExportError(
            f'{source}: {len(broken)} tensors hold NaN or infinity, {broken[0]} among them; the run diverged'
        )
    for name in leave_out:
        if encoder.pop(name, None) is None:
            near = ', '.join(get_close_matches(name, encoder, n=3, cutoff=0)) or 'nothing'
            raise ExportError(f'{source} has no tensor {name} to leave out; the nearest are {near}')
    without_gradient = [name for name in encoder if is_part_of(name, untrained or []) and not include_untrained]
    for name in without_gradient:
        del encoder[name]
    left_out = [*leave_out, *without_gradient]
    if not encoder:
        raise ExportError(
            f'{source}: nothing is left to export, every tensor is left out, {len(without_gradient)} of them because '
            'no gradient has reached them'
        )
    # On the CPU and without what else a storage may hold, as a file should be.
    exported = OrderedDict((name, tensor.detach().cpu().contiguous().clone()) for name, tensor in encoder.items())
    modules = OrderedDict((name, dict(entry)) for name, entry in _below(PREFIX, metadata).items())
    exported._metadata = OrderedDict([('', {}), *modules.items()])  # type: ignore[attr-defined]
    return sealed(
        exported,
        trunk=record['trunk'] if record else _parts([*encoder, *left_out], modules),
        settings=record['settings'] if record else None,
        left_out=left_out,
        untrained=untrained,
        source=Path(source).name,
        **{key: _whole_number(meta, key, source) for key in ('epoch', 'iter', 'seed')},
        pretrained_at=_text(meta, 'time'),
        config=_text(meta, 'cfg'),
        compared_with=compared_with,
    )


def _below(prefix: str, names: Mapping[str, Any]) -> OrderedDict[str, Any]:
    """Return the entries whose names begin with a prefix, without it."""
    return OrderedDict((name[len(prefix) :], entry) for name, entry in names.items() if name.startswith(prefix))


def _check_whole(
    encoder: Mapping[str, Tensor], record: dict[str, Any] | None, trained: Mapping[str, Tensor], source: str
) -> str:
    """Compare the encoder's tensors with what the pre-training recorded, or else with the target encoder's.

    Returns:
        What they were compared with.

    Raises:
        ExportError: If a tensor is missing, unexpected, or of another type or shape; or if there is nothing to compare
            with.
    """
    if record:
        expected, compared_with = record['tensors'], 'what the pre-training recorded'
    else:
        expected, compared_with = manifest_of(_below(TARGET_PREFIX, trained)), 'the target encoder in the checkpoint'
        if not expected:
            raise ExportError(
                f'{source} cannot be proved whole: it holds neither a record of its trunk nor the target encoder. '
                'Export from the checkpoint as it was saved'
            )
    wrong = differences(expected, manifest_of(encoder))
    if wrong:
        raise ExportError(
            f'{source} does not hold the whole encoder, compared with {compared_with}: {shortened(wrong)}. Copy it '
            'again, or take another checkpoint'
        )
    return compared_with


def _parts(tensors: Sequence[str], modules: Mapping[str, Any]) -> list[str]:
    """Return the detector's children that have tensors or modules of their own; a head that was dropped has neither."""
    inner = [name for name in modules if '.' in name]
    return list(dict.fromkeys(name.split('.')[0] for name in [*tensors, *inner]))


def _whole_number(meta: dict[str, Any], key: str, source: str) -> int:
    """Return a number of a checkpoint's meta; 0 if it has none.

    Raises:
        ExportError: If it is anything but a whole number.
    """
    number = meta.get(key)
    if number is None:
        return 0
    if type(number) is not int or not 0 <= number < 2**63:
        raise ExportError(f"{source} was not written by mmengine: its meta's {key} is not a whole number")
    return number


def _text(meta: dict[str, Any], key: str) -> str:
    """Return a text of a checkpoint's meta; '' if it has none. Nothing interprets it."""
    text = meta.get(key)
    return text if isinstance(text, str) else ''
