"""What an exported encoder says about itself, and the proof that it is whole."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ..version import __version__
from .export_error import ExportError
from .manifest import checksum, differences, manifest_of, shortened
from .plain_content import is_name

META_KEY = 'strl'
"""The key of an exported encoder's provenance in the ``meta`` of its file."""

AGAIN = 'export it from the pre-training checkpoint by tools/export_encoder.py'


def sealed(
    state_dict: dict[str, Tensor],
    trunk: Sequence[str],
    settings: dict[str, Any] | None,
    left_out: Sequence[str],
    untrained: Sequence[str] | None = None,
    **origin: Any,
) -> dict[str, Any]:
    """Put an encoder's tensors together with the provenance that proves them whole.

    Args:
        state_dict: The tensors, by the detector's names.
        trunk: The detector's children that were pre-trained. `VerifyLoadHook` asks for every tensor of these.
        settings: Theirs, see `trunk_settings`; None if unknown.
        left_out: Tensors of the trunk that are left out: by choice, or because they belong to an untrained part.
        untrained: Parts of the trunk that no gradient has reached, see `untrained_parts`; None if unknown.
        origin: Where it comes from: ``source``, ``epoch``, ``iter``, ``seed``, ``pretrained_at``, ``config``, and
            ``compared_with``, by which the export knew that no tensor was missing.

    Returns:
        ``{'meta': {'strl': provenance}, 'state_dict': state_dict}``.
    """
    provenance = dict(
        exported_by=f'strl_mmdet3d {__version__}',
        **origin,
        left_out=list(left_out),
        untrained=None if untrained is None else list(untrained),
        trunk=list(trunk),
        tensors=manifest_of(state_dict),
        settings=settings,
    )
    provenance['sha256'] = checksum(provenance, state_dict)
    return dict(meta={META_KEY: provenance}, state_dict=state_dict)


def check_exported(checkpoint: dict[str, Any], source: str) -> dict[str, Any]:
    """Prove that an exported encoder holds what was exported, bit for bit.

    Args:
        checkpoint: The result of `read_checkpoint`.
        source: The file's name, for the error message.

    Returns:
        The same, its provenance checked.

    Raises:
        ExportError: If it is not an exported encoder, an earlier version wrote it, a tensor is missing, unexpected or
            of another type or shape, or the checksum differs.
    """
    provenance = checkpoint['meta'].get(META_KEY)
    if provenance is None:
        raise ExportError(f'{source} is not an exported encoder: {AGAIN}, and take the file that it writes')
    provenance = as_plain_values(provenance, f"{source}: the encoder's provenance")
    if isinstance(provenance, dict) and 'sha256' not in provenance:
        raise ExportError(f'{source} was exported by an earlier version, which cannot prove it whole: {AGAIN} again')
    if not _is_provenance(provenance):
        raise ExportError(f"{source}: the encoder's provenance is damaged: {AGAIN} again")
    state_dict = checkpoint['state_dict']
    wrong = differences(provenance['tensors'], manifest_of(state_dict))
    if wrong:
        raise ExportError(
            f'{source} is not the whole encoder that was exported: {shortened(wrong)}. Copy it again, or {AGAIN}'
        )
    if checksum(provenance, state_dict) != provenance['sha256']:
        raise ExportError(f'{source} was changed after its export: its checksum differs. Copy it again, or {AGAIN}')
    return dict(meta={META_KEY: provenance}, state_dict=state_dict)


def as_plain_values(value: Any, source: str) -> Any:
    """Return a copy that holds dicts, lists, text, numbers, booleans and None only.

    Raises:
        ExportError: If it holds anything else; names the source.
    """
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise ExportError(f'{source} is damaged, it holds more than plain values: {AGAIN} again') from error


def is_trunk(trunk: Any, tensors: Any, settings: Any) -> bool:
    """Return whether these are the names of children, a manifest, and settings or None."""
    return (
        are_names(trunk)
        and trunk != []
        and isinstance(tensors, Mapping)
        and are_names(list(tensors))
        and all(isinstance(shape, str) for shape in tensors.values())
        and {name.split('.')[0] for name in tensors} <= set(trunk)
        and (settings is None or (isinstance(settings, Mapping) and are_names(list(settings))))
    )


def are_names(names: Any) -> bool:
    """Return whether it is a list of names."""
    return isinstance(names, list) and all(is_name(name) for name in names)


def _is_provenance(provenance: Any) -> bool:
    """Return whether plain values have the form that `sealed` gives."""
    return (
        isinstance(provenance, dict)
        and isinstance(provenance['sha256'], str)
        and are_names(provenance.get('left_out'))
        and (provenance.get('untrained') is None or are_names(provenance['untrained']))
        and is_trunk(provenance.get('trunk'), provenance.get('tensors'), provenance.get('settings'))
    )
