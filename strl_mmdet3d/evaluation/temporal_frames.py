"""The frames of a training set that the retrieval probe looks at: without augmentation, and the same in every probe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from mmdet3d.registry import DATASETS
from torch import Tensor

from ..datasets.pair_key import PairKey
from ..datasets.temporal_pair_dataset import TemporalPairDataset
from ..datasets.transforms.views import MultiView
from .online_encoding import encode_online


class TemporalFrames:
    """Runs of neighbouring key frames, spread evenly over a set of pairs.

    With ``align_poses`` depth frames are in the world's axes here too, as they are in training.

    Args:
        config: The config of a `TemporalPairDataset`, in any mode. The frames are not augmented.
        num_frames: How many frames to read, at least 2; all of a smaller set.
        run: Length of a run in key frames, at least 1.

    Attributes:
        items: The items of the set that are read.
        dataset: The set without augmentation.
    """

    def __init__(self, config: dict, num_frames: int, run: int) -> None:
        # In this mode view 1 of an item is its key frame, and is not augmented.
        self.dataset: TemporalPairDataset = DATASETS.build(dict(config, mode='temporal', selection='neighbour'))
        for stage in self.dataset.pipeline.transforms:
            if isinstance(stage, MultiView):  # whole frames are encoded, so no regions are drawn
                stage.pair.transforms.clear()
        self.items = runs_of_neighbours(len(self.dataset), num_frames, run)

    def encode(self, model: Any, batch_size: int) -> tuple[np.ndarray, list[str], list[int]]:
        """Encode the frames by `encode_online`, under `training_untouched`.

        Returns:
            The features (N, D) of N different frames, the sequence of each, and its position there.
        """
        origins: list[tuple[str, int]] = []
        features = encode_online(model, self.read(origins), batch_size)
        return features, [sequence for sequence, _ in origins], [frame for _, frame in origins]

    def read(self, origins: list[tuple[str, int]]) -> Iterator[Tensor]:
        """Yield the points (N_i, C) of each frame once, and append its sequence and its position there to `origins`."""
        for item in self.items:
            view = self.dataset[PairKey(seed=0, epoch=0, index=item)]['view_1']
            meta = view['data_samples'].metainfo
            origin = (meta['sequence_id'], meta['frame_index'])
            if origin not in origins:  # a damaged frame is replaced by another one, which may be here already
                origins.append(origin)
                yield view['inputs']['points']


def runs_of_neighbours(num_items: int, num_frames: int, run: int) -> list[int]:
    """Choose runs of consecutive items, spread evenly.

    Args:
        num_items: Number of items to choose from, at least 1.
        num_frames: Number of items to choose, at least 1. If there are fewer, all are chosen.
        run: Length of a run, at least 1. The last one may be shorter.

    Returns:
        The items, ascending, each in [0, num_items).
    """
    count = min(num_frames, num_items)
    num_runs = -(-count // run)
    # Each run begins one of num_runs equal parts of the items.
    starts = np.arange(num_runs) * num_items // num_runs
    chosen = [start + offset for start in starts.tolist() for offset in range(run)]
    return sorted({item for item in chosen if item < num_items})[:count]
