"""Retrieval of temporal neighbours: a probe of features without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass
class Retrieval:
    """How often a frame's nearest other frame is a temporal neighbour.

    Attributes:
        found: Per cent of the queries whose nearest other frame is a neighbour.
        by_chance: Per cent that random features are expected to find.
        num_queries: Number of queries: the frames that have a neighbour among the frames.
    """

    found: float
    by_chance: float
    num_queries: int


def temporal_retrieval(
    features: np.ndarray, sequence_ids: Sequence[str], frame_indices: Sequence[int], reach: int
) -> Retrieval:
    """Find the nearest other frame of each frame, by the cosine of their features.

    Frames are neighbours if they are in the same sequence and at most `reach` apart. All frames are searched. Frames
    without a neighbour are not queries. If several other frames are equally near, each counts for its share, so
    features that are all the same find what chance finds.

    Args:
        features: (N, D), one row per frame.
        sequence_ids: The sequence of each frame.
        frame_indices: The position of each frame in its sequence. No frame occurs twice.
        reach: At least 1.

    Returns:
        The shares.

    Raises:
        ValueError: If no frame has a neighbour, a feature is NaN or infinite, or `reach` is below 1.
    """
    if reach < 1:
        raise ValueError(f'reach must be at least 1, got {reach}')
    if not np.isfinite(features).all():
        raise ValueError('the encoder gives features that are NaN or infinite')
    sequences, frames = np.asarray(sequence_ids), np.asarray(frame_indices)
    is_neighbour = sequences[:, None] == sequences[None]
    is_neighbour &= np.abs(frames[:, None] - frames[None]) <= reach
    np.fill_diagonal(is_neighbour, val=False)
    is_query = is_neighbour.any(axis=1)
    if not is_query.any():
        raise ValueError(f'none of the {len(frames)} frames has another one of its sequence within {reach} frames')

    norms = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    unit = features / np.maximum(norms, np.finfo(np.float64).tiny)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    is_nearest = cosines == cosines.max(axis=1, keepdims=True)
    shares = (is_nearest & is_neighbour).sum(axis=1) / is_nearest.sum(axis=1)
    by_chance = is_neighbour.sum(axis=1) / (len(frames) - 1)
    return Retrieval(100 * float(shares[is_query].mean()), 100 * float(by_chance[is_query].mean()), int(is_query.sum()))
