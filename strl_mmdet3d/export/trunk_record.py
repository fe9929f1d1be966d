"""What a pre-training writes into its checkpoints so that an export can tell whether a tensor is missing."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config, ConfigDict
from torch import nn

from ..models.encoder import detector_config
from .export_error import ExportError
from .manifest import manifest_of
from .provenance import as_plain_values, is_trunk
from .trunk_settings import trunk_settings

RECORD_KEY = 'strl_trunk'
"""The key of the record in the ``meta`` of a pre-training checkpoint."""


def trunk_record(model: nn.Module, config: Config) -> dict[str, Any] | None:
    """Describe the trunk of a pre-training: its parts, its tensors and its settings.

    Args:
        model: `STRL`.
        config: The run's config.

    Returns:
        ``trunk``, the detector's children that are pre-trained; ``tensors``, see `manifest_of`; ``settings``, see
        `trunk_settings`, or None if the config names no detector. None for a model without a detector in it.
    """
    detector = detector_in(model)
    if detector is None:
        return None
    tensors = manifest_of(detector.state_dict())
    encoder = getattr(model, 'online_encoder', None)
    trunk = list(getattr(encoder, 'trunk', dict.fromkeys(name.split('.')[0] for name in tensors)))
    of_detector = pretrained_detector(config)
    settings = None if of_detector is None else trunk_settings(of_detector, trunk, config.get('train_dataloader'))
    return dict(trunk=trunk, tensors=tensors, settings=settings)


def detector_in(model: nn.Module) -> nn.Module | None:
    """Return the detector that a model pre-trains, or None for a model without one."""
    detector = getattr(getattr(model, 'online_encoder', None), 'detector', None)
    return detector if isinstance(detector, nn.Module) else None


def pretrained_detector(config: Config) -> ConfigDict | None:
    """Return the config of the detector that a run pre-trains, or None if the run names none."""
    encoder = config.get('model', {}).get('encoder', {})
    return detector_config(encoder.detector, encoder.get('override')) if 'detector' in encoder else None


def recorded_trunk(meta: dict[str, Any], source: str) -> dict[str, Any] | None:
    """Read the record of a checkpoint.

    Args:
        meta: The checkpoint's ``meta``.
        source: Its name, for the error message.

    Returns:
        The result of `trunk_record` when it was saved, or None if it holds none.

    Raises:
        ExportError: If the record is damaged.
    """
    if RECORD_KEY not in meta:
        return None
    record = as_plain_values(meta[RECORD_KEY], f"{source}: the pre-training's record")
    if not isinstance(record, dict) or not is_trunk(*(record.get(key) for key in ('trunk', 'tensors', 'settings'))):
        raise ExportError(f"{source}: the pre-training's record of its trunk is damaged. Take another checkpoint")
    return record
