"""Retrieval of temporal neighbours: a probe of features that needs no labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass
class Retrieval:
    """How often a frame's nearest other frame is a temporal neighbour.

    Attributes:
        found: Per cent of the frames whose nearest other frame is one.
        by_chance: Per cent that random features are expected to find.
        num_queries: Number of the frames that were asked for: those that have a neighbour among the frames.
    """

    found: float
    by_chance: float
    num_queries: int


def temporal_retrieval(
    features: np.ndarray, sequence_ids: Sequence[str], frame_indices: Sequence[int], reach: int
) -> Retrieval:
    """Look for the nearest other frame of each frame, by the cosine of their features.

    Frames are neighbours if they are of the same sequence and at most `reach` apart. All frames are searched; those
    that have no neighbour among them ask for none. Where several others are equally near, each counts for its part, so
    features that are all the same find as much as chance does.

    Args:
        features: Finite (N, D), one row for each frame.
        sequence_ids: Of each frame, its sequence.
        frame_indices: Of each frame, its position in the sequence. No frame comes twice.
        reach: At least 1.

    Returns:
        The shares.

    Raises:
        ValueError: If no frame has a neighbour, or `reach` is below 1.
    """
    if reach < 1:
        raise ValueError(f'reach must be at least 1, got {reach}')
    sequences, frames = np.asarray(sequence_ids), np.asarray(frame_indices)
    is_neighbour = sequences[:, None] == sequences[None]
    is_neighbour &= np.abs(frames[:, None] - frames[None]) <= reach
    np.fill_diagonal(is_neighbour, val=False)
    asks = is_neighbour.any(axis=1)
    if not asks.any():
        raise ValueError(f'none of the {len(frames)} frames has another one of its sequence within {reach} frames')

    norms = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    unit = features / np.maximum(norms, np.finfo(np.float64).tiny)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    is_nearest = cosines == cosines.max(axis=1, keepdims=True)
    shares = (is_nearest & is_neighbour).sum(axis=1) / is_nearest.sum(axis=1)
    by_chance = is_neighbour.sum(axis=1) / (len(frames) - 1)
    return Retrieval(100 * float(shares[asks].mean()), 100 * float(by_chance[asks].mean()), int(asks.sum()))
