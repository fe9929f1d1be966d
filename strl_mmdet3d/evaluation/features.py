"""Reads a labelled data set into arrays: clouds, labels, and an encoder's features of the clouds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..errors import ConfigError
from ..models.data_preprocessor import detector_inputs
from ..models.stack_clouds import stack_clouds

T = TypeVar('T')

BATCH_SIZE = 32
"""Clouds that are encoded at a time; in eval mode it affects only the time."""


@dataclass
class LabelledClouds:
    """A labelled data set, as its pipeline prepared it.

    Attributes:
        points: Float32 (N, P, C), P points for each of N clouds; the first three channels are x, y and z.
        labels: Int64 (N,), positions in the data set's classes.
    """

    points: Tensor
    labels: np.ndarray

    def __len__(self) -> int:
        """Return the number of clouds."""
        return len(self.labels)


def read_clouds(dataset: Dataset, seed: int, description: str | None = None) -> LabelledClouds:
    """Read all clouds of a data set.

    Args:
        dataset: Gives ``inputs['points']`` and ``data_samples.gt_instances_3d.labels_3d``, one label per cloud. Only
            the sampling of points may be random in its pipeline.
        seed: Seeds numpy's global state, which transforms draw from, while the function reads.
        description: The text of the progress bar; None shows no bar.

    Returns:
        The clouds and labels, in the order of the data set.

    Raises:
        ConfigError: If the data set is empty, a cloud has no label or several, or the clouds differ in their number of
            points.
    """
    num_clouds = len(dataset)  # type: ignore[arg-type]
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        items = [dataset[index] for index in progress(range(num_clouds), description, num_clouds)]
    finally:
        np.random.set_state(state)
    labels = [item['data_samples'].gt_instances_3d.labels_3d for item in items]
    counts = {len(label) for label in labels}
    if counts != {1}:
        raise ConfigError(
            f'a probe needs one label per cloud, but the {num_clouds} clouds of the data set have '
            f'{sorted(counts)} labels'
        )
    points = [item['inputs']['points'].float() for item in items]
    return LabelledClouds(stack_clouds(points), torch.cat(labels).numpy().astype(np.int64))


def batches_of(encoder: nn.Module, points: Tensor, batch_size: int = BATCH_SIZE) -> Iterator[dict]:
    """Make batches by the encoder's own data preprocessor.

    Args:
        encoder: A :class:`DetectorEncoder`, or any module with a ``data_preprocessor`` of mmdet3d.
        points: Float32 (N, P, C).
        batch_size: Clouds per batch; the last batch may have fewer.

    Yields:
        The preprocessor's ``inputs``.
    """
    for batch in points.split(batch_size):
        yield detector_inputs(encoder.data_preprocessor, list(batch))


def shuffled_batches_of(encoder: nn.Module, points: Tensor, seed: int, batch_size: int = BATCH_SIZE) -> Iterator[dict]:
    """Yield batches as `batches_of`, but of clouds in random order, set by the seed, for `calibrate_batchnorm`.

    A last batch that is not full is left out if there is a full one, because it would count as much as a full one.
    """
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(points)))
    num_used = len(points) // batch_size * batch_size or len(points)
    yield from batches_of(encoder, points[order[:num_used]], batch_size)


@torch.no_grad()
def collect_features(
    encoder: nn.Module, points: Tensor, batch_size: int = BATCH_SIZE, description: str | None = None
) -> np.ndarray:
    """Encode clouds in eval mode.

    Args:
        encoder: As in `batches_of`; the function leaves it in eval mode.
        points: Float32 (N, P, C), N > 0.
        batch_size: Clouds per batch.
        description: The text of the progress bar; None shows no bar.

    Returns:
        Float32 (N, D): for an encoder of STRL the input of its projector.

    Raises:
        ConfigError: If a feature is NaN or infinite.
    """
    encoder.eval()
    batches = progress(batches_of(encoder, points, batch_size), description, -(-len(points) // batch_size))
    features = torch.cat([encoder(batch).float().cpu() for batch in batches]).numpy()
    if not np.isfinite(features).all():
        raise ConfigError('the encoder gives features that are NaN or infinite: did its pre-training diverge?')
    return features


def progress(items: Iterable[T], description: str | None, total: int) -> Iterable[T]:
    """Show a bar for all items, unless `description` is None; on stderr, so that stdout holds the results alone."""
    return items if description is None else track(items, description, total, console=Console(stderr=True))
