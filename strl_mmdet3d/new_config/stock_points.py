"""What points a stock detector reads, as its own config states it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..engine.points_check import columns_of
from ..errors import ConfigError
from ..export.class_defaults import name_of
from ..export.loaded_points import AXES, LOADERS, SQUASHED, first_of, points_of_steps, steps_of

INTENSITY = 'intensity'
COLOURS = ('red', 'green', 'blue')

# Scale of the intensities in the files of the data set that a stock config trains on.
INTENSITY_MAX = dict(
    KittiDataset=1.0,
    SemanticKittiDataset=1.0,
    WaymoDataset=1.0,
    NuScenesDataset=255.0,
    NuScenesSegDataset=255.0,
    LyftDataset=255.0,
)

# The value behind the intensity in the files.
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
        squashed: Which of the loader's settings that take the tanh of a column are on, such as 'norm_intensity'.
    """

    dataset: str
    coord_type: str
    channels: tuple[str, ...]
    num_points: int | None = None
    point_cloud_range: tuple[float, ...] | None = None
    sweeps: int = 0
    squashed: tuple[str, ...] = ()

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
            as many as its first layer takes; four if that is not known.

    Returns:
        The points.

    Raises:
        ConfigError: If the pipeline loads images and no points, or loads points by a transform that is not known.
    """
    datasets = [_innermost((config.get(f'{split}_dataloader') or {}).get('dataset')) for split in ('test', 'train')]
    test, train = (list(steps_of(dataset.get('pipeline') or config.get(key)))
                   for dataset, key in zip(datasets, ('test_pipeline', 'train_pipeline'), strict=True))  # fmt: skip
    name = name_of(next((dataset['type'] for dataset in datasets if dataset.get('type')), ''))
    steps = [*test, *train]
    loader = first_of(steps, *LOADERS)
    if loader is None:
        if steps:
            images = next((name_of(step['type']) for step in steps if 'Image' in name_of(step['type'])), None)
            known = f'{", ".join(LOADERS[:-1])} nor {LOADERS[-1]}'
            what = f'reads images ({images}) and no points' if images else f'loads its points neither by {known}'
            raise ConfigError(f'the detector {what}: pre-training takes detectors of point clouds')
        return StockPoints(name, 'LIDAR', _columns_of_model(config.get('model') or {}))
    points = points_of_steps(steps)
    meanings = COLOURS if loader.get('use_color') else (INTENSITY, FIFTH_COLUMN.get(name, 'ring'))
    named = {f'column {column}': meaning for column, meaning in enumerate(meanings, start=len(AXES))}
    sweeps = first_of(steps, 'LoadPointsFromMultiSweeps')
    sample = first_of(test, 'PointSample') or first_of(train, 'PointSample', 'IndoorPatchPointSample')
    cut = first_of(steps, 'PointsRangeFilter')
    return StockPoints(
        name,
        points['coord_type'] or 'LIDAR',
        tuple(named.get(channel.partition(' by ')[0], channel) for channel in points['channels']),
        int(sample['num_points']) if sample else None,
        tuple(map(float, cut['point_cloud_range'])) if cut else None,
        int(sweeps.get('sweeps_num', 10)) if sweeps else 0,
        tuple(setting for setting in SQUASHED if loader.get(setting)),
    )


def _columns_of_model(model: Mapping[str, Any]) -> tuple[str, ...]:
    """Name as many columns as the first layer of a detector without a pipeline takes; four if that is not known."""
    number = columns_of(model)[2] or len((*AXES, INTENSITY))
    return (*AXES, INTENSITY, *(f'column {column}' for column in range(4, number)))[:number]


def _innermost(dataset: Any) -> Mapping[str, Any]:
    """Return the config of the data set inside wrappers such as ``RepeatDataset``."""
    while isinstance(dataset, Mapping) and (dataset.get('dataset') or dataset.get('datasets')):
        dataset = dataset.get('dataset') or dataset['datasets'][0]
    return dataset if isinstance(dataset, Mapping) else {}
