"""Nearest neighbours with labels, on the features of the online encoder while it trains. Needs the extra 'probe'."""

from __future__ import annotations

from typing import Any

import numpy as np

from .features import LabelledClouds
from .knn_probe import cosine_knn
from .linear_probe import FittedProbe
from .online_encoding import encode_online


def online_probe(model: Any, train: LabelledClouds, test: LabelledClouds, batch_size: int) -> FittedProbe | None:
    """Classify labelled clouds by `cosine_knn`, under `training_untouched`.

    Args:
        model: `STRL`.
        train: The clouds that are the neighbours.
        test: The clouds that are classified.
        batch_size: Clouds that are encoded at a time.

    Returns:
        The probe; `chosen` is the number of neighbours. None if a feature is NaN or infinite.
    """
    train_x, test_x = (encode_online(model, part.points, batch_size) for part in (train, test))
    if not (np.isfinite(train_x).all() and np.isfinite(test_x).all()):
        return None
    return cosine_knn(train_x, train.labels, test_x, test.labels, seed=0)
