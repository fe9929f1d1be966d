"""The text of a downstream config: the stock config, the pre-trained weights, and the check that all of them arrive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .data_fit import DataFit


def downstream_text(stock: str, encoder: str, config: Mapping[str, Any], fit: DataFit | None = None) -> str:
    """Write the config.

    Args:
        stock: The stock config, as ``_base_`` takes it.
        encoder: The exported encoder, relative to the folder that the tools run in.
        config: The stock config's content.
        fit: Of `fit_data`; its override changes the detector here too.

    Returns:
        The config's text.
    """
    name = (config.get('model') or {}).get('type', 'the detector')
    lines = [
        f'"""The stock config of {name}, from a pre-trained trunk. Made by tools/make_pretrain_config.py."""',
        '',
        f'_base_ = [{stock!r}]',
        '',
        "custom_imports = dict(imports=['strl_mmdet3d'], allow_failed_imports=False)",
        '',
    ]
    if fit is not None and fit.override:
        parts = ', '.join(f'{key.removeprefix("backbone.")}={value!r}' for key, value in fit.override.items())
        lines += [
            f'# As in the pre-training, the detector reads {", ".join(fit.channels)} alone. Change the pipelines too:',
            '# use_dim and use_color of LoadPointsFromFile, use_normalized_coord, and no NormalizePointsColor.',
            f'model = dict(backbone=dict({parts}))',
            '',
        ]
    if _asks_for_planes(config):
        lines += [
            '# The stock pipeline asks for plane files, which KITTI does not come with.',
            'train_pipeline = _base_.train_pipeline',
            'for step in train_pipeline:',
            "    if step.type == 'ObjectSample':",
            '        step.update(use_ground_plane=False)',
            'del step',
            'train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))',
            '',
        ]
    lines.append(f'load_from = {encoder!r}')
    hooks = '*_base_.custom_hooks, ' if config.get('custom_hooks') else ''
    lines.append(f"custom_hooks = [{hooks}dict(type='VerifyLoadHook')]")
    return '\n'.join(lines) + '\n'


def _asks_for_planes(config: Mapping[str, Any]) -> bool:
    """Return whether the training pipeline's object sampling wants plane files, in a data set that repeats."""
    dataset = (config.get('train_dataloader') or {}).get('dataset') or {}
    return 'dataset' in dataset and any(step.get('use_ground_plane') for step in config.get('train_pipeline') or ())
