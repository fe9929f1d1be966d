"""The text of a downstream config: the stock config, the pre-trained weights, and the check that all of them arrive."""

from __future__ import annotations

import textwrap
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
        *imports_lines(config.get('custom_imports') or {}),
        '',
    ]
    if fit is not None and fit.override:
        parts: dict[str, list[str]] = {}
        for key, value in fit.override.items():
            parts.setdefault(key.partition('.')[0], []).append(f'{key.partition(".")[2]}={value!r}')
        changed = ', '.join(f'{part}=dict({", ".join(settings)})' for part, settings in parts.items())
        lines += [
            f'# As in the pre-training, the detector reads {", ".join(fit.channels)} alone. Change the pipelines too:',
            '# use_dim and use_color of LoadPointsFromFile, use_normalized_coord, and no NormalizePointsColor.',
            f'model = dict({changed})',
            '',
        ]
    if _asks_for_planes(config):
        lines += [
            '# The stock pipeline asks for plane files, which KITTI does not come with.',
            'train_dataloader = _base_.train_dataloader',
            'for step in train_dataloader.dataset.dataset.pipeline:',
            "    if step.type == 'ObjectSample':",
            '        step.update(use_ground_plane=False)',
            'del step',
            '',
        ]
    if config.get('load_from'):
        lines += [f'# {line}' for line in textwrap.wrap(lost_weights(config), 110)]
    lines.append(f'load_from = {encoder!r}')
    hooks = '*_base_.custom_hooks, ' if config.get('custom_hooks') else ''
    lines.append(f"custom_hooks = [{hooks}dict(type='VerifyLoadHook')]")
    return '\n'.join(lines) + '\n'


def imports_lines(stock: Mapping[str, Any]) -> list[str]:
    """Write the stock config's ``custom_imports`` with ours, as one config's replace its base's."""
    named = stock.get('imports') or []
    imports = dict.fromkeys([*([named] if isinstance(named, str) else named), 'strl_mmdet3d'])
    return [
        f'custom_imports = dict(imports={list(imports)!r}, '
        f'allow_failed_imports={bool(stock.get("allow_failed_imports"))})'
    ]


def lost_weights(config: Mapping[str, Any]) -> str:
    """Say that the stock config has weights of its own, which the pre-trained trunk takes the place of; '' if not."""
    if not config.get('load_from'):
        return ''
    return (
        f'The stock config starts from {config["load_from"]}, and this one from the pre-trained trunk alone: what else '
        'that file holds, such as a branch of images, begins at random, also if the detector keeps it frozen.'
    )


def _asks_for_planes(config: Mapping[str, Any]) -> bool:
    """Return whether the training pipeline's object sampling wants plane files, in a data set that repeats."""
    dataset = (config.get('train_dataloader') or {}).get('dataset') or {}
    pipeline = (dataset.get('dataset') or {}).get('pipeline') or ()
    return any(step.get('use_ground_plane') for step in pipeline)
