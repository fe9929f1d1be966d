"""A collection of the things that move in a set of drives, for pasting: what a GT database is, but without labels."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmdet3d.registry import DATASETS

from ..atomic_write import written_whole
from ..errors import ConfigError
from .transforms.base import MARKS_KEY, THINGS_KEY
from .transforms.draw_regions import number_cells

FOOT_CELL = 0.3
"""Side in metres of the cells, seen from above, whose points are of a thing; as `MarkMoved` joins points."""


class MovedThings(Sequence[np.ndarray]):
    """The points of things that have moved: each (N_i, 3 + C), float32, metres, with the sensor at the origin.

    Args:
        points: (N, 3 + C), of all things one after the other.
        starts: (M + 1,), int64: thing i is of the points from ``starts[i]`` up to ``starts[i + 1]``.
    """

    def __init__(self, points: np.ndarray, starts: np.ndarray) -> None:
        self.points = points
        self.starts = starts

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, number: Any) -> Any:
        place = range(len(self))[number]
        return self.points[self.starts[place] : self.starts[place + 1]]

    @classmethod
    def of(cls, things: Iterable[np.ndarray]) -> MovedThings:
        """Collect things, each (N_i, 3 + C).

        Raises:
            ConfigError: If there is none, or their channels differ.
        """
        kept = list(things)
        if not kept:
            raise ConfigError('no thing has moved in these pairs. Check the poses, and set a longer window')
        if len({thing.shape[1] for thing in kept}) > 1:
            raise ConfigError('the things differ in the channels of their points: collect those of one sensor')
        return cls(np.concatenate(kept).astype(np.float32), np.cumsum([0, *map(len, kept)]))

    def save(self, path: str | Path) -> None:
        """Write an ``.npz`` file."""
        with written_whole(Path(path)) as part, part.open('wb') as file:
            np.savez_compressed(file, points=self.points, starts=self.starts)

    @classmethod
    def load(cls, path: str | Path) -> MovedThings:
        """Read an ``.npz`` file; nothing in it is run.

        Raises:
            ConfigError: If the file is missing, damaged, or not such a collection.
        """
        again = 'Make it with tools/collect_moved_things.py'
        try:
            with np.load(path, allow_pickle=False) as archive:
                points, starts = archive['points'], archive['starts']
        except FileNotFoundError as error:
            raise ConfigError(f'{path} does not exist. {again}') from error
        except (
            OSError,
            ValueError,
            KeyError,
            EOFError,
            AttributeError,
            NotImplementedError,  # a flipped byte names another compression, or an encryption
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise ConfigError(f'{path} holds no collection of moved things ({error!r}). {again}') from error
        fits = (
            points.dtype == np.float32
            and points.ndim == 2
            and points.shape[1] >= 3
            and starts.dtype == np.int64
            and starts.ndim == 1
            and len(starts) >= 2
            and starts[0] == 0
            and starts[-1] == len(points)
            and (np.diff(starts) > 0).all()
            and np.isfinite(points).all()
        )
        if not fits:
            raise ConfigError(f'{path} holds arrays that are no collection of moved things. {again}')
        return cls(points, starts)


def things_of(rows: np.ndarray, things: np.ndarray, sensor: np.ndarray, fewest: int) -> list[np.ndarray]:
    """Cut the things that move out of a marked frame, with the points below them down to the ground.

    Args:
        rows: (N, 3 + C), metres.
        things: (N,), the number of each point's thing or -1, see `MarkMoved`.
        sensor: (3,), the LiDAR's place.
        fewest: Things with fewer points are left out.

    Returns:
        Each (N_i, 3 + C), with the sensor at the origin.
    """
    cells = number_cells(rows[:, :3].astype(np.float64), (FOOT_CELL, FOOT_CELL))
    cut = []
    for number in np.unique(things[things >= 0]):
        of_thing = things == number
        if of_thing.sum() >= fewest:
            taken = of_thing | (np.isin(cells, cells[of_thing]) & (things < 0))
            thing = rows[taken].astype(np.float32)
            thing[:, :3] -= sensor
            cut.append(thing)
    return cut


def things_of_view(view: dict, sensor: np.ndarray, fewest: int) -> list[np.ndarray]:
    """Cut the things out of a packed view with marks, see `things_of`."""
    numbers = np.asarray(view['data_samples'].gt_pts_seg[THINGS_KEY])
    return things_of(view['inputs']['points'].numpy(), numbers, sensor, fewest)


def marked_whole_scans(config: dict) -> tuple[Any, Sequence[float]]:
    """Build the data set of a pre-training config so that it gives whole scans with marks, and no views.

    Args:
        config: ``train_dataloader.dataset``, whose `MultiView` has `MarkMoved` in ``pair``.

    Returns:
        The data set, and the place of the LiDAR in a frame's own axes, metres.

    Raises:
        ConfigError: If nothing is marked.
    """
    stages = config['pipeline'] if isinstance(config['pipeline'], Sequence) else [config['pipeline']]
    views: dict = next((stage for stage in stages if stage['type'] == 'MultiView'), {})
    marking = [step for step in views.get('pair', ()) if step['type'] == 'MarkMoved']
    if not marking:
        raise ConfigError('the config marks no points: its MultiView needs pair=[dict(type="MarkMoved")]')
    whole = dict(
        type='MultiView',
        load=[step for step in views['load'] if step['type'].startswith('Load')],
        pair=marking,
        pack=[dict(type='Pack3DDetInputs', keys=['points', MARKS_KEY, THINGS_KEY])],
    )
    dataset = DATASETS.build(dict(config, pipeline=whole, point_cloud_range=None))
    return dataset, marking[0].get('sensor', (0.0, 0.0, 0.0))
