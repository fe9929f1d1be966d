"""GT sampling with few labelled frames, in which some classes have no objects."""

from __future__ import annotations

import logging
from typing import Any

from mmdet3d.datasets.transforms.dbsampler import DataBaseSampler
from mmdet3d.registry import TRANSFORMS
from mmengine.logging import print_log


@TRANSFORMS.register_module()
class FewLabelsSampler(DataBaseSampler):
    """mmdet3d's ``DataBaseSampler``, without the classes of which the labelled frames hold no usable object.

    The original stops with ``KeyError: 'Cyclist'`` if the database lacks a class of ``sample_groups`` or
    ``filter_by_min_points``, and with ``need at least one array to stack`` if its filters leave none of a class. Here
    such a class is not pasted, which a warning says. Otherwise the two are the same.

    Args:
        sample_groups (dict): Class -> how many of its objects a frame has at most after pasting.
        **kwargs (dict): The other arguments of ``DataBaseSampler``.
    """

    def __init__(self, sample_groups: dict[str, int], **kwargs: Any) -> None:
        super().__init__(sample_groups=sample_groups, **kwargs)
        groups = {name: int(number) for name, number in sample_groups.items()}
        without = [name for name in groups if not self.db_infos.get(name)]
        self.sample_groups = [{name: number} for name, number in groups.items() if name not in without]
        self.sample_classes = [name for name in groups if name not in without]
        self.sample_max_nums = [groups[name] for name in self.sample_classes]
        if without:
            print_log(
                f'{self.info_path} holds no usable object of {", ".join(without)}, so GT sampling pastes none',
                logger='current',
                level=logging.WARNING,
            )

    @staticmethod
    def filter_by_min_points(db_infos: dict, min_gt_points_dict: dict) -> dict:
        """Drop the objects with too few points; a class that the database lacks has none to drop.

        Args:
            db_infos: Class -> its objects.
            min_gt_points_dict: Class -> the fewest points of an object that is kept.

        Returns:
            Class -> the objects that are left.
        """
        present = {name: least for name, least in min_gt_points_dict.items() if name in db_infos}
        return DataBaseSampler.filter_by_min_points(db_infos, present)
