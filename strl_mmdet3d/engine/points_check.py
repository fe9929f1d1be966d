"""Whether the points of the data are what the detector takes: which values each has, and how many there are."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from mmdet3d.models import (
    DGCNNBackbone,
    DynamicPillarFeatureNet,
    DynamicSimpleVFE,
    DynamicVFE,
    HardSimpleVFE,
    HardVFE,
    MinkUNetBackbone,
    MultiBackbone,
    PillarFeatureNet,
    PointNet2SAMSG,
    PointNet2SASSG,
    SegVFE,
)
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.hub import get_config
from torch.utils.data import Dataset

from ..datasets.pair_key import PairKey
from ..datasets.temporal_pair_dataset import pair_datasets
from ..datasets.transforms.load_sweeps import LAG_COLUMN
from ..errors import ConfigError
from ..export.loaded_points import TIME_LAG, points_of
from ..export.trunk_record import pretrained_detector

# First layers -> their setting for the number of values of a point, and how many more it counts.
OF_VOXELS: dict[type, tuple[str, int]] = {
    HardVFE: ('voxel_encoder.in_channels', 0),
    PillarFeatureNet: ('voxel_encoder.in_channels', 0),
    DynamicPillarFeatureNet: ('voxel_encoder.in_channels', 0),
    DynamicVFE: ('voxel_encoder.in_channels', 0),
    SegVFE: ('voxel_encoder.in_channels', 2),  # beside x and y the radius and the angle
    HardSimpleVFE: ('middle_encoder.in_channels', 0),
    DynamicSimpleVFE: ('middle_encoder.in_channels', 0),
}
OF_POINTS: dict[type, tuple[str, int]] = dict.fromkeys(
    (PointNet2SASSG, PointNet2SAMSG, DGCNNBackbone, MinkUNetBackbone), ('backbone.in_channels', 0)
)

WIDER = {6: 'colours', 9: "colours and the place in the room, as S3DIS's stock configs do"}


def check_points(config: Config, model: Any, dataset: Dataset) -> None:
    """Refuse a run whose detector takes other points than the data gives. Two pairs of each data set are loaded.

    Args:
        config: The run's config.
        model: `STRL`, or a model without a detector in it, which is not checked.
        dataset: The training set.

    Raises:
        ConfigError: If the detector takes another number of values of a point; if it takes the time lag, by its stock
            config, where the data has another value; or if it stacks its clouds and they differ in size. The message
            has the line to add.
    """
    detector = pretrained_detector(config)
    encoder = getattr(model, 'online_encoder', None)
    if detector is None or encoder is None:
        return
    check_time_lag(config.model.encoder.detector, config.get('train_dataloader'))
    for data in pair_datasets(dataset):
        pairs = [data[PairKey(0, 0, item)] for item in sorted({0, len(data) // 2})]
        for views in (('view_1', 'view_2'), sorted(name for name in pairs[0] if name.startswith('local'))):
            clouds = [pair[name]['inputs']['points'] for pair in pairs for name in views]
            check_clouds(clouds, detector, getattr(encoder, 'stacks_clouds', False))


def check_clouds(clouds: Sequence[Any], detector: Mapping[str, Any], stacks: bool) -> None:
    """Check the size of clouds (N_i, C) against a detector's config; `stacks` says whether N has to be the same."""
    sizes = sorted({len(cloud) for cloud in clouds})
    if stacks and len(sizes) > 1:
        raise ConfigError(
            f'{_name(detector)} stacks the clouds of a batch, which need the same number of points; here some have '
            f"{sizes[0]} and some {sizes[-1]}: put dict(type='DownSamplePoints', num_points=...) into the `pack` and "
            'the `local` of MultiView, before Pack3DDetInputs'
        )
    setting, more, taken = columns_of(detector)
    given = {cloud.shape[1] for cloud in clouds}
    if taken is not None and given and given != {taken}:
        raise ConfigError(_misfit(detector, setting, more, taken, min(given)))


def columns_of(detector: Mapping[str, Any]) -> tuple[str, int, int | None]:
    """Return how many values of a point a detector takes, if its first layer is one of mmdet3d's.

    Args:
        detector: The detector's config.

    Returns:
        The setting that says it, how much more the setting counts, and the number of values; None if it is not known.
    """
    for prefix in ('', 'pts_'):
        for name, table in (('voxel_encoder', OF_VOXELS), ('backbone', OF_POINTS)):
            part = detector.get(f'{prefix}{name}')
            if part is None:
                continue
            kind = MODELS.get(part['type']) if isinstance(part['type'], str) else part['type']
            if kind is MultiBackbone and isinstance(part.get('backbones'), Mapping):
                return f'{prefix}backbone.backbones.in_channels', 0, part.backbones.in_channels
            known = [table[each] for each in table if isinstance(kind, type) and issubclass(kind, each)]
            if not known:
                return '', 0, None
            setting, more = known[0]
            of_part, _, key = setting.rpartition('.')
            settings = detector.get(f'{prefix}{of_part}') or {}
            default = inspect.signature(kind.__init__).parameters.get(key)
            number = settings.get(key, default.default if default else None)
            return f'{prefix}{setting}', more, number - more if isinstance(number, int) else None
    return '', 0, None


def check_time_lag(detector: Any, dataloader: Any) -> None:
    """Refuse points that have another value where those of the detector's stock config have the time lag.

    Args:
        detector: The detector as the run's config names it; only the name of a config file tells its points.
        dataloader: The config of the run's data loader.

    Raises:
        ConfigError: Names both values and the line to add.
    """
    if not isinstance(detector, str):
        return
    stock = get_config(detector) if '::' in detector else Config.fromfile(detector)
    taken = points_of(stock.get('train_dataloader')).get('channels', [])
    given = points_of(dataloader).get('channels', [])
    for place, (value, here) in enumerate(zip(taken, given, strict=False)):
        if value == TIME_LAG != here:
            raise ConfigError(
                f"value {place} of a point is the time lag in {detector}, and {here} in the run's data (the last "
                "column of nuScenes' files is the ring, not the lag): set "
                f'LoadFrame(use_dim={list(range(place))}, time_lag=True)'
                + (', or LoadSweeps with the same use_dim' if place == LAG_COLUMN else '')
            )


def _misfit(detector: Mapping[str, Any], setting: str, more: int, taken: int, given: int) -> str:
    """Say what to do where a detector takes another number of values of a point than the data gives."""
    changes = {setting: given + more}
    prefix = 'pts_' if setting.startswith('pts_') else ''
    if setting.endswith('middle_encoder.in_channels') and 'num_features' in detector[f'{prefix}voxel_encoder']:
        changes[f'{prefix}voxel_encoder.num_features'] = given
    if 'points_encoder' in detector:
        changes['points_encoder.rawpoints_sa_cfgs.in_channels'] = given - 3
    if given > taken:
        remedy = f'load fewer, by use_dim={taken} of LoadFrame'
    elif taken in WIDER:
        remedy = f'the others are {WIDER[taken]}, which pairs of frames do not have'
    else:
        remedy = (
            'load what lacks: LoadFrame(use_dim=...) takes more columns, time_lag=True appends the time lag of '
            "nuScenes' detectors, LoadDepthFrame(height=True) the height above the floor"
        )
    return (
        f'{_name(detector)} takes {taken} values of a point ({setting}), the data gives {given}: {remedy}. Or let the '
        f'detector take {given}, by model.encoder.override={changes}, and by the same change downstream'
    )


def _name(detector: Mapping[str, Any]) -> str:
    """Return the name of a detector's class."""
    return getattr(detector['type'], '__name__', detector['type'])
