"""The base of all random transforms of a point cloud: a probability, and draws that are separate from their use."""

from __future__ import annotations

import copy
import inspect
from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.structures import BasePoints
from torch import Tensor

from ...errors import ConfigError
from .point_kernels import choose, find, keep_rows
from .regions import Regions, regions_of

MARKS_KEY, THINGS_KEY = 'pts_semantic_mask', 'pts_instance_mask'
"""The keys of a view's marks and things, both (N,), see `MarkMoved`: mmdet3d's of labelled points, which it carries."""


class DescribedTransform(BaseTransform):
    """A transform that describes itself by the arguments that it keeps as attributes with the same name."""

    def __repr__(self) -> str:
        names = inspect.signature(type(self)).parameters
        arguments = [f'{name}={getattr(self, name)!r}' for name in names if hasattr(self, name)]
        return f'{type(self).__name__}({", ".join(arguments)})'


class RandomPointsTransform(DescribedTransform):
    """A random change of ``results['points']``, made with probability ``prob``.

    A subclass defines what is drawn (:meth:`draw`) and what a draw does to the points (:meth:`apply`). So a draw can be
    inspected, and a chosen draw can be applied. Draws come from NumPy's global random state, as in mmdetection3d's own
    transforms. To reproduce a view, seed that state.

    The only required key is ``points``. As in mmdetection3d's transforms, the points may be changed in place.
    Coordinates are the first three columns; further channels (intensity, height, colour) are not changed and stay with
    their point. Labelled objects are not transformed: these transforms make views of unlabelled clouds. But a view may
    have regions (``gt_bboxes_3d``, see :class:`DrawRegions`), which stay where they are in the scene: a subclass that
    moves points or cuts off a part of space does the same to the regions, in :meth:`carry`. Marks of the points
    (``pts_semantic_mask``, ``pts_instance_mask``, see :class:`MarkMoved`) stay with their point, as further channels.

    Args:
        prob (float): Probability of changing the points at all, in [0, 1].

    Raises:
        ConfigError: If ``prob`` is not in [0, 1].
    """

    def __init__(self, prob: float) -> None:
        if not 0 <= prob <= 1:
            raise ConfigError(f'{type(self).__name__}: prob must be in [0, 1], got {prob}')
        self.prob = prob

    @abstractmethod
    def draw(self, points: BasePoints) -> Any:
        """Draw the random parameters for a cloud of N points."""

    @abstractmethod
    def apply(self, points: BasePoints, drawn: Any) -> BasePoints:
        """Apply a draw to the points."""

    def carry(self, regions: Regions, points: BasePoints, drawn: Any) -> None:
        """Do to the regions what :meth:`apply` is about to do to the points. Defaults to nothing."""

    def augment(self, points: BasePoints, regions: Regions | None = None) -> BasePoints:
        """Make one draw and apply it, to the regions, too, if there are any."""
        drawn = self.draw(points)
        if regions is not None:
            self.carry(regions, points, drawn)
        return self.apply(points, drawn)

    def transform(self, results: dict) -> dict:
        """Change ``results['points']`` (N, 3 + C) with probability ``prob``. An empty cloud raises a ValueError."""
        require_points(self, results)
        regions = regions_of(results)
        if np.random.rand() < self.prob:
            points = with_marks(results)
            results['points'] = self.augment(points, regions)
            take_marks(results)
        return results


def with_marks(results: dict) -> BasePoints:
    """Return the points of a view, (N, 3 + C), with the masks of `MarkMoved`, if it was run, as further channels."""
    points = results['points']
    masks = [results[key] for key in (MARKS_KEY, THINGS_KEY) if key in results]
    if not masks:
        return points
    channels = torch.from_numpy(np.stack(masks, axis=1)).to(points.tensor)
    return with_rows(points, torch.cat([points.tensor, channels], dim=1))


def take_marks(results: dict) -> None:
    """Undo :func:`with_marks`: a channel stays with its point, whatever was changed, so marks do."""
    for key in (THINGS_KEY, MARKS_KEY):
        if key in results:
            rows = results['points'].tensor
            results[key] = rows[:, -1].numpy().astype(np.int64)
            results['points'] = with_rows(results['points'], rows[:, :-1].contiguous())


def global_generator() -> np.random.Generator:
    """Return a Generator on NumPy's global random state. Its methods are several times faster for whole clouds."""
    return np.random.Generator(np.random.get_bit_generator())


def draw_subset(size: int, number: int) -> np.ndarray:
    """Draw ``number`` of ``size`` indices without replacement, from NumPy's global random state.

    All subsets are equally likely.

    Returns:
        np.ndarray: The indices (number,), int64, ascending.
    """
    chosen_are_fewer = 2 * number <= size
    fewer = number if chosen_are_fewer else size - number
    chosen, places = np.zeros(size, np.bool_), np.empty(number + 1, np.int64)
    choose(global_generator().random(fewer), chosen, np.empty(fewer, np.int64))
    find(chosen if chosen_are_fewer else ~chosen, places)
    return places[:number]


def draw_sample(size: int, number: int) -> np.ndarray:
    """Draw ``number`` of ``size`` indices as :func:`draw_subset` does, but in random order.

    Returns:
        np.ndarray: The indices (number,), int64.
    """
    generator, places = global_generator(), np.empty(number, np.int64)
    choose(generator.random(number), np.zeros(size, np.bool_), places)
    return places[generator.choice(number, number, replace=False)]


def keep_points(points: BasePoints, keep: Tensor) -> BasePoints:
    """Keep the points of a mask (N,), in their order and in place, and return the cloud."""
    points.tensor = keep_rows(points.tensor, keep)
    return points


def take_points(points: BasePoints, places: np.ndarray) -> BasePoints:
    """Return a cloud of the points at the indices (M,), in the order of the indices; ``points`` does not change."""
    return with_rows(points, points.tensor.index_select(0, torch.from_numpy(places)))


def with_rows(points: BasePoints, rows: Tensor) -> BasePoints:
    """Return a cloud of other points with the same channels. Indexing a cloud would copy the points twice more."""
    other = copy.copy(points)
    other.tensor = rows
    return other


def require_points(transform: BaseTransform, results: dict) -> None:
    """Raise a ValueError that names the transform if the cloud is empty."""
    if len(results['points']) == 0:
        raise ConfigError(
            f'{type(transform).__name__} got an empty point cloud. '
            'Leave empty frames out, and check the range filters that run before it'
        )


def require_interval(
    transform: BaseTransform, name: str, interval: tuple[float, float], at_least: float = 0, at_most: float = np.inf
) -> None:
    """Raise a ValueError unless ``interval`` is (low, high) with ``at_least <= low <= high <= at_most``."""
    low, high = interval
    if not at_least <= low <= high <= at_most:
        raise ConfigError(
            f'{type(transform).__name__}: {name} must be (low, high) within [{at_least}, {at_most}], got {interval}'
        )
