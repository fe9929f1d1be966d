"""Which two frames of a sequence make a pair."""

from __future__ import annotations

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


def draw_window_pair(index: int, num_frames: int, window: int, rng: np.random.Generator) -> tuple[int, int]:
    """Draw two different frames of the sliding window, as the STRL paper does.

    Every ordered pair of the window is equally likely. The window is the one around key frame ``index``, see
    :func:`window_around`; it and the sequence have at least 2 key frames.

    Returns:
        The frames of view 1 and view 2.
    """
    frames = window_around(index, num_frames, window)
    first, second = rng.choice(len(frames), size=2, replace=False)
    return frames[int(first)], frames[int(second)]


def draw_neighbour_pair(index: int, num_frames: int, rng: np.random.Generator) -> tuple[int, int]:
    """Pair a frame with the one before it, the one after it, or itself, as the released STRL code does.

    The choices that lie within the sequence are equally likely.

    Returns:
        The frames of view 1, which is ``index`` in [0, num_frames), and of view 2.
    """
    choices = range(max(index - 1, 0), min(index + 2, num_frames))
    return index, choices[int(rng.integers(len(choices)))]
