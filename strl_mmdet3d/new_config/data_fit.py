"""How the points of the data become the points that a detector reads, and what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmdet3d.registry import MODELS

from ..errors import ConfigError
from ..export.class_defaults import name_of, with_defaults
from ..export.loaded_points import AXES, HEIGHT, PLACE_IN_ROOM, TIME_LAG
from .pretrain_data import DEPTH, LIDAR, PretrainData
from .stock_points import INTENSITY, SQUASHED, StockPoints

SAME_SCALE = 1e-6


@dataclass
class DataFit:
    """The loading of the points, and the remarks on it.

    Attributes:
        load: The settings of the transform that loads a frame.
        remark: Where its numbers come from.
        channels: What the detector reads, after `override`.
        override: Changes of the detector's config; the downstream config needs them too.
        notes: What does not fit, a sentence each, with the line to add.
    """

    load: dict[str, Any]
    remark: str
    channels: tuple[str, ...]
    override: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def fit_data(points: StockPoints, data: PretrainData, model: Mapping[str, Any]) -> DataFit:
    """Find the loading of the data for a detector.

    Args:
        points: What the detector reads.
        data: What the data holds.
        model: The detector's config; its first layer is narrowed where the data lacks columns and it can be done.

    Returns:
        The loading. Its notes name every mismatch.

    Raises:
        ConfigError: If the data lacks columns, and the detector's first layer is not one that can be narrowed.
    """
    fit = _fit_scans(points, data, model) if data.kind == LIDAR else _fit_places(points, data, model)
    fit.notes += [*_of_axes(points, data), *data.notes]
    return fit


def _fit_scans(points: StockPoints, data: PretrainData, model: Mapping[str, Any]) -> DataFit:
    """Fit the scans of a LiDAR."""
    wanted = points.channels[3:]
    with_lag = TIME_LAG in wanted
    with_height = HEIGHT in wanted
    used = [name for name in wanted if name not in (TIME_LAG, HEIGHT)]
    missing = [name for name in used if name not in data.columns]
    notes: list[str] = []
    override: dict[str, Any] = {}
    channels = points.channels
    if missing:
        kept = [name for name in used if name in data.columns]
        if missing == [wanted[-1]] and not with_lag and not with_height and points.coord_type == 'LIDAR':
            # Zeros at the end, as LoadFrame appends them for the time lag.
            with_lag = True
            notes.append(
                f'{missing[0]}, which the detector reads, is not in {data.name}: it is 0 everywhere, by time_lag=True, '
                'and its weights learn nothing. Check the export with --allow-different points.channels'
            )
        else:
            override, channels = _narrowed(points, data, model, missing)
            with_height, with_lag = HEIGHT in channels, TIME_LAG in channels
            notes.append(_note_of_narrowing(data, missing, channels))
        used = kept
    columns = [*AXES, *used]
    use_dim: Any = len(columns) if list(data.columns[: len(columns)]) == columns else columns
    load: dict[str, Any] = dict(type='LoadFrame', coord_type='LIDAR', load_dim=len(data.columns), use_dim=use_dim)
    remark = f'a scan holds {", ".join(data.columns)}; the detector reads {", ".join(channels)}'
    scale = points.intensity_max
    if INTENSITY in used and scale and data.intensity_max and abs(scale / data.intensity_max - 1) > SAME_SCALE:
        load['intensity_scale'] = scale / data.intensity_max
        notes.append(
            f'intensities go from 0 to {data.intensity_max:g} in {data.name} and from 0 to {scale:g} in '
            f'{points.dataset}: LoadFrame(intensity_scale={load["intensity_scale"]:g}) scales them'
        )
    elif INTENSITY in used and not (scale and data.intensity_max):
        whose = 'the index' if scale else 'the stock config'
        notes.append(
            f'the scale of the intensities is not known of {whose}: if it is not the same, add '
            'LoadFrame(intensity_scale=...)'
        )
    if with_height:
        load['shift_height'] = True
    if with_lag:
        load['time_lag'] = True
    for place, setting in enumerate(SQUASHED):
        if setting in points.squashed and used[place : place + 1] == [*wanted[place : place + 1]] and not with_lag:
            load[setting] = True
        elif setting in points.squashed:
            notes.append(f'the detector reads its column by {setting}, which does not go with this loading of points')
    if points.sweeps:
        notes.append(_note_of_sweeps(points, data))
    return DataFit(load, remark, channels, override, notes)


def _note_of_sweeps(points: StockPoints, data: PretrainData) -> str:
    """Say how the sweeps of the stock config can be joined."""
    start = f'the stock config joins {points.sweeps} sweeps, this one reads single scans, with a time lag of 0'
    if INTENSITY not in points.channels:
        return f'{start}: LoadSweeps keeps the intensity, which this detector does not read'
    if not (data.has_poses and data.has_times):
        return f'{start}: sweeps need an index with poses and time stamps'
    return (
        f'{start}. For the sweeps of an index of every frame with poses and time stamps, set dataset.sweeps='
        f"{points.sweeps} and load=[dict(type='LoadSweeps', load_dim={len(data.columns)}, use_dim=4)]"
    )


def _fit_places(points: StockPoints, data: PretrainData, model: Mapping[str, Any]) -> DataFit:
    """Fit depth frames, or shapes, which are places alone, but for the height that a loader adds."""
    wanted = points.channels[3:]
    missing = [name for name in wanted if name != HEIGHT or data.kind != DEPTH]
    notes: list[str] = []
    override: dict[str, Any] = {}
    channels = points.channels
    if missing:
        override, channels = _narrowed(points, data, model, missing)
        notes.append(_note_of_narrowing(data, missing, channels))
    if data.kind != DEPTH:
        return DataFit(dict(type='LoadShape'), 'x, y, z', channels, override, notes)
    load: dict[str, Any] = dict(type='LoadDepthFrame')
    if HEIGHT in channels:
        load['height'] = True
    return DataFit(load, f'the detector reads {", ".join(channels)}', channels, override, notes)


def _narrowed(
    points: StockPoints, data: PretrainData, model: Mapping[str, Any], missing: list[str]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Narrow the first layer of a backbone on raw points to the columns that there are.

    Raises:
        ConfigError: If the detector has another first layer.
    """
    width = (model.get('backbone') or {}).get('in_channels')
    if width != len(points.channels) or model.get('voxel_encoder') is not None:
        raise ConfigError(
            f'the detector reads {", ".join(points.channels)}, and there is no {", no ".join(missing)} in {data.name}: '
            'choose data that has it, or a detector that reads less'
        )
    channels = tuple(name for name in points.channels if name not in missing)
    override: dict[str, Any] = {'backbone.in_channels': len(channels)}
    head = model.get('decode_head') or {}
    if name_of(head.get('type', '')) == 'PAConvHead':  # its last layer takes the columns, too
        *others, (first, *rest) = with_defaults(head, MODELS)['fp_channels']
        override['decode_head.fp_channels'] = [*map(list, others), [first - len(missing), *rest]]
    if (model.get('test_cfg') or {}).get('use_normalized_coord') and not set(PLACE_IN_ROOM) <= set(channels):
        override['test_cfg.use_normalized_coord'] = False
    return override, channels


def _note_of_narrowing(data: PretrainData, missing: list[str], channels: tuple[str, ...]) -> str:
    """Say that a first layer was narrowed, and what follows for the downstream config."""
    return (
        f'not in {data.name}: {", ".join(missing)}, which the detector reads. Its first layer takes '
        f'{", ".join(channels)} by override, and so must the downstream config: '
        f'model = dict(backbone=dict(in_channels={len(channels)})), with pipelines that give these'
    )


def _of_axes(points: StockPoints, data: PretrainData) -> list[str]:
    """Say that a detector of streets learns from rooms, or the other way round."""
    if points.coord_type == 'DEPTH' and data.kind == LIDAR:
        return [
            'the detector is for rooms, x to the right and y forward, and the data are scans of a LiDAR, x forward and '
            'y to the left, over tens of metres: its radii in metres fit no street'
        ]
    if points.coord_type == 'LIDAR' and data.kind != LIDAR:
        return [
            'the detector is for scans of a LiDAR, x forward and y to the left, and the data are '
            + (
                'depth frames, x to the right and y forward, over a few metres'
                if data.kind == DEPTH
                else 'single shapes'
            )
            + ': of its range little is filled'
        ]
    return []
