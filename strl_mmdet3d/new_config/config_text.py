"""The text of a pre-training config: a few lines over our fragments, with remarks on where each number comes from."""

from __future__ import annotations

import textwrap
from typing import Any

from ..errors import ConfigError
from .data_fit import DataFit
from .feature_choice import NUM_REGIONS, Choice
from .feature_table import PLANE, POINTS, Inspection
from .made_up_clouds import ANY_NUMBER
from .pretrain_data import DEPTH, LIDAR, PretrainData
from .stock_points import StockPoints

WIDTH = 120
PACKAGE = 'strl_mmdet3d::'
DENSE_KINDS = (PLANE, POINTS)
REGION_KEYS = ['points', 'gt_bboxes_3d', 'gt_labels_3d']
# Metres. A region's vector is the mean within this distance of its place: VoteNet's for rooms, our choice for streets.
RADIUS = {LIDAR: 1.0, DEPTH: 0.3}
# As in our dense configs: columns of a street, boxes of a room.
REGIONS = {
    LIDAR: f"dict(type='DrawRegions', count={NUM_REGIONS}, cell=(0.5, 0.5))",
    DEPTH: f"dict(type='DrawRegions', count={NUM_REGIONS}, cell=(0.3, 0.3, 0.3), ground_cell=10.0, ground_height=0.1)",
}
# What the fragments in configs/_base_/datasets load.
USUAL_LOAD: dict[str, dict[str, Any]] = {
    'kitti_pairs': dict(type='LoadFrame', coord_type='LIDAR', load_dim=4, use_dim=4),
    'nuscenes_pairs': dict(type='LoadFrame', coord_type='LIDAR', load_dim=5, use_dim=4),
    'waymo_pairs': dict(type='LoadFrame', coord_type='LIDAR', load_dim=6, use_dim=5),
    'lyft_pairs': dict(type='LoadFrame', coord_type='LIDAR', load_dim=5, use_dim=3, time_lag=True),
    'scannet_pairs': dict(type='LoadDepthFrame'),
    'shape_pairs': dict(type='LoadShape'),
}


def pretrain_text(
    detector: str,
    inspection: Inspection,
    choice: Choice,
    points: StockPoints,
    data: PretrainData,
    fit: DataFit,
    dense: bool = False,
) -> str:
    """Write the config.

    Args:
        detector: The stock config, as ``encoder.detector`` takes it.
        inspection: Of `inspect_detector`.
        choice: Of `choose_feature`.
        points: Of `read_stock_points`.
        data: Of `choose_data`.
        fit: Of `fit_data`.
        dense: Whether regions are compared instead of whole clouds.

    Returns:
        The config's text.

    Raises:
        ConfigError: If `dense` is asked for shapes, whose views have nothing in common but the shape.
    """
    if dense and data.kind not in REGIONS:
        raise ConfigError('--dense compares places of scans or depth frames; shapes are pre-trained as wholes')
    if data.kind == LIDAR and inspection.point_cloud_range is None:
        raise ConfigError(
            f'{detector} states no point_cloud_range: add a PointsRangeFilter to its test pipeline, since views are '
            'cut to what the detector sees'
        )
    lines = [
        *_docstring(detector, inspection, data, dense),
        '',
        '_base_ = [',
        f"    '{PACKAGE}_base_/models/strl.py',",
        f"    '{PACKAGE}_base_/datasets/{data.base}.py',",
        f"    '{PACKAGE}_base_/recipes/strl_paper.py',",
        ']',
        '',
        *_model(detector, inspection, choice, data, fit, dense),
        *_pipeline(inspection, points, data, fit, dense),
    ]
    return '\n'.join(lines) + '\n'


def _docstring(detector: str, inspection: Inspection, data: PretrainData, dense: bool) -> list[str]:
    """Write the first lines."""
    how = 'dense STRL, from regions' if dense else 'STRL'
    first = f'"""The trunk of {inspection.detector} pre-trained on {data.name} by {how}.'
    rest = f'Made by tools/make_pretrain_config.py from {detector}; change what you like.'
    return [*textwrap.wrap(first, WIDTH), '', *textwrap.wrap(rest, WIDTH), '"""']


def _model(
    detector: str, inspection: Inspection, choice: Choice, data: PretrainData, fit: DataFit, dense: bool
) -> list[str]:
    """Write the encoder and the projector's width."""
    feature = choice.feature
    encoder = [f'detector={detector!r},']
    if fit.override:
        encoder += [*_remark(f'The data has {", ".join(fit.channels)} alone; the downstream config needs the same.'),
                    f'override={fit.override!r},']  # fmt: skip
    reach = f'of the trunk, {100 * feature.share:.3g} % of the parameters get a gradient'
    remarks = [f'{feature.describe()}; {reach}', *choice.reasons[1:]]
    encoder += [*(line for remark in remarks for line in _remark(_capital(remark) + '.')),
                f'feature={feature.name or None!r},']  # fmt: skip
    if dense and feature.kind == PLANE:
        encoder.append("pool=dict(type='BEVRegions'),")
    elif dense:
        encoder.append(f"pool=dict(type='PointRegions', places={feature.places!r}, radius={RADIUS[data.kind]}),")
    return [
        'model = dict(',
        '    encoder=dict(',
        *(f'        {line}' for line in encoder),
        '    ),',
        f'    projector=dict(in_channels={feature.channels}),  # the channels of that feature',
        ')',
    ]


