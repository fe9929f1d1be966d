"""A batch of clouds with regions, for the tests of dense STRL."""

from __future__ import annotations

import torch
from mmdet3d.structures import Det3DDataSample, LiDARInstance3DBoxes
from mmengine.structures import InstanceData
from tiny import pair_batch


def batch_with_regions(counts: tuple[int, ...] = (3, 1, 2)) -> dict:
    """A collated batch of a view whose clouds have these numbers of regions, each at one of the cloud's points."""
    view = pair_batch(len(counts))['view_1']
    samples = []
    for cloud, count in zip(view['inputs']['points'], counts, strict=True):
        rows = torch.cat([cloud[:count, :3], torch.zeros(count, 4)], dim=1)
        instances = InstanceData(bboxes_3d=LiDARInstance3DBoxes(rows), labels_3d=torch.arange(count))
        samples.append(Det3DDataSample(gt_instances_3d=instances))
    return dict(view, data_samples=samples)
