"""How far apart in time and in space the two frames of a pair may be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .pair_selection import window_around, window_starts

NUM_DESCRIBED_ITEMS = 1000  # whose pairs are looked at to say how far apart frames are


@dataclass(frozen=True)
class PairBounds:
    """Bounds of the pairs of an index.

    Attributes:
        starts: Int64 (S + 1,). Sequence s holds the frames from ``starts[s]`` up to, not including, ``starts[s + 1]``.
        times: Float64 (N,) seconds, NaN where unknown, or None.
        places: Float64 (N, 3) metres, NaN where unknown, or None.
        max_gap: The most seconds between two frames, or None.
        max_distance: The most metres between two frames, or None.
    """

    starts: np.ndarray
    times: np.ndarray | None
    places: np.ndarray | None
    max_gap: float | None = None
    max_distance: float | None = None

    @property
    def gap_bounds(self) -> bool:
        """Whether there is a bound in time, and a time stamp to hold against it."""
        return self.max_gap is not None and self.times is not None

    @property
    def distance_bounds(self) -> bool:
        """Whether there is a bound in space, and a pose to hold against it."""
        return self.max_distance is not None and self.places is not None

    def __bool__(self) -> bool:
        """Return whether any pair can be out of bounds."""
        return self.gap_bounds or self.distance_bounds

    def gaps(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the seconds between frames, given by their numbers in the index; NaN where unknown."""
        assert self.times is not None
        return np.abs(self.times[second] - self.times[first])

    def distances(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the metres between frames, given by their numbers in the index; NaN where unknown."""
        assert self.places is not None
        return np.linalg.norm(self.places[second] - self.places[first], axis=-1)

    def allow(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return which pairs of frames are within the bounds; what is unknown is."""
        allowed = np.ones(np.broadcast(first, second).shape, dtype=bool)
        # A microsecond and a micrometre: stamps such as 0.1 are sums and differences of rounded numbers.
        if self.max_gap is not None and self.times is not None:
            allowed &= ~(self.gaps(first, second) > self.max_gap + 1e-6)
        if self.max_distance is not None and self.places is not None:
            allowed &= ~(self.distances(first, second) > self.max_distance + 1e-6)
        return allowed

    def partners(self, window: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Go through the distances k = 1, 2, ... of a window, with the frames i that have a frame i + k beside them.

        Yields:
            The frames' numbers in the index, and those of the frames k places later in the same sequence.
        """
        lengths = np.diff(self.starts)
        for k in range(1, min(window, int(lengths.max(initial=1)))):
            longer = np.flatnonzero(lengths > k)
            counts = lengths[longer] - k
            offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            first = np.repeat(self.starts[longer], counts) + offsets
            yield first, first + k

    def have_pairs(self, window: int) -> np.ndarray:
        """Return which key frames (N,) have two frames in their window that are within the bounds."""
        lengths = np.diff(self.starts)
        num_frames = int(self.starts[-1])
        lows, sizes = window_starts(self.starts, window), np.repeat(np.minimum(window, lengths), lengths)
        found = np.zeros(num_frames, dtype=bool)
        for k, (first, second) in enumerate(self.partners(window), start=1):
            before = np.zeros(num_frames + 1, dtype=np.int64)
            before[first[self.allow(first, second)] + 1] = 1
            before = np.cumsum(before)
            ends = np.maximum(lows + sizes - k, lows)  # the pair's first frame lies before it
            found |= before[ends] > before[lows]
        return found

    def describe(self, items: np.ndarray, window: int) -> str | None:
        """Return how far apart the frames of pairs are, such as 'up to 0.9 s apart, median 0.4 s'; None if unknown.

        Args:
            items: Numbers of key frames whose windows are looked at, each pair within the bounds counted once for each.
            window: Length of the sliding window.
        """
        firsts, seconds = [], []
        for item in items.tolist():
            sequence = int(np.searchsorted(self.starts, item, side='right')) - 1
            start, end = self.starts[sequence : sequence + 2].tolist()
            frames = window_around(item - start, end - start, window)
            first, second = np.triu_indices(len(frames), 1)
            firsts.append(first + start + frames.start)
            seconds.append(second + start + frames.start)
        first, second = np.concatenate(firsts), np.concatenate(seconds)
        allowed = self.allow(first, second)
        first, second = first[allowed], second[allowed]
        said = []
        for values, known, unit in ((self.gaps, self.times, 's'), (self.distances, self.places, 'm')):
            spans = np.zeros(0) if known is None else values(first, second)
            spans = spans[~np.isnan(spans)]
            if len(spans):
                said.append(f'up to {spans.max():.1f} {unit} apart, median {np.median(spans):.1f} {unit}')
        return '; '.join(said) or None
