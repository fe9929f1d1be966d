"""What points a stock detector reads, as its own config states it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import ConfigError
from ..export.trunk_settings import TIME_LAG

AXES = ('x', 'y', 'z')
INTENSITY, HEIGHT = 'intensity', 'height'
COLOURS = ('red', 'green', 'blue')
PLACE_IN_ROOM = ('x in the room', 'y in the room', 'z in the room')
SWEEP_COLUMNS = (0, 1, 2, 4)  # the default of mmdet3d's LoadPointsFromMultiSweeps: without the intensity

# Scale of the intensities in the files of the data set that a stock config trains on.
INTENSITY_MAX = dict(
    KittiDataset=1.0,
    SemanticKittiDataset=1.0,
    WaymoDataset=1.0,
    NuScenesDataset=255.0,
    NuScenesSegDataset=255.0,
    LyftDataset=255.0,
)
# The value behind the intensity in the files, where the sweeps do not overwrite it by the time lag.
FIFTH_COLUMN = dict(WaymoDataset='elongation')


@dataclass(frozen=True)
class StockPoints:
    """The points of a detector.

    Attributes:
        dataset: The class of the data set that the stock config trains on, such as 'KittiDataset'; '' if it names none.
        coord_type: The axes: 'LIDAR' (x forward, y left, z up) or 'DEPTH' (x right, y forward, z up).
        channels: The values of a point in their order, x, y and z first.
        num_points: How many points each cloud has, or None if the pipeline takes a cloud as it is.
        point_cloud_range: (x_min, y_min, z_min, x_max, y_max, z_max) in metres, to which the pipeline cuts, or None.
        sweeps: How many earlier sweeps the stock pipeline joins.
    """

    dataset: str
    coord_type: str
    channels: tuple[str, ...]
    num_points: int | None = None
    point_cloud_range: tuple[float, ...] | None = None
    sweeps: int = 0

    def with_channels(self, channels: tuple[str, ...]) -> StockPoints:
        """Return the same with other values of a point."""
        return replace(self, channels=channels)

    @property
    def intensity_max(self) -> float | None:
        """The scale of the intensities, or None if it is not known or there are none."""
        return INTENSITY_MAX.get(self.dataset) if INTENSITY in self.channels else None


def read_stock_points(config: Mapping[str, Any]) -> StockPoints:
    """Read what points a detector gets in the test, and what only its training pipeline says.

    Args:
        config: A whole detection config. One with a ``model`` alone is taken to read x, y, z, an intensity and so on,
            as many as its first layer has.

    Returns:
        The points.

    Raises:
        ConfigError: If the pipeline loads images and no points.
    """
    datasets = [_innermost((config.get(f'{split}_dataloader') or {}).get('dataset')) for split in ('test', 'train')]
    test, train = (list(_steps(dataset.get('pipeline') or config.get(key) or ()))
                   for dataset, key in zip(datasets, ('test_pipeline', 'train_pipeline'), strict=True))  # fmt: skip
    name = _name(next((dataset['type'] for dataset in datasets if dataset.get('type')), ''))
    steps = [*test, *train]
    loader = _first(steps, 'LoadPointsFromFile') or _first(steps, 'LoadFrame')
    if loader is None:
        if steps:
            images = next((_name(step['type']) for step in steps if 'Image' in _name(step.get('type'))), None)
            what = f'reads images ({images}) and no points' if images else 'loads no points by LoadPointsFromFile'
            raise ConfigError(f'the detector {what}: pre-training takes detectors of point clouds')
        return StockPoints(name, 'LIDAR', _columns_of_model(config.get('model') or {}))
    sweeps = _first(test, 'LoadPointsFromMultiSweeps')
    channels = _channels(loader, sweeps, _first(train, 'IndoorPatchPointSample'), name)
    sample = _first(test, 'PointSample') or _first(train, 'PointSample') or _first(train, 'IndoorPatchPointSample')
    cut = _first(test, 'PointsRangeFilter') or _first(train, 'PointsRangeFilter')
    return StockPoints(
        name,
        loader.get('coord_type', 'LIDAR'),
        channels,
        int(sample['num_points']) if sample else None,
        tuple(map(float, cut['point_cloud_range'])) if cut else None,
        int(sweeps.get('sweeps_num', 10)) if sweeps else 0,
    )


def _channels(
    loader: Mapping[str, Any], sweeps: Mapping[str, Any] | None, patch: Mapping[str, Any] | None, dataset: str
) -> tuple[str, ...]:
    """Name the values of a point that a pipeline gives."""
    used = loader.get('use_dim', [0, 1, 2])
    used = list(range(used)) if isinstance(used, int) else list(used)
    names = {**dict(enumerate(AXES)), 3: INTENSITY, 4: FIFTH_COLUMN.get(dataset, 'ring')}
    if loader.get('use_color'):
        names.update(enumerate(COLOURS, start=3))
    channels = [names.get(column, f'column {column}') for column in used]
    if loader.get('shift_height'):
        channels.insert(3, HEIGHT)
    if sweeps is not None:
        channels[4:5] = [TIME_LAG]  # mmdet3d writes it over the fifth value
        taken = sweeps.get('use_dim', SWEEP_COLUMNS)
        channels = [channels[column] for column in (range(taken) if isinstance(taken, int) else taken)]
    if patch is not None and patch.get('use_normalized_coord'):
        channels += PLACE_IN_ROOM
    return tuple(channels)


def _columns_of_model(model: Mapping[str, Any]) -> tuple[str, ...]:
    """Guess the columns of a detector without a pipeline by the width of its first layer."""
    for part in ('voxel_encoder', 'pts_voxel_encoder', 'backbone'):
        settings = model.get(part) or {}
        width = settings.get('in_channels', settings.get('num_features'))
        if isinstance(width, int):
            return (*AXES, INTENSITY, *(f'column {column}' for column in range(4, width)))[:width]
    return (*AXES, INTENSITY)


def _innermost(dataset: Any) -> Mapping[str, Any]:
    """Return the config of the data set inside wrappers such as ``RepeatDataset``."""
    while isinstance(dataset, Mapping) and (dataset.get('dataset') or dataset.get('datasets')):
        dataset = dataset.get('dataset') or dataset['datasets'][0]
    return dataset if isinstance(dataset, Mapping) else {}


def _steps(pipeline: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the transforms of a pipeline and those inside them."""
    if isinstance(pipeline, Mapping):
        if 'type' in pipeline:
            yield pipeline
        yield from _steps(pipeline.get('transforms') or ())
    elif isinstance(pipeline, (list, tuple)):
        for step in pipeline:
            yield from _steps(step)


def _first(steps: list[Mapping[str, Any]], kind: str) -> Mapping[str, Any] | None:
    """Return the first transform of a class, or None."""
    return next((step for step in steps if _name(step.get('type')) == kind), None)


def _name(kind: Any) -> str:
    """Return the name of a type as it stands in a config, without its scope."""
    return kind.rpartition('.')[2] if isinstance(kind, str) else getattr(kind, '__name__', '')
