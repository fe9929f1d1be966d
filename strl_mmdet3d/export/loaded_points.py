"""What points a pipeline loads, as its config states it: their axes, and the values of each in their order.

A value is named by its column in the files, 'column 3', where only the data set tells what it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmdet3d.registry import TRANSFORMS

from ..datasets.readers.column_names import canonical_names
from .class_defaults import name_of, with_defaults

AXES = ('x', 'y', 'z')
HEIGHT = 'height'
TIME_LAG = 'time lag'
PLACE_IN_ROOM = ('x in the room', 'y in the room', 'z in the room')

# The columns that `LoadFrame` may be given by name, at their places in the layouts of KITTI and nuScenes.
NUMBERS = dict(x=0, y=1, z=2, intensity=3)

# Settings of mmdet3d's loader that take the tanh of a column, with the place of that column.
SQUASHED = dict(norm_intensity=3, norm_elongation=4)

LOADERS = ('LoadFrame', 'LoadSweeps', 'LoadPointsFromFile', 'LoadDepthFrame', 'LoadShape')
"""The transforms whose points are known."""


def points_of(dataloader: Any) -> dict[str, Any]:
    """Describe the points that a data loader gives.

    Args:
        dataloader: Its config.

    Returns:
        The result of `points_of_steps`; empty if the data sets load their points in different ways, or in a way that is
        not known here.
    """
    dataset = dataloader.get('dataset') if isinstance(dataloader, Mapping) else None
    described = [points_of_steps(steps) for steps in _pipelines(dataset)]
    return described[0] if described and all(points == described[0] for points in described) else {}


def points_of_steps(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Describe the points that the transforms of a pipeline give.

    mmdet3d's ``LoadPointsFromMultiSweeps`` writes the time lag over the fifth column, nuScenes' ring, and takes columns
    of its own choice, by default not the intensity. ``IndoorPatchPointSample`` may append the place in the room.

    Args:
        steps: Their configs, see `steps_of`. Of several transforms that load points the first counts.

    Returns:
        ``coord_type``, such as 'LIDAR', and ``channels``, such as ['x', 'y', 'z', 'column 3']; empty without a
        transform of `LOADERS`.
    """
    step = first_of(steps, *LOADERS)
    if step is None:
        return {}
    settings, kind = with_defaults(step, TRANSFORMS), name_of(step.get('type'))
    if kind == 'LoadDepthFrame':
        return dict(coord_type='DEPTH', channels=[*AXES, *([HEIGHT] if settings.get('height') else [])])
    if kind == 'LoadShape':
        return dict(coord_type=settings.get('coord_type'), channels=list(AXES))
    columns = settings.get('use_dim')
    columns = list(range(columns)) if isinstance(columns, int) else list(columns or ())
    if all(isinstance(column, str) for column in columns):
        columns = [NUMBERS.get(name, name) for name in canonical_names(columns)]
    channels = [AXES[column] if column in range(len(AXES)) else f'column {column}' for column in columns]
    for setting, place in SQUASHED.items():
        if settings.get(setting) and place < len(channels):
            channels[place] += f' by {setting}'
    if settings.get('shift_height'):
        channels.insert(len(AXES), HEIGHT)
    sweeps = first_of(steps, 'LoadPointsFromMultiSweeps')
    if sweeps is not None:
        channels[4:5] = [TIME_LAG]
        taken = with_defaults(sweeps, TRANSFORMS)['use_dim']
        channels = [channels[column] for column in (range(taken) if isinstance(taken, int) else taken)]
    elif settings.get('time_lag') or kind == 'LoadSweeps':
        channels.append(TIME_LAG)
    patch = first_of(steps, 'IndoorPatchPointSample')
    if patch is not None and patch.get('use_normalized_coord'):
        channels += PLACE_IN_ROOM
    return dict(coord_type=settings.get('coord_type'), channels=channels)


def steps_of(pipeline: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the transforms of a pipeline and those inside them; `MultiView` has some in its `load`."""
    if isinstance(pipeline, Mapping):
        if 'type' in pipeline:
            yield pipeline
        for inner in ('load', 'transforms'):
            yield from steps_of(pipeline.get(inner))
    elif isinstance(pipeline, (list, tuple)):
        for step in pipeline:
            yield from steps_of(step)


def first_of(steps: Sequence[Mapping[str, Any]], *kinds: str) -> Mapping[str, Any] | None:
    """Return the first transform of some classes, or None."""
    return next((step for step in steps if name_of(step.get('type')) in kinds), None)


def _pipelines(dataset: Any) -> Iterator[list[Mapping[str, Any]]]:
    """Yield the transforms of each data set in a config, within wrappers such as ``RepeatDataset``."""
    if isinstance(dataset, (list, tuple)):
        for one in dataset:
            yield from _pipelines(one)
    elif isinstance(dataset, Mapping):
        yield from _pipelines(dataset.get('dataset'))
        yield from _pipelines(dataset.get('datasets'))
        if steps := list(steps_of(dataset.get('pipeline'))):
            yield steps
