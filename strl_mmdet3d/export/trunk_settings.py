"""What the numbers of a trunk mean: the settings of its parts, of the voxels, and the channels of the points.

Two detectors may have tensors of the same shapes, and yet other voxels, another range, or another order of channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmdet3d.registry import MODELS

from .class_defaults import with_defaults
from .loaded_points import points_of

IGNORED = frozenset(
    {
        'init_cfg', 'pretrained', '_scope_',  # what the weights were before
        'in_channels',  # another number of these is another shape
        'return_middle_feats',  # what a part gives besides
        'momentum', 'requires_grad', 'norm_eval', 'frozen_stages',  # how it is trained
        'with_cp', 'train_cfg', 'test_cfg',
        'max_voxels', 'deterministic', 'non_blocking',  # how much memory it takes
        'mean', 'std', 'pad_size_divisor', 'pad_value', 'pad_mask', 'mask_pad_value', 'pad_seg',  # of images
        'seg_pad_value', 'bgr_to_rgb', 'rgb_to_bgr', 'boxtype2tensor', 'batch_augments',
    }
)  # fmt: skip
"""Settings that cannot change what a tensor means."""

PLAIN = (bool, int, float, str, type(None))


def trunk_settings(model: Mapping[str, Any], trunk: Sequence[str], dataloader: Any = None) -> dict[str, Any]:
    """Collect the settings that decide what a trunk computes.

    Args:
        model: The detector's config.
        trunk: The detector's children to describe.
        dataloader: The config of the data loader that trains it, if there is one.

    Returns:
        Dotted name -> plain value, such as ``'data_preprocessor.voxel_layer.voxel_size'``. Settings that the config
        leaves out have the defaults of their class. ``'points.channels'`` and ``'points.coord_type'`` are there if the
        data is loaded by a transform that is known here.
    """
    preprocessor = model.get('data_preprocessor') or dict(type='Det3DDataPreprocessor')
    parts = dict(data_preprocessor=preprocessor) | {part: model[part] for part in trunk if model.get(part) is not None}
    settings = dict(entry for name, part in parts.items() for entry in _flat(name, part))
    return settings | {f'points.{key}': value for key, value in points_of(dataloader).items()}


def differing_settings(pretraining: Mapping[str, Any], here: Mapping[str, Any]) -> dict[str, str]:
    """Compare the settings of the pre-training with those of a downstream config.

    The channels of the points are compared as far as both have them, because another number is another shape. They, and
    the axes, are not compared where one side's are unknown.

    Args:
        pretraining: The result of `trunk_settings` for the pre-training.
        here: The same for the downstream config.

    Returns:
        Name -> how the values differ.
    """
    different = {}
    for name in {**pretraining, **here}:
        before, now = pretraining.get(name), here.get(name)
        if name.startswith('points.') and (before is None or now is None):
            continue
        if name == 'points.channels' and isinstance(before, list) and isinstance(now, list):
            before, now = before[: len(now)], now[: len(before)]
        if before != now:
            different[name] = f'{before!r} in the pre-training, {now!r} here'
    return different


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the plain values in a setting, each with its dotted name."""
    if isinstance(value, Mapping):
        for key, inner in with_defaults(value, MODELS).items():
            if key not in IGNORED:
                yield from _flat(f'{name}.{key}', inner)
    elif isinstance(value, (list, tuple)) and any(isinstance(inner, Mapping) for inner in value):
        for place, inner in enumerate(value):
            yield from _flat(f'{name}.{place}', inner)
    else:
        yield name, _plain(value)


def _plain(value: Any) -> Any:
    """Return a value without dicts as plain values; anything else by the name of its type."""
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, PLAIN) else f'a {type(value).__name__}'
