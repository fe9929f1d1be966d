"""Whether the point cloud range of the data fits the detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.config import Config
from torch import nn
from torch.utils.data import Dataset

from ..datasets.temporal_pair_dataset import pair_datasets
from ..errors import ConfigError

SETTING = 'train_dataloader.dataset.point_cloud_range'


def check_ranges(config: Config, model: Any, dataset: Dataset) -> None:
    """Refuse a run whose data, config and detector have different point cloud ranges.

    Args:
        config: The run's config.
        model: `STRL`, or a model without a detector in it, which is not checked.
        dataset: The training set.

    Raises:
        ConfigError: If a range differs from another one (both are named), or a detector's voxels do not fit its grid.
    """
    detector = getattr(getattr(model, 'online_encoder', None), 'detector', None)
    of_detector = check_detector(detector, model.data_preprocessor.detector) if detector is not None else None
    at_top = config.get('point_cloud_range')
    for data in pair_datasets(dataset):
        of_data = data.point_cloud_range
        if at_top is not None and (of_data is None or not same(at_top, of_data)):
            raise ConfigError(
                f'point_cloud_range={shown(at_top)} at the top of the config reaches nothing: the data has '
                f'{shown(of_data)}. Set {SETTING}'
            )
        if of_data is not None and of_detector is not None and not same(of_data, of_detector):
            raise ConfigError(
                f"the data has the point cloud range {shown(of_data)}, the detector's voxels "
                f'{shown(of_detector)}: set {SETTING}={shown(of_detector)}, or change the detector by '
                'model.encoder.override'
            )


def check_detector(detector: nn.Module, preprocessor: nn.Module) -> Sequence[float] | None:
    """Check the detector's own ranges against each other and against its grid.

    Args:
        detector: The detector.
        preprocessor: Its data preprocessor, which makes the voxels.

    Returns:
        The range of its voxels, or None if it has none.

    Raises:
        ConfigError: If a part has another range, or a grid smaller than the voxels need.
    """
    voxels: Any = getattr(preprocessor, 'voxel_layer', None)
    if voxels is None or getattr(preprocessor, 'voxel_type', 'hard') not in ('hard', 'dynamic'):
        return None
    lower, upper = np.split(np.asarray(voxels.point_cloud_range, dtype=np.float64), 2)
    for name, part in detector.named_modules():
        stated = getattr(part, 'point_cloud_range', None)
        if stated is not None and np.shape(stated) == (6,) and not same(stated, voxels.point_cloud_range):
            raise ConfigError(
                f"the detector's voxels have the point cloud range {shown(voxels.point_cloud_range)}, its part "
                f'{name} {shown(stated)}: set both, by model.encoder.override'
            )
    cells = np.round((upper - lower) / np.asarray(voxels.voxel_size)).astype(int)[::-1]  # z, y, x
    # The second name is of detectors of several modalities, such as CenterPoint.
    middle_encoder = getattr(detector, 'middle_encoder', None) or getattr(detector, 'pts_middle_encoder', None)
    grid = grid_of(middle_encoder)
    if grid is not None and (cells[-len(grid) :] > grid).any():
        raise ConfigError(
            f"the point cloud range {shown(voxels.point_cloud_range)} of the detector's voxels makes a grid of "
            f'{cells.tolist()} cells (z, y, x), its middle encoder has {list(grid)}: change both, by '
            'model.encoder.override'
        )
    return voxels.point_cloud_range


def grid_of(middle_encoder: Any) -> Sequence[int] | None:
    """Return the grid of a middle encoder: (z, y, x) of a sparse one, (y, x) of pillars, None of any other."""
    if hasattr(middle_encoder, 'sparse_shape'):
        return middle_encoder.sparse_shape
    if hasattr(middle_encoder, 'nx') and hasattr(middle_encoder, 'ny'):
        return [middle_encoder.ny, middle_encoder.nx]
    return None


def same(one: Sequence[float], other: Sequence[float]) -> bool:
    """Return whether two ranges are equal, up to the rounding of float32."""
    return np.allclose(np.asarray(one, dtype=float), np.asarray(other, dtype=float), atol=1e-4)


def shown(point_cloud_range: Sequence[float] | None) -> str:
    """Write a range as it stands in a config."""
    return 'none' if point_cloud_range is None else str([round(float(value), 4) for value in point_cloud_range])
