"""Labelled shapes, from the same sequence index that pre-training reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmdet3d.registry import DATASETS
from mmengine.dataset import BaseDataset
from mmengine.fileio import join_path

from .readers.shape_archive import read_archives
from .sequence_index import SequenceIndexError, read_sequence_index


@DATASETS.register_module()
class ShapeDataset(BaseDataset):
    """Shapes with one label each.

    To use a part of the labels, draw a shorter index with ``tools/select_labels.py``.

    The pipeline gets ``lidar_points`` (dict with ``lidar_path``, as `LoadShape` takes it), ``sample_idx`` (int) and
    ``gt_labels_3d`` (int64 (1,)). A shape that cannot be read raises an error: labelled data is not silently replaced.

    Args:
        ann_file: The index with the column ``label``, which ``tools/create_sequence_index.py shapes`` makes from
            labelled data; relative to ``data_root``, unless absolute.
        data_root: The folder that the index was made for.
        kwargs: Arguments of mmengine's ``BaseDataset``: ``pipeline``, ``test_mode``, ``indices``, ``lazy_init`` and so
            on.

    Raises:
        SequenceIndexError: If the index cannot be used, has no labels, or a sequence has several frames.
        CorruptFrameError: If an archive of shapes cannot be read.
    """

    classes: tuple[str, ...] = ()

    def __init__(self, ann_file: str = '', data_root: str = '', **kwargs: Any) -> None:
        super().__init__(ann_file=ann_file, data_root=data_root, **{'data_prefix': {}, **kwargs})

    @property
    def metainfo(self) -> dict:
        """The metainfo that mmengine keeps, and the ``classes`` of the index once it is read."""
        return dict(super().metainfo, classes=self.classes)

    def load_data_list(self) -> list[dict]:
        """Read the index, and each archive once, so that workers forked later share the shapes.

        Returns:
            ``lidar_points``, ``gt_labels_3d`` and ``sample_idx`` of each shape, in the order of the index.
        """
        metainfo, sequences = read_sequence_index(self.ann_file)
        self.classes = tuple(metainfo.get('classes') or ())
        data_list = []
        for number, sequence in enumerate(sequences):
            if sequence.label is None:
                raise SequenceIndexError(
                    f'{self.ann_file} has no labels. Rebuild the sequence index with '
                    "`tools/create_sequence_index.py shapes` from labelled data, such as an .npz with an array 'label'"
                )
            if len(sequence.frames) > 1:
                raise SequenceIndexError(
                    f'{self.ann_file}: sequence {sequence.sequence_id!r} has {len(sequence.frames)} frames, but a '
                    'labelled shape has one. Make a sequence for each frame'
                )
            path = join_path(self.data_root, sequence.frames[0])
            label = np.array([sequence.label], np.int64)
            data_list.append(dict(sample_idx=number, lidar_points=dict(lidar_path=path), gt_labels_3d=label))
        read_archives((sequence.frames[0] for sequence in sequences), self.data_root)
        return data_list
