"""What the numbers of a trunk mean: the settings of its parts, of the voxels, and the channels of the points.

Two detectors may have tensors of the same shapes, and yet other voxels, another range, or another order of channels.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmdet3d.registry import MODELS, TRANSFORMS
from mmengine.registry import Registry

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

AXES = ['x', 'y', 'z']

TIME_LAG = 'time lag'

# The columns that `LoadFrame` may be given by name, at their places in the layouts of KITTI and nuScenes.
NUMBERS = dict(x=0, y=1, z=2, intensity=3)

LOADERS = ('LoadFrame', 'LoadSweeps', 'LoadPointsFromFile', 'LoadDepthFrame', 'LoadShape')
"""The transforms whose points are known."""


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


def points_of(dataloader: Any) -> dict[str, Any]:
    """Describe the points that a data loader gives: their axes, and their channels in order.

    Args:
        dataloader: Its config.

    Returns:
        ``coord_type``, such as 'LIDAR', and ``channels``, such as ['x', 'y', 'z', 'column 3']; empty if the data sets
        load their points in different ways, or in a way that is not known here.
    """
    dataset = dataloader.get('dataset') if isinstance(dataloader, Mapping) else None
    described = [_points_of_step(step, sweeps) for step, sweeps in _loading_steps(dataset)]
    return described[0] if described and all(points == described[0] for points in described) else {}


def _loading_steps(dataset: Any) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any] | None]]:
    """Yield the transform that loads the points, and mmdet3d's that adds sweeps, for each data set in a config."""
    if isinstance(dataset, (list, tuple)):
        for one in dataset:
            yield from _loading_steps(one)
    elif isinstance(dataset, Mapping):
        yield from _loading_steps(dataset.get('dataset'))
        yield from _loading_steps(dataset.get('datasets'))
        pipeline = dataset.get('pipeline') or []
        outer = [pipeline] if isinstance(pipeline, Mapping) else pipeline
        steps = [step for one in outer for step in (one, *one.get('load', ()))]  # `MultiView` has it in its `load`
        if steps:
            names = [_name_of(step.get('type')) for step in steps]
            loaders = [step for step, name in zip(steps, names, strict=True) if name in LOADERS]
            sweeps = [step for step, name in zip(steps, names, strict=True) if name == 'LoadPointsFromMultiSweeps']
            yield (loaders[0] if loaders else {}), (sweeps[0] if sweeps else None)


def _points_of_step(step: Mapping[str, Any], sweeps: Mapping[str, Any] | None) -> dict[str, Any]:
    """Describe the points that a transform loads; empty if it is not known here.

    ``sweeps`` is mmdet3d's ``LoadPointsFromMultiSweeps``, if it follows: it writes the time lag over the fifth column,
    nuScenes' ring, and takes columns of its own choice, by default not the intensity.
    """
    settings, kind = _with_defaults(step, TRANSFORMS), _name_of(step.get('type'))
    if kind == 'LoadDepthFrame':
        return dict(coord_type='DEPTH', channels=AXES + ['height'] * bool(settings.get('height')))
    if kind == 'LoadShape':
        return dict(coord_type=settings.get('coord_type'), channels=AXES)
    if kind not in LOADERS:
        return {}
    columns = settings.get('use_dim')
    columns = list(range(columns)) if isinstance(columns, int) else list(columns or ())
    columns = [NUMBERS.get(column, column) for column in columns]
    channels = [AXES[column] if column in range(len(AXES)) else f'column {column}' for column in columns]
    for place, setting in ((3, 'norm_intensity'), (4, 'norm_elongation')):
        if settings.get(setting) and place < len(channels):
            channels[place] += f' by {setting}'
    if sweeps is not None:
        channels = [*channels[:4], TIME_LAG]
        taken = _with_defaults(sweeps, TRANSFORMS)['use_dim']
        channels = [channels[column] for column in (range(taken) if isinstance(taken, int) else taken)]
    elif settings.get('time_lag') or kind == 'LoadSweeps':
        channels.append(TIME_LAG)
    if settings.get('shift_height'):
        channels.insert(len(AXES), 'height')
    return dict(coord_type=settings.get('coord_type'), channels=channels)


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the plain values in a setting, each with its dotted name."""
    if isinstance(value, Mapping):
        for key, inner in _with_defaults(value, MODELS).items():
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


def _with_defaults(config: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """Return a config with the defaults of its class for what it leaves out, and the class's name as its type."""
    if 'type' not in config:
        return dict(config)
    kind = config['type']
    kind = registry.get(kind) if isinstance(kind, str) else kind
    if not isinstance(kind, type):
        return dict(config)
    defaults: dict[str, Any] = {}
    for base in reversed(kind.__mro__[:-1]):  # a class may hand over what it does not name to its base
        if '__init__' not in vars(base):
            continue
        # Of torch's layers only eps: the detector sets the other arguments, and they depend on torch's version.
        only_eps = base.__module__.startswith('torch.')
        for parameter in inspect.signature(vars(base)['__init__']).parameters.values():
            if parameter.default is not parameter.empty and (parameter.name == 'eps' or not only_eps):
                defaults[parameter.name] = parameter.default
    # All BatchNorms compute the same in use: over one process or several, of one dimension or more.
    name = 'BatchNorm' if 'BatchNorm' in kind.__name__ else kind.__name__
    return defaults | dict(config) | dict(type=name)


def _name_of(kind: Any) -> str:
    """Return the name of a type as it stands in a config, without its scope."""
    return kind.rpartition('.')[2] if isinstance(kind, str) else getattr(kind, '__name__', '')
