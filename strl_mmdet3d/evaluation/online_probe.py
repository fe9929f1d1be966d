"""Nearest neighbours with labels, on the features of the online encoder while it trains. Needs the extra 'probe'."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmdet3d.registry import DATASETS

from .features import read_clouds
from .knn_probe import cosine_knn
from .linear_probe import FittedProbe
from .online_encoding import encode_online


class OnlineProbe:
    """Labelled clouds in memory, which the features of the online encoder classify again and again.

    Args:
        train: The config of the labelled data set whose clouds are the neighbours; see `read_clouds`.
        test: The config of the data set whose clouds are classified.
        batch_size: Clouds that are encoded at a time.

    Raises:
        ValueError: If a data set does not give one label per cloud.
    """

    def __init__(self, train: dict, test: dict, batch_size: int) -> None:
        self.train, self.test = (read_clouds(DATASETS.build(config), seed=0) for config in (train, test))
        self.batch_size = batch_size

    def run(self, model: Any) -> FittedProbe | None:
        """Classify the test clouds by `cosine_knn`, under `training_untouched`.

        Args:
            model: `STRL`.

        Returns:
            The probe; `chosen` is the number of neighbours. None if a feature is NaN or infinite.
        """
        train_x, test_x = (encode_online(model, part.points, self.batch_size) for part in (self.train, self.test))
        if not (np.isfinite(train_x).all() and np.isfinite(test_x).all()):
            return None
        return cosine_knn(train_x, self.train.labels, test_x, self.test.labels, seed=0)