def _pipeline(inspection: Inspection, points: StockPoints, data: PretrainData, fit: DataFit, dense: bool) -> list[str]:
    """Write the data set and its transforms."""
    lines: list[str] = []
    number = None if inspection.has_voxels else points.num_points or ANY_NUMBER
    if number is not None:
        origin = 'as many as the stock config gives the detector' if points.num_points else 'our choice'
        lines.append(f'num_points = {number}  # {origin}')
    dataset: list[str] = []
    for name, (value, remark) in data.settings.items():
        dataset.append(f'{name}={value!r},' + (f'  # {remark}' if remark else ''))
    if dense:
        dataset += _alignment(data)
    extent = inspection.point_cloud_range
    if extent is not None:
        shown = [int(side) if float(side).is_integer() else side for side in extent]
        dataset.append(f'point_cloud_range={shown},  # of {inspection.range_origin}')
    stages = [f'augment={_augment(data, number)}']
    if fit.load != USUAL_LOAD.get(data.base):
        lines += [*_remark(_capital(fit.remark) + '.'), f'load = [{_call(fit.load)}]']
        stages.insert(0, 'load=load')
    if data.kind == DEPTH and number is not None:
        lines += [
            '# Points that the down-sampling would take away are dropped ahead of the jitter.',
            'spatial = [*_base_.crop_and_cutout, dict(_base_.drop_out, at_most=num_points), _base_.jitter]',
        ]
    if dense:
        lines.append(f'pair = [{REGIONS[data.kind]}]')
        stages.insert(-1, 'pair=pair')
    if data.kind != LIDAR or number is not None or dense:
        lines += _pack(extent is not None, number is not None, dense)
        stages.append('pack=pack')
    lines += [
        'train_dataloader = dict(',
        '    dataset=dict(',
        *(f'        {line}' for line in dataset),
        '        pipeline=dict(',
        *(f'            {stage},' for stage in stages),
        '        ),',
        '    )',
        ')',
    ]
    if dense and data.kind == DEPTH:
        lines += [
            '# A camera turns away between key frames; a pair without a common region is replaced.',
            'default_hooks = dict(unusable_frames=dict(max_share=0.3))',
        ]
    return lines


def _alignment(data: PretrainData) -> list[str]:
    """Write how both frames of a pair come into the same axes."""
    if data.is_single:  # it is mode='spatial' already
        return []
    if data.has_poses:
        return ['align_poses=True,'] if data.kind == LIDAR else []
    return ["mode='spatial',  # the index has no poses, so regions are those of one frame seen twice"]


def _augment(data: PretrainData, number: int | None) -> str:
    """Name the views of the recipe for a kind of data."""
    if data.kind == LIDAR:
        return '[*_base_.lidar_view_transform, *_base_.spatial_augmentation]'
    if data.kind == DEPTH:
        return '[*_base_.view_transform, *spatial]' if number is not None else '_base_.depth_augmentation'
    return '_base_.shape_augmentation'


def _pack(cut: bool, sampled: bool, dense: bool) -> list[str]:
    """Write what ends the pipeline."""
    steps = ["dict(type='PointsRangeFilter')"] if cut else []
    steps.append("dict(type='DownSamplePoints', num_points=num_points)" if sampled else "dict(type='PointShuffle')")
    steps.append(f"dict(type='Pack3DDetInputs', keys={REGION_KEYS if dense else ['points']})")
    return ['pack = [', *(f'    {step},' for step in steps), ']']


def _call(settings: dict[str, Any]) -> str:
    """Write the dict of a transform; a scale below 1 as the fraction that it is."""
    parts = []
    for name, value in settings.items():
        inverse = round(1 / value) if name == 'intensity_scale' and 0 < value < 1 else 0
        shown = f'1 / {inverse}' if inverse and abs(1 / inverse - value) < 1e-9 else repr(value)
        parts.append(f'{name}={shown}')
    return f'dict({", ".join(parts)})'


def _remark(text: str) -> list[str]:
    """Write a remark above a line, as comments of at most 100 characters; a number stays beside its '%'."""
    lines = textwrap.wrap(text.replace(' %', '\0%'), 100, break_long_words=False, break_on_hyphens=False)
    return [f'# {line}'.replace('\0', ' ') for line in lines]


def _capital(text: str) -> str:
    """Begin a sentence with a capital letter."""
    return text[:1].upper() + text[1:]
