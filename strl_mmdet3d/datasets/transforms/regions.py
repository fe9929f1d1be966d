"""Regions: places of a frame that travel through the transforms of its view as labelled boxes do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmdet3d.structures import BaseInstance3DBoxes, Det3DDataSample
from torch import Tensor

from ...errors import ConfigError
from ..readers.frame_file import UnusablePairError

REGION_KEYS = ('gt_bboxes_3d', 'gt_labels_3d')
"""The keys of a result dict that hold a view's regions, those of labelled boxes, which mmdet3d's transforms move."""


class NoRegionError(UnusablePairError):
    """A pair without a region that both of its views hold."""


class Regions:
    """The regions in the result dict of a view: boxes without extent, whose labels are the regions' numbers.

    Without extent, the stored centre of a box, which is at its bottom, is the place itself.

    Args:
        results: The result dict; both `REGION_KEYS` are in it. Changes are made there.
    """

    def __init__(self, results: dict) -> None:
        self.results = results

    @property
    def rows(self) -> Tensor:
        """Return the boxes (M, 7), x, y and z first, like a cloud with four more channels; to be changed in place.

        Raises:
            ConfigError: If the boxes have an extent: they are labelled objects, which may have to be turned, too.
        """
        boxes = self.results['gt_bboxes_3d']
        if boxes.dims.any():
            raise ConfigError(
                'the transforms of strl_mmdet3d move no labelled boxes, only points and regions: augment labelled '
                "frames by mmdet3d's RandomFlip3D and GlobalRotScaleTrans"
            )
        return boxes.tensor

    def keep(self, mask: Tensor) -> None:
        """Keep the regions of a mask (M,), in their order."""
        self.results['gt_bboxes_3d'] = self.results['gt_bboxes_3d'][mask]
        self.results['gt_labels_3d'] = self.results['gt_labels_3d'][mask.numpy()]


def regions_of(results: dict) -> Regions | None:
    """Return the regions in the result dict of a view, or None if there are none."""
    return Regions(results) if 'gt_bboxes_3d' in results else None


def add_regions(view: dict, places: Tensor, boxes: type[BaseInstance3DBoxes]) -> None:
    """Put places (M, 3) into the result dict of a view, as boxes of a type, numbered from 0."""
    view['gt_bboxes_3d'] = boxes(torch.cat([places, places.new_zeros(len(places), 4)], dim=1))
    view['gt_labels_3d'] = np.arange(len(places))


def keep_common(samples: Sequence[Det3DDataSample], point_cloud_range: Sequence[float] | None) -> None:
    """Keep the regions that all views of a pair hold, within the range, in the same order.

    Args:
        samples: The packed data sample of each view.
        point_cloud_range: (x_min, y_min, z_min, x_max, y_max, z_max) in metres, or None.

    Raises:
        ConfigError: If the regions were not packed.
        NoRegionError: If none is left.
    """
    numbers = [_numbers_within(sample.gt_instances_3d, point_cloud_range) for sample in samples]
    common = sorted(set.intersection(*(set(one) for one in numbers)))
    if not common:
        raise NoRegionError(
            'the views of the pair have no region in common. Draw more (DrawRegions(count=...)), or crop less'
        )
    for sample in samples:
        place_of = {number: place for place, number in enumerate(sample.gt_instances_3d.labels_3d.tolist())}
        sample.gt_instances_3d = sample.gt_instances_3d[torch.tensor([place_of[number] for number in common])]


def _numbers_within(instances: Any, point_cloud_range: Sequence[float] | None) -> list[int]:
    """Return the numbers of a view's packed regions that lie within the range."""
    if 'bboxes_3d' not in instances or 'labels_3d' not in instances:
        raise ConfigError(
            f"MultiView has `pair`, but its `pack` hands on no regions: set Pack3DDetInputs(keys=['points', "
            f'{", ".join(map(repr, REGION_KEYS))}])'
        )
    numbers = instances.labels_3d
    if point_cloud_range is not None:
        numbers = numbers[instances.bboxes_3d.in_range_3d(point_cloud_range)]
    return numbers.tolist()
