"""Which two frames of a sequence make a pair."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def window_around(index: int, num_frames: int, window: int) -> range:
    """Return the sliding window of key frames around one of them.

    The window is centred on the key frame (if its length is even, one more frame lies after the key frame than before)
    and shifted inwards at the sequence's ends, so that it always has its full length. A sequence that is shorter than
    the window is one window.

    Args:
        index: The key frame, in [0, num_frames).
        num_frames: Length of the sequence.
        window: Length of the window, in key frames.

    Returns:
        min(window, num_frames) consecutive key frames, ``index`` among them.
    """
    length = min(window, num_frames)
    start = min(max(index - (length - 1) // 2, 0), num_frames - length)
    return range(start, start + length)


def window_starts(starts: np.ndarray, window: int) -> np.ndarray:
    """Return the first frames of the windows around all key frames, see :func:`window_around`.

    Args:
        starts: Int64 (S + 1,). Sequence s holds the frames from ``starts[s]`` up to, not including, ``starts[s + 1]``.
        window: Length of the window, in key frames.

    Returns:
        Int64 (N,), numbers of frames over all sequences.
    """
    lengths = np.diff(starts)
    begins, sizes = np.repeat(starts[:-1], lengths), np.repeat(np.minimum(window, lengths), lengths)
    wanted = np.arange(starts[-1]) - (sizes - 1) // 2
    return np.minimum(np.maximum(wanted, begins), np.repeat(starts[1:], lengths) - sizes)


Allowed = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Tells which pairs, given by their first and second frames (P,) in the sequence, are within bounds (P,)."""


def draw_window_pair(
    index: int, num_frames: int, window: int, rng: np.random.Generator, allowed: Allowed | None = None
) -> tuple[int, int]:
    """Draw two different frames of the sliding window, as the STRL paper does.

    Every ordered pair of the window that is allowed is equally likely. The window is the one around key frame
    ``index``, see :func:`window_around`; it and the sequence have at least 2 key frames, and a pair that is allowed.

    Returns:
        The frames of view 1 and view 2.
    """
    frames = window_around(index, num_frames, window)
    if allowed is not None:
        pairs = np.stack(np.triu_indices(len(frames), 1)) + frames.start
        within = allowed(*pairs)
        if not within.all():
            pairs = pairs[:, within]
            pairs = np.concatenate([pairs, pairs[::-1]], axis=1)
            first, second = pairs[:, int(rng.integers(pairs.shape[1]))]
            return int(first), int(second)
    first, second = rng.choice(len(frames), size=2, replace=False)
    return frames[int(first)], frames[int(second)]


def draw_neighbour_pair(
    index: int, num_frames: int, rng: np.random.Generator, allowed: Allowed | None = None
) -> tuple[int, int]:
    """Pair a frame with the one before it, the one after it, or itself, as the released STRL code does.

    The choices that lie within the sequence and are allowed are equally likely; the frame itself always is.

    Returns:
        The frames of view 1, which is ``index`` in [0, num_frames), and of view 2.
    """
    choices = np.arange(max(index - 1, 0), min(index + 2, num_frames))
    if allowed is not None:
        choices = choices[(choices == index) | allowed(np.full_like(choices, index), choices)]
    return index, int(choices[int(rng.integers(len(choices)))])
